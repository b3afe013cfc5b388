"""The command that compares costs: efficiency."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli import options
from bench.cli.printing import print_rows
from bench.cli.progress import shown
from bench.files import write_atomically
from bench.records import canonical_json

if TYPE_CHECKING:
    from bench.efficiency import Efficiency
    from bench.submissions import LoadedSubmission

app = typer.Typer()
HEADER = ("model", "networks", "training step", "forward pass", "training RAM", "inference RAM")


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
    suite: options.ModelsSuite = None,
    rounds: Annotated[
        int, typer.Option("--rounds", min=2, help="Interleaved timings of each.")
    ] = 11,
    device: options.Device = "auto",
    data: options.Data = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write it here.")] = None,
    quiet: options.Quiet = False,
) -> None:
    """Measure time and memory of training and inference as multiples of one dense network's.

    Training is one step of the optimiser on the network as it is, of an ensemble on all members;
    how long it took to get there, as by pruning, is not in it.
    """
    from bench.data import first_test_images
    from bench.efficiency import efficiency as measured
    from bench.environment import choose_device
    from bench.evaluation import check_fit
    from bench.protocol import PROTOCOL
    from bench.setting import TrainingSet
    from bench.submissions import load_submission

    suite = options.suite_of(dense, suite)
    place = choose_device(device)
    one, *others = (load_submission(name) for name in (dense, *models))
    for loaded in (one, *others):
        loaded.model.to(place)
        check_fit(loaded.model, suite, place)
    with shown(quiet) as progress:
        images = first_test_images(suite, PROTOCOL.batch_size, root=data, progress=progress)
        batch = TrainingSet.on(place, images)
        found = measured([each.model for each in others], one.model, batch, rounds, progress)
    rows = [_row(*pair) for pair in zip(others, found, strict=True)]
    title = f"multiples of {one.record.slug}, {len(batch.labels)} images of {suite}, {place.type}"
    print_rows(HEADER, map(_cells, rows), title)
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


def _row(loaded: "LoadedSubmission", found: "Efficiency") -> dict[str, Any]:
    from bench.models.kinds import members_of

    return {
        "slug": loaded.record.slug,
        "weights_sha256": loaded.record.weights_sha256,
        "networks": len(members_of(loaded.model)),
        **asdict(found),
        "training": found.training._asdict(),
        "inference": found.inference._asdict(),
    }


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    times = [f"×{r['value']:.3g} ± {r['stderr']:.2g}" for r in (row["training"], row["inference"])]
    memory = [f"×{row[name]:.3g}" for name in ("training_memory", "inference_memory")]
    return row["slug"], str(row["networks"]), *times, *memory
