import hashlib
import json
import random
import re
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from bench.records import canonical_json
from bench.store import (
    Chain,
    load_entry,
    load_run,
    open_store,
    save_run,
    score_frame,
    standing_ids,
    verify_chain,
)
from bench.store.chain import row_hash, rows_digest
from tests.store.ledgers import EDITS, RUNS, edited, fill, outcomes, small_run


@pytest.fixture(scope="module")
def ledger(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("ledger") / "bench.db"
    fill(path)
    return path


def look(path: Path, noted: str | None = None) -> Chain:
    with open_store(f"sqlite:///{path}", readonly=True) as store:
        return verify_chain(store, noted=noted)


def places(chain: Chain) -> set[str]:
    return {finding.where for finding in chain.findings}


def test_a_ledger_as_it_was_written_is_whole_and_its_head_is_the_last_hash(ledger):
    chain = look(ledger)
    assert chain.findings == ()
    assert chain.runs == RUNS
    with closing(sqlite3.connect(ledger)) as connection:
        (last,) = connection.execute("SELECT hash FROM run WHERE position = 40").fetchone()
    assert chain.head == last
    assert look(ledger, noted=last).findings == ()


@pytest.mark.slow
def test_two_hundred_random_edits_are_all_found_and_located(ledger, tmp_path):
    missed = []
    for seed in range(200):
        chance, edit = random.Random(seed), EDITS[seed % len(EDITS)]
        with edited(ledger, tmp_path / "edited.db") as connection:
            expected = edit(connection, chance)
        found = places(look(tmp_path / "edited.db"))
        if not expected <= found:
            missed.append((seed, edit.__name__, expected, found))
    assert missed == []


@pytest.mark.parametrize("seed", range(20))
def test_nothing_but_the_edited_place_is_named(ledger, tmp_path, seed):
    chance = random.Random(seed)
    run, column = chance.randrange(1, RUNS), chance.choice(["suite", "record", "trust", "hash"])
    with edited(ledger, tmp_path / "edited.db") as connection:
        connection.execute(f"UPDATE run SET {column} = 'ci' WHERE position = ?", (run,))
        connection.execute(
            "UPDATE score SET value = 0.77 WHERE run = ? AND position = 0", (run + 1,)
        )
    assert places(look(tmp_path / "edited.db")) == {f"run {run}", f"score of run {run + 1}"}


def test_a_row_written_anew_with_a_hash_that_fits_it_breaks_the_link_to_the_next(ledger, tmp_path):
    with edited(ledger, tmp_path / "edited.db") as connection:
        connection.row_factory = sqlite3.Row
        row = dict(connection.execute("SELECT * FROM run WHERE position = 5").fetchone())
        row["record"] = row["record"].replace('"seconds":1.5', '"seconds":1.25')
        forged = (row["record"], row_hash(row))
        connection.execute("UPDATE run SET record = ?, hash = ? WHERE position = 5", forged)
    assert places(look(tmp_path / "edited.db")) == {"run 5"}


def test_a_ledger_cut_off_by_somebody_who_knows_sqlite_is_only_told_by_the_noted_head(
    ledger, tmp_path
):
    head = look(ledger).head
    with edited(ledger, tmp_path / "edited.db") as connection:
        for table, column in (("run", "position"), ("score", "run"), ("outcome", "run")):
            connection.execute(f"DELETE FROM {table} WHERE {column} > 30")
        connection.execute("UPDATE sqlite_sequence SET seq = 30 WHERE name = 'run'")
    assert look(tmp_path / "edited.db").findings == ()
    (finding,) = look(tmp_path / "edited.db", noted=head).findings
    assert finding.where == "run 30"
    assert head in finding.what


def test_a_head_noted_earlier_stays_in_a_ledger_that_grows(ledger, tmp_path):
    head = look(ledger).head
    with edited(ledger, tmp_path / "grown.db"):
        pass
    with open_store(f"sqlite:///{tmp_path / 'grown.db'}") as store:
        save_run(store, small_run(1234))
    grown = look(tmp_path / "grown.db", noted=head)
    assert grown.findings == ()
    assert (grown.runs, grown.head != head) == (RUNS + 1, True)


def test_triggers_that_are_gone_or_do_nothing_are_named(ledger, tmp_path):
    with edited(ledger, tmp_path / "edited.db"):
        pass
    with closing(sqlite3.connect(tmp_path / "edited.db")) as connection:
        connection.execute("DROP TRIGGER score_no_update")
        connection.execute("DROP TRIGGER run_no_delete")
        connection.execute("CREATE TRIGGER run_no_delete BEFORE DELETE ON run BEGIN SELECT 1; END")
        connection.commit()
    found = [finding.what for finding in look(tmp_path / "edited.db").findings]
    assert found == ["no trigger run_no_delete", "no trigger score_no_update"]


def test_a_damaged_file_is_a_finding_and_no_traceback(ledger, tmp_path):
    raw = bytearray(ledger.read_bytes())
    with closing(sqlite3.connect(ledger)) as connection:
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'score'"
        (page,) = connection.execute(query).fetchone()
    raw[(page - 1) * 4096 : page * 4096] = b"\xff" * 4096
    (tmp_path / "damaged.db").write_bytes(raw)
    assert places(look(tmp_path / "damaged.db")) == {"database"}


def test_an_index_that_hides_a_row_is_found(ledger, tmp_path):
    raw = bytearray(ledger.read_bytes())
    with closing(sqlite3.connect(ledger)) as connection:
        query = "SELECT rootpage FROM sqlite_master WHERE name LIKE 'ix_run_suite%'"
        (page,) = connection.execute(query).fetchone()
    at = raw.index(b"digits", (page - 1) * 4096)
    assert at < page * 4096
    raw[at : at + 6] = b"nowher"
    (tmp_path / "hidden.db").write_bytes(raw)
    assert "database" in places(look(tmp_path / "hidden.db"))


def test_rows_that_break_the_rules_of_the_ledger_are_found_although_they_are_chained(
    ledger, tmp_path
):
    with edited(ledger, tmp_path / "edited.db") as connection:
        connection.row_factory = sqlite3.Row
        last = dict(connection.execute("SELECT * FROM run ORDER BY position DESC").fetchone())
        official = connection.execute("SELECT * FROM run WHERE trust = 'official'").fetchone()
        less = dict(official) | {"trust": "self-reported", "supersedes": official["position"]}
        record = json.loads(less["record"]) | {"trust": "self-reported"}
        less |= {"record": canonical_json(record), "reason": "because"}
        twice = dict(connection.execute("SELECT * FROM run WHERE position = 3").fetchone())
        for row in (less, twice):
            row |= {"position": last["position"] + 1, "previous": last["hash"]}
            row["hash"] = row_hash(row)
            names = ", ".join(row)
            marks = ", ".join("?" * len(row))
            connection.execute(f"INSERT INTO run ({names}) VALUES ({marks})", list(row.values()))
            last = row
    found = {f.where: f.what for f in look(tmp_path / "edited.db").findings}
    assert "is self-reported and supersedes run 39, which is official" in found["run 41"]
    assert found[f"run {twice['run_id'][:8]}"] == "stands 2 times"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 0.5}, {"a": "0x1.0000000000000p-1"}),
        ({"a": b"x"}, {"a": f"sha256 {'0' * 64}"}),
        ({"a": 1.0}, {"a": 1}),
        ({"a": None}, {"a": "None"}),
        ({"a": 0.1}, {"a": 0.1 + 2**-56}),
    ],
)
def test_values_that_differ_have_different_digests(one, other):
    assert rows_digest([one]) != rows_digest([other])


def test_the_digest_of_rows_is_the_sha256_of_text_that_anybody_can_write():
    row = {"task": "clean", "n": 3, "value": 0.5}
    text = """{"n":3,"task":"'clean","value":"0x1.0000000000000p-1"}"""
    assert rows_digest([row]) == hashlib.sha256(text.encode()).hexdigest()
    assert rows_digest([row]).startswith("1a5877ba5c59c91b")  # of the program sha256sum


def test_more_trust_takes_the_place_of_less_and_never_the_other_way_round(tmp_path):
    mine = small_run(1)
    official = replace(mine, trust="official", seconds=2.0)
    with open_store(f"sqlite:///{tmp_path / 'bench.db'}") as store:
        assert save_run(store, mine)
        assert save_run(store, replace(mine, trust="ci"))
        assert not save_run(store, replace(mine, trust="ci", seconds=9.0))
        assert save_run(store, official)
        assert not save_run(store, mine)
        assert load_run(store, mine.run_id) == official
        entry = load_entry(store, mine.run_id)
        assert (entry.position, entry.corrected) == (3, mine.run_id)
        assert entry.reason == "official in place of ci"
        assert set(score_frame(store)["trust"]) == {"official"}
        assert set(score_frame(store)["position"]) == {3}
        assert verify_chain(store).runs == 3


def test_a_correction_stands_and_what_it_corrects_stays_in_the_ledger(tmp_path):
    wrong, right = small_run(1), small_run(2)
    with open_store(f"sqlite:///{tmp_path / 'bench.db'}") as store:
        save_run(store, wrong, outcomes(1))
        assert save_run(store, right, supersedes=wrong.run_id[:5], reason="the seed was 2")
        assert standing_ids(store) == [right.run_id]
        assert score_frame(store)["run_id"].unique().tolist() == [right.run_id]
        assert load_entry(store, right.run_id).corrected == wrong.run_id
        assert load_run(store, right.run_id) == right
        with pytest.raises(Exception, match="E-NO-SUCH-RUN"):
            load_run(store, wrong.run_id)
        assert verify_chain(store).runs == 2


def test_a_corrected_run_does_not_come_back_by_itself(tmp_path):
    wrong, right = small_run(1), small_run(2)
    with open_store(f"sqlite:///{tmp_path / 'bench.db'}") as store:
        save_run(store, wrong)
        save_run(store, right, supersedes=wrong.run_id, reason="the seed was 2")
        with pytest.raises(Exception, match=r"superseded by run .* \(the seed was 2\)"):
            save_run(store, replace(wrong, seconds=9.0))
        assert save_run(store, wrong, supersedes=right.run_id, reason="the seed was 1 after all")
        assert standing_ids(store) == [wrong.run_id]


@pytest.mark.parametrize("other", [{"limit": 5}, {"suite": "mnist"}], ids=str)
def test_a_correction_is_of_the_same_images(tmp_path, other):
    with open_store(f"sqlite:///{tmp_path / 'bench.db'}") as store:
        save_run(store, small_run(1))
        run = replace(small_run(2), **other)
        with pytest.raises(Exception, match="E-NOT-COMPARABLE"):
            save_run(store, run, supersedes=small_run(1).run_id, reason="a slip")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"supersedes": "{first}"}, "expected both or neither"),
        ({"reason": "no run is named"}, "expected both or neither"),
        ({"supersedes": "zz", "reason": "a slip"}, "E-NO-SUCH-RUN"),
        ({"supersedes": "{official}", "reason": "I disagree"}, "at least as much trust"),
    ],
)
def test_a_correction_names_a_run_and_a_reason_and_has_the_trust_for_it(tmp_path, given, message):
    first, official = small_run(1), replace(small_run(2), trust="official")
    names = {"first": first.run_id, "official": official.run_id}
    with open_store(f"sqlite:///{tmp_path / 'bench.db'}") as store:
        save_run(store, first)
        save_run(store, official)
        with pytest.raises(Exception, match=message):
            save_run(store, small_run(3), **{k: v.format(**names) for k, v in given.items()})
        assert verify_chain(store).runs == 2


def test_a_run_that_stands_cannot_also_take_the_place_of_another(tmp_path):
    with open_store(f"sqlite:///{tmp_path / 'bench.db'}") as store:
        save_run(store, small_run(1))
        save_run(store, small_run(2))
        with pytest.raises(Exception, match=re.escape("stands as row 2 already")):
            save_run(store, small_run(2), supersedes=small_run(1).run_id, reason="twice")
