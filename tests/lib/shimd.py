"""A containerd in small: starts a shim, talks its task service and takes its events, or is away."""
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
import traceback

from wire import dec, enc


def receive(sock, n):
    data = b""
    while len(data) < n:
        part = sock.recv(n - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def frame(sock):
    n, stream, kind, _ = struct.unpack(">IIBB", receive(sock, 10))
    return stream, kind, receive(sock, n)


class Daemon:
    """Takes events, in order; tells what it got as (topic, container or session, status)."""

    def __init__(self, path):
        self.path, self.got, self.conns, self.sock = path, [], [], None

    def start(self):
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.bind(self.path)
        self.sock.listen(16)
        threading.Thread(target=self.accept, args=(self.sock,), daemon=True).start()

    def stop(self):
        os.unlink(self.path)
        self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()
        for c in self.conns:
            c.shutdown(socket.SHUT_RDWR)
            c.close()
        self.conns = []

    def accept(self, sock):
        while True:
            try:
                conn = sock.accept()[0]
            except OSError:
                return
            self.conns.append(conn)
            threading.Thread(target=self.serve, args=(conn,), daemon=True).start()

    def serve(self, conn):
        try:
            while True:
                stream, _, data = frame(conn)
                request = dec(data)
                envelope = dec(dec(request[3])[1])
                event = dec(dec(envelope[4])[2])
                topic = envelope[3].decode()
                name = event[2] if topic in ("/tasks/exit", "/tasks/exec-added", "/tasks/exec-started") else event[1]
                self.got.append((topic[7:], name.decode(), event.get(4, 0) if topic == "/tasks/exit" else 0))
                conn.sendall(struct.pack(">IIBB", 0, stream, 2, 0))
        except (EOFError, OSError):
            pass


class Shim:
    def __init__(self, address, version="v2"):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(address[len("unix://") :])
        self.service, self.stream, self.early = f"containerd.task.{version}.Task", -1, {}

    def send(self, method, *fields, timeout=0):
        self.stream += 2
        data = enc((1, self.service), (2, method), (3, enc(*fields)), *([(4, timeout)] if timeout else []))
        self.sock.sendall(struct.pack(">IIBB", len(data), self.stream, 1, 0) + data)
        return self.stream

    def answer(self, stream):
        while stream not in self.early:
            number, _, data = frame(self.sock)
            self.early[number] = dec(data)
        reply = self.early.pop(stream)
        status = dec(reply.get(1, b""))
        return status.get(1, 0), status.get(2, b"").decode(), dec(reply.get(2, b""))

    def call(self, method, *fields, timeout=0):
        return self.answer(self.send(method, *fields, timeout=timeout))

    def ok(self, method, *fields):
        code, text, reply = self.call(method, *fields)
        assert code == 0, f"{method}: {code} {text}"
        return reply


def check(what, got, expected):
    assert got == expected, f"{what}: got {got!r}, expected {expected!r}"


def wait_for(what, fn):
    for _ in range(100):
        if fn():
            return
        time.sleep(0.1)
    raise AssertionError("never true: " + what)


def exec_spec(*args):
    text = json.dumps({"args": args, "cwd": "/", "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}})
    return enc((1, "types.containerd.io/opencontainers/runtime-spec/1/Process"), (2, text))


class Site:
    """SHIM NAMESPACE BUNDLE...: what a test program is called with."""

    def __init__(self, argv):
        self.program, self.namespace = argv[:2]
        self.bundles = {os.path.basename(b): b for b in argv[2:]}
        self.top = os.path.dirname(argv[2])
        self.daemon = Daemon(self.top + "/events.sock")
        self.undo = []

    def run(self, action, name, *more, stdin=b"", **env):
        """One call of the shim's binary, as the daemon makes it; what it prints."""
        return subprocess.run(
            [self.program, "-namespace", self.namespace, "-address", "/nowhere.sock", "-publish-binary",
             "/bin/false", "-id", name, *more, action], cwd=self.bundles[name],
            env=dict(os.environ, TTRPC_ADDRESS=self.daemon.path, **env), input=stdin,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20, check=True).stdout

    def start(self, name, version="v2", **more):
        return Shim(self.run("start", name, **more).decode(), version)

    def config(self, name, change):
        """config.json of a bundle, changed until the end of the test."""
        path = self.bundles[name] + "/config.json"
        with open(path, encoding="utf-8") as f:
            old = f.read()
        new = json.loads(old)
        change(new)
        self.write(path, json.dumps(new))
        self.undo.append(lambda: self.write(path, old))

    @staticmethod
    def write(path, text):
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)

    @staticmethod
    def bye(shim, name):
        """Shutdown, and the process's end: all of its events have been told."""
        pid = shim.ok("Connect", (1, name))[1]
        shim.ok("Shutdown", (1, name))
        check("the socket", os.path.exists(shim.sock.getpeername()), False)
        wait_for("the shim's end", lambda: not os.path.exists(f"/proc/{pid}"))

    def end(self, shim, name):
        """Kills, deletes, and sees the shim off."""
        code = shim.call("Kill", (1, name), (3, 9))[0]
        assert code in (0, 5), code  # 5: it has ended
        shim.ok("Wait", (1, name))
        shim.ok("Delete", (1, name))
        self.bye(shim, name)

    def clean(self):
        """After a failure: nothing of it may disturb the next test."""
        registry = "/run/thole-shim/" + self.namespace
        for name in os.listdir(registry) if os.path.exists(registry) else []:
            with open(f"{registry}/{name}/info", encoding="utf-8") as f:
                pid = json.load(f)["shim_pid"]
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                pass
            self.run("delete", name, "-bundle", self.bundles[name])

    def main(self, what, tests):
        failed = 0
        for number, test in enumerate(tests, 1):
            try:
                test()
                print(f"ok {number} {what}: {test.__doc__ or test.__name__[2:]}", flush=True)
            except (AssertionError, EOFError, OSError, KeyError, subprocess.SubprocessError) as e:
                failed = 1
                at = traceback.extract_tb(e.__traceback__)
                lines = ", ".join(f"{f.name}:{f.lineno}" for f in at)
                self.clean()
                print(f"# {e!r} at {lines}\nnot ok {number} {what}: {test.__name__[2:]}", flush=True)
            while self.undo:
                self.undo.pop()()
        print(f"1..{len(tests)}")
        sys.exit(failed)
