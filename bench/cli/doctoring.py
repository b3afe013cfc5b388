"""The command that asks whether a model is what its owner thinks: doctor."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from bench.cli import options
from bench.cli.printing import print_rows
from bench.cli.progress import shown
from bench.files import write_atomically
from bench.records import canonical_json

app = typer.Typer()


@app.command(
    epilog="Examples:\n\n"
    "bench doctor lenet5.pt --suite fashionmnist\n\n"
    "bench doctor resnet18.pt --arch resnet18-relu --suite cifar10 --normalize cifar10\n\n"
    "bench doctor my-submission/ --suite cifar10 --json health.json"
)
def doctor(
    model: Annotated[
        str, typer.Argument(help="Weights (.safetensors, .pt), a submission folder, or timm:NAME.")
    ],
    suite: options.ModelsSuite = None,
    arch: options.Architecture = None,
    normalize: options.Normalize = "none",
    device: options.Device = "auto",
    data: options.Data = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write it here.")] = None,
    quiet: options.Quiet = False,
) -> None:
    """Say in seconds whether a model is what you think it is, and what to mend before scoring."""
    from bench.data import check_classes, first_test_images
    from bench.doctor import IMAGES, Patient, diagnose
    from bench.environment import choose_device
    from bench.evaluation import check_fit
    from bench.submissions import load_submission

    suite = options.suite_of(model, suite)
    mean, std = options.normalisation(normalize)
    submission = load_submission(model, architecture=arch, mean=mean, std=std)
    check_classes(suite, submission.record.kind)
    place = choose_device(device)
    submission.model.to(place).eval()
    check_fit(submission.model, suite, place)
    with shown(quiet) as progress:
        test = first_test_images(suite, IMAGES, root=data, progress=progress)
    found = diagnose(Patient(submission, test, place))
    who = submission.record
    rows = [("ok" if not one.fix else "LOOK", one.check, one.found) for one in found]
    title = f"{who.slug}: {who.architecture} on the first {len(test.labels)} images of {suite}"
    print_rows(("", "check", "found"), rows, title)
    for one in found:
        if one.fix:
            print(f"{one.check}: {one.fix}.")
    if not any(one.fix for one in found):
        print("Nothing to mend. Next: bench evaluate, or bench pack to submit it.")
    if json_file:
        facts = {"slug": who.slug, "suite": suite, "checks": [asdict(one) for one in found]}
        write_atomically(json_file, (canonical_json(facts) + "\n").encode())
