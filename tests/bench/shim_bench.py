#!/usr/bin/env python3
"""One containerd shim measured through its task service, for tests/bench/bench-containerd.

shim_bench.py SHIM NAMESPACE BUNDLE...    bundles of one pod, and one of another; prints NAME VALUE lines
"""
import os
import statistics
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from shimd import Shim, Site, exec_spec
from wire import enc

site = Site(sys.argv[1:])
site.daemon.start()
*names, other = site.bundles
for b in site.bundles.values():  # the daemon's ear: runc's shim does not live without it
    if not os.path.exists(b + "/log"):
        os.mkfifo(b + "/log", 0o700)
ears = [os.open(b + "/log", os.O_RDWR) for b in site.bundles.values()]
IDLE = 2.5  # until nothing more is given back
rounds, execs = int(os.environ.get("ROUNDS", "20")), int(os.environ.get("EXECS", "1000"))


def memory(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        rows = [l.split() for l in f if l.startswith(("Private_", "Pss:"))]
    return sum(int(r[1]) for r in rows if r[0] != "Pss:"), sum(int(r[1]) for r in rows if r[0] == "Pss:")


def cpu(pid):
    """Of the shim and of the runtimes that it has waited for, in milliseconds."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        words = f.read().rsplit(")", 1)[1].split()
    return sum(int(w) for w in words[11:15]) * 1000 / os.sysconf("SC_CLK_TCK")


def show(name, value):
    print(f"{name} {value:.1f}", flush=True)


def end(shim, pid, name):
    try:
        shim.ok("Shutdown", (1, name))
    except EOFError:
        pass  # runc's shim may be gone before it has answered
    while os.path.exists(f"/proc/{pid}"):
        time.sleep(0.01)


def session(shim, number):
    name = f"e{number}"
    shim.ok("Exec", (1, names[0]), (2, name), (7, exec_spec("/bin/busybox", "true")))
    start = time.time()
    shim.ok("Start", (1, names[0]), (2, name))
    shim.ok("Wait", (1, names[0]), (2, name))
    taken = time.time() - start
    shim.ok("Delete", (1, names[0]), (2, name))
    return taken * 1000


starts = []
for _ in range(rounds):
    at = time.time()
    shim = Shim(site.run("start", names[0]).decode())
    starts.append((time.time() - at) * 1000)
    end(shim, shim.ok("Connect", (1, names[0]))[1], names[0])
show("start_ms", statistics.median(starts))
# A node has more than one: what they share is nobody's own.
beside = Shim(site.run("start", other).decode())
beside.ok("Create", (1, other), (2, site.bundles[other]))
beside.ok("Start", (1, other))
shim = Shim(site.run("start", names[0]).decode())
pid = shim.ok("Connect", (1, names[0]))[1]
for i, name in enumerate(names):
    if i:
        site.run("start", name)
    shim.ok("Create", (1, name), (2, site.bundles[name]))
    shim.ok("Start", (1, name))
    if i + 1 in (1, 3):
        time.sleep(IDLE)
        private, pss = memory(pid)
        show(f"private_kib_{i + 1}", private)
        show(f"pss_kib_{i + 1}", pss)
before = cpu(pid)
took = [session(shim, n) for n in range(execs)]
show("exec_ms", statistics.median(took))
show("cpu_ms_per_exec", (cpu(pid) - before) / execs)
time.sleep(IDLE)
private, pss = memory(pid)
show("private_kib_after", private)
show("pss_kib_after", pss)
for name in [*names, other]:
    its = beside if name == other else shim
    its.ok("Kill", (1, name), (3, 9))
    its.ok("Wait", (1, name))
    its.ok("Delete", (1, name))
end(beside, beside.ok("Connect", (1, other))[1], other)
end(shim, pid, names[0])
