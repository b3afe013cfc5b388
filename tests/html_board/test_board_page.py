"""The bytes of the page: they call nobody, and no text in them is markup."""

import base64
import hashlib
import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bench.html_board
from bench.html_board import board_html
from leaderboard.views.marks import COLOURS
from tests.html_board.reading import Page, rows_of

FOLDER = Path(bench.html_board.__file__).parent
HOSTILE = [
    "</script><script>alert(1)</script>",
    "<!--<script>",
    '"><img src=x onerror=alert(1)>',
    "&lt;b&gt; &amp;",
    "line\u2028and\u2029paragraph",
    "{{script}} {{policy}}",
    "\\u003c \\ \" ' ` ${x}",
    "\u202egnp.exe",
    "__proto__",
]
TEXTS = ("slug", "pruner", "architecture", "moment", "scope", "structure", "recipe", "flags")


# one file, which asks for no other


def test_nothing_in_the_page_asks_for_another_file(page):
    assert {tag for tag, _ in page.elements}.isdisjoint(
        {"link", "img", "iframe", "object", "embed", "base", "form", "audio", "video", "a", "use"}
    )
    for tag, attributes in page.elements:
        assert not {"src", "href", "srcset", "action", "style"} & set(attributes), tag
        assert not [name for name in attributes if name.startswith("on")], tag
    style, script = page.inside("style"), page.inside("script")
    assert not re.search(r"url\(|@import|@font-face", style)
    assert not re.search(
        r"fetch\(|XMLHttpRequest|import\(|WebSocket|sendBeacon|EventSource", script
    )
    assert re.findall(r"\w+://[^\"'`\s]+", style + script) == ["http://www.w3.org/2000/svg"]


def test_the_policy_allows_its_own_style_and_script_by_their_hashes_and_nothing_else(page):
    hashes = {
        f"{tag}-src": base64.b64encode(hashlib.sha256(page.inside(tag).encode()).digest()).decode()
        for tag in ("style", "script")
    }
    assert page.policy == {
        "default-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
        **{name: f"'sha256-{digest}'" for name, digest in hashes.items()},
    }
    assert len(page.all("style")) == 1
    assert len(page.all("script")) == 2


def test_the_policy_stands_before_what_it_speaks_of(page):
    tags = [tag for tag, attributes in page.elements if "http-equiv" in attributes or tag != "meta"]
    assert tags[:3] == ["html", "head", "meta"]


@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.glob("*.js")))
def test_texts_reach_the_page_as_text_alone(name):
    script = (FOLDER / name).read_text(encoding="utf-8")
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|\bFunction\(|parseFromString"
        r"|createContextualFragment|setHTML|</script|<!--",
        script,
    )


@pytest.mark.parametrize("path", sorted(FOLDER.glob("board.*")) + sorted(FOLDER.glob("*.js")))
def test_the_files_of_the_page_keep_to_the_length_of_the_house(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300


def test_the_page_says_that_it_needs_its_script(page):
    assert page.all("noscript")


# hostile texts


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_is_data_and_changes_nothing_else_of_the_page(table, page, text):
    told = table.assign(**dict.fromkeys(TEXTS, text), trust=text, suite=text, preset=text)
    hostile = Page(board_html(told))
    assert hostile.elements == page.elements
    assert hostile.inside("script") == page.inside("script")
    assert hostile.inside("style") == page.inside("style")
    for group in hostile.data["groups"]:
        assert group["name"].startswith(text)
        for row in rows_of(group["runs"]):
            assert {row[column] for column in (*TEXTS, "trust")} == {text}
    assert set(hostile.data["flags"]) == set(text.split())


@settings(max_examples=30)
@given(text=st.text(st.characters(codec="utf-8"), max_size=20))
def test_any_text_comes_back_as_it_was(table, text):
    content = board_html(table.assign(recipe=text))
    raw = Page(content).inside("script", type="application/json")
    assert not set(raw) & set("<>&\u2028\u2029")
    rows = [r for g in json.loads(raw)["groups"] for r in rows_of(g["runs"])]
    assert {row["recipe"] for row in rows} == {text}


# how it looks


def test_pruners_have_the_colours_of_the_page_of_the_leaderboard():
    style = (FOLDER / "board.css").read_text(encoding="utf-8")
    light = style[: style.index("@media")]
    assert re.findall(r"--c\d: (#\w+);", light) == [colour.lower() for colour in COLOURS]
    assert f"const COLOURS = {len(COLOURS)};" in (FOLDER / "chart.js").read_text(encoding="utf-8")


def test_every_control_has_a_label_or_a_name(page):
    script = page.inside("script")
    ids = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    assert set(re.findall(r'\bat\("([\w-]+)"\)', script)) <= ids
    labelled = [a["aria-labelledby"] for _, a in page.elements if "aria-labelledby" in a]
    assert labelled == ["chart-title chart-summary", "name"]
    assert page.all("html") == [{"lang": "en"}]
