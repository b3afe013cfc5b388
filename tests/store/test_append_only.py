from dataclasses import replace

import numpy as np
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DatabaseError

from bench.store import (
    load_outcomes,
    load_run,
    open_store,
    save_run,
    verify_chain,
)
from tests.factories import some_run
from tests.store.ledgers import outcomes, small_run

CHANGES = [
    "UPDATE run SET reason = 'none' WHERE position = 1",
    "UPDATE score SET value = 1 WHERE run = 1",
    "UPDATE outcome SET n = 2",
    "DELETE FROM run WHERE position = 2",
    "DELETE FROM score",
    "DELETE FROM outcome WHERE run = 1",
]
OF_SQLITE = [
    "INSERT OR REPLACE INTO run SELECT * FROM run WHERE position = 1",
    "INSERT OR REPLACE INTO score SELECT * FROM score",
    "REPLACE INTO outcome SELECT run, key, n + 1, content FROM outcome",
]
OF_POSTGRESQL = ["TRUNCATE outcome", "TRUNCATE run CASCADE"]


def change(url: str, statement: str) -> None:
    """As another program would, without any settings of ours."""
    engine = sa.create_engine(url)
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql(statement)
    finally:
        engine.dispose()


def test_the_database_refuses_every_way_to_change_or_delete_a_row(url):
    with open_store(url) as store:
        save_run(store, small_run(1), outcomes(1))
        save_run(store, small_run(2), outcomes(2))
        before = verify_chain(store)
        for statement in CHANGES + (OF_SQLITE if "sqlite" in url else OF_POSTGRESQL):
            with pytest.raises(DatabaseError, match="append-only"):
                change(url, statement)
        assert verify_chain(store) == before
        assert (before.runs, before.findings) == (2, ())


def test_a_run_comes_out_as_it_went_in_of_both_databases(url):
    run = some_run()
    with open_store(url) as store:
        assert save_run(store, run, outcomes(1))
        assert save_run(store, replace(run, trust="ci"), outcomes(2))
        assert load_run(store, run.run_id) == replace(run, trust="ci")
        found = load_outcomes(store, run.run_id)
        chain = verify_chain(store)
    assert found["fog/3"].confidence.tobytes() == outcomes(2)["fog/3"].confidence.tobytes()
    assert np.array_equal(found["digits"].predicted, outcomes(2)["digits"].predicted)
    assert (chain.runs, chain.findings) == (2, ())


def test_edits_behind_the_triggers_are_found_in_both_databases(url):
    with open_store(url) as store:
        for seed in (1, 2, 3):
            save_run(store, small_run(seed), outcomes(seed))
        head = verify_chain(store).head
        switch = "ALTER TABLE {} DISABLE TRIGGER USER"
        for table, edit in (
            ("score", "UPDATE score SET value = 0.99 WHERE run = 2 AND position = 0"),
            ("run", "UPDATE run SET trust = 'official' WHERE position = 3"),
            ("outcome", "DELETE FROM outcome WHERE run = 1 AND key = 'digits'"),
        ):
            if "sqlite" in url:
                change(url, f"DROP TRIGGER {table}_no_update")
                change(url, f"DROP TRIGGER {table}_no_delete")
            else:
                change(url, switch.format(table))
            change(url, edit)
        found = {f.where for f in verify_chain(store, noted=head).findings}
    assert found == {"schema", "outcome of run 1", "score of run 2", "run 3"}
