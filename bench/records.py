"""What crosses file borders: scores and runs as frozen data, and their JSON form.

Standard library only. Nothing here computes a score.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Self, get_args

from bench.misfits import misfits

SCHEMA = 1
Moment = Literal["before", "early", "iterative", "after"]
Scope = Literal["global", "local"]
Structure = Literal["unstructured", "structured"]
Kind = Literal["classifier", "ensemble", "bayesian", "flow"]
Combine = Literal["probabilities", "logits"]
BAYESIAN = "bayesian:"  # before an architecture's name where its weights are to be Bayesian
Reason = Literal["not_run", "not_applicable", "failed", "declined"]
REASONS: tuple[Reason, ...] = get_args(Reason)
Trust = Literal["self-reported", "ci", "official"]
TRUST: tuple[Trust, ...] = get_args(Trust)  # from least to most
CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)
CONDITIONS = ("attack", "epsilon", "corruption", "severity", "detector", "batch_size")


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One number of a run, with its conditions.

    Args:
        task: `clean`, `adversarial`, `shift`, `outliers`, `out-of-domain`, `lipschitz`, `cost`,
            `audit`, `likelihood`.
        set: Image set behind the number; for `layer_sparsity` the name of the layer.
        metric: Key of `bench.protocol.METRICS`.
        value: Finite number, or None together with a reason.
        n: Images (or batches, or weights) behind the number; 0 where nothing was measured.
        attack: Attack that made the images.
        epsilon: Radius of the attack in image units.
        corruption: Name of the corruption of a shifted set.
        severity: 1 to 5.
        detector: Detector that gave the outlier scores.
        batch_size: Images that one outlier score speaks for.
        stderr: Standard error of the value, where it is an estimate.
        reason: Why there is no value.

    Raises:
        ValueError: If value and reason are both given or both missing, or a number is not finite.
    """

    task: str
    set: str
    metric: str
    value: float | None
    n: int
    attack: str | None = None
    epsilon: float | None = None
    corruption: str | None = None
    severity: int | None = None
    detector: str | None = None
    batch_size: int | None = None
    stderr: float | None = None
    reason: Reason | None = None

    @classmethod
    def about(cls, task: str, set: str, **conditions: Any) -> Self:
        """What a row is about, before anything is measured: no value, the reason `not_run`."""
        return cls(
            task=task, set=set, metric="auroc", value=None, n=0, reason="not_run", **conditions
        )

    def measured(self, metric: str, value: float, n: int, stderr: float | None = None) -> Self:
        """The row with a number."""
        return replace(self, metric=metric, value=value, n=n, stderr=stderr, reason=None)

    def __post_init__(self) -> None:
        if (self.value is None) == (self.reason is None):
            raise ValueError(f"{self}: got value and reason, expected exactly one of them")
        if self.reason is not None and self.reason not in REASONS:
            raise ValueError(f"reason: got {self.reason!r}, expected one of {REASONS}")
        if isinstance(self.n, int) and self.n < 0:
            raise ValueError(f"{self.metric}.n: got {self.n}, expected at least 0")
        for name in ("value", "epsilon", "stderr"):
            number = getattr(self, name)
            if number is not None and not math.isfinite(number):
                raise ValueError(f"{self.metric}.{name}: got {number}, expected a finite number")


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """Who is scored. Declared fields are the owner's word, measured ones are ours.

    Args:
        slug: Short name, `[a-z0-9._-]`.
        kind: As `Kind`: one network, members that answer as one, sampled weights, a density.
        architecture: Key of `bench.models.ARCHITECTURES`, `timm:NAME` or `robustbench:NAME`.
        widths: Channels of each layer of the network as loaded.
        weights_sha256: Hash of the canonical weights; the same for any file format.
        measured_sparsity: Share of the dense architecture's prunable weights that are zero
            or removed, in [0, 1].
        declared_sparsity: The owner's figure for the same.
        mean: Mean per channel of the input normalisation, in image units.
        std: Standard deviation per channel of the same.
        pruner: Method that pruned it; `dense` for none.
        moment: As `Moment`, but for what an owner calls otherwise.
        scope: As `Scope`.
        structure: As `Structure`.
        seed: Seed of training and pruning; pairs a sparse run with its dense one.
        recipe: Name of the training recipe.
    """

    slug: str
    kind: str
    architecture: str
    widths: Mapping[str, int]
    weights_sha256: str
    measured_sparsity: float | None
    declared_sparsity: float | None = None
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    pruner: str | None = None
    moment: str | None = None
    scope: str | None = None
    structure: str | None = None
    seed: int | None = None
    recipe: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolId:
    """Which frozen list of tasks and constants a run followed."""

    version: int
    preset: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Where a run was made. Bytes are promised to repeat within one environment only."""

    bench: str
    git_commit: str | None
    python: str
    torch: str
    device: str
    cpu: str
    threads: int
    batch_size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One submission scored under one protocol on one suite.

    Args:
        submission: Who was scored.
        suite: Key of `bench.data.SUITES`.
        limit: Images taken of every set, or None for all.
        protocol: What was measured.
        data: Fingerprint of every image set that a score used.
        environment: Where.
        started: UTC time, ISO 8601.
        seconds: Wall-clock time of the whole evaluation.
        trust: Who made it: the owner, the project's CI, or a maintainer.
        sandbox: Level of the sandbox that a submitted pruner ran in; None if none ran.
        flags: Things a reader has to know, words of `bench.flags.FLAGS`.
        scores: The numbers.
    """

    submission: Submission
    suite: str
    limit: int | None
    protocol: ProtocolId
    data: Mapping[str, str]
    environment: Environment
    started: str
    seconds: float
    trust: Trust = "self-reported"
    sandbox: str | None = None
    flags: tuple[str, ...] = ()
    scores: tuple[Score, ...] = field(default=(), repr=False)

    @property
    def run_id(self) -> str:
        """Sixteen hex digits of what was scored on what; a repeated run has the same."""
        identity = [
            asdict(self.submission),
            self.suite,
            self.limit,
            self.protocol.sha256,
            sorted(self.data.items()),
        ]
        return hashlib.sha256(canonical_json(identity).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that cannot be right about a run or a store.

    Args:
        where: The row or score, e.g. `run 5` or `score of run 5`.
        what: What is there, and what was expected.
    """

    where: str
    what: str


def canonical_json(value: object) -> str:
    """JSON with sorted keys and no white space: equal values, equal bytes."""
    return CANONICAL.encode(value)


def to_json(run: Run) -> dict[str, Any]:
    """The run record of the protocol, section 6: plain dicts, lists and numbers."""
    names = tuple(Score.__dataclass_fields__)  # `asdict` would copy every value of thousands
    scores = [{name: getattr(score, name) for name in names} for score in run.scores]
    whole = asdict(replace(run, scores=())) | {"scores": scores}
    return {"schema": SCHEMA, "run_id": run.run_id, **whole}


def file_bytes(run: Run) -> bytes:
    """The content of a `run.json`."""
    return f"{canonical_json(to_json(run))}\n".encode()


def from_json(record: Mapping[str, Any]) -> Run:
    """The run of a record, which may be a stranger's.

    Raises:
        ValueError: If the schema is another, or a field is missing, unknown or of another type.
    """
    if not isinstance(record, Mapping):
        raise ValueError(f"run record: got {type(record).__name__}, expected a mapping")
    if record.get("schema") != SCHEMA:
        raise ValueError(f"schema: got {record.get('schema')!r}, expected {SCHEMA}")
    fields = {key: value for key, value in record.items() if key not in ("schema", "run_id")}
    try:
        submission = dict(fields["submission"])
        for name in ("mean", "std"):
            submission[name] = tuple(submission[name])
        run = Run(
            **{
                **fields,
                "submission": Submission(**submission),
                "protocol": ProtocolId(**fields["protocol"]),
                "environment": Environment(**fields["environment"]),
                "flags": tuple(fields["flags"]),
                "scores": tuple(Score(**score) for score in fields["scores"]),
            }
        )
    except (KeyError, TypeError, OverflowError) as error:
        raise ValueError(f"run record: {error}") from error
    for misfit in misfits("run", run, Run):
        raise ValueError(f"run record: {misfit}")
    return run
