from bench.plausible import impossible
from bench.store import load_entry, open_store, run_frame, verify_chain
from tests.leaderboard.many import ORIGINALS, fill


def test_a_store_of_repeated_scores_is_whole_and_possible(tmp_path):
    url = f"sqlite:///{tmp_path / 'many.db'}"
    fill(url, ORIGINALS + 9)
    with open_store(url) as store:
        chain = verify_chain(store)
        assert (chain.runs, chain.findings) == (ORIGINALS + 9, ())
        runs = run_frame(store)["run_id"]
        for run_id in (runs.iloc[0], runs.iloc[-1]):
            record = load_entry(store, run_id).record
            assert len(record["scores"]) == 200
            assert impossible(record) == []
