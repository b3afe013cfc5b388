"""Commands that score: evaluate, protocol."""

import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from bench.cli import options
from bench.cli.printing import print_protocol, print_run
from bench.cli.progress import shown
from bench.files import write_atomically
from bench.metric_meanings import as_markdown
from bench.protocol import PROTOCOLS, as_record, protocol_named, usual
from bench.records import file_bytes

app = typer.Typer()
Preset = Annotated[
    str | None,
    typer.Option(
        "--preset",
        help="standard; authors: the quirks of the paper's code; detectors: fifteen detectors on "
        "every anomaly; flows: densities. Default: standard, for a flow flows.",
        autocompletion=options.completing(lambda: list(PROTOCOLS)),
    ),
]


@app.command(
    epilog="Examples:\n\n"
    "bench evaluate lenet5.pt --suite fashionmnist --normalize fashionmnist\n\n"
    "bench evaluate resnet18.pt --arch resnet18-relu --suite cifar10 --limit 500\n\n"
    "bench evaluate my-submission/ --json run.json\n\n"
    "bench evaluate my-submission/ --suite cifar10 --preset detectors\n\n"
    'bench evaluate my-submission/ --supersedes 3f2a --reason "the card named another pruner"'
)
def evaluate(
    model: Annotated[
        str, typer.Argument(help="Weights (.safetensors, .pt), a submission folder, or timm:NAME.")
    ],
    suite: options.ModelsSuite = None,
    arch: options.Architecture = None,
    normalize: options.Normalize = "none",
    limit: options.Limit = None,
    only: options.Only = "",
    preset: Preset = None,
    device: options.Device = "auto",
    data: options.Data = None,
    store: options.Store = options.STORE,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write the run record here.")
    ] = None,
    supersedes: Annotated[
        str | None, typer.Option("--supersedes", help="The stored run that this one corrects.")
    ] = None,
    reason: Annotated[
        str | None, typer.Option("--reason", help="What was wrong with that one; it is stored.")
    ] = None,
    quiet: options.Quiet = False,
) -> None:
    """Score a pruned model on the fixed protocol, store the run and print its headline."""
    from bench.data import load_suite
    from bench.evaluation import check_kind
    from bench.evaluation import evaluate as score
    from bench.store import check_reason, load_run, open_store, save_run, shown_url
    from bench.submissions import load_submission

    suite = options.suite_of(model, suite)
    wanted = None if preset is None else protocol_named(preset)
    tasks = tuple(filter(None, only.split(",")))
    mean, std = options.normalisation(normalize)
    check_reason(supersedes, reason)
    options.check_writable(json_file)
    with nullcontext() if tasks else open_store(store) as opened, shown(quiet) as progress:
        if opened and supersedes:  # before the work, not after it
            load_run(opened, supersedes)
        submission = load_submission(model, architecture=arch, mean=mean, std=std)
        chosen = wanted or usual(submission.record.kind)
        check_kind(submission.record.kind, chosen, suite)  # before images are decoded
        native = chosen.native_outlier_size
        world = load_suite(suite, limit=limit, root=data, native_size=native, progress=progress)
        run, outcomes = score(
            submission, world, protocol=chosen, only=tasks, device=device, progress=progress
        )
        if json_file:  # before the store, which may refuse it
            write_atomically(json_file, file_bytes(run))
        new = opened is not None and save_run(
            opened, run, outcomes, supersedes=supersedes, reason=reason
        )
    print_run(run)
    if tasks:
        print("A partial run: not stored.", file=sys.stderr)
    else:
        state = "Stored" if new else "Was there already"
        print(f"{state}: run {run.run_id} in {shown_url(store)}", file=sys.stderr)


@app.command(epilog="Examples:\n\nbench protocol --json > protocol.json")
def protocol(
    preset: Preset = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="As a Markdown table.")] = False,
) -> None:
    """Show what is measured: constants, metrics, version and content hash."""
    chosen = protocol_named(preset or "standard")
    if as_json:
        print(json.dumps(as_record(chosen), indent=2))
    elif markdown:
        print(as_markdown())
    else:
        print_protocol(chosen)
