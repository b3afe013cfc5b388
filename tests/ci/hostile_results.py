"""Pruners that take everything, never end, or give back what they should not; with their ends."""

BOMBS = {  # name -> code, expected end
    "an endless loop": ("while True: pass", "E-PRUNER-LIMIT"),
    "a sleeper that takes no signal": (
        """
import signal, time
for number in range(1, 65):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
while True: time.sleep(1)
""",
        "E-PRUNER-LIMIT",
    ),
    "a sleeper that hangs up": (
        """
import os, time
for number in range(100):
    try: os.close(number)
    except OSError: pass
time.sleep(1000)
""",
        "E-PRUNER-LIMIT",
    ),
    "a daemon": (
        """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        while True: time.sleep(1)
""",
        "E-PRUNER-FAILED",
    ),
    "a fork bomb": ("import os\nwhile True: os.fork()", "E-PRUNER-FAILED"),
    "a thread bomb": (
        """
import threading, time
while True: threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
""",
        "E-PRUNER-FAILED",
    ),
    "a memory bomb": (
        "kept = []\nwhile True: kept.append(bytearray(1 << 26))",
        "E-PRUNER-FAILED E-PRUNER-LIMIT",  # on a busy machine its time is over first
    ),
    "a bomb of open files": (
        "kept = []\nwhile True: kept.append(open('/dev/null'))",
        "E-PRUNER-FAILED",
    ),
    "a log bomb": (
        "import os\nwhile True:\n    os.write(1, b'x' * 65536)\n    os.write(2, b'y' * 65536)",
        "E-PRUNER-LIMIT",
    ),
    "weights without end": ("ANSWER\nwhile True: os.write(fd, bytes(1 << 16))", "E-PRUNER-LIMIT"),
    "a segmentation fault": ("import ctypes; ctypes.string_at(0)", "E-PRUNER-FAILED"),
    "an exception": ("raise RuntimeError('no')", "E-PRUNER-FAILED"),
    "success without a result": ("import os; os._exit(0)", "E-PRUNER-FAILED"),
    "no function": ("prune_it = None", "E-PRUNER-FAILED"),
    "no Python": ("(", "E-PRUNER-FAILED"),
    "escapes of the terminal": (
        "print('\\x1b]0;owned\\x07\\x1b[2J\\u202egnp'); raise SystemExit(3)",
        "E-PRUNER-FAILED",
    ),
    "commands to the forge": (
        "print('\\n::stop-commands::x\\n::error::passed\\n##[group]x'); raise SystemExit(3)",
        "E-PRUNER-FAILED",
    ),
    "a pickle": (
        "ANSWER\nimport pickle\nos.write(fd, pickle.dumps(print)); os._exit(0)",
        "E-PRUNER-OUTPUT",
    ),
    "a forged run": (
        """ANSWER
text = b'{"schema": 1, "run_id": "0", "scores": []}'
for place in ('/tmp/run.json', '/tmp/weights.safetensors'):
    open(place, 'wb').write(text)
os.write(fd, text); os._exit(0)
""",
        "E-PRUNER-OUTPUT",
    ),
    "a link in place of weights": (
        """ANSWER
os.symlink('/etc/passwd', '/tmp/weights'); os.mkfifo('/tmp/fifo')
os.write(fd, os.readlink('/tmp/weights').encode()); os._exit(0)
""",
        "E-PRUNER-OUTPUT",
    ),
    "a header that promises a giant": (
        """ANSWER
text = b'{"w":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}'
os.write(fd, len(text).to_bytes(8, 'little') + text); os._exit(0)
""",
        "E-PRUNER-OUTPUT",
    ),
}
ANSWER = """
import os
def is_pipe(number):
    link = f'/proc/self/fd/{number}'
    return os.path.lexists(link) and 'pipe' in os.readlink(link)
fd = max(number for number in range(256) if is_pipe(number))
"""
HEAD = "import torch\ndef prune(model, batches, sparsity, seed):\n"
CUT = """
    with torch.no_grad():
        for m in model.modules():
            if isinstance(m, (torch.nn.Conv2d, torch.nn.Linear)):
                order = m.weight.abs().flatten().argsort(stable=True)
                m.weight.view(-1)[order[: int(len(order) * sparsity)]] = 0
"""

NETWORKS = {  # need torch, some seconds each
    "weights that are no numbers": (
        HEAD + CUT + "    model.network.fc1.weight.data[0, 0] = float('nan')",
        "E-PRUNER-OUTPUT",
    ),
    "weights of another network": (
        HEAD + "    return {'conv1.weight': torch.ones(3, 3, 3, 3)}",
        "E-PRUNER-OUTPUT",
    ),
    "more weights than declared": (HEAD + "    return model", "E-NOT-SPARSE"),
    "tiny weights in place of zeros": (
        HEAD + CUT.replace("= 0", "= 1e-30"),
        "E-NOT-SPARSE",
    ),
    "another object": (HEAD + "    return 'accuracy 1.0'", "E-PRUNER-FAILED"),
    "patched metrics": (
        HEAD
        + """
    import bench.models.sparsity, bench.records, sys
    bench.models.sparsity.measured_sparsity = lambda *a: 1.0
    sys.modules['bench.metrics'] = None
    torch.Tensor.count_nonzero = lambda *a: torch.tensor(0)
    torch.isfinite = lambda t: torch.ones_like(t, dtype=torch.bool)
""",
        "E-NOT-SPARSE",
    ),
    "another writer of weights": (
        HEAD
        + """
    import ci.inside.work
    ci.inside.work.canonical_bytes = lambda state: b'PK' + bytes(100)
""",
        "E-PRUNER-OUTPUT",
    ),
    "five classes": (
        HEAD + "    from bench.models import build; return build('lenet5', classes=5)",
        "E-PRUNER-OUTPUT",
    ),
}
HONEST = HEAD + CUT
