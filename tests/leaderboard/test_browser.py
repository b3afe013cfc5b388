"""The page in a real browser: what a visitor can do, and what strangers' words cannot."""

import json
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pandas as pd
import pytest

from bench.records import from_json
from leaderboard.tabs import TABS
from tests.leaderboard.browser import Visit, chromium, serving, visiting
from tests.leaderboard.hostile import PRUNERS, WORDS, fill, strangers

__all__ = ["chromium"]  # fixture

NAMELESS = """() => {
  const shown = element => element.checkVisibility() && element.getBoundingClientRect().width > 1;
  const texts = ids => (ids || '').split(' ').map(id => document.getElementById(id)?.textContent);
  const name = element => [element.ariaLabel, ...texts(element.getAttribute('aria-labelledby')),
    ...[...(element.labels || [])].map(label => label.textContent + (label.ariaLabel || '')),
    element.textContent, element.title, element.placeholder].join('').trim();
  const controls = 'button, a[href], input, select, textarea, summary, [role=radio], [role=slider]';
  return [...document.querySelectorAll(controls)].filter(shown).filter(e => !name(e))
    .map(e => e.outerHTML.slice(0, 200));
}"""
STOPS = """() => {
  const controls = 'button, a[href], input, summary, canvas';
  const shown = e => e.checkVisibility({visibilityProperty: true}) && !e.disabled && e.tabIndex >= 0
    && e.getBoundingClientRect().width > 1 && e.role !== 'radio';
  return [...document.querySelectorAll(controls)].filter(shown).map((e, place) => {
    e.dataset.stop = place; return e.outerHTML.slice(0, 160); });
}"""
WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
STOPS_OF_TABLES = 60  # Tab goes through the cells of a row before it leaves a table
FIRST = ("Board", "Submission")
EACH = [pytest.param(tab, marks=() if tab in FIRST else pytest.mark.slow) for tab in TABS]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    url = f"sqlite:///{tmp_path_factory.mktemp('page') / 'bench.db'}"
    fill(url)
    with serving(url) as address:
        yield address


@pytest.fixture
def visit(chromium, address) -> Iterator[Visit]:
    with visiting(chromium, address) as visit:
        yield visit


def test_a_visitor_filters_ranks_and_hands_on_what_is_seen(chromium, address, visit):
    visit.open()
    first = visit.column("name")
    assert len(first) > len(PRUNERS) * 4
    visit.write("Search", "snip 0.9")
    visit.until(lambda: set(visit.column("pruner")) == {"snip"}, "the search leaves snip")
    visit.write("Search", "")
    visit.page.locator("summary", has_text="Filters").click()
    visit.choose("Pruner", "magnitude")
    visit.until(lambda: set(visit.column("pruner")) == {"magnitude"}, "the filter leaves magnitude")
    by_accuracy = visit.column("name")
    visit.choose("Rank by", "Brier")
    visit.until(lambda: visit.head()[6] == "Brier ↓", "Brier comes first")
    rows = visit.column("name")
    assert rows == by_accuracy[::-1]
    visit.turn_to("Submission").turn_to("Board")
    assert visit.column("name") == rows
    link = visit.page.url.removeprefix(f"{address}/")
    with visiting(chromium, address) as friend:
        friend.open(link)
        friend.page.locator("summary", has_text="Filters").click()
        assert friend.column("name") == rows
        rank_by = friend.page.get_by_role("combobox", name="Rank by", exact=True)
        assert rank_by.input_value() == "Brier"
        assert friend.page.get_by_role("button", name="Remove magnitude").count() == 1


def test_ticked_rows_are_compared_by_a_link(visit):
    visit.open()
    place = visit.grid().bounding_box()
    for row in (1, 2):  # the boxes to tick are drawn, not elements
        visit.page.mouse.click(place["x"] + 15, place["y"] + 35 * row + 17)
        visit.page.wait_for_timeout(500)
    link = visit.page.get_by_role("link", name="Compare the runs")
    visit.open(link.get_attribute("href"))
    assert visit.page.get_by_role("button", name="Remove ").count() == 2


def test_a_tick_is_of_the_row_beside_it_after_another_ranking_too(visit):
    visit.open("?search=snip")
    link = visit.page.get_by_role("link", name="Open the run")

    def ticked() -> str:
        place = visit.grid().bounding_box()
        visit.page.mouse.click(place["x"] + 15, place["y"] + 35 + 17)
        link.wait_for()
        return parse_qs(urlsplit(link.get_attribute("href")).query)["run"][0]

    first = visit.column("name")[0]
    assert ticked().startswith(f"{first} ·")
    visit.choose("Rank by", "Brier")
    link.wait_for(state="detached")
    visit.until(lambda: visit.column("name")[:1] != [first], "another run is first")
    assert ticked().startswith(f"{visit.column('name')[0]} ·")
    visit.choose("Rank by", "accuracy")
    link.wait_for(state="detached")


def test_a_click_on_a_head_sorts(visit):
    visit.open("?search=snip")
    ranked = visit.column("name")
    visit.grid().click(position={"x": 130, "y": 15}, force=True)  # below what scrolls
    visit.until(lambda: visit.column("name") == sorted(ranked), "the names are sorted")
    assert sorted(ranked) != ranked


def test_exports_are_read_back_and_no_cell_is_a_formula(visit, tmp_path):
    visit.open()
    visit.page.get_by_role("button", name="Export", exact=True).click()
    formats = ("csv", "json", "parquet", "latex", "markdown")
    files = {name: visit.download(name, tmp_path) for name in formats}
    rows = json.loads(files["json"].read_text())
    parquet = pd.read_parquet(files["parquet"])
    assert [row["slug"] for row in rows] == parquet["slug"].tolist()
    assert set(WORDS) <= {row["slug"] for row in rows}
    cells = pd.read_csv(files["csv"]).select_dtypes("str")
    assert len(cells) == len(rows)
    assert not any(str(cell).startswith(("=", "+", "-", "@")) for cell in cells.stack())
    assert files["latex"].read_text().count("\\\\") > len(rows)


@pytest.mark.parametrize("tab", EACH)
def test_the_csv_of_a_tables_own_toolbar_has_no_formula(visit, tab, tmp_path):
    visit.page.add_init_script("delete window.showSaveFilePicker")  # it asks where to
    visit.open(f"?tab={tab}&search=HYPERLINK")
    for place, button in enumerate(visit.page.get_by_role("button", name="Download as CSV").all()):
        if button.is_visible():
            with visit.page.expect_download() as found:
                button.press("Enter")
            path = tmp_path / f"{place}.csv"
            found.value.save_as(path)
            cells = pd.read_csv(path).select_dtypes("str").stack()
            assert not any(str(cell).startswith(("=", "+", "-", "@")) for cell in cells)


def test_the_record_that_is_downloaded_is_a_run(visit, tmp_path):
    visit.open("?tab=Submission")
    path = visit.download("Download the record (JSON)", tmp_path)
    run = from_json(json.loads(path.read_text()))
    assert run.run_id == path.stem


@pytest.mark.parametrize("tab", EACH)
def test_strangers_words_do_nothing_but_stand_there(visit, tab):
    visit.open(f"?tab={tab}")
    for relative in (False, True):
        if relative:
            visit.page.get_by_role("switch", name="Relative to dense").click(force=True)
            visit.page.wait_for_timeout(300)
            visit.drawn()
        assert visit.page.evaluate("window.harmed") is None
        found = "img[src*=evil], a[href*=evil], a[href^=javascript], .katex"
        assert visit.page.locator(found).count() == 0
        assert visit.page.get_by_test_id("stException").count() == 0


@pytest.mark.slow
def test_the_page_of_every_strangers_run_shows_it(visit):
    visit.open("?tab=Submission")
    box = visit.page.get_by_role("combobox", name="Run", exact=True)
    for run in strangers():
        if run.suite == "digits":
            box.fill(run.run_id[:6])
            visit.page.get_by_role("option").first.click()
            visit.page.wait_for_timeout(300)
            visit.drawn()
            assert box.input_value().endswith(run.run_id[:6])
            assert visit.page.get_by_test_id("stException").count() == 0
            assert visit.page.evaluate("window.harmed") is None


@pytest.mark.parametrize("tab", EACH)
def test_every_control_has_a_name_and_is_reached_by_tab(visit, tab):
    visit.open(f"?tab={tab}")
    assert visit.page.evaluate(NAMELESS) == []
    stops = visit.page.evaluate(STOPS)
    reached = set()
    for _ in range(STOPS_OF_TABLES + 2 * len(stops)):
        visit.page.keyboard.press("Tab")
        reached.add(visit.page.evaluate("document.activeElement.dataset.stop"))
    assert [stop for place, stop in enumerate(stops) if str(place) not in reached] == []


@pytest.mark.parametrize("tab", EACH)
def test_a_telephone_scrolls_down_only(chromium, address, tab):
    with visiting(chromium, address, viewport={"width": 400, "height": 800}) as visit:
        visit.open(f"?tab={tab}")
        assert visit.page.evaluate(WIDER) <= 0
        visit.page.get_by_role("radio", name="Submission", exact=True).click()
        visit.page.wait_for_timeout(300)
        visit.drawn()
