import json
from dataclasses import replace

import pytest

from bench.protocol import PROTOCOL, PROTOCOLS
from bench.records import (
    Environment,
    ProtocolId,
    Run,
    Score,
    Submission,
    canonical_json,
    from_json,
    to_json,
)

SUBMISSION = Submission(
    slug="snip-90",
    kind="classifier",
    architecture="lenet5",
    widths={"conv1": 6},
    weights_sha256="ab" * 32,
    measured_sparsity=0.9,
    mean=(0.5,),
    std=(0.5,),
    seed=1234,
)
RUN = Run(
    submission=SUBMISSION,
    suite="digits",
    limit=None,
    protocol=PROTOCOL.id,
    data={"digits": "cd" * 32},
    environment=Environment(
        bench="0",
        git_commit=None,
        python="3",
        torch="2",
        device="cpu",
        cpu="",
        threads=2,
        batch_size=250,
    ),
    started="2026-11-23T00:00:00+00:00",
    seconds=1.5,
    scores=(
        Score(task="clean", set="digits", metric="accuracy", value=0.1 + 0.2, n=597),
        Score(task="shift", set="d", metric="auroc", value=None, n=0, reason="not_applicable"),
    ),
)


def test_a_record_goes_to_json_and_back_unchanged():
    assert from_json(json.loads(canonical_json(to_json(RUN)))) == RUN


def test_a_run_keeps_its_id_when_only_time_and_place_change():
    later = replace(RUN, started="2027-01-01T00:00:00+00:00", seconds=9.0, scores=())
    assert later.run_id == RUN.run_id


@pytest.mark.parametrize(
    "change",
    [
        {"suite": "mnist"},
        {"limit": 500},
        {"data": {"digits": "ef" * 32}},
        {"protocol": ProtocolId(version=1, preset="authors", sha256="0" * 64)},
        {"submission": replace(SUBMISSION, weights_sha256="00" * 32)},
        {"submission": replace(SUBMISSION, seed=2345)},
        {"submission": replace(SUBMISSION, mean=(0.4,))},
    ],
)
def test_a_run_gets_another_id_when_what_was_scored_changes(change):
    assert replace(RUN, **change).run_id != RUN.run_id


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"value": None}, "exactly one"),
        ({"reason": "failed"}, "exactly one"),
        ({"value": float("nan")}, "finite"),
        ({"value": float("inf")}, "finite"),
        ({"stderr": float("nan")}, "finite"),
        ({"value": None, "reason": "forgotten"}, "expected one of"),
    ],
)
def test_a_score_without_an_honest_number_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(RUN.scores[0], **change)


@pytest.mark.parametrize("change", [{"schema": 99}, {"surprise": 1}, {"suite": ...}])
def test_a_record_of_another_shape_is_refused(change):
    record = {**to_json(RUN), **change}
    if change.get("suite") is ...:
        del record["suite"]
    with pytest.raises(ValueError, match=r"schema|run record"):
        from_json(record)


@pytest.mark.parametrize(
    ("place", "change", "message"),
    [
        ("run", {"trust": "saintly"}, "run.trust: got 'saintly'"),
        ("run", {"limit": "500"}, "run.limit: got '500'"),
        ("run", {"limit": True}, "run.limit: got True"),
        ("run", {"seconds": float("inf")}, "run.seconds: got inf"),
        ("run", {"data": {"digits": 7}}, "'digits'.*got 7, expected str"),
        ("run", {"data": None}, "run.data: got None"),
        ("run", {"data": {"\ud800": "a"}}, "run.data, key: got"),
        ("submission", {"slug": "half \udfff"}, "run.submission.slug: got"),
        ("run", {"flags": [1]}, "run.flags.0.: got 1"),
        ("submission", {"seed": "one"}, "run.submission.seed: got 'one'"),
        ("submission", {"mean": ["a"]}, "run.submission.mean.0.: got 'a'"),
        ("submission", {"widths": {"conv1": 6.5}}, "'conv1'.*got 6.5, expected int"),
        ("score", {"n": "60"}, "run.scores.0..n: got '60'"),
        ("score", {"n": -5}, "n: got -5, expected at least 0"),
        ("score", {"n": 2**63}, "run.scores.0..n: got 9223372036854775808"),
        ("score", {"value": 10**400}, "run record: int too large"),
        ("run", {"seconds": 10**400}, "run.seconds: got 1000"),
        ("score", {"value": True}, "run.scores.0..value: got True"),
        ("score", {"detector": ["msp"]}, "run.scores.0..detector"),
    ],
)
def test_a_record_with_a_field_of_another_type_is_refused_and_the_field_named(
    place, change, message
):
    record = json.loads(canonical_json(to_json(RUN)))
    found = {"run": record, "submission": record["submission"], "score": record["scores"][0]}
    found[place].update(change)
    with pytest.raises(ValueError, match=message):
        from_json(record)


@pytest.mark.parametrize("record", [[], None, "run", {"schema": 1}, {"schema": 1, "scores": 3}])
def test_what_is_no_record_at_all_is_refused(record):
    with pytest.raises(ValueError, match=r"run record|schema"):
        from_json(record)


def test_the_content_hash_changes_with_every_constant():
    seen = {PROTOCOL.id.sha256}
    for change in ({"batch_size": 64}, {"ece_bins": 10}, {"shift_seed": 1}, {"version": 2}):
        seen.add(replace(PROTOCOL, **change).id.sha256)
    assert len(seen) == 5


def test_the_presets_are_different_protocols():
    assert len({protocol.id.sha256 for protocol in PROTOCOLS.values()}) == len(PROTOCOLS)
