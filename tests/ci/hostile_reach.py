"""Pruners that reach for what is not theirs. Each prints in the end what it got hold of.

VALUES is filled in by the test: HOST is a folder of canaries outside of the sandbox.
"""

START = """
import ctypes, glob, os, signal, socket, subprocess, sys, threading
HOST, ROOT, PORT, ABSTRACT, PID, HOME, DATA = VALUES
libc = ctypes.CDLL(None, use_errno=True)

breaches, tries = [], 0

def tried(what, act):
    global tries
    tries += 1
    try:
        breaches.append((what, repr(act())[:40]))
    except BaseException as error:
        print(what, type(error).__name__)

def call(number, *arguments):
    if libc.syscall(number, *arguments) == -1:
        raise OSError(ctypes.get_errno())

def connected(family, address):
    with socket.socket(family) as client:
        client.settimeout(1)
        client.connect(address)

def written(path):
    with open(path, "w") as file:
        file.write("stranger")

def read(path):
    with open(path, "rb") as file:
        return file.read(20)

def forked():
    if os.fork() == 0:
        os._exit(0)
    os.wait()
"""
END = """
print("TRIED", tries, "BREACHES", breaches[:5], flush=True)
os._exit(7)
"""

REACHING = {
    "a connection to the host": """
tried('tcp', lambda: connected(socket.AF_INET, ('127.0.0.1', PORT)))
""",
    "a connection to the world": """
tried('tcp', lambda: connected(socket.AF_INET, ('1.1.1.1', 53)))
tried('tcp6', lambda: connected(socket.AF_INET6, ('2606:4700:4700::1111', 53)))
""",
    "a name of the network": "tried('dns', lambda: socket.getaddrinfo('example.org', 80))",
    "a datagram": """
def datagram():
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'labels', ('127.0.0.1', PORT))
tried('udp', datagram)
""",
    "a socket file of the host": "tried('unix', lambda: connected(socket.AF_UNIX, HOST + '/sock'))",
    "an abstract socket of the host": "tried('unix', lambda: connected(socket.AF_UNIX, ABSTRACT))",
    "files of the host": """
for path in (HOST + '/secret', '/etc/passwd', '/etc/shadow', '/etc/hostname', HOST + '/../secret'):
    tried(path, lambda: read(path))
""",
    "the home folder": """
for path in ('/home', HOME + '/.ssh', HOME + '/.config', HOME + '/.bashrc', HOME + '/.profile'):
    tried(path, lambda: os.stat(path))
""",
    "the history of the repository": """
for path in ('/.git', '/README.md', '/tests', '/pyproject.toml', '/ci/evaluate.py'):
    tried(path, lambda: os.stat(ROOT + path))
""",
    "the store": "tried('store', lambda: read(HOST + '/bench.db'))",
    "the test labels": """
tried('data', lambda: os.listdir(DATA))
def labels():
    from bench.data.embedded import embedded_set
    return embedded_set('digits', None, (1, 28, 28)).labels
tried('digits', labels)
def outliers():
    from bench.data.embedded import embedded_set
    return embedded_set('patches', None, (1, 28, 28)).images
tried('patches', outliers)
""",
    "other submissions": "tried('submissions', lambda: os.listdir(ROOT + '/submissions'))",
    "the environment of others": """
def environment():
    for path in glob.glob('/proc/[0-9]*/environ'):
        try:
            with open(path, 'rb') as file:
                if b'HOME=' + HOME.encode() in file.read():
                    return path
        except OSError:
            pass
    raise LookupError
tried('environ', environment)
tried('own', lambda: os.environ['BENCH_CACHE'])
""",
    "the memory of its parent": """
def parent():
    if os.getpid() == 1:
        raise ProcessLookupError
    with open('/proc/1/maps') as maps:
        start = int(maps.readline().partition('-')[0], 16)
    return os.pread(os.open('/proc/1/mem', os.O_RDWR), 8, start)
tried('mem', parent)
tried('others', lambda: [p for p in os.listdir('/proc') if p.isdigit() and p != '1'][0])
tried('ptrace', lambda: call(101, 16, 1, 0, 0))
tried('seize', lambda: call(101, 0x4206, 1, 0, 0))
tried('readv', lambda: call(310, 1, 0, 0, 0, 0, 0))
""",
    "the life of its parent": """
tried('host', lambda: os.kill(PID, 0))
for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM):
    os.kill(1, number)  # init of the namespace takes no signal from inside
""",
    "the repository": """
places = (ROOT + '/planted', ROOT + '/bench/planted.py', '/box/bench/metrics.py', HOST + '/canary')
for path in (*places, '/box/ci/inside/work.py', '/box/planted.py', '/planted'):
    tried(path, lambda: written(path))
""",
    "the packages": """
for folder in filter(os.path.isdir, sys.path):
    for name in ('sitecustomize.py', 'usercustomize.py', 'planted.pth', 'conftest.py'):
        tried(name, lambda: written(folder + '/' + name))
""",
    "its own inputs": """
for name in ('pruner.py', 'task.json', 'images.npy', 'weights.safetensors'):
    tried(name, lambda: os.replace('/in/' + name, '/tmp/' + name))
    tried(name, lambda: written('/in/' + name))
tried('link', lambda: os.symlink('/etc/passwd', '/in/link'))
""",
    "shared memory": """
tried('shm', lambda: written('/dev/shm/left-behind'))
tried('shmget', lambda: call(29, 0, 1 << 30, 0o1600))
tried('memfd', lambda: os.memfd_create('hidden'))
""",
    "devices": """
import stat
tried('mknod', lambda: os.mknod('/tmp/disk', stat.S_IFBLK | 0o600, os.makedev(8, 0)))
for path in ('/dev/mem', '/dev/kmsg', '/dev/sda', '/dev/vda', '/dev/fuse', '/sys/kernel'):
    tried(path, lambda: os.stat(path))
""",
    "mounts": """
tried('mount', lambda: call(165, b'x', b'/tmp', b'tmpfs', 0, 0))
tried('remount', lambda: call(165, 0, b'/', 0, 0x1020, 0))
tried('umount', lambda: call(166, b'/in', 2))
tried('chroot', lambda: os.chroot('/tmp'))
tried('fsopen', lambda: call(430, b'tmpfs', 0))
""",
    "new namespaces": """
for flags in (0x10000000, 0x20000, 0x40000000, 0x20000000):
    tried('unshare', lambda: call(272, flags))
    tried('setns', lambda: call(308, 0, flags))
""",
    "other users": """
tried('setuid', lambda: os.setuid(0))
tried('setgid', lambda: os.setgid(0))
tried('setgroups', lambda: os.setgroups([0]))
tried('su', lambda: os.stat('/usr/bin/su'))
""",
    "rare calls of the kernel": """
for number in (425, 426, 427, 321, 298, 323, 250, 248, 246, 313, 304, 434, 438):
    tried(number, lambda: call(number, 0, 0, 0, 0, 0))
""",
    "another process": """
tried('fork', forked)
tried('vfork', lambda: call(58))
tried('clone', lambda: call(56, 17, 0, 0, 0, 0))
tried('clone3', lambda: call(435, 0, 88))
tried('spawn', lambda: subprocess.run([sys.executable, '-c', '']))
tried('system', lambda: os.system('true') and 1 / 0)
""",
    "more of everything": """
import resource
for name in ('AS', 'CPU', 'FSIZE', 'NOFILE', 'CORE'):
    kind = getattr(resource, 'RLIMIT_' + name)
    tried(name, lambda: resource.setrlimit(kind, (resource.RLIM_INFINITY,) * 2))
""",
    "files without end": """
def sparse():
    with open('/tmp/sparse', 'wb') as file:
        file.truncate(10 << 40)
def full():
    for number in range(100):
        with open(f'/tmp/{number}', 'wb') as file:
            file.write(bytes(1 << 23))
tried('sparse', sparse)
tried('full', full)
""",
}

# What the same code gets hold of where only limits hold it: proof that the tries are real ones.
WITHOUT_A_FENCE = (
    "a connection to the host",
    "a datagram",
    "a socket file of the host",
    "an abstract socket of the host",
    "files of the host",
    "the history of the repository",
    "the store",
    "the test labels",
    "other submissions",
    "the environment of others",
    "another process",
)
