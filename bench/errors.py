"""The one error that a user can mend, and the stable codes it may carry.

Not here: faults of the program, which stay ordinary exceptions with a traceback.
"""

from collections.abc import Mapping

ERRORS: Mapping[str, tuple[str, str]] = {  # code -> cause, cure
    "E-NO-SUCH-FILE": (
        "The path does not exist or cannot be read.",
        "Check the path and that you may read it.",
    ),
    "E-NOT-A-FILE": (
        "The path is a link, a folder, a pipe or a device, not a regular file.",
        "Give the file itself; in a submission folder, put a copy in place of the link.",
    ),
    "E-TOO-LARGE": (
        "The file, or what it describes, is larger than a submission may be.",
        "Save the weights alone, without optimizer state; at most 1 GiB and 268 million numbers.",
    ),
    "E-READER-LIMIT": (
        "Reading the file took more memory or time than any submission needs.",
        "Save the weights alone, with a torch of this decade.",
    ),
    "E-UNKNOWN-FORMAT": (
        "The file is none of the kinds that can be a submission.",
        "Save with `torch.save(model.state_dict(), 'weights.pt')` or as safetensors.",
    ),
    "E-PICKLED-MODULE": (
        "The file holds a pickled module; reading it would run code.",
        "Save `model.state_dict()` in place of the model; out of a file of your own `bench pack` "
        "takes the weights with `--module`.",
    ),
    "E-TORCHSCRIPT": (
        "The file is a TorchScript archive; loading it would run a program.",
        "Save the state-dict of the network that was scripted.",
    ),
    "E-EXPORTED-PROGRAM": (
        "The file is a `.pt2` program; loading it would run pickles.",
        "Save the state-dict of the network that was exported.",
    ),
    "E-LEGACY-FORMAT": (
        "The file was written by the old, non-zip `torch.save`.",
        "Load it where you trust it and save its state-dict with a torch of this decade.",
    ),
    "E-BROKEN-FILE": (
        "The file is damaged: its content cannot be read as weights.",
        "Copy or download it again; the message says where it is damaged.",
    ),
    "E-ODD-ARCHIVE": (
        "The archive has something in it that `torch.save` never writes.",
        "Save it again with `torch.save`; do not repack or edit the archive.",
    ),
    "E-NOT-A-STATE-DICT": (
        "The file holds something other than a mapping from names to tensors.",
        "Save `model.state_dict()`; wrapped as `state_dict`, `model` or `net` it is fine too.",
    ),
    "E-BAD-TENSOR": (
        "A tensor is of a kind, type or value that weights cannot have.",
        "Save plain dense tensors of finite numbers: no sparse, quantised or complex ones, no NaN.",
    ),
    "E-BAD-NAME": (
        "A tensor has a name that PyTorch gives to none.",
        "Use the names that PyTorch gives: letters, digits, `_` and `.`.",
    ),
    "E-UNKNOWN-ARCHITECTURE": (
        "The architecture is not in the table, or none fits the tensors.",
        "Give `--arch`; for a network outside the table, `--arch timm:NAME`.",
    ),
    "E-WRONG-WEIGHTS": (
        "Names or shapes of the tensors do not fit the architecture.",
        "Check `--arch`; the message names what is missing and unknown.",
    ),
    "E-SUBMISSION-TOML": (
        "`submission.toml` is missing, malformed or has a wrong field.",
        "Mend the field that the message names, or write the folder anew with `bench pack`.",
    ),
    "E-BAD-OUTPUT": (
        "The model's answer is not (N, classes) finite numbers.",
        "Check `--suite`, and the weights with `bench inspect`.",
    ),
    "E-NO-FEATURES": (
        "The detector needs the Linear layer that gives the answers; an ensemble has several.",
        "Choose a detector by answers, such as msp or entropy, or one of an ensemble's members.",
    ),
    "E-MISSING-PACKAGE": (
        "An optional package is needed that is not installed.",
        "Install the extra that the message names.",
    ),
    "E-UNKNOWN-SUITE": (
        "The suite is not in the table.",
        "Take one that `bench data list` shows.",
    ),
    "E-NO-DATA": (
        "An image set is not under the data root.",
        "`bench data fetch`, `bench data import`, or set `--data`.",
    ),
    "E-TOO-FEW-IMAGES": (
        "More images are asked for than the files hold.",
        "Give a smaller `--limit` or a recipe of fewer images.",
    ),
    "E-BROKEN-DATA": (
        "A data file is damaged or not in the expected layout.",
        "`bench data verify` finds the file; fetch or import it again.",
    ),
    "E-BAD-VALUE": (
        "An option has a value that it cannot take.",
        "Take one of the values that the message names.",
    ),
    "E-GRID": (
        "The file of a sweep is no grid, has a wrong field, or names nothing to do.",
        "Mend the field that the message names; the section Sweeps has an example.",
    ),
    "E-WORKERS-KILLED": (
        "The workers of a sweep are killed before they begin anything.",
        "Look for their end in the system's log, mostly memory; take fewer `--workers`.",
    ),
    "E-NO-STORE": (
        "The result store cannot be opened.",
        "Check the URL at `--store` and that its folder can be written.",
    ),
    "E-DISK-FULL": (
        "The disk is full.",
        "Make room, then give the same command again: it goes on from what is done.",
    ),
    "E-STORE-SCHEMA": (
        "The store was written by another version of the program.",
        "Use the version that wrote it, or another `--store`.",
    ),
    "E-NO-SUCH-RUN": (
        "No stored run, or more than one, has this id.",
        "Take an id of `bench runs`, or more of its digits.",
    ),
    "E-CHAIN-BROKEN": (
        "The store is not what was written: a row was changed, deleted, moved or put in.",
        "Do not trust the rows that the message names; go back to a copy whose head you noted.",
    ),
    "E-IMPOSSIBLE-VALUE": (
        "A run has numbers that no honest run can have.",
        "Score the model again with `--supersedes RUN --reason TEXT`, which corrects the row.",
    ),
    "E-ANOTHER-MODEL": (
        "The model is not the one that the run is of.",
        "Give the weights, architecture and normalisation that were scored, with `--model`.",
    ),
    "E-DIVERGED": (
        "A random sample of the run, scored again, gives other answers than it claims.",
        "Score the whole model again with `bench evaluate`; do not rank the run as it is.",
    ),
    "E-NOT-COMPARABLE": (
        "The runs differ in protocol, data or limit.",
        "Score both with the same protocol, data and limit.",
    ),
    "E-SUBMISSION-FILES": (
        "The folder of a pull request has something in it that none may have, or lacks a file.",
        "Keep `submission.toml` and either `weights.safetensors` or `pruner.py`.",
    ),
    "E-SANDBOX-MISSING": (
        "This machine has no sandbox for the code of a submitted pruner.",
        "Install bubblewrap and allow it user namespaces; `--allow-weak` is for your own code.",
    ),
    "E-PRUNER-FAILED": (
        "A submitted pruner ended in an error, or without weights.",
        "The message ends with what it printed; mend `pruner.py` and evaluate it again.",
    ),
    "E-PRUNER-LIMIT": (
        "A submitted pruner took more time, or gave back more, than it may.",
        "Take fewer batches or steps; the message names the limit.",
    ),
    "E-PRUNER-OUTPUT": (
        "What a submitted pruner gave back are no weights of its network.",
        "Return the model, its state-dict, or None after pruning in place.",
    ),
    "E-BAD-RECORD": (
        "A run record is malformed, or has numbers that this program cannot have written.",
        "Write it anew with `python -m ci.evaluate`, with the version of the base branch.",
    ),
    "E-NOT-SPARSE": (
        "A submitted pruner left more weights than it declares.",
        "Prune to the `sparsity` that it is called with, or declare what it reaches.",
    ),
}


LONGEST = 1500  # characters of a message


class BenchError(Exception):
    """Wrong input or usage: ends a command with exit code 2 and one message.

    Args:
        code: Key of `ERRORS`; never changes its meaning.
        message: What was found, what was expected and what to do, in one or two sentences.
    """

    def __init__(self, code: str, message: str) -> None:
        if code not in ERRORS:
            raise KeyError(code)
        self.code = code
        self.message = one_line(message)
        super().__init__(f"{code}: {self.message}")


def one_line(text: str) -> str:
    """A text as one line without what could steer a terminal, no longer than can be read."""
    line = " ".join(text[:LONGEST].splitlines())
    shown = "".join(c if c.isprintable() else "\ufffd" for c in line)
    return shown if len(text) <= LONGEST else f"{shown} …"
