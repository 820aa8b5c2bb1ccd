#!/usr/bin/env python3
"""Random calls of the task service from several connections at once, and what must hold whatever they are.

calls.py SHIM NAMESPACE BUNDLE...    bundles of one pod; TAP on stdout
HAMMER_SEEDS: one, or FIRST-LAST; HAMMER_OPS: calls of a client in a round; HAMMER_CLIENTS; HAMMER_VERBOSE:
the answers, counted. The runtime beside SHIM is the wrapper that tests/hammer/run makes: it is slow, fails or
dies while the file `chaos` is there.

After each round: every call has been answered, but those whose connection was cut; each process's end was
told once and in order, and Wait said the same; the shim ended by Shutdown and not before; nothing is left
of processes, descriptors, mounts, cgroups, files and state; no sanitizer has said anything.
"""
import errno
import json
import os
import random
import signal
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from shimd import Daemon, Shim, Site, exec_spec, frame
from wire import dec, enc

CLIENTS = int(os.environ.get("HAMMER_CLIENTS", "4"))
BOUND = 60.0  # seconds: no call may take longer
EXECS = ("x1", "x2", "x3")
METHODS = ["Create", "Start", "Exec", "Delete", "Kill", "Wait", "State", "Pids", "CloseIO", "ResizePty",
           "Pause", "Resume", "Update", "Stats", "Connect", "Shutdown", "Checkpoint"]
WEIGHTS = [14, 18, 14, 12, 10, 9, 4, 2, 3, 3, 3, 5, 3, 2, 1, 2, 2]
COMMANDS = {
    "end": "exit 3",
    "sleep": "exec sleep 1000",
    "stubborn": "trap '' TERM HUP INT; while :; do sleep 0.1; done",
    "talk": "trap 'exit 4' TERM; while :; do echo out; echo err >&2; sleep 0.01; done",
    "flood": "head -c 300000 /dev/zero",
    "cat": "cat; exit 5",
    "late": "sleep 0.1; echo out; kill -9 $$",
    "orphan": "sleep 1000 & exit 6",
}


class Ear(Daemon):
    """Remembers whose event it was, and takes one that was sent again for the same."""

    def __init__(self, path):
        super().__init__(path)
        self.seen, self.lock = set(), threading.Lock()

    def serve(self, conn):
        try:
            pid = struct.unpack("iII", conn.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
            while True:
                stream, _, data = frame(conn)
                request = dec(data)
                envelope = dec(dec(request[3])[1])
                with self.lock:
                    if (pid, request[3]) not in self.seen:
                        self.seen.add((pid, request[3]))
                        self.got.append((pid, envelope[3].decode()[7:], dec(dec(envelope[4])[2])))
                conn.sendall(struct.pack(">IIBB", 0, stream, 2, 0))
        except (EOFError, OSError):
            pass


def text(value):
    return value.decode() if isinstance(value, bytes) else value


class Failure(Exception):
    pass


class Round:
    def __init__(self, site, seed, ops):
        self.site, self.seed, self.ops, self.rng = site, seed, ops, random.Random(seed)
        self.daemon, self.top = site.daemon, site.top
        self.problems, self.calls, self.shims, self.waits, self.cut = [], 0, set(), [], 0
        self.answers = {}
        self.lock, self.stop = threading.Lock(), threading.Event()
        self.fifos = []

    def problem(self, what):
        with self.lock:
            self.problems.append(what)

    # ---- the surroundings ----

    def set_up(self):
        self.daemon.got.clear()
        for name in self.site.bundles:
            how = self.rng.choice(sorted(COMMANDS))
            terminal = self.rng.random() < 0.25

            def change(c, how=how, terminal=terminal, shares=self.rng.random() < 0.2):
                c["process"]["args"] = ["/bin/busybox", "sh", "-c", COMMANDS[how]]
                c["process"]["terminal"] = terminal
                if shares:
                    c["linux"]["namespaces"] = [n for n in c["linux"]["namespaces"] if n["type"] != "pid"]
            self.site.config(name, change)
        self.terminals = {}
        for name, bundle in self.site.bundles.items():
            with open(bundle + "/config.json", encoding="utf-8") as f:
                self.terminals[name] = json.load(f)["process"]["terminal"]
        os.makedirs(self.top + "/io", exist_ok=True)
        for i in range(9):
            path = f"{self.top}/io/fifo{i}"
            if not os.path.exists(path):
                os.mkfifo(path)
            self.fifos.append(path)

    def chaos_on(self, on):
        if on:
            self.site.write(self.top + "/chaos", "")
        elif os.path.exists(self.top + "/chaos"):
            os.unlink(self.top + "/chaos")

    def start(self):
        """The pod's shim, started where there is none."""
        with self.lock:
            address = self.site.run("start", "c1").decode()
            try:
                shim = Shim(address)
                shim.sock.settimeout(BOUND)
                self.shims.add(shim.ok("Connect", (1, "c1"))[1])
                return shim
            except (OSError, EOFError):
                return None

    def connect(self):
        end = time.time() + BOUND
        while time.time() < end:
            shim = self.start()
            if shim:
                return shim
            time.sleep(0.05)
        raise Failure("no shim to be had")

    def disturb(self):
        """Readers and writers of fifos that come and go, the daemon that is away, runtimes that are killed."""
        rng, fds, away = random.Random(self.seed + 1000000), {}, False
        while not self.stop.wait(rng.random() * 0.03):
            path = rng.choice(self.fifos)
            if path in fds:
                fd = fds[path]
                if rng.random() < 0.3:
                    os.close(fds.pop(path))
                    continue
                try:
                    os.read(fd, 1 << 16)
                except OSError:
                    pass
                if rng.random() < 0.1:
                    try:
                        os.write(fd, b"input\n")
                    except OSError:
                        pass
            else:
                try:
                    fds[path] = os.open(path, rng.choice((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)) | os.O_NONBLOCK)
                except OSError as e:
                    if e.errno != errno.ENXIO:
                        raise
            if rng.random() < 0.01:
                self.daemon.start() if away else self.daemon.stop()
                away = not away
            if self.seed % 3 and rng.random() < 0.05:
                self.snipe(rng)
        for fd in fds.values():
            os.close(fd)
        if away:
            self.daemon.start()

    def snipe(self, rng):
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if os.readlink(f"/proc/{pid}/exe").endswith("/thole.real"):
                    found.append(int(pid))
            except OSError:
                pass
        if found:
            try:
                os.kill(rng.choice(sorted(found)), signal.SIGKILL)
            except ProcessLookupError:
                pass

    # ---- random calls ----

    def stream(self, rng, kind):
        r = rng.random()
        if r < 0.4:
            return ""
        if r < 0.75:
            return rng.choice(self.fifos)
        if r < 0.9 and kind:
            return f"file://{self.top}/io/file{rng.randrange(3)}"
        # What the shim keeps of a logger stays for ten seconds.
        if kind and r < 0.95 and self.seed % 6 == 0:
            return "binary:///bin/true?id=x"
        return "" if r < 0.98 else "/nosuch/fifo"

    def streams(self, rng, first, terminal):
        fields = [(first + i, self.stream(rng, i)) for i in range(3)]
        return fields[:2] if terminal else fields

    def plan(self, rng):
        """(method, container, session or "")...: mostly what goes on a little, and any method at any time"""
        name = rng.choice(sorted(self.site.bundles))
        x = f"{name}-{rng.choice(EXECS)}"
        r = rng.random()
        if r < 0.15:
            return [("Delete", name, ""), ("Create", name, ""), ("Start", name, "")]
        if r < 0.35:
            return [("Exec", name, x), ("Start", name, x), ("Wait", name, x), ("Kill", name, x), ("Delete", name, x)][
                : rng.randrange(2, 6)]
        if r < 0.4:
            return [("Pause", name, ""), ("Resume", name, "")]
        if r < 0.45:
            return [("Kill", name, ""), ("Wait", name, ""), ("Delete", name, "")]
        if r < 0.47:  # the whole pod
            ends = [(m, n, "") for n in sorted(self.site.bundles) for m in ("Kill", "Delete")]
            return ends + [("Shutdown", name, "")] * 2
        method = rng.choices(METHODS, WEIGHTS)[0]
        return [(method, name, x if rng.random() < 0.6 else "")] * rng.choice((1, 1, 1, 2, 3))

    def pick(self, rng, plan):
        """method, fields"""
        if not plan:
            plan += self.plan(rng)
        method, name, x = plan.pop(0)
        bundle = self.site.bundles[name]
        both = [(1, name)] + ([(2, x)] if x else [])
        x = x or name + "-x1"
        fields = [(1, name)]
        if method == "Create":
            fields += [(2, bundle), (4, int(self.terminals[name]))] + self.streams(rng, 5, self.terminals[name])
            if name == "c3":
                fields.append((3, enc((1, "bind"), (2, os.environ["ROOTFS"]), (4, "rbind"), (4, "ro"))))
            if rng.random() < 0.03:
                fields.append((8, "/nosuch"))
        elif method == "Exec":
            terminal = rng.random() < 0.3
            args = ("/nosuch",) if rng.random() < 0.1 else (
                "/bin/busybox", "sh", "-c", COMMANDS[rng.choice(sorted(COMMANDS))])
            fields += [(2, x), (3, int(terminal)), (7, exec_spec(*args))] + self.streams(rng, 4, terminal)
        elif method == "Kill":
            fields = both + [(3, rng.choice((9, 9, 15, 1, 0))), (4, int(rng.random() < 0.2))]
        elif method == "ResizePty":
            fields = both + [(3, 80), (4, 25)]
        elif method == "CloseIO":
            fields = both + [(3, 1)]
        elif method == "Update":
            fields.append((2, enc((1, "x"), (2, '{"pids":{"limit":500}}'))))
        elif method == "Checkpoint":
            fields.append((2, self.top + "/image"))
        elif method in ("Start", "Delete", "Wait", "State"):
            fields = both
        return method, fields

    def take(self, method, fields, answer):
        code, words, reply = answer
        with self.lock:
            self.calls += 1
            key = (method, code, words.split(":")[0][:50])
            self.answers[key] = self.answers.get(key, 0) + 1
            if method == "Wait" and code == 0:
                self.waits.append((dict(fields), reply))

    def client(self, number):
        rng = random.Random(self.seed * 100 + number)
        shim, pending, plan = self.connect(), [], []
        n = 0
        while n < self.ops and not self.problems:
            n += 1
            try:
                method, fields = self.pick(rng, plan)
                pending.append((shim.send(method, *fields), method, fields))
                r = rng.random()
                if r < 0.01:
                    shim.sock.close()
                    self.cut += len(pending)
                    shim, pending = self.connect(), []
                elif r < 0.6 and method != "Wait":
                    self.take(method, fields, shim.answer(pending.pop()[0]))
                elif r < 0.63:
                    later = [p for p in pending if p[1] != "Wait"]
                    pending = [p for p in pending if p[1] == "Wait"]
                    for stream, method, fields in later:
                        self.take(method, fields, shim.answer(stream))
                elif r < 0.73:
                    time.sleep(rng.random() * 0.1)
            except (TimeoutError, socket.timeout):
                self.problem(f"{method} {fields} was not answered")
            except (EOFError, OSError, Failure):
                try:
                    shim, pending = self.connect(), []
                except Failure as e:
                    self.problem(str(e))
        return shim, pending

    def run_client(self, number, left):
        try:
            left.append(self.client(number))
        except Exception as e:  # pylint: disable=broad-except
            self.problem(f"client {number}: {e!r}")

    # ---- the end ----

    def drain(self):
        end = time.time() + BOUND
        shim = self.connect()
        for name in self.site.bundles:
            last = []
            while True:
                if time.time() > end:
                    raise Failure(f"{name} cannot be removed: {shim.call('State', (1, name))}, {last}")
                code, words, reply = shim.call("State", (1, name))
                if code == 5:
                    break
                last = [words]
                if reply.get(4) == 4 and shim.call("Resume", (1, name))[0] == 0:
                    reply[4] = 2
                if reply.get(4) in (1, 2, 4):
                    last.append(shim.call("Kill", (1, name), (3, 9), (4, 1)))
                    wait = shim.call("Wait", (1, name), timeout=2000000000)
                    last.append(wait)
                    if wait[0] == 0:
                        self.waits.append(({1: name}, wait[2]))
                last.append(shim.call("Delete", (1, name)))
                if last[-1][0]:
                    time.sleep(0.05)
        return shim

    def collect(self, left):
        for shim, pending in left:
            for stream, method, fields in pending:
                try:
                    self.take(method, fields, shim.answer(stream))
                except (TimeoutError, socket.timeout):
                    self.problem(f"{method} {fields} was never answered")
                    break
                except (EOFError, OSError):
                    break
            shim.sock.close()

    def check_events(self):
        """Each container's and session's events, shim by shim."""
        state, ends = {}, {}
        for pid, topic, e in self.daemon.got:
            name = text(e[1])
            c = state.setdefault((pid, name), {"at": "none", "execs": {}})
            def bad(why):
                self.problem(f"event {topic} of {name} {e}: {why}, {c}")
            if topic == "create":
                if c["at"] not in ("none", "deleted"):
                    bad("there is one")
                c.update(at="created", execs={}, restores=bool(e.get(5)))
            elif topic == "start":
                if c["at"] != "created":
                    bad("not created")
                c["at"] = "started"
            elif topic == "exit" and text(e[2]) == name:
                if c["at"] not in ("created", "started"):
                    bad("no process")
                running = [x for x, at in c["execs"].items() if at == "started"]
                if running:
                    bad(f"sessions {running} have not ended")
                c["at"] = "ended"
                ends.setdefault(name, []).append((e.get(4, 0), e.get(5)))
            elif topic == "delete":
                if c["at"] != "ended" and not (c["at"] == "created" and c["restores"]):
                    bad("has not ended")
                c["at"] = "deleted"
            elif topic.startswith("exec") or topic == "exit":
                x = text(e[2])
                before = {"exec-added": (None, "added", "ended"), "exec-started": ("added",),
                          "exit": ("started",)}[topic]
                if c["execs"].get(x) not in before or c["at"] not in ("created", "started"):
                    bad("out of order")
                c["execs"][x] = {"exec-added": "added", "exec-started": "started", "exit": "ended"}[topic]
                if topic == "exit":
                    ends.setdefault(x, []).append((e.get(4, 0), e.get(5)))
            elif c["at"] not in ("created", "started", "ended"):
                bad("no container")
        for (pid, name), c in state.items():
            if c["at"] != "deleted":
                self.problem(f"the last event of {name}, shim {pid}, is {c['at']}")
        for fields, reply in self.waits:
            name, status, when = fields.get(2, fields[1]), reply.get(1, 0), reply.get(2)
            never = dec(when or b"").get(1, 0) == (-62135596800) & (1 << 64) - 1
            if not (never and status == 255) and (status, when) not in ends.get(name, []):
                self.problem(f"Wait of {name}: {status} {when!r}, no such exit in {ends.get(name)}")


def processes():
    out = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                out[int(pid)] = f.read().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            pass
    return out


def descriptors(pid):
    """What of a container's a shim without one still has open."""
    out = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            what = os.readlink(f"/proc/{pid}/fd/{fd}")
        except OSError:
            continue
        if what.startswith(("pipe:", "/")) and what != "/dev/null" or "pidfd" in what:
            out.append(what)
        elif what.startswith("socket:"):
            out.append("socket")
    return out


def surroundings(site):
    """What must be after a round as it was before."""
    with open("/proc/self/mounts", encoding="utf-8") as f:
        mounts = sorted(f)
    cgroups = sorted(d for top in os.listdir("/sys/fs/cgroup")
                     for d, _, _ in os.walk(f"/sys/fs/cgroup/{top}{os.environ['CG']}"))
    cgroups = [d for d in cgroups if not d.endswith(os.environ["CG"])]
    files = sorted(f"{d}/{f}" for b in site.bundles.values() for d, ds, fs in os.walk(b) for f in fs + ds)
    state = sorted(os.path.join(d, f) for top in ("/run/thole-shim", "/run/containerd", "/run/thole")
                   for d, _, fs in os.walk(top) for f in fs + [""] if not d.endswith("/s") or f)
    state = [s for s in state if f"/{site.namespace}/" in s and not s.endswith(f"runc/{site.namespace}/")]
    return {"mounts": mounts, "cgroups": cgroups, "files": files, "state": state}


def settle(what, fn, expected, seconds=15):
    end = time.time() + seconds
    while fn() != expected and time.time() < end:
        time.sleep(0.05)
    now = fn()
    if now != expected:
        if isinstance(now, dict):
            now = {k: v for k, v in now.items() if expected.get(k) != v}
            expected = {k: expected.get(k) for k in now}
        raise Failure(f"{what}: {now}, before {expected}")


def sanitizer(top):
    out = []
    for name in sorted(os.listdir(top)):
        if name.startswith("san."):
            with open(f"{top}/{name}", encoding="utf-8", errors="replace") as f:
                out.append(name + ": " + f.read()[:6000])
            os.rename(f"{top}/{name}", f"{top}/old-{name}")
    return out


def one(site, seed, ops):
    r = Round(site, seed, ops)
    r.set_up()
    before, alive = surroundings(site), processes()
    threads, left = [], []
    shim = r.connect()
    # Every third one has a runtime that does its work.
    r.chaos_on(seed % 3 != 0)
    disturber = threading.Thread(target=r.disturb, daemon=True)
    disturber.start()
    for i in range(CLIENTS):
        threads.append(threading.Thread(target=r.run_client, args=(i, left), daemon=True))
        threads[-1].start()
    for t in threads:
        t.join(BOUND * 4)
        if t.is_alive():
            r.problem("a client hangs")
    r.stop.set()
    disturber.join(BOUND)
    r.chaos_on(False)
    shim.sock.close()
    try:
        shim = r.drain()
        r.collect(left)
        pid = shim.ok("Connect", (1, "c1"))[1]
        # The listening one, this client's, the daemon's.
        settle("descriptors", lambda: [d for d in descriptors(pid) if d != "socket"], [])
        settle("sockets", lambda: descriptors(pid).count("socket") <= 3, True)
        site.bye(shim, "c1")
    except (Failure, AssertionError, EOFError, OSError) as e:
        r.problem(f"at the end: {e!r}")
    try:
        settle("surroundings", lambda: surroundings(site), before)
    except Failure as e:
        r.problem(str(e))
    try:
        settle("processes", lambda: {p: c for p, c in processes().items() if p not in alive}, {})
    except Failure as e:
        r.problem(str(e))
    r.problems += sanitizer(site.top)
    if not r.problems:
        r.check_events()
    return r


def main():
    site = Site(sys.argv[1:])
    site.daemon = Ear(site.daemon.path)
    site.daemon.start()
    first, _, last = os.environ.get("HAMMER_SEEDS", "1-5").partition("-")
    ops = int(os.environ.get("HAMMER_OPS", "60"))
    site.bye(site.start("c1"), "c1")  # leaves the bundle's address
    n = failed = 0
    for seed in range(int(first), int(last or first) + 1):
        n += 1
        start = time.time()
        r = one(site, seed, ops)
        for p in r.problems[:12]:
            print("# " + p.replace("\n", "\n# "))
        if os.environ.get("HAMMER_VERBOSE"):
            for k, v in sorted(r.answers.items()):
                print(f"# {v:5} {k}")
        print(f"{'not ok' if r.problems else 'ok'} {n} hammer: seed {seed}, {r.calls} calls, {r.cut} cut, "
              f"{len(r.shims)} shims, {len(site.daemon.got)} events, {time.time() - start:.1f} s", flush=True)
        failed |= bool(r.problems)
        if r.problems:
            site.clean()
        while site.undo:
            site.undo.pop()()
    print(f"1..{n}")
    sys.exit(failed)


main()
