"""The command that looks inside a network: inspect."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli import options
from bench.cli.printing import print_rows
from bench.files import write_atomically
from bench.records import Submission, canonical_json

if TYPE_CHECKING:
    from bench.inspection import Inspection, Layer

app = typer.Typer()
HEADER = ("layer", "shape", "weights", "nonzero", "sparsity", "effective", "dead channels", "N:M")
TOLERANCE = 0.0005  # between declared and measured: a rounded figure is no lie
WORTH_A_WORD = 0.01  # of the nonzero weights


@app.command(
    epilog="Examples:\n\n"
    "bench inspect snip-0.9 --png layers.png\n\n"
    "bench inspect resnet18.pt --arch resnet18-relu --json layers.json\n\n"
    "bench inspect finetuned --from pruned"
)
def inspect(
    model: Annotated[
        str, typer.Argument(help="Weights (.safetensors, .pt), a submission folder, or timm:NAME.")
    ],
    arch: options.Architecture = None,
    earlier: Annotated[
        str | None,
        typer.Option(
            "--from", help="The same network as it was pruned: counts zeros that came back."
        ),
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write it here.")] = None,
    png: Annotated[Path | None, typer.Option("--png", help="Draw the layers here.")] = None,
) -> None:
    """Show what pruning left of each layer: zeros, weights off every path, dead channels, N:M."""
    from bench import inspection
    from bench.submissions import load_submission

    loaded = load_submission(model, architecture=arch)
    network, who = loaded.model.network, loaded.record
    before = None
    if earlier is not None:
        before = load_submission(earlier, architecture=arch or who.architecture)
    found = inspection.inspect(
        network,
        loaded.dense,
        inspection.image_shape(network),
        None if before is None else before.model.network.state_dict(),
    )
    words = remarks(found, who)
    title = f"{who.slug}: {who.architecture}, sparsity {found.total.sparsity:.4g}"
    if json_file:
        facts = {"slug": who.slug, "architecture": who.architecture, "remarks": words}
        content = canonical_json({**facts, **asdict(found)})
        write_atomically(json_file, (content + "\n").encode())
    if png:
        from bench.inspection_chart import inspection_png

        write_atomically(png, inspection_png(found, title))
    header = HEADER if before is None else (*HEADER, "grew back")
    rows = [_cells(row, len(header)) for row in (*found.layers, found.total)]
    print_rows(header, rows, title)
    for sentence in words:
        print(sentence)


def remarks(found: "Inspection", who: Submission) -> list[str]:
    """What a user has to know, in sentences; none about what is as expected.

    Args:
        found: Of the network.
        who: What its owner declares.
    """
    return [
        sentence
        for sentence in (
            _of_collapse(found),
            _of_declared(found, who),
            _of_effective(found),
            _of_regrown(found),
            _of_pattern(found),
        )
        if sentence
    ]


def _of_collapse(found: "Inspection") -> str:
    if found.total.effective == 0:
        return "Collapsed: no path of nonzero weights leads from the image to a logit."
    if found.collapsed:
        names = ", ".join(found.collapsed)
        return f"Layer collapse: no path to a logit passes through {names}."
    return ""


def _of_declared(found: "Inspection", who: Submission) -> str:
    declared, measured = who.declared_sparsity, found.total.sparsity
    if declared is None or abs(declared - measured) <= TOLERANCE:
        return ""
    if who.structure == "structured":
        return (
            f"Declared sparsity {declared:g} is of channels; of the weights it is {measured:.4f}."
        )
    return f"Declared sparsity {declared:g}, measured {measured:.4f}."


def _of_effective(found: "Inspection") -> str:
    total = found.total
    if total.effective is None:
        return f"Effective sparsity and dead channels are not known: {found.unknown}."
    idle = total.nonzero - total.effective
    if idle <= WORTH_A_WORD * total.nonzero or total.effective == 0:
        return ""
    return (
        f"{idle:,} of {total.nonzero:,} nonzero weights ({idle / total.nonzero:.1%}) are on no "
        "path from the image to a logit: "
        f"effectively the sparsity is {total.effective_sparsity:.4f}."
    )


def _of_regrown(found: "Inspection") -> str:
    count = found.total.regrown
    if not count:
        return "" if count is None else "No weight grew back."
    names = ", ".join(row.name for row in found.layers if row.regrown)
    return f"{count:,} weights that were zero before are not any more, in {names}."


def _of_pattern(found: "Inspection") -> str:
    from bench.inspection import TWO_IN_FOUR

    pattern = found.total.pattern
    if pattern is None:
        return ""
    use = ": hardware for 2:4 sparsity can use it" if pattern in TWO_IN_FOUR else ""
    return f"Every layer is {pattern} sparse along its inputs{use}."


def _cells(row: "Layer", columns: int) -> tuple[str, ...]:
    effective, dead = row.effective_sparsity, row.dead
    cells = (
        row.name,
        "×".join(map(str, row.shape)),
        f"{row.dense:,}",
        f"{row.nonzero:,}",
        f"{row.sparsity:.4f}",
        "-" if effective is None else f"{effective:.4f}",
        f"{'-' if dead is None else dead} of {row.channels}",
        row.pattern or "-",
        f"{row.regrown:,}" if row.regrown is not None else "",
    )
    return cells[:columns]
