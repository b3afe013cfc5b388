"""Files that a stranger may send, made by hand: {family: [(codes that may refuse it, bytes)]}."""

from tests.intake.hostile_files.archives import ARCHIVES
from tests.intake.hostile_files.pickles import PICKLES
from tests.intake.hostile_files.tensors import TENSORS

FAMILIES = ARCHIVES | PICKLES | TENSORS
FILES = [
    (f"{name} {at}", codes, content)
    for name, files in FAMILIES.items()
    for at, (codes, content) in enumerate(files)
]
