"""A visitor without a browser: where one goes, what one clicks, what stands there."""

import json
from pathlib import Path

from streamlit.testing.v1 import AppTest

import leaderboard

APP = Path(leaderboard.__file__).with_name("app.py")
HOSTILE = '<img src=x onerror="alert(1)"> [**me**](javascript:alert(1)) $x$ :red[y]'


def at(**address: str | list[str]) -> AppTest:
    """The page at an address, by its parts."""
    page = AppTest.from_file(str(APP), default_timeout=120)
    for name, value in address.items():
        page.query_params[name] = value
    return settled(page.run())


def settled(page: AppTest) -> AppTest:
    assert [error.message for error in page.exception] == []
    return page


def choose(page: AppTest, label: str, option: str) -> AppTest:
    box = next(box for box in page.selectbox if box.label == label)
    return settled(box.select(option).run())


def switch(page: AppTest, label: str, *, on: bool = True) -> AppTest:
    toggle = next(toggle for toggle in page.toggle if toggle.label == label)
    return settled(toggle.set_value(on).run())


def options(page: AppTest, label: str) -> list[str]:
    return next(box.options for box in page.selectbox if box.label == label)


def said(page: AppTest) -> str:
    """What stands below the controls on the left."""
    return page.sidebar.caption[-1].value


def table(page: AppTest):
    assert len(page.dataframe) == 1
    return page.dataframe[0].value


def charts(page: AppTest) -> list[dict]:
    found = [element for element in page.main if element.type == "vega_lite_chart"]
    return [json.loads(element.proto.spec) for element in found]
