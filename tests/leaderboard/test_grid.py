import pandas as pd
import pytest

from leaderboard.grid import harmless


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("snip-0.9", "snip-0.9"),
        ('=HYPERLINK("x")', '\'=HYPERLINK("x")'),
        ("@SUM(1)", "'@SUM(1)"),
        ("-1+1", "'-1+1"),
        ("\u202egnp.live", "\ufffdgnp.live"),
        ("a\u200bb\x00", "a\ufffdb\ufffd"),
        ("two\nlines", "two\nlines"),
        ("<b>", "<b>"),
    ],
)
def test_a_word_is_shown_without_what_acts_or_hides(word, shown):
    assert harmless(pd.DataFrame({"name": [word]}))["name"].tolist() == [shown]


def test_a_head_is_no_formula_either():
    assert list(harmless(pd.DataFrame({"=1+1": [1.0]}))) == ["'=1+1"]


def test_numbers_and_gaps_stay_and_the_frame_too():
    frame = pd.DataFrame({"value": [-1.5, None], "count": [1, 2], "name": [None, "=1"]})
    before = frame.copy(deep=True)
    shown = harmless(frame)
    pd.testing.assert_frame_equal(shown[["value", "count"]], before[["value", "count"]])
    assert shown["name"].isna().tolist() == [True, False]
    pd.testing.assert_frame_equal(frame, before)
