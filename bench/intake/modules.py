"""The state-dict of a pickled `nn.Module`, read off what its pickle says. Nothing is made."""

from bench.errors import BenchError
from bench.intake.archive import CONVERT
from bench.intake.header import MOST_TENSORS, check_name
from bench.intake.outline import Object

MODULES = ("state_dict", "model", "net", "network")  # where checkpoints keep one


def state_of(place: str, found: object) -> dict[str, object]:
    """Parameters and buffers by name, as `state_dict()` names them.

    Args:
        place: For the errors.
        found: What `described` says, with objects: a module, or a checkpoint that holds one.

    Raises:
        BenchError: E-NOT-A-STATE-DICT if there is no module; E-BAD-NAME or E-TOO-LARGE if it has no
            end.
    """
    if isinstance(found, dict):
        held = (found.get(key) for key in MODULES)
        found = next((value for value in held if isinstance(value, Object)), None)
    if not (isinstance(found, Object) and "_modules" in found.state):
        raise BenchError(
            "E-NOT-A-STATE-DICT", f"{place}: holds no pickled module; without --module: {CONVERT}"
        )
    state: dict[str, object] = {}
    pending = [("", found)]
    for prefix, module in pending:
        check_name(place, prefix.removesuffix(".") or "module")
        own = {**_part(module, "_parameters"), **_part(module, "_buffers")}
        state |= {f"{prefix}{name}": value for name, value in own.items() if value is not None}
        inner = _part(module, "_modules").items()
        pending += [(f"{prefix}{n}.", child) for n, child in inner if isinstance(child, Object)]
        if len(pending) > MOST_TENSORS:
            raise BenchError("E-TOO-LARGE", f"{place}: more than {MOST_TENSORS:,} modules")
    return state


def _part(module: Object, name: str) -> dict[object, object]:
    part = module.state.get(name)
    return part if isinstance(part, dict) else {}
