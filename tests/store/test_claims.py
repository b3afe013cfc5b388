"""Claims: each unit goes to one worker at a time, and nothing is lost when a worker is."""

import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from bench.store import (
    head,
    load_entry,
    load_run,
    open_store,
    save_run,
    standing_ids,
    verify_chain,
)
from bench.store.claims import (
    DEATHS,
    Wanted,
    claim,
    fail,
    finish,
    give_back,
    renew,
    retry,
    status_of,
    unfinished,
)
from tests.factories import some_scores
from tests.store.ledgers import make_old, outcomes, small_run

DENSE, SNIP, IMP = (Wanted(letter * 64, letter, None) for letter in "abc")
SNIP, IMP = SNIP._replace(after=DENSE.key), IMP._replace(after=DENSE.key)
UNITS = [DENSE, SNIP, IMP]
KEYS = [unit.key for unit in UNITS]


@pytest.fixture
def store(url):
    with open_store(url) as opened:
        yield opened


def state(store, unit):
    return status_of(store, KEYS)[unit.key].state


def test_a_unit_is_ready_once_what_it_comes_after_is_done(store):
    assert claim(store, UNITS, "one") == DENSE.key
    assert claim(store, UNITS, "two") is None
    assert finish(store, DENSE.key, "one", small_run(1), {})
    assert claim(store, UNITS, "one") == SNIP.key
    assert claim(store, UNITS, "two") == IMP.key
    assert claim(store, UNITS, "one") is None


def test_the_run_comes_with_the_end_of_the_claim(store):
    claim(store, UNITS, "one")
    assert finish(store, DENSE.key, "one", small_run(1), outcomes(1))
    done = status_of(store, KEYS)[DENSE.key]
    assert (done.state, done.run_id) == ("done", small_run(1).run_id)
    assert standing_ids(store) == [small_run(1).run_id]
    assert verify_chain(store).findings == ()


def test_a_claim_that_is_renewed_holds(store):
    claim(store, UNITS, "one", lease=0.2)
    for _ in range(4):
        time.sleep(0.1)
        assert renew(store, DENSE.key, "one", "training 3/10", lease=0.2)
    assert claim(store, UNITS, "two") is None
    held = status_of(store, KEYS)[DENSE.key]
    assert (held.owner, held.note, held.lapsed) == ("one", "training 3/10", False)
    assert 0.35 < held.seconds < 5


def test_a_claim_that_lapsed_is_another_s_and_its_owner_can_write_nothing(store):
    claim(store, UNITS, "one", lease=0.05)
    time.sleep(0.1)
    assert status_of(store, KEYS)[DENSE.key].lapsed
    assert claim(store, UNITS, "two") == DENSE.key
    before = head(store)
    assert not renew(store, DENSE.key, "one", "late")
    assert not finish(store, DENSE.key, "one", small_run(1), {})
    fail(store, DENSE.key, "one", "late")
    assert head(store) == before
    assert state(store, DENSE) == "claimed"
    assert finish(store, DENSE.key, "two", small_run(1), {})


def test_a_late_owner_whose_unit_nobody_took_may_still_end_it(store):
    claim(store, UNITS, "one", lease=0.01)
    time.sleep(0.05)
    assert finish(store, DENSE.key, "one", small_run(1), {})
    assert state(store, DENSE) == "done"


def test_a_run_that_another_program_scored_supersedes_and_is_not_doubled(store):
    for unit, accuracy in ((DENSE, 0.9), (SNIP, 0.8)):
        assert claim(store, UNITS, "one") == unit.key
        scores = some_scores(accuracy)[:20]
        assert finish(store, unit.key, "one", replace(small_run(1), scores=scores), {})
    run_id = small_run(1).run_id
    assert standing_ids(store) == [run_id]
    assert load_run(store, run_id).scores == tuple(some_scores(0.8)[:20])
    assert load_entry(store, run_id).reason == "scored anew by a sweep"
    assert verify_chain(store).findings == ()


def test_a_run_of_more_trust_stays(store):
    official = replace(small_run(1), trust="official")
    save_run(store, official)
    claim(store, UNITS, "one")
    assert finish(store, DENSE.key, "one", small_run(1), {})
    assert load_run(store, official.run_id).trust == "official"
    assert state(store, DENSE) == "done"


def test_what_is_left_to_do_is_seen_from_every_side(store):
    assert unfinished(store, UNITS)
    claim(store, UNITS, "one")
    assert unfinished(store, [DENSE])
    finish(store, DENSE.key, "one", small_run(1), {})
    assert not unfinished(store, [DENSE])
    assert unfinished(store, UNITS)


def test_nothing_is_left_behind_a_dense_network_that_failed(store):
    claim(store, UNITS, "one")
    fail(store, DENSE.key, "one", "E-NO-DATA: none")
    assert not unfinished(store, UNITS)


def test_notes_are_one_line_that_a_terminal_can_show(store):
    claim(store, UNITS, "one")
    fail(store, DENSE.key, "one", "two\nlines \x00 and half a pair \ud800")
    note = status_of(store, KEYS)[DENSE.key].note
    assert note == "two lines \ufffd and half a pair \ufffd"


def test_a_failed_unit_keeps_its_reason_and_holds_back_what_comes_after(store):
    claim(store, UNITS, "one")
    fail(store, DENSE.key, "one", "E-NO-DATA: none")
    assert status_of(store, KEYS)[DENSE.key].note == "E-NO-DATA: none"
    assert claim(store, UNITS, "one") is None
    retry(store, [SNIP.key])
    assert claim(store, UNITS, "one") is None
    retry(store, KEYS)
    assert claim(store, UNITS, "one") == DENSE.key


def test_retrying_touches_nothing_that_is_done_or_being_done(store):
    claim(store, UNITS, "one")
    finish(store, DENSE.key, "one", small_run(1), {})
    claim(store, UNITS, "one")
    retry(store, KEYS)
    assert (state(store, DENSE), state(store, SNIP)) == ("done", "claimed")


def test_what_is_given_back_is_free_at_once(store):
    claim(store, UNITS, "dead")
    give_back(store, {"alive"}.__contains__, blame=False)
    assert claim(store, UNITS, "other") is None
    give_back(store, {"dead"}.__contains__, blame=False)
    assert claim(store, UNITS, "other") == DENSE.key


def test_a_unit_at_which_workers_die_is_to_blame_itself(store):
    for number in range(DEATHS):
        assert claim(store, UNITS, f"worker {number}") == DENSE.key
        give_back(store, {f"worker {number}"}.__contains__, blame=True)
    assert state(store, DENSE) == "failed"
    assert f"died {DEATHS} times" in status_of(store, KEYS)[DENSE.key].note


def test_deaths_between_which_work_was_kept_are_forgiven(store):
    for number in range(2 * DEATHS):
        owner = f"worker {number}"
        assert claim(store, UNITS, owner) == DENSE.key
        renew(store, DENSE.key, owner, "training 1/2", advanced=number % 2 == 0)
        give_back(store, {owner}.__contains__, blame=True)
    assert state(store, DENSE) == "claimed"


def test_a_unit_that_others_gave_up_is_not_to_blame(store):
    for number in range(2 * DEATHS):
        assert claim(store, UNITS, f"worker {number}") == DENSE.key
        give_back(store, {f"worker {number}"}.__contains__, blame=False)
    assert state(store, DENSE) == "claimed"


def test_progress_is_of_the_asked_units_alone(store):
    claim(store, UNITS, "one")
    assert status_of(store, [SNIP.key]) == {}


def test_a_store_of_the_schema_before_takes_claims(url):
    make_old(url, "0003")
    with open_store(url) as store:
        assert claim(store, UNITS, "one") == DENSE.key


CLAIMANT = """
import sys
from bench.store import open_store
from bench.store.claims import Wanted, claim, finish
from tests.factories import some_scores
from tests.store.ledgers import outcomes, small_run
url, owner, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
units = [Wanted(f"{number:064}", str(number), None) for number in range(count)]
with open_store(url) as store:
    while key := claim(store, units, owner):
        number = int(key)
        assert finish(store, key, owner, small_run(number), outcomes(number))
        print(number, flush=True)
"""


@pytest.mark.slow
def test_eight_workers_do_eight_hundred_units_once_each(url):
    """Claims and runs of eight writers: nothing lost, nothing doubled, nobody locked out."""
    count = 800
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CLAIMANT, url, f"worker {number}", str(count)],
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(8)
    ]
    answers = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0] * 8, answers
    done = Counter(int(line) for out, _ in answers for line in out.split())
    assert done == Counter(range(count))
    assert all(errors == "" for _, errors in answers)
    with open_store(url) as store:
        chain = verify_chain(store)
        assert (chain.runs, chain.findings) == (count, ())
        assert len(standing_ids(store)) == count
