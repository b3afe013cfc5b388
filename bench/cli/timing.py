"""The command that compares costs: efficiency."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli import options
from bench.cli.printing import print_rows
from bench.cli.progress import shown
from bench.files import write_atomically
from bench.records import canonical_json

if TYPE_CHECKING:
    from bench.cost import Ratio

app = typer.Typer()
HEADER = ("model", "networks", "training time", "inference time", "training RAM", "inference RAM")


@app.command(
    epilog="Examples:\n\n"
    "bench efficiency ensemble sparse-ensemble --dense dense-1234 --suite fashionmnist\n\n"
    "bench efficiency cropit-s-80 --dense dense --rounds 21 --json efficiency.json"
)
def efficiency(
    models: Annotated[list[str], typer.Argument(help="Submissions or weights to compare.")],
    dense: Annotated[
        str, typer.Option("--dense", help="The one dense network that all are compared with.")
    ],
    suite: options.Suite = "digits",
    rounds: Annotated[
        int, typer.Option("--rounds", min=2, help="Interleaved timings of each.")
    ] = 11,
    device: options.Device = "auto",
    data: options.Data = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write it here.")] = None,
    quiet: options.Quiet = False,
) -> None:
    """Measure training time, inference time and memory as multiples of one dense network's.

    Training is one step of the optimiser, of an ensemble that of all members.
    """
    from bench.data import first_test_images
    from bench.efficiency import efficiency as measured
    from bench.environment import choose_device
    from bench.evaluation import check_fit
    from bench.models.kinds import members_of
    from bench.protocol import PROTOCOL
    from bench.setting import TrainingSet
    from bench.submissions import load_submission

    place = choose_device(device)
    one, *others = (load_submission(name) for name in (dense, *models))
    for loaded in (one, *others):
        loaded.model.to(place)
        check_fit(loaded.model, suite, place)
    with shown(quiet) as progress:
        images = first_test_images(suite, PROTOCOL.batch_size, root=data, progress=progress)
        batch = TrainingSet.on(place, images)
        found = measured([each.model for each in others], one.model, batch, rounds, progress)
    rows = [
        {
            "slug": each.record.slug,
            "weights_sha256": each.record.weights_sha256,
            "networks": len(members_of(each.model)),
            **asdict(row),
            "training": row.training._asdict(),
            "inference": row.inference._asdict(),
        }
        for each, row in zip(others, found, strict=True)
    ]
    if json_file:
        facts = {
            "suite": suite,
            "images": len(batch.labels),
            "device": place.type,
            "rounds": rounds,
            "dense": one.record.weights_sha256,
            "models": rows,
        }
        write_atomically(json_file, (canonical_json(facts) + "\n").encode())
    title = f"multiples of {one.record.slug}, {len(batch.labels)} images of {suite}, {place.type}"
    print_rows(
        HEADER,
        [
            (
                each.record.slug,
                str(len(members_of(each.model))),
                _times(row.training),
                _times(row.inference),
                f"×{row.training_memory:.3g}",
                f"×{row.inference_memory:.3g}",
            )
            for each, row in zip(others, found, strict=True)
        ],
        title,
    )


def _times(ratio: "Ratio") -> str:
    return f"×{ratio.value:.3g} ± {ratio.stderr:.2g}"
