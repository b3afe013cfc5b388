"""The command that doubts: verify."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli import options
from bench.cli.printing import print_rows
from bench.cli.progress import Report, shown
from bench.errors import BenchError
from bench.plausible import impossible, protocol_of
from bench.records import Finding, Run, from_json

if TYPE_CHECKING:
    from bench.recompute import Claim, Sample
    from bench.store import Outcome, Store
    from bench.submissions import LoadedSubmission

app = typer.Typer()
NAMED = 8  # findings that the error names; all are printed
Labelled = dict[str, tuple[int, bytes]]  # test set's fingerprint -> first run, its stored labels


@app.command(
    epilog="Examples:\n\n"
    "bench verify\n\n"
    "bench verify --head 5d41402abc4b2a76b9719d911017c592ae2f3c1b9d8e7f60514233241506f7a8\n\n"
    "bench verify 3f2a --recompute 200\n\n"
    "bench verify submissions/lenet5-snip-0.9/run.json --recompute 200 --seed 7"
)
def verify(
    run: Annotated[
        str | None, typer.Argument(help="Run id, or a run.json(.gz). Default: the whole store.")
    ] = None,
    recompute: Annotated[
        int | None,
        typer.Option("--recompute", min=1, help="Show so many random images to the model again."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", help="The run's model. Default: looked for by the run's slug."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Of the draw. Default: a new one.")
    ] = None,
    head: Annotated[
        str | None, typer.Option("--head", help="Hash of the last row as you noted it earlier.")
    ] = None,
    device: options.Device = "auto",
    data: options.Data = None,
    store: options.Store = options.STORE,
    quiet: options.Quiet = False,
) -> None:
    """Check that no stored row was changed, that its numbers can be, and that they come again."""
    if recompute and run is None:
        raise BenchError("E-BAD-VALUE", f"--recompute {recompute}: got no RUN, expected one")
    file = Path(run) if run is not None and run.endswith((".json", ".json.gz")) else None
    with shown(quiet) as progress:
        checked = _checked_file(file) if file else _checked_store(store, run, head, progress)
        found, outcomes = checked
        if not found or not recompute:
            return
        from bench.recompute import recompute as sampled

        submission = _submission(found, model, file)
        claim = _claim(found, outcomes, submission, device, data, progress)
        chosen = secrets.randbelow(2**31) if seed is None else seed
        samples = sampled(claim, recompute, chosen, progress)
    _report(found, samples, chosen)


def _checked_store(
    url: str, prefix: str | None, head: str | None, progress: Report
) -> tuple[Run | None, Mapping[str, "Outcome"]]:
    """Checks the chain, then the numbers of one run or of all; the one run."""
    from bench.store import (
        load_entry,
        load_outcomes,
        open_store,
        shown_url,
        standing_ids,
        verify_chain,
    )

    shown = shown_url(url)
    with open_store(url, readonly=True) as store:
        chain = verify_chain(store, noted=head)
        _refuse("E-CHAIN-BROKEN", shown, list(chain.findings))
        every = standing_ids(store)
        entry = None if prefix is None else load_entry(store, prefix)
        chosen = every if entry is None else [entry.record["run_id"]]
        findings: list[Finding] = []
        unknown: set[str] = set()
        labelled: Labelled = {}
        for done, run_id in enumerate(chosen, start=1):
            findings += _doubts(store, run_id, unknown, labelled)
            progress("numbers", done, len(chosen))
        _refuse("E-IMPOSSIBLE-VALUE", shown, findings)
        print(f"{chain.runs} rows, {len(every)} of them stand: unbroken, no impossible value.")
        if unknown:
            print(f"Of protocols unknown to this program: {', '.join(sorted(unknown))}.")
        print(f"head {chain.head}")
        return (from_json(entry.record), load_outcomes(store, chosen[0])) if entry else (None, {})


def _doubts(store: "Store", run_id: str, unknown: set[str], labelled: Labelled) -> list[Finding]:
    from bench.store import load_entry, load_outcomes

    entry = load_entry(store, run_id)
    findings = impossible(entry.record)
    if not findings:
        run = from_json(entry.record)
        if protocol_of(run) is None:
            unknown.add(run.protocol.sha256[:12])
        outcomes = load_outcomes(store, run_id)
        findings = _rescored(run, outcomes) + _relabelled(run, entry.position, outcomes, labelled)
    place = f"run {entry.position} ({run_id[:8]})"
    return [replace(finding, where=f"{place} {finding.where}") for finding in findings]


def _relabelled(
    run: Run, position: int, outcomes: Mapping[str, "Outcome"], labelled: Labelled
) -> list[Finding]:
    """Whether an earlier run of the same test images has other labels."""
    from bench.store import TRUTH

    if TRUTH not in outcomes:
        return []
    labels = outcomes[TRUTH].predicted.tobytes()
    first, earlier = labelled.setdefault(run.data.get(run.suite, ""), (position, labels))
    if labels == earlier:
        return []
    return [Finding(TRUTH, f"other labels of the same images than those of run {first}")]


def _rescored(run: Run, outcomes: Mapping[str, "Outcome"], labels: Any = None) -> list[Finding]:
    if not outcomes:
        return []
    from bench.rescore import rescored

    return rescored(run, outcomes, labels)


def _checked_file(path: Path) -> tuple[Run, Mapping[str, "Outcome"]]:
    from bench.intake.opened import LARGEST_RECORD, unpacked

    try:
        record = json.loads(unpacked(path, LARGEST_RECORD))
    except (ValueError, RecursionError) as error:
        raise BenchError("E-BROKEN-FILE", f"{path}: no run record ({error})") from error
    _refuse("E-IMPOSSIBLE-VALUE", str(path), impossible(record))
    run = from_json(record)
    known = "" if protocol_of(run) else f", of a protocol unknown here: {run.protocol.sha256[:12]}"
    print(f"{path}: {len(run.scores)} scores, no impossible value{known}.")
    return run, {}


def _refuse(code: str, where: str, findings: list[Finding]) -> None:
    if not findings:
        return
    print_rows(("where", "what"), [(finding.where, finding.what) for finding in findings])
    places = list(dict.fromkeys(finding.where for finding in findings))
    more = ", …" if len(places) > NAMED else ""
    raise BenchError(
        code, f"{where}: {len(findings)} findings, at {', '.join(places[:NAMED])}{more}"
    )


def _submission(run: Run, model: str | None, file: Path | None) -> "LoadedSubmission":
    """The model that is named, or the first folder of the run's slug that has its weights."""
    from bench.submissions import load_submission

    who = run.submission
    load = partial(load_submission, architecture=who.architecture, mean=who.mean, std=who.std)
    if model is not None:
        return load(model)
    places = [file.parent if file else Path(who.slug)]
    places += sorted(Path("submissions").glob(f"*{escape(who.slug)}"))
    for place in places:
        if (place / "submission.toml").is_file() and any(place.rglob("weights.safetensors")):
            found = load(place)
            if found.record.weights_sha256 == who.weights_sha256:
                return found
    raise BenchError(
        "E-ANOTHER-MODEL",
        f"no submission of the weights {who.weights_sha256[:12]} in "
        f"{', '.join(map(str, places))}; give it with --model",
    )


def _claim(
    run: Run,
    outcomes: Mapping[str, "Outcome"],
    submission: "LoadedSubmission",
    device: str,
    data: Path | None,
    progress: Report,
) -> "Claim":
    """The run with its images, whose labels give the stored accuracies."""
    from bench.data import load_suite
    from bench.environment import choose_device
    from bench.recompute import claimed

    protocol = protocol_of(run)
    native = protocol is not None and protocol.native_outlier_size
    suite = load_suite(run.suite, limit=run.limit, root=data, native_size=native, progress=progress)
    claim = claimed(run, outcomes, submission, suite, choose_device(device))
    _refuse("E-IMPOSSIBLE-VALUE", run.run_id, _rescored(run, outcomes, suite.test.labels))
    return claim


def _report(run: Run, samples: list["Sample"], seed: int) -> None:
    from bench.recompute import Sample, matches

    rows = [
        (
            s.task,
            str(s.n),
            str(s.hits),
            _ends(s.interval),
            f"{1 if s.accuracy is None else s.accuracy:.4g}",
        )
        for s in samples
    ]
    kind = "as stored" if samples[0].accuracy is None else "right"
    print_rows(("task", "images", kind, "99.9 % interval", "claimed"), rows)
    n, hits = sum(s.n for s in samples), sum(s.hits for s in samples)
    sure = _ends(Sample("all", n, hits, None).interval)
    found = f"{hits} of {n} images {kind}, 99.9 % interval {sure}, seed {seed}"
    if not matches(samples):
        raise BenchError("E-DIVERGED", f"run {run.run_id} DIVERGED: {found}")
    print(f"MATCH: {found}")


def _ends(interval: tuple[float, float]) -> str:
    return f"[{interval[0]:.4f}, {interval[1]:.4f}]"
