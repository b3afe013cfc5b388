"""The named recipes are those of the paper."""

from bench.data import SUITES
from bench.recipes import RECIPES


def test_the_recipes_of_the_paper_are_as_in_its_appendix():
    for name, epochs, early in (("paper-30", 30, 6), ("paper-50", 50, 11)):
        recipe = RECIPES[name]
        assert (recipe.epochs, recipe.early) == (epochs, early)
        assert (recipe.batch_size, recipe.learning_rate) == (512, 2e-3)
        assert (recipe.weight_decay, recipe.clip, recipe.images) == (5e-5, 10.0, None)
        assert not recipe.bfloat16
        assert recipe.augment
    assert [name for name, spec in SUITES.items() if spec.augment] == ["cifar10"]
