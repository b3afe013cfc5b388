"""A store that strangers filled: their words in every field that takes words."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle

from bench.protocol import PROTOCOLS
from bench.records import Run, Score
from bench.store import open_store, save_run
from tests.factories import some_run, some_scores

WORDS = (
    '<img src="https://evil.example/x.png" onerror="window.harmed=1">',
    "<script>window.harmed=1</script>",
    "![x](https://evil.example/x.png) [**me**](javascript:window.harmed=1)",
    ":red[x] $\\frac{1}{0}$ :material/delete: # x",
    '=HYPERLINK("https://evil.example", "x")',
    "@SUM(1+1)",
    "\u202egnp.live\u2066\u200b",
    "x" * 5000,
    "a|b\n\n---\n\r'\"`&amp;",
)
OF_THE_SUBMISSION = ("slug", "kind", "architecture", "pruner", "moment", "scope", "structure")
PRUNERS, SPARSITIES, SEEDS = ("snip", "magnitude"), (0.5, 0.9), (1, 2)


def honest() -> Iterator[Run]:
    """Pruners, sparsities and seeds by two protocols; a flag, and numbers that are missing."""
    for seed in SEEDS:
        yield some_run(seed=seed, accuracy=0.9 + seed / 100)
        for number, pruner in enumerate(PRUNERS):
            for sparsity in SPARSITIES:
                accuracy = 0.9 - sparsity / 3 - number / 10 + seed / 100
                run = some_run(pruner=pruner, sparsity=sparsity, seed=seed, accuracy=accuracy)
                slug = f"{run.submission.slug}-s{seed}"
                yield replace(
                    run, submission=replace(run.submission, slug=slug), scores=_spread(run)
                )
    yield replace(some_run(pruner="crop", sparsity=0.9), flags=("saturated",), scores=())
    for pruner, sparsity in (("dense", 0.0), ("snip", 0.9)):
        yield some_run(pruner=pruner, sparsity=sparsity, protocol=PROTOCOLS["authors"])


def _spread(run: Run) -> tuple[Score, ...]:
    """Scores whose Brier score ranks otherwise than the accuracy."""
    return tuple(
        replace(score, value=1 - score.value) if score.metric == "brier" else score
        for score in run.scores
    )


def strangers() -> Iterator[Run]:
    """A run for each of the words, which it has in every field, and one on a suite named so."""
    for number, word in enumerate(WORDS):
        run = some_run(pruner="odd", sparsity=0.8, seed=number, accuracy=0.3 + number / 100)
        fields = dict.fromkeys((*OF_THE_SUBMISSION, "recipe"), word)
        submission = replace(run.submission, **fields, widths={word: 3})
        environment = replace(run.environment, torch=word, cpu=word, device=word)
        yield replace(
            run,
            submission=submission,
            environment=environment,
            flags=(word, word.split()[0]),
            scores=tuple(_renamed(run.scores, word)),
            sandbox=word,
        )
    run = some_run()
    named = replace(run.protocol, preset=WORDS[1])
    yield replace(run, suite=WORDS[0], protocol=named, data={WORDS[2]: "ab" * 32})


def _renamed(scores: tuple[Score, ...], word: str) -> Iterator[Score]:
    yield from scores
    layers = Score(task="cost", set=word, metric="layer_sparsity", value=0.5, n=10)
    yield layers
    names = cycle(("set", "attack", "corruption", "detector"))
    for score, name in zip(some_scores(0.4), names, strict=False):
        if name == "set" or getattr(score, name) is not None:
            yield replace(score, **{name: word})


def fill(url: str) -> None:
    """Writes all of them."""
    with open_store(url) as store:
        for run in (*honest(), *strangers()):
            assert save_run(store, run)
