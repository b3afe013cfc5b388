"""What runs are called where a visitor picks one."""

import pandas as pd


def named(rows: pd.DataFrame) -> dict[str, str]:
    """A readable name for each run, in the order of the names: slug, seed, digits of its id."""
    seeds = ["" if pd.isna(seed) else f" · seed {seed:.0f}" for seed in rows["seed"].astype(float)]
    slugs = zip(rows.index.astype(str), rows["slug"].astype(str), seeds, strict=True)
    found = {run_id: f"{slug}{seed} · {run_id[:6]}" for run_id, slug, seed in slugs}
    return dict(sorted(found.items(), key=lambda item: item[1]))
