"""The detectors of the README: a stored run of the preset `detectors`, and the paper's Table 4."""

import json

import pandas as pd

from bench.detector_board import SHIFT, detector_board
from bench.protocol import PROTOCOL
from bench.records import Run, from_json
from bench.tables import markdown
from ci.paper import TABLE_4, TABLE_4_COLUMNS
from ci.shipped import ROOT, where

STORED = ROOT / "submissions" / "lenet5-dense" / "detectors.json"
PAPERS = ("msp", "gradnorm", "sensnorm", "sensnorm-ce", "sensnorm-authors")


def detectors() -> str:
    """The paper's detectors at every batch size beside its numbers; the others, image by image."""
    run = from_json(json.loads(STORED.read_text(encoding="utf-8")))
    board = detector_board(run)
    ours = board[board.index.get_level_values("detector").isin(PAPERS)]
    theirs = pd.DataFrame(TABLE_4, index=[f"paper: {name}" for name in TABLE_4_COLUMNS]).T / 100
    theirs = theirs.reindex(ours.index)
    beside = ours.join(theirs).sort_index(level="batch_size", ascending=False, sort_remaining=False)
    single = board.loc[1].drop(index=list(PAPERS))
    return "\n\n".join(
        [
            _title(run),
            _table(beside.reset_index()),
            "The detectors of pytorch-ood, single images:",
            _table(single.reset_index()),
        ]
    )


def _title(run: Run) -> str:
    errors = [
        score.stderr
        for score in run.scores
        if score.task == "outliers" and score.detector == "sensnorm" and score.stderr is not None
    ]
    return (
        f"AUROC of `{run.submission.slug}`, {where([run])} `{SHIFT}`: mean over the corruptions at "
        f"severity 5. SensNorm and ODIN see the first {PROTOCOL.gradient_groups} groups of a set, "
        f"of a corruption the first {-(-PROTOCOL.gradient_groups // len(PROTOCOL.corruptions))}; "
        f"the standard error of SensNorm on an outlier set is at most {max(errors):.3f}."
    )


def _table(frame: pd.DataFrame) -> str:
    shown = frame.rename(columns={"batch_size": "images"}).astype(object)
    for column in frame.select_dtypes("float"):
        shown[column] = ["–" if pd.isna(area) else f"{area:.3f}" for area in frame[column]]
    shown["detector"] = [f"`{name}`" for name in shown["detector"]]
    return markdown(shown)
