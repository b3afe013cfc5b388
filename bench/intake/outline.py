"""What the pickle of a state-dict describes, read without unpickling it.

A pickle is a program for a stack machine. This one knows the instructions that describe
numbers, texts, containers and plain tensors; it calls nothing and imports nothing. The first
instruction or name beyond them refuses the file, unless an owner asks for the weights of a
pickled module: then its objects are read as the attributes that they are said to have.
"""

import pickletools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from bench.errors import BenchError
from bench.intake.archive import CONVERT

MOST_BYTES = 2**24
MOST_STEPS = 1_000_000
STORAGES = {
    "torch FloatStorage": "float32",
    "torch DoubleStorage": "float64",
    "torch HalfStorage": "float16",
    "torch BFloat16Storage": "bfloat16",
    "torch LongStorage": "int64",
    "torch IntStorage": "int32",
    "torch ShortStorage": "int16",
    "torch CharStorage": "int8",
    "torch ByteStorage": "uint8",
    "torch BoolStorage": "bool",
}
ORDERED_DICT = "collections OrderedDict"
TENSOR = "torch._utils _rebuild_tensor_v2"
PARAMETER = "torch._utils _rebuild_parameter"
TENSORS = {*STORAGES, ORDERED_DICT, TENSOR, PARAMETER}
KINDS = ("float16", "bfloat16", "float32", "float64", "int8", "int16", "int32", "int64", "bool")
# what checkpoints hold beside their weights; it is passed over, not made
INERT = {
    *(f"{home} {kind}" for home in ("builtins", "__builtin__") for kind in ("set", "complex")),
    "_codecs encode",
    "collections Counter",
    "torch Size",
    "torch device",
    *(f"torch {kind}" for kind in KINDS),
}


class Storage(NamedTuple):
    """Numbers in a row: the entry `data/KEY` of the archive."""

    kind: str
    key: str
    numbers: int


class Outline(NamedTuple):
    """A tensor as a view of a storage, as far as the pickle says; nothing is checked yet."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


class Object:
    """What is no weight: something that the pickle names, or makes, with the attributes it has."""

    def __init__(self) -> None:
        self.state: dict[Any, Any] = {}


class Name(NamedTuple):
    """A global that the pickle names: `module attribute`."""

    text: str


class _Machine:
    def __init__(self, place: str, objects: bool) -> None:
        self.place = place
        self.objects = objects
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def push(self, value: object) -> None:
        self.stack.append(value)

    def since_mark(self) -> list[Any]:
        start = self.marks.pop()
        taken = self.stack[start:]
        del self.stack[start:]
        return taken

    def taken(self, count: int) -> tuple[Any, ...]:
        return tuple([self.stack.pop() for _ in range(count)][::-1])

    def refusal(self, code: str, what: str) -> BenchError:
        return BenchError(code, f"{self.place}: {what}; {CONVERT}")


def outlined(place: str, pickle: bytes, *, objects: bool = False) -> object:
    """The object of a `data.pkl`: containers, numbers, texts and an `Outline` for each tensor.

    Args:
        place: For the errors.
        pickle: The entry of the archive.
        objects: Whether it may describe instances of classes too; they become an `Object`.

    Raises:
        BenchError: E-PICKLED-MODULE if it names anything beside tensors, unless `objects`;
            E-BAD-TENSOR for a kind of tensor that is not read; E-TOO-LARGE; E-BROKEN-FILE if it
            is no pickle.
    """
    if len(pickle) > MOST_BYTES:
        raise BenchError("E-TOO-LARGE", f"{place}: data.pkl: got {len(pickle):,} bytes")
    machine = _Machine(place, objects)
    try:
        for step, (operation, argument, _) in enumerate(pickletools.genops(pickle)):
            if step > MOST_STEPS:
                raise BenchError("E-TOO-LARGE", f"{place}: data.pkl: over {MOST_STEPS:,} steps")
            if operation.name == "STOP":
                return machine.stack.pop()
            if operation.name not in OPERATIONS:
                raise machine.refusal(
                    "E-PICKLED-MODULE", f"its pickle uses {operation.name}, as no state-dict does"
                )
            OPERATIONS[operation.name](machine, argument)
    except (BenchError, MemoryError):
        raise
    except Exception as error:
        raise BenchError(
            "E-BROKEN-FILE", f"{place}: data.pkl is damaged ({type(error).__name__})"
        ) from error
    raise BenchError("E-BROKEN-FILE", f"{place}: data.pkl has no end")


def _mark(machine: _Machine, _: object) -> None:
    machine.marks.append(len(machine.stack))


def _remember(machine: _Machine, place: int) -> None:
    machine.memo[place] = machine.stack[-1]


def _append(machine: _Machine, _: object) -> None:
    _add(machine, machine.taken(1))


def _extend(machine: _Machine, _: object) -> None:
    _add(machine, machine.since_mark())


def _add(machine: _Machine, values: Iterable[Any]) -> None:
    if not isinstance(machine.stack[-1], Object):
        _container(machine, list).extend(values)


def _set_one(machine: _Machine, _: object) -> None:
    key, value = machine.taken(2)
    _set(machine, [key, value])


def _set_many(machine: _Machine, _: object) -> None:
    _set(machine, machine.since_mark())


def _set(machine: _Machine, flat: list[Any]) -> None:
    """Of plain keys only: others could be too deep or too large to be compared."""
    pairs = list(zip(flat[::2], flat[1::2], strict=True))
    plain = [pair for pair in pairs if type(pair[0]) in (str, int)]
    if len(plain) < len(pairs) and not machine.objects:
        raise ValueError("a key that is neither text nor number")
    if not isinstance(machine.stack[-1], Object):
        _container(machine, dict).update(plain)


def _container(machine: _Machine, kind: type) -> Any:
    if type(machine.stack[-1]) is not kind:
        raise ValueError(f"items for a {type(machine.stack[-1]).__name__}")
    return machine.stack[-1]


def _name(machine: _Machine, text: str) -> None:
    if text in TENSORS:
        machine.push(Name(text))
        return
    if text in INERT:
        machine.push(Object())
        return
    module, _, attribute = text.partition(" ")
    if module in ("torch._utils", "torch._tensor") or attribute.endswith("Storage"):
        raise machine.refusal(
            "E-BAD-TENSOR", f"it holds {text[:80]!r}, which is no plain dense tensor of numbers"
        )
    if not machine.objects:
        raise machine.refusal(
            "E-PICKLED-MODULE",
            f"it holds Python objects besides tensors ({text[:80]!r}), and making them would run "
            "code; out of a file of your own `bench pack` takes the weights with --module, or",
        )
    machine.push(Object())


def _stored(machine: _Machine, _: object) -> None:
    kind, name, key, where, count = machine.stack.pop()
    if (kind, type(key), type(where), type(count)) != ("storage", str, str, int):
        raise ValueError("a persistent id that is no storage")
    machine.push(Storage(STORAGES[name.text], key, count))


def _call(machine: _Machine, _: object) -> None:
    called, arguments = machine.taken(2)
    machine.push(Object() if isinstance(called, Object) else CALLS[called.text](*arguments))


def _new(machine: _Machine, _: object) -> None:
    if not machine.objects:
        raise machine.refusal("E-PICKLED-MODULE", "its pickle makes objects")
    machine.taken(2)
    machine.push(Object())


def _ordered_dict() -> dict[object, object]:
    return {}


def _tensor(
    storage: Storage,
    offset: int,
    shape: tuple[int, ...],
    stride: tuple[int, ...],
    _gradient: object,
    _hooks: object,
    metadata: object = None,
) -> Outline:
    if not isinstance(storage, Storage):
        raise TypeError("a tensor of no storage")
    if metadata:  # such as that all signs are to be turned
        raise ValueError("a tensor with metadata")
    return Outline(storage, offset, shape, stride)


def _parameter(tensor: Outline, _gradient: object, _hooks: object) -> Outline:
    if not isinstance(tensor, Outline):
        raise TypeError("a parameter of no tensor")
    return tensor


def _attributes(machine: _Machine, _: object) -> None:
    """Of a state-dict: `_metadata`, which is passed over; any other could hide its content."""
    target, state = machine.taken(2)
    if isinstance(target, Object):
        target.state = state if type(state) is dict else {}
        machine.push(target)
        return
    if type(target) is not dict or type(state) is not dict or set(state) != {"_metadata"}:
        raise machine.refusal("E-NOT-A-STATE-DICT", "an entry carries attributes of its own")
    machine.push(target)


CALLS: Mapping[str, Callable[..., object]] = {
    ORDERED_DICT: _ordered_dict,
    TENSOR: _tensor,
    PARAMETER: _parameter,
}
Operation = Callable[[_Machine, Any], None]
OPERATIONS: Mapping[str, Operation] = {
    "PROTO": lambda machine, version: None,
    "MARK": _mark,
    "NONE": lambda machine, _: machine.push(None),
    "NEWTRUE": lambda machine, _: machine.push(True),
    "NEWFALSE": lambda machine, _: machine.push(False),
    **dict.fromkeys(
        ("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE"), _Machine.push
    ),
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "TUPLE": lambda machine, _: machine.push(tuple(machine.since_mark())),
    "TUPLE1": lambda machine, _: machine.push(machine.taken(1)),
    "TUPLE2": lambda machine, _: machine.push(machine.taken(2)),
    "TUPLE3": lambda machine, _: machine.push(machine.taken(3)),
    "APPEND": _append,
    "APPENDS": _extend,
    "SETITEM": _set_one,
    "SETITEMS": _set_many,
    "BINPUT": _remember,
    "LONG_BINPUT": _remember,
    "BINGET": lambda machine, place: machine.push(machine.memo[place]),
    "LONG_BINGET": lambda machine, place: machine.push(machine.memo[place]),
    "GLOBAL": _name,
    "BINPERSID": _stored,
    "REDUCE": _call,
    "NEWOBJ": _new,
    "BUILD": _attributes,
}
