"""Limits itself, lets submitted code prune, and writes the weights that it gives back.

Prints of the submitted code go to the log; standard output carries the weights and nothing else.
The submitted file is imported before torch: what it does at once happens under the limits, soon.
"""

import importlib.util
import json
import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def main(folder: Path) -> None:
    """Does the work that `task.json` in a folder describes."""
    task = json.loads((folder / "task.json").read_text(encoding="utf-8"))
    for name, most in task["limits"].items():
        resource.setrlimit(getattr(resource, name), (most, most))
    answer = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    prune = submitted(folder / "pruner.py")

    from ci.inside.work import pruned

    content = pruned(prune, task, folder)
    with os.fdopen(answer, "wb") as stream:
        stream.write(content)


def submitted(path: Path) -> Callable[..., Any]:
    """The function `prune` of a file."""
    spec = importlib.util.spec_from_file_location("pruner", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path}: not a Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules["pruner"] = module
    spec.loader.exec_module(module)
    return module.prune


if __name__ == "__main__":
    main(Path(sys.argv[1]))
