"""The one error that a user can mend, and the stable codes it may carry.

Not here: faults of the program, which stay ordinary exceptions with a traceback.
"""

from collections.abc import Mapping

ERRORS: Mapping[str, str] = {
    "E-NO-SUCH-FILE": "The path does not exist or cannot be read.",
    "E-UNKNOWN-FORMAT": "The file is none of the kinds that can be a submission.",
    "E-PICKLED-MODULE": "The file holds a pickled module; reading it would run code.",
    "E-TORCHSCRIPT": "The file is a TorchScript archive; loading it would run a program.",
    "E-EXPORTED-PROGRAM": "The file is a `.pt2` program; loading it would run pickles.",
    "E-LEGACY-FORMAT": "The file was written by the old, non-zip `torch.save`.",
    "E-BROKEN-FILE": "The file is damaged: its content cannot be read as weights.",
    "E-NOT-A-STATE-DICT": "The file holds something other than a mapping from names to tensors.",
    "E-BAD-TENSOR": "A tensor is of a kind, type or value that weights cannot have.",
    "E-UNKNOWN-ARCHITECTURE": "The architecture is not in the table, or none fits the tensors.",
    "E-WRONG-WEIGHTS": "Names or shapes of the tensors do not fit the architecture.",
    "E-SUBMISSION-TOML": "`submission.toml` is missing, malformed or has a wrong field.",
    "E-BAD-OUTPUT": "The model's answer is not (N, classes) finite numbers.",
    "E-MISSING-PACKAGE": "An optional package is needed that is not installed.",
    "E-UNKNOWN-SUITE": "The suite is not in the table.",
    "E-NO-DATA": "An image set is not under the data root.",
    "E-TOO-FEW-IMAGES": "More images are asked for than the files hold.",
    "E-BROKEN-DATA": "A data file is damaged or not in the expected layout.",
    "E-BAD-VALUE": "An option has a value that it cannot take.",
    "E-NO-STORE": "The result store cannot be opened.",
    "E-STORE-SCHEMA": "The store was written by another version of the program.",
    "E-NO-SUCH-RUN": "No stored run, or more than one, has this id.",
    "E-NOT-COMPARABLE": "The runs differ in protocol, data or limit.",
}


class BenchError(Exception):
    """Wrong input or usage: ends a command with exit code 2 and one message.

    Args:
        code: Key of `ERRORS`; never changes its meaning.
        message: What was found, what was expected and what to do, in one or two sentences.
    """

    def __init__(self, code: str, message: str) -> None:
        if code not in ERRORS:
            raise KeyError(code)
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
