"""Commands that make submissions: train, prune, pack, assemble."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from bench.cli import options
from bench.cli.ending import resumable
from bench.cli.progress import shown
from bench.records import Combine, Moment, Scope, Structure

app = typer.Typer()
Out = Annotated[Path, typer.Option("--out", help="Submission folder to write; replaced if there.")]


@app.command(
    epilog="Examples:\n\n"
    "bench train --suite fashionmnist --arch lenet5 --recipe short-10 --out dense\n\n"
    "bench train --seed 2345 --out dense-2345"
)
def train(
    out: Out,
    suite: options.Suite = "digits",
    arch: options.Trained = None,
    seed: options.Seed = 1234,
    recipe: options.Recipe = None,
    device: options.Device = "auto",
    data: options.Data = None,
    quiet: options.Quiet = False,
) -> None:
    """Train a dense baseline and write it as a submission folder.

    Killed and run again, it goes on after the last whole epoch.
    """
    from bench.baselines import Plan, train_dense

    plan = Plan(suite, architecture=arch, seed=seed, recipe=recipe, device=device, root=data)
    with _resumable(out), shown(quiet) as progress:
        folder = train_dense(plan, out, progress=progress)
    _tell(folder, suite)


@app.command(
    epilog="Examples:\n\n"
    "bench prune --pruner snip --sparsity 0.9 --suite fashionmnist --out snip-90\n\n"
    "bench prune --pruner magnitude --sparsity 0.5 --from dense --out magnitude-50\n\n"
    "bench prune --pruner cropit-s --sparsity 0.8 --scope local --out cropit-s-80\n\n"
    "bench prune --pruner edge-popup-after --option objective=adversarial --sparsity 0.5 "
    "--from dense --out robust-50\n\n"
    "bench prune --pruner my_module:my_function --sparsity 0.9 --moment early --out mine-90"
)
def prune(
    pruner: options.Pruner,
    sparsity: Annotated[
        float,
        typer.Option(
            "--sparsity",
            help="Share of weights to remove, of channels if structured; 0.9 keeps 10 %.",
        ),
    ],
    out: Out,
    suite: options.ModelsSuite = None,
    arch: options.Trained = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", min=0, help="Of training. Default: the parent's, else 1234."),
    ] = None,
    recipe: options.Recipe = None,
    parent: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="Dense submission or its weights: pruned by pruners that act after training, "
            "for the others the run to compare with.",
        ),
    ] = None,
    scope: Annotated[
        Scope | None,
        typer.Option("--scope", help="Rank over all layers or within each. Default: the pruner's."),
    ] = None,
    moment: Annotated[
        Moment | None,
        typer.Option("--moment", help="When to prune, seen from training. Default: the pruner's."),
    ] = None,
    structure: Annotated[
        Structure | None,
        typer.Option("--structure", help="Mask weights or remove channels. Default: the pruner's."),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", help="KEY=VALUE, e.g. loss=neg-logit; may be repeated."),
    ] = None,
    device: options.Device = "auto",
    data: options.Data = None,
    quiet: options.Quiet = False,
) -> None:
    """Prune a baseline and write it as a submission folder.

    Killed and run again, it goes on after the last whole epoch.
    """
    from bench import baselines
    from bench.parents import told_by

    told = told_by(parent)
    plan = baselines.Plan(
        suite or told.get("suite", "digits"),
        architecture=arch,
        seed=told.get("seed", 1234) if seed is None else seed,
        recipe=recipe,
        device=device,
        root=data,
    )
    fields = {"moment": moment, "structure": structure}
    named = [f"{name}={value}" for name, value in fields.items() if value]
    with _resumable(out), shown(quiet) as progress:
        cut = baselines.Cut(pruner, sparsity, scope, options.pairs([*(option or []), *named]))
        folder = baselines.prune(plan, cut, out, parent=parent, progress=progress)
    _tell(folder, plan.suite)


@app.command(
    epilog="Examples:\n\n"
    "bench pack resnet18.pt --arch resnet18-relu --normalize cifar10 --slug my-net --out my-net\n\n"
    "bench pack whole-model.pt --module --arch resnet18-relu --slug my-net --out my-net\n\n"
    "In Python, with the model at hand: bench.load_submission(model, architecture=...), then "
    "bench.pack"
)
def pack(
    model: Annotated[str, typer.Argument(help="Weights: .safetensors or a state-dict .pt.")],
    out: Out,
    slug: Annotated[str, typer.Option("--slug", help="Short name, a-z 0-9 . _ -")],
    module: Annotated[
        bool,
        typer.Option(
            "--module",
            help="The file is a whole model of your own, saved by torch.save(model, ...), as "
            "torch.nn.utils.prune and Torch-Pruning leave it. Only its weights are taken; nothing "
            "of it is run.",
        ),
    ] = False,
    arch: options.Architecture = None,
    normalize: options.Normalize = "none",
    pruner: Annotated[
        str | None, typer.Option("--pruner", help="Method that pruned it, in your words.")
    ] = None,
    sparsity: Annotated[
        float | None, typer.Option("--sparsity", help="Sparsity as you declare it.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Seed of training.")] = None,
) -> None:
    """Write a model as a submission folder: canonical weights, and a submission.toml to fill in.

    Masks of torch.nn.utils.prune are folded into the weights; removed channels are found by the
    shapes of the tensors.
    """
    from dataclasses import replace

    from bench.submissions import load_submission
    from bench.submissions import pack as write

    mean, std = options.normalisation(normalize)
    loaded = load_submission(model, architecture=arch, mean=mean, std=std, pickled_module=module)
    record = replace(loaded.record, slug=slug, pruner=pruner, declared_sparsity=sparsity, seed=seed)
    folder = write(loaded.model, record, out, {"model": {"packed_from": loaded.file_sha256}})
    sparse = f"measured sparsity {loaded.record.measured_sparsity:.4f}"
    print(f"{folder}: {slug}, {loaded.record.architecture}, {sparse}", file=sys.stderr)
    print(f"Fill in {folder / 'submission.toml'}; then: bench evaluate {folder}", file=sys.stderr)


@app.command(
    epilog="Examples:\n\n"
    "bench assemble dense-1234 dense-2345 dense-3456 --out ensemble\n\n"
    "bench assemble cropit-s-1 cropit-s-2 --combine logits --slug sparse-x2 --out sparse-x2"
)
def assemble(
    members: Annotated[
        list[Path], typer.Argument(help="Submission folders of one architecture, of any widths.")
    ],
    out: Out,
    combine: Annotated[
        Combine, typer.Option("--combine", help="What of the members is averaged.")
    ] = "probabilities",
    slug: Annotated[
        str | None, typer.Option("--slug", help="Short name. Default: ensemble-of-N-SLUG.")
    ] = None,
) -> None:
    """Write an ensemble of submissions as one: a copy of each, and a card of what they share.

    Its seed is the first member's: an ensemble is compared with the dense network of that seed.
    """
    from bench.submissions import assemble as write
    from bench.submissions.card import read_card

    folder = write(members, out, combine=combine, slug=slug)
    _tell(folder, read_card(folder).training.suite or "SUITE")


@contextmanager
def _resumable(out: Path) -> Iterator[None]:
    """Says what unfinished work there is, and on Ctrl-C that there is some."""
    for folder in sorted(out.absolute().parent.glob(f".{out.name}.*.unfinished")):
        print(
            f"Unfinished work is in {folder}: it goes on from there if it is of this very "
            "command and program; else that folder may be removed.",
            file=sys.stderr,
        )
    with resumable("after the last whole epoch"):
        yield


def _tell(folder: Path, suite: str) -> None:
    """What has been made, and what to do with it."""
    from bench.submissions import load_submission

    made = load_submission(folder)
    sparsity = f"measured sparsity {made.record.measured_sparsity:.4f}"
    flags = f", {', '.join(made.flags)}: see bench inspect {folder}" if made.flags else ""
    print(f"{folder}: {made.record.slug}, {sparsity}{flags}", file=sys.stderr)
    print(f"Next: bench evaluate {folder} --suite {suite}", file=sys.stderr)
