"""Tasks: name -> function from a case to its findings. No task calls another."""

from collections.abc import Callable, Mapping

from bench.inference import Case, Findings
from bench.tasks.adversarial import adversarial
from bench.tasks.audit import audit
from bench.tasks.clean import clean
from bench.tasks.cost import cost
from bench.tasks.likelihood import likelihood
from bench.tasks.lipschitz import lipschitz
from bench.tasks.out_of_domain import out_of_domain
from bench.tasks.outliers import outliers
from bench.tasks.shift import shift

TASKS: Mapping[str, Callable[[Case], Findings]] = {
    "clean": clean,
    "adversarial": adversarial,
    "shift": shift,
    "outliers": outliers,
    "out-of-domain": out_of_domain,
    "lipschitz": lipschitz,
    "cost": cost,
    "audit": audit,
    "likelihood": likelihood,
}

__all__ = ["TASKS"]
