"""The page as a browser reads it, and its data."""

import json
from html.parser import HTMLParser

import pytest


class Page(HTMLParser):
    """The elements of a page with their attributes, and what stands in style and script."""

    def __init__(self, content: bytes):
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, dict[str, str | None], str]] = []
        self.feed(content.decode("utf-8"))
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self.cdata_elem:
            self.texts.append((*self.elements[-1], data))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def inside(self, tag: str, type: str | None = None) -> str:
        found = [t for name, given, t in self.texts if (name, given.get("type")) == (tag, type)]
        return "".join(found)

    @property
    def data(self) -> dict:
        return json.loads(
            self.inside("script", type="application/json"), parse_constant=pytest.fail
        )

    @property
    def policy(self) -> dict[str, str]:
        (meta,) = [m for m in self.all("meta") if "http-equiv" in m]
        assert meta["http-equiv"] == "Content-Security-Policy"
        return dict(part.split(" ", 1) for part in meta["content"].split("; "))


def rows_of(part: dict) -> list[dict]:
    return [dict(zip(part["columns"], row, strict=True)) for row in part["rows"]]
