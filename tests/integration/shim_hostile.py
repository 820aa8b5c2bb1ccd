#!/usr/bin/env python3
"""Hostile ttrpc peers on a shim's socket: garbage, oversized and half messages, silent crowds, even
and reused stream ids, clients that never read. After each the shim answers others at once and its
memory is bounded. Prints TAP.

shim_hostile.py SOCKET ID SHIM-PID      SLACK_KIB: more memory, for a build with a sanitizer
"""
import os
import random
import resource
import signal
import socket
import struct
import sys
import time

PATH, ID, SHIM = sys.argv[1], sys.argv[2], int(sys.argv[3])
SLACK = int(os.environ.get("SLACK_KIB", "0"))
MESSAGE_MAX = 4 << 20
count = failures = 0
random.seed(1)
signal.alarm(150)


def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, str):
        value = value.encode()
    return varint(number << 3 | 2) + varint(len(value)) + value


def frame(stream, kind, data, flags=0, length=None):
    return struct.pack(">IIBB", len(data) if length is None else length, stream, kind, flags) + data


def request(service, method, payload, timeout=0):
    r = field(1, service) + field(2, method) + field(3, payload)
    return r + field(4, timeout) if timeout else r


TASK, OWN = "containerd.task.v2.Task", "thole.shim.v1.Shim"
STATE = request(TASK, "State", field(1, ID))


def connect(timeout=5):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.connect(PATH)  # with a timeout it would fail where the queue is full
    s.settimeout(timeout)
    return s


def read_exact(s, n):
    data = b""
    while len(data) < n:
        part = s.recv(n - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def read_frame(s):
    length, stream, kind, flags = struct.unpack(">IIBB", read_exact(s, 10))
    return stream, kind, flags, read_exact(s, length)


def status_code(data):
    """Response{Status{code}, payload}: the code, 0 if there is none."""
    if not data or data[0] != 0x0A:
        return 0
    body = data[2:] if data[1] < 128 else data[3:]
    return body[1] if body and body[0] == 0x08 else 0


def serves():
    """Another client is answered at once."""
    with connect(2) as s:
        s.sendall(frame(1, 1, STATE))
        stream, kind, _, data = read_frame(s)
        assert stream == 1 and kind == 2 and status_code(data) == 0, (stream, kind, data)


def private():
    total = 0
    with open(f"/proc/{SHIM}/smaps_rollup") as f:
        for line in f:
            if line.startswith(("Private_Clean", "Private_Dirty")):
                total += int(line.split()[1])
    return total


def cpu():
    with open(f"/proc/{SHIM}/stat") as f:
        words = f.read().rsplit(")", 1)[1].split()
    return int(words[11]) + int(words[12])


def fds():
    return len(os.listdir(f"/proc/{SHIM}/fd"))


def settled(limit_kib):
    for _ in range(50):
        if private() <= limit_kib:
            return
        time.sleep(0.05)
    raise AssertionError(f"private memory stays at {private()} KiB, wanted {limit_kib}")


def test(name):
    def run(fn):
        global count, failures
        count += 1
        try:
            fn()
            serves()
            print(f"ok {count} {name}", flush=True)
        except Exception as e:  # every way of failing is a failure
            failures += 1
            print(f"# {type(e).__name__}: {e}\nnot ok {count} {name}", flush=True)

    return run


serves()
IDLE, IDLE_FDS = private(), fds()
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


@test("garbage")
def _():
    for i in range(300):
        with connect() as s:
            try:
                s.sendall(random.randbytes(random.choice([1, 9, 10, 11, 500, 5000])))
            except OSError:
                pass


@test("valid frames around damaged requests")
def _():
    for i in range(500):
        data = bytearray(STATE)
        for _ in range(random.randint(1, 6)):
            data[random.randrange(len(data))] = random.randrange(256)
        data = bytes(data[: random.randint(0, len(data))])
        with connect() as s:
            s.sendall(frame(1, 1, data))
            read_frame(s)


@test("a message of 4 MiB is read, one byte more is refused, the connection goes on")
def _():
    with connect(10) as s:
        s.sendall(frame(1, 1, b"\0" * MESSAGE_MAX))
        assert status_code(read_frame(s)[3]) != 0
        s.sendall(frame(3, 1, b"\0" * (MESSAGE_MAX + 1)))
        assert status_code(read_frame(s)[3]) == 8
        s.sendall(frame(5, 1, STATE))
        stream, _, _, data = read_frame(s)
        assert stream == 5 and status_code(data) == 0


@test("lengths that are announced and never come cost nothing")
def _():
    crowd = []
    for i in range(100):
        s = connect()
        s.sendall(frame(1, 1, b"x" * 20, length=random.choice([MESSAGE_MAX, 0xFFFFFFFF, 1 << 20])))
        crowd.append(s)
    time.sleep(0.2)
    serves()
    assert private() < IDLE + 1500 + SLACK, private()
    for s in crowd:
        s.close()


@test("half messages of 3 MiB from sixty peers: bounded, others are served")
def _():
    crowd, sent = [], 0
    for i in range(60):
        s = connect()
        try:
            s.sendall(frame(1, 1, b"\0" * (3 << 20), length=MESSAGE_MAX))
            sent += 1
        except OSError:
            pass
        crowd.append(s)
    serves()
    now = private()
    assert now < (40 << 10) + SLACK, f"{now} KiB"
    for s in crowd:
        s.close()


@test("a thousand connections that say nothing: others are served, no spinning")
def _():
    crowd = [connect() for _ in range(1000)]
    serves()
    time.sleep(0.3)
    before = cpu()
    time.sleep(1)
    assert cpu() - before <= 5, f"{cpu() - before} ticks in a second"
    serves()
    assert fds() < 600, fds()
    for s in crowd:
        s.close()


@test("whoever asked before a silent crowd came keeps its connection")
def _():
    with connect() as s:
        s.sendall(frame(1, 1, STATE))
        read_frame(s)
        crowd = [connect() for _ in range(700)]
        serves()
        s.sendall(frame(3, 1, STATE))
        assert read_frame(s)[0] == 3
        for c in crowd:
            c.close()


@test("even, reused, falling and zero stream ids, unknown types and flags")
def _():
    with connect() as s:
        for stream in (2, 0, 0xFFFFFFFE):
            s.sendall(frame(stream, 1, STATE))
            assert status_code(read_frame(s)[3]) == 3
        s.sendall(frame(7, 1, STATE))
        read_frame(s)
        for stream in (7, 5, 1):
            s.sendall(frame(stream, 1, STATE))
            assert status_code(read_frame(s)[3]) == 3
        for kind in (0, 2, 4, 255):
            s.sendall(frame(9, kind, b"?" * 50, flags=255))
        s.sendall(frame(9, 3, b"data for no stream"))
        assert status_code(read_frame(s)[3]) == 3
        s.sendall(frame(0xFFFFFFFF, 1, STATE))
        assert read_frame(s)[0] == 0xFFFFFFFF


@test("a client that asks and never reads: bounded")
def _():
    with connect(0.5) as s:
        stream = 1
        try:
            while stream < 2000000:
                s.sendall(b"".join(frame(stream + 2 * i, 1, STATE) for i in range(100)))
                stream += 200
        except TimeoutError:
            pass
        except OSError:
            pass
        assert private() < IDLE + 4000 + SLACK, private()
        serves()


@test("two thousand calls that wait: refused above a limit")
def _():
    wait = request(TASK, "Wait", field(1, ID))
    with connect(5) as s:
        refused = 0
        for i in range(2000):
            s.sendall(frame(2 * i + 1, 1, wait))
        for _ in range(500):
            refused += status_code(read_frame(s)[3]) == 8
        assert refused == 500, refused


@test("deadlines: an absurd one is no crash, a short one is kept")
def _():
    with connect(5) as s:
        for i, t in enumerate((1, 1 << 62, (1 << 63) - 1, (1 << 64) - 1, 50000000)):
            s.sendall(frame(2 * i + 1, 1, request(TASK, "Wait", field(1, ID), t)))
        got = {read_frame(s)[0], read_frame(s)[0]}
        assert {1, 9} <= got, got


@test("attach twice on one connection, data for both, then a sudden end")
def _():
    for i in range(50):
        with connect() as s:
            attach = request(OWN, "Attach", field(1, ID) + field(3, 1))
            for stream in (1, 3, 5):
                s.sendall(frame(stream, 1, attach, flags=2))
            for stream in (1, 3, 5):
                s.sendall(frame(stream, 3, field(1, 0) + field(2, b"x" * 1000)))
                s.sendall(frame(stream, 3, random.randbytes(30)))


@test("hostile ids and paths in every method")
def _():
    names = ["../../x", "", "/", "a" * 100000, "x\0y", "%s%n", "\n", ID + "x"]
    methods = ["State", "Create", "Start", "Delete", "Pids", "Pause", "Resume", "Checkpoint", "Kill", "Exec"]
    methods += ["ResizePty", "CloseIO", "Update", "Wait", "Stats", "Connect", "Shutdown2", "", "x" * 1000]
    for method in methods:
        for name in names:
            with connect() as s:
                s.sendall(frame(1, 1, request(TASK, method, field(1, name) + field(2, name) + field(4, name))))
                assert status_code(read_frame(s)[3]) != 0 or method == "Connect", (method, name[:20])


@test("execs whose ids and processes are hostile leave nothing")
def _():
    kind = "types.containerd.io/opencontainers/runtime-spec/1/Process"
    for i, (name, process) in enumerate(
        [("../../../tmp/x", "{}"), ("a/b", "{"), ("x" * 5000, "null"), ("ok", "\0" * 100), ("ok2", "[" * 100000)]
    ):
        with connect(10) as s:
            any_ = field(1, kind) + field(2, process)
            body = field(1, ID) + field(2, name) + field(7, any_)
            s.sendall(frame(1, 1, request(TASK, "Exec", body)))
            if status_code(read_frame(s)[3]):
                continue
            both = field(1, ID) + field(2, name)
            s.sendall(frame(3, 1, request(TASK, "Start", both)))
            assert status_code(read_frame(s)[3]) != 0, name[:20]
            s.sendall(frame(5, 1, request(TASK, "Delete", both)))
            data = read_frame(s)[3]
            assert status_code(data) == 0, (name[:20], data)
    serves()  # the answer comes just before the files go
    left = [n for n in os.listdir(os.path.dirname(PATH)) if n.startswith("exec")]
    assert not left, left


@test("two thousand sessions that nobody starts: refused above a limit")
def _():
    kind = "types.containerd.io/opencontainers/runtime-spec/1/Process"
    any_ = field(1, kind) + field(2, "{}")
    with connect(10) as s:
        codes = []
        for i in range(2000):
            body = field(1, ID) + field(2, f"s{i}") + field(7, any_)
            s.sendall(frame(2 * i + 1, 1, request(TASK, "Exec", body)))
            codes.append(status_code(read_frame(s)[3]))
        assert codes[0] == 0 and codes[-1] == 8, (codes[0], codes[-1])
        n = codes.count(0)
        for i in range(n):
            s.sendall(frame(4001 + 2 * i, 1, request(TASK, "Delete", field(1, ID) + field(2, f"s{i}"))))
            assert status_code(read_frame(s)[3]) == 0


@test("afterwards: memory and descriptors are what they were")
def _():
    settled(IDLE + 200 + SLACK)
    for _ in range(40):
        if fds() <= IDLE_FDS:
            return
        time.sleep(0.05)
    raise AssertionError(f"{fds()} descriptors, {IDLE_FDS} before")


print(f"# private: {IDLE} KiB before, {private()} KiB after")
print(f"1..{count}")
sys.exit(1 if failures else 0)
