"""The command that looks for anomalies among a user's own images: detect."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli import options
from bench.cli.printing import print_rows
from bench.cli.progress import shown
from bench.errors import BenchError
from bench.files import write_atomically
from bench.records import canonical_json

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from bench.data.images import Progress, Shape

app = typer.Typer()
SHOWN = 20  # of the most anomalous groups
CHECKED = 200  # groups of test images, on which false alarms are counted


def _detectors() -> list[str]:
    from bench.detectors import DETECTORS

    return list(DETECTORS)


@app.command(
    epilog="Examples:\n\n"
    "bench detect dense --images photos/ --suite digits\n\n"
    "bench detect snip-0.9 --detector msp --batch-size 1 --false-alarms 0.01 --images photos/ "
    "--suite fashionmnist --csv verdicts.csv --png scores.png"
)
def detect(
    model: Annotated[
        str, typer.Argument(help="Weights (.safetensors, .pt), a submission folder, or timm:NAME.")
    ],
    images: Annotated[
        Path, typer.Option("--images", help="Folder of pictures, or a .npy, .npz or .parquet file.")
    ],
    suite: options.ModelsSuite = None,
    detector: Annotated[
        str | None,
        typer.Option(
            "--detector",
            help="msp, gradnorm, sensnorm (the default), sensnorm-ce, sensnorm-authors; with the "
            "extra `ood` energy, max-logit, entropy, gen, kl-matching, knn, mahalanobis, rmd, vim, "
            "odin; of flows likelihood.",
            autocompletion=options.completing(_detectors),
        ),
    ] = None,
    batch_size: Annotated[
        int, typer.Option("--batch-size", min=1, help="Consecutive images judged together.")
    ] = 5,
    false_alarms: Annotated[
        float,
        typer.Option("--false-alarms", help="Share of ordinary groups that may raise the alarm."),
    ] = 0.05,
    arch: options.Architecture = None,
    normalize: options.Normalize = "none",
    device: options.Device = "auto",
    data: options.Data = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="Write all verdicts here.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="The same as JSON.")] = None,
    png: Annotated[Path | None, typer.Option("--png", help="Draw a histogram here.")] = None,
    quiet: options.Quiet = False,
) -> None:
    """Say which of your images are unlike those that the model was trained on.

    The threshold is set on held-out images of the suite's training set.
    """
    from bench.alarm import LIKELIHOOD, Watch, calibrated
    from bench.data import check_classes, first_test_images, suite_spec, training_set
    from bench.environment import choose_device
    from bench.submissions import load_submission

    suite = options.suite_of(model, suite)
    mean, std = options.normalisation(normalize)
    submission = load_submission(model, architecture=arch, mean=mean, std=std)
    kind = submission.record.kind
    usual = LIKELIHOOD if kind == "flow" else "sensnorm"
    watch = Watch(detector or usual, batch_size, false_alarms)
    check_classes(suite, kind)
    submission.model.to(choose_device(device))
    with shown(quiet) as progress:
        pixels, names = _read(images, suite_spec(suite).shape, progress)
        training = training_set(suite, root=data, progress=progress)
        test = first_test_images(suite, CHECKED * batch_size, root=data, progress=progress)
        alarm = calibrated(submission.model, training, suite_spec(suite), watch, progress)
        scores, ordinary = alarm.score(pixels), alarm.score(test.images)
    raised = alarm.raised_on(ordinary)
    table = _verdicts(names, batch_size, scores.tolist(), alarm.threshold)
    _print(table, f"{watch.detector}, groups of {batch_size}, threshold {alarm.threshold:.4g}")
    print(
        f"Set to raise a false alarm on {false_alarms:.3g} of the held-out training groups, "
        f"images that the network has seen; on {len(ordinary)} groups of test images, which it "
        f"has not, it raises {raised:.3g}.",
        file=sys.stderr,
    )
    if csv:
        from bench.tables import write

        write_atomically(csv, write(table, "csv"))
    if json_file:
        facts = {**asdict(watch), "threshold": alarm.threshold, "raised_on_test_images": raised}
        content = canonical_json({**facts, "groups": table.to_dict("records")})
        write_atomically(json_file, (content + "\n").encode())
    if png:
        from bench.alarm_chart import histogram_png

        write_atomically(png, histogram_png(alarm, scores, images.name))


def _read(path: Path, shape: "Shape", progress: "Progress") -> tuple["np.ndarray", list[str]]:
    """(N, C, H, W) uint8 images in the suite's shape, and a name for each."""
    from bench.data.sources import open_path

    opened = open_path(path) if path.exists() else None
    if opened is None:
        raise BenchError(
            "E-NO-SUCH-FILE",
            f"{path}: no pictures (.png, .jpg, .webp) in it, nor is it a .npy, .npz or .parquet "
            "file",
        )
    count = opened.count()
    pixels, _ = opened.read(count, shape, lambda done: progress("reading images", done, count))
    if path.is_dir() and len(opened.files) == count:
        return pixels, [str(file.relative_to(path)) for file in opened.files]
    return pixels, [str(at) for at in range(count)]


def _verdicts(
    names: list[str], batch_size: int, scores: list[float], threshold: float
) -> "pd.DataFrame":
    import pandas as pd

    groups = [names[at : at + batch_size] for at in range(0, len(names), batch_size)]
    return pd.DataFrame(
        {
            "group": range(len(groups)),
            "images": ["; ".join(group) for group in groups],
            "score": scores,
            "anomaly": [score > threshold for score in scores],
        }
    )


def _print(table: "pd.DataFrame", title: str) -> None:
    first = table.sort_values("score", ascending=False, kind="stable").head(SHOWN)
    rows = [
        (str(row.group), str(row.images), f"{row.score:.4g}", "ANOMALY" if row.anomaly else "")
        for row in first.itertuples()
    ]
    print_rows(("group", "images", "score", ""), rows, title)
    print(f"{int(table['anomaly'].sum())} of {len(table)} groups raise the alarm.")
