"""Side-by-side pictures for the eye, kept in the test output folder."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from bench.data.corruptions import CORRUPTIONS, applicable, corrupt
from tests.data.corruptions.photographs import grey_patches, patches

FOLDER = Path(__file__).parents[3] / "test-output" / "corruptions"
ENLARGED, GAP = 3, 2


def table(images: Tensor) -> Image.Image:
    """One row a corruption; in it, for each image, the clean one and the five severities."""
    rows = []
    for name in CORRUPTIONS:
        if applicable(name, images.shape[1]):
            kinds = [images, *(corrupt(images, name, severity, seed=4) for severity in range(1, 6))]
            rows.append(torch.stack(kinds, 1).flatten(0, 1).expand(-1, 3, -1, -1))
    cells = torch.stack(rows).permute(0, 1, 3, 4, 2).numpy()
    cells = cells.repeat(ENLARGED, 2).repeat(ENLARGED, 3)
    cells = np.pad(cells, ((0, 0), (0, 0), (GAP, 0), (GAP, 0), (0, 0)))
    return Image.fromarray(np.vstack([np.hstack(list(row)) for row in cells]))


@pytest.mark.parametrize("kind", ["colour", "grey"])
def test_every_corruption_and_severity_is_pictured_beside_the_clean_image(kind: str) -> None:
    images = patches(120)[[18, 19]] if kind == "colour" else grey_patches(120)[[18, 19]]
    path = FOLDER / f"{kind}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = table(images)
    picture.save(path)
    side, rows = images.shape[-1] * ENLARGED + GAP, 19 if kind == "colour" else 18
    with Image.open(path) as written:
        assert written.size == (12 * side, rows * side)
        first = np.asarray(written)[GAP : GAP + 3 * images.shape[-1] : ENLARGED, GAP:side:ENLARGED]
    clean = images[0].expand(3, -1, -1).permute(1, 2, 0).numpy()
    assert np.array_equal(first, clean)
