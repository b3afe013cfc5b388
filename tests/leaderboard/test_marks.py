import pytest

from bench.pruners import PRUNERS
from leaderboard.views.marks import COLOURS, GREY, KNOWN, encoding


def looks(names) -> dict[str, tuple]:
    marks = encoding(names)
    drawn = zip(marks.colours, marks.shapes, marks.dashes, strict=True)
    return dict(zip(marks.names, drawn, strict=True))


def test_the_pruners_of_the_project_are_known():
    assert set(KNOWN) == set(PRUNERS)


@pytest.mark.parametrize("count", [8, 42, 168])
def test_no_two_look_the_same(count):
    names = [f"p{number:03}" for number in range(count)]
    found = looks(names)
    assert len({found[name] for name in names}) == count
    if count <= 42:
        assert len({found[name][:2] for name in names}) == count


def test_a_known_pruner_looks_the_same_in_any_company():
    alone = looks(["snip"])["snip"]
    assert (
        looks(["a", "imp", "snip", "zz"])["snip"]
        == alone
        == looks(["snip · lenet5"])["snip · lenet5"]
    )


def test_a_variant_looks_otherwise_than_its_pruner():
    found = looks(["snip · local", "snip"])
    assert found["snip"] == looks(["snip"])["snip"]
    assert found["snip · local"] != found["snip"]


def test_dense_and_what_is_not_declared_are_grey_and_no_pruner_is():
    found = looks(["dense", "not declared", *KNOWN])
    assert found["dense"][0] == found["not declared"][0] == GREY
    assert found["dense"] != found["not declared"]
    assert GREY not in COLOURS


def test_some_of_the_names_keep_their_marks_and_their_order():
    marks = encoding(["b", "a", "snip"])
    part = marks.only(["b", "snip", "absent"])
    assert part.names == ("snip", "b")
    assert part.colours == tuple(marks.colours[marks.names.index(name)] for name in part.names)
    assert part.colour().to_dict() == {"domain": ["snip", "b"], "range": list(part.colours)}
    assert part.shape().to_dict()["range"] == list(part.shapes)
    assert part.dash().to_dict()["range"] == [list(dash) for dash in part.dashes]
