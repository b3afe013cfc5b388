"""What a browser shows of stores that cannot be shown: a sentence, never a traceback."""

import sqlite3
from contextlib import closing

import pytest

from bench.store import open_store, save_run
from leaderboard.tabs import TABS
from tests.factories import some_run
from tests.leaderboard.browser import chromium, serving, visiting

__all__ = ["chromium"]  # fixture
pytestmark = pytest.mark.slow


def seen(chromium, url: str, where: str = "") -> str:
    with serving(url) as address, visiting(chromium, address) as visit:
        visit.open(where)
        assert visit.page.get_by_test_id("stException").count() == 0
        text = visit.page.get_by_test_id("stMain").inner_text()
    assert "Traceback" not in text
    return text


@pytest.fixture
def url(tmp_path, monkeypatch) -> str:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    return f"sqlite:///{tmp_path / 'bench.db'}"


def test_an_empty_store_shows_what_the_project_ships(chromium, url):
    with open_store(url):
        pass
    assert "Rank by" in seen(chromium, url)


@pytest.mark.parametrize("tab", TABS)
def test_one_run_is_enough_for_every_tab(chromium, url, tab):
    with open_store(url) as store:
        save_run(store, some_run())
    text = seen(chromium, url, f"?tab={tab}")
    assert len(text.splitlines()) > 4


def test_a_store_of_a_newer_program_is_named(chromium, url, tmp_path):
    with open_store(url):
        pass
    with closing(sqlite3.connect(tmp_path / "bench.db")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    text = seen(chromium, url)
    assert "use the program that wrote it, or a newer one" in text
    assert "Shown are the runs that the project ships." in text


def test_a_server_that_does_not_answer_is_named_without_its_password(chromium, url):
    text = seen(chromium, "postgresql+psycopg://somebody:secret@127.0.0.1:1/bench")
    assert "127.0.0.1:1/bench: cannot be opened as a store" in text
    assert "secret" not in text


def test_a_store_that_is_written_to_for_long_asks_for_patience(chromium, url, tmp_path):
    with open_store(url) as store:
        save_run(store, some_run())
    with closing(sqlite3.connect(tmp_path / "bench.db", isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        assert "another program is writing to it; try again" in seen(chromium, url)
