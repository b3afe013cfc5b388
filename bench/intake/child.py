"""The process that reads strangers' files: `python -m bench.intake.child`, under limits.

It has neither torch nor a file of its own to write; files come in by its standard input, and
canonical safetensors, or a refusal, leave by its standard output. Before each stands a line of
JSON: `{"place", "length", "pickled_module"}` there, `{"length"}` or `{"code", "message"}` here.
"""

import json
import resource
import sys
from typing import BinaryIO

from bench.errors import BenchError
from bench.intake.tensors import as_safetensors

LIMITS = {
    resource.RLIMIT_AS: 8 * 2**30,  # bytes; the largest submission takes about 6 GiB
    resource.RLIMIT_CPU: 120,  # seconds, of all files together
    resource.RLIMIT_FSIZE: 0,
    resource.RLIMIT_NOFILE: 16,
    resource.RLIMIT_NPROC: 0,
    resource.RLIMIT_CORE: 0,
}


def main() -> None:
    """Answers until its standard input ends."""
    for kind, limit in LIMITS.items():
        resource.setrlimit(kind, (limit, limit))
    serve(sys.stdin.buffer, sys.stdout.buffer)


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """One answer a request."""
    for line in requests:
        request = json.loads(line)
        try:
            given = requests.read(request.pop("length"))
            content = as_safetensors(content=given, **request)
            head: dict[str, object] = {"length": len(content)}
        except MemoryError:
            content, head = b"", {"code": "E-TOO-LARGE", "message": "more than its memory holds"}
        except BenchError as error:
            content, head = b"", {"code": error.code, "message": error.message}
        answers.write(json.dumps(head).encode() + b"\n" + content)
        answers.flush()


if __name__ == "__main__":
    main()
