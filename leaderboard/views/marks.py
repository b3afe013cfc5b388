"""The same pruner looks the same on every page: its colour, its shape and its dash."""

from collections.abc import Iterable
from dataclasses import dataclass

import altair as alt

# Okabe and Ito's palette without yellow and black, which vanish on white and on black.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9")
SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "triangle-right")
DASHES = ((1, 0), (6, 3), (2, 2), (9, 3, 2, 3))
GREY = "#808080"
DENSE = "dense"
NOT_DECLARED = "not declared"
# of `bench.pruners.PRUNERS`; their marks depend on no other name
KNOWN = (
    "random",
    "magnitude",
    "snip",
    "snip-after",
    "grasp",
    "crop",
    "cropit",
    "cropit-s",
    "early-crop",
    "early-crop-s",
    "imp",
    "edge-popup",
    "edge-popup-after",
    "snr",
    "snr-s",
)
SEPARATOR = " · "


@dataclass(frozen=True, slots=True)
class Marks:
    """Names and, in the same order, how each is drawn.

    Args:
        names: Each once.
        colours: Hexadecimal.
        shapes: Of Vega's symbols.
        dashes: Lengths in pixels of ink and gap in turns.
    """

    names: tuple[str, ...]
    colours: tuple[str, ...]
    shapes: tuple[str, ...]
    dashes: tuple[tuple[int, ...], ...]

    def only(self, names: Iterable[str]) -> "Marks":
        """The marks of some of the names, in this order."""
        asked = set(names)
        kept = [place for place, name in enumerate(self.names) if name in asked]
        return Marks(
            tuple(self.names[place] for place in kept),
            tuple(self.colours[place] for place in kept),
            tuple(self.shapes[place] for place in kept),
            tuple(self.dashes[place] for place in kept),
        )

    def colour(self) -> alt.Scale:
        """Scale of a colour channel."""
        return alt.Scale(domain=list(self.names), range=list(self.colours))

    def shape(self) -> alt.Scale:
        """Scale of a shape channel."""
        return alt.Scale(domain=list(self.names), range=list(self.shapes))

    def dash(self) -> alt.Scale:
        """Scale of a strokeDash channel."""
        return alt.Scale(domain=list(self.names), range=[list(dash) for dash in self.dashes])


def encoding(names: Iterable[str]) -> Marks:
    """How pruners are drawn; no two of the first 168 look the same, of 42 not even without dashes.

    A pruner of the project has the same marks in any company; others have those that follow, in
    alphabetical order. Give the names of the whole group, then take `only` those drawn: then
    filters change no marks.

    Args:
        names: Of pruners, or of lines whose first word before " · " is a pruner.
    """
    places: dict[str, int] = {}
    asked = sorted(set(names) - {DENSE, NOT_DECLARED})
    for name in sorted(asked, key=lambda name: SEPARATOR in name):
        pruner = name.partition(SEPARATOR)[0]
        if pruner in KNOWN and KNOWN.index(pruner) not in places.values():
            places[name] = KNOWN.index(pruner)
    later = (name for name in asked if name not in places)
    places |= {name: len(KNOWN) + number for number, name in enumerate(later)}
    drawn = {
        name: (
            COLOURS[place % len(COLOURS)],
            SHAPES[place % len(SHAPES)],
            DASHES[place // len(COLOURS) % len(DASHES)],
        )
        for name, place in sorted(places.items(), key=lambda item: item[1])
    }
    drawn |= {DENSE: (GREY, "circle", DASHES[0]), NOT_DECLARED: (GREY, "triangle-left", DASHES[0])}
    return Marks(tuple(drawn), *zip(*drawn.values(), strict=True))
