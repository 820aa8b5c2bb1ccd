#!/usr/bin/env python3
"""The task service of thole-shim from outside, without a containerd.

shim_task.py SHIM NAMESPACE BUNDLE...    bundles of containers named as their directories; TAP on stdout
"""
import ctypes
import json
import os
import select
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from shimd import Shim, Site, check, exec_spec, wait_for
from wire import dec, enc

site = Site(sys.argv[1:])
daemon, bundles, run, namespace = site.daemon, site.bundles, site.run, site.namespace


def stopped(shim, name):
    return shim.ok("State", (1, name)).get(4) == 3


def t_refusals():
    daemon.start()
    shim = Shim(run("start", "c1").decode())
    check("unknown", shim.call("State", (1, "c1"))[:2], (5, "container not created: not found"))
    check("method", shim.call("Nosuch", (1, "c1"))[:2], (12, "method Nosuch"))
    check("checkpoint", shim.call("Checkpoint", (1, "c1"))[:2], (5, "container not created: not found"))
    check("connect", shim.ok("Connect", (1, "c1")).get(2, 0), 0)
    shim.ok("Create", (1, "c1"), (2, bundles["c1"]))
    check("twice", shim.call("Create", (1, "c1"), (2, bundles["c1"]))[0], 6)
    check("pause", shim.call("Pause", (1, "c1"))[:2], (2, "cannot pause task in created state"))
    check("checkpoint", shim.call("Checkpoint", (1, "c1"), (2, "/nowhere"))[:2],
          (2, "cannot checkpoint a task in created state"))
    check("exec", shim.call("State", (1, "c1"), (2, "x"))[:2], (5, "process does not exist x: not found"))
    shim.ok("Start", (1, "c1"))
    check("start", shim.call("Start", (1, "c1"))[:2], (2, "cannot start a running process"))
    check("delete", shim.call("Delete", (1, "c1"))[1], "cannot delete a running process")
    check("resume", shim.call("Resume", (1, "c1"))[:2], (2, "cannot resume a running process"))
    shim.ok("Exec", (1, "c1"), (2, "x"), (7, exec_spec("/bin/busybox", "true")))
    check("exec twice", shim.call("Exec", (1, "c1"), (2, "x"), (7, exec_spec("/bin/busybox")))[:2],
          (6, "id x: already exists"))
    check("kill", shim.call("Kill", (1, "c1"), (2, "x"), (3, 9))[:2],
          (9, "process not created: failed precondition"))
    check("deadline", shim.call("Wait", (1, "c1"), timeout=200000000)[0], 4)
    shim.ok("Shutdown", (1, "c1"))  # a container is there: nothing happens
    # One connection waits while others go on; version 3 is the same.
    waiting = shim.send("Wait", (1, "c1"))
    Shim(shim.sock.getpeername() and "unix://" + shim.sock.getpeername(), "v3").ok("Kill", (1, "c1"), (3, 15))
    check("wait", shim.answer(waiting)[2].get(1), 143)
    check("finished", shim.call("Kill", (1, "c1"), (3, 9))[:2], (5, "process already finished: not found"))
    check("stopped", shim.call("Exec", (1, "c1"), (2, "y"), (7, exec_spec("/bin/busybox")))[:2],
          (2, "cannot exec in a stopped state"))
    check("status", shim.ok("Delete", (1, "c1")).get(2), 143)
    check("gone", shim.call("Delete", (1, "c1"))[:2], (5, "container not created: not found"))
    site.bye(shim, "c1")


def t_away():
    """All that happens while the daemon is away is told when it is back, once and in order."""
    daemon.got.clear()
    shim = Shim(run("start", "c1").decode())
    shim.ok("Create", (1, "c1"), (2, bundles["c1"]))
    shim.ok("Start", (1, "c1"))
    wait_for("start", lambda: ("start", "c1", 0) in daemon.got)
    daemon.stop()
    shim.ok("Exec", (1, "c1"), (2, "x"), (7, exec_spec("/bin/busybox", "sh", "-c", "exit 4")))
    shim.ok("Start", (1, "c1"), (2, "x"))
    check("wait", shim.ok("Wait", (1, "c1"), (2, "x")).get(1), 4)
    shim.ok("Delete", (1, "c1"), (2, "x"))
    shim.ok("Kill", (1, "c1"), (3, 9))
    check("wait", shim.ok("Wait", (1, "c1")).get(1), 137)
    shim.ok("Delete", (1, "c1"))
    time.sleep(1)
    daemon.start()
    wait_for("delete", lambda: ("delete", "c1", 0) in daemon.got)
    check("events", daemon.got, [("create", "c1", 0), ("start", "c1", 0), ("exec-added", "x", 0),
                                 ("exec-started", "x", 0), ("exit", "x", 4), ("exit", "c1", 137),
                                 ("delete", "c1", 0)])
    site.bye(shim, "c1")


def t_successor():
    """A shim that still tells its events after Shutdown leaves the socket to the one started since."""
    daemon.got.clear()
    old = site.start("c1")
    old_pid = old.ok("Connect", (1, "c1"))[1]
    old.ok("Create", (1, "c1"), (2, bundles["c1"]))
    wait_for("create", lambda: ("create", "c1", 0) in daemon.got)
    daemon.stop()
    old.ok("Delete", (1, "c1"))
    old.ok("Shutdown", (1, "c1"))
    address = run("start", "c1").decode()
    new_pid = Shim(address).ok("Connect", (1, "c1"))[1]
    assert new_pid != old_pid, new_pid
    check("both", os.path.exists(f"/proc/{old_pid}"), True)
    daemon.start()
    wait_for("the old one's end", lambda: not os.path.exists(f"/proc/{old_pid}"))
    check("told", ("delete", "c1", 0) in daemon.got, True)
    shim = Shim(address)
    check("the new one's", shim.ok("Connect", (1, "c1"))[1], new_pid)
    site.bye(shim, "c1")


def t_many():
    """Three hundred sessions that end at once, and then the init: each told once, the init last."""
    daemon.got.clear()
    shim = Shim(run("start", "c1").decode())
    shim.ok("Create", (1, "c1"), (2, bundles["c1"]))
    shim.ok("Start", (1, "c1"))
    names = [f"e{i}" for i in range(300)]
    for n in names:
        shim.ok("Exec", (1, "c1"), (2, n), (7, exec_spec("/bin/busybox", "sleep", "100")))
    for at in range(0, 300, 20):
        for s in [shim.send("Start", (1, "c1"), (2, n)) for n in names[at : at + 20]]:
            check("start", shim.answer(s)[:2], (0, ""))
    waits = [shim.send("Wait", (1, "c1"), (2, n)) for n in names]
    shim.ok("Kill", (1, "c1"), (3, 9))
    for s in waits:
        check("wait", shim.answer(s)[2].get(1), 137)
    check("wait", shim.ok("Wait", (1, "c1")).get(1), 137)
    wait_for("exit", lambda: ("exit", "c1", 137) in daemon.got)
    exits = [e for e in daemon.got if e[0] == "exit"]
    check("last", exits[-1], ("exit", "c1", 137))
    check("exits", sorted(exits), sorted([("exit", n, 137) for n in names + ["c1"]]))
    shim.ok("Delete", (1, "c1"))
    site.bye(shim, "c1")


def t_bootstrap():
    params = enc((1, "c1"), (2, namespace), (5, daemon.path), (9, os.path.dirname(daemon.path) + "/s"))
    answer = dec(run("start", "c1", stdin=params))
    check("version", (answer[1], answer[3]), (3, b"ttrpc"))
    assert answer[2].decode().startswith("unix://" + os.path.dirname(daemon.path) + "/s/"), answer
    shim = Shim(answer[2].decode(), "v3")
    check("again", dec(run("start", "c1", stdin=params)), answer)
    site.bye(shim, "c1")


def t_pod():
    """A second container of the pod, a mount, a failing create, and the shim's death."""
    daemon.got.clear()
    address = run("start", "c1").decode()
    check("the same shim", run("start", "c2").decode(), address)
    shim = Shim(address)
    for n in ("c1", "c2"):
        shim.ok("Create", (1, n), (2, bundles[n]))
        shim.ok("Start", (1, n))
    mount = enc((1, "nosuchfs"), (2, "x"), (4, "ro"))
    code, text, _ = shim.call("Create", (1, "c3"), (2, bundles["c3"]), (3, mount))
    check("mount", (code, text.split(": mount")[0]), (2, "failed to mount rootfs component"))
    code, text, _ = shim.call("Create", (1, "c3"), (2, bundles["c3"]), (6, "/nosuch/fifo"))
    check("fifo", (code, text), (2, 'open "/nosuch/fifo": no such file or directory'))
    check("nothing left", shim.call("State", (1, "c3"))[0], 5)
    assert "c3" not in [e[1] for e in daemon.got], daemon.got
    shim.ok("Kill", (1, "c2"), (3, 9))
    wait_for("stopped", lambda: stopped(shim, "c2"))
    shim_pid, pid = (shim.ok("Connect", (1, "c1"))[k] for k in (1, 2))
    os.kill(shim_pid, 9)
    # What the daemon does follows the end of its connection; until then the socket is no stale one.
    while shim.sock.recv(4096):
        pass
    for name, status in (("c2", 137), ("c1", 137)):
        start = time.time()
        check("delete " + name, dec(run("delete", name, "-bundle", bundles[name])).get(2), status)
        assert time.time() - start < 5
    wait_for("the container's end", lambda: not os.path.exists(f"/proc/{pid}"))
    check("registry", os.path.exists("/run/thole-shim/" + namespace), False)
    check("socket", os.path.exists(address[7:]), False)
    check("delete again", dec(run("delete", "c1", "-bundle", bundles["c1"])).get(2), 137)


def t_overlay():
    """A root file system whose options do not fit into a page, gone after Delete; Waits that go with it."""
    shim = Shim(run("start", "c3").decode())
    base = os.path.dirname(daemon.path) + "/layers/" + "x" * 60
    lower = [f"{base}/{i}" for i in range(60)] + [os.environ["ROOTFS"]]
    for d in lower[:-1]:
        os.makedirs(d)
    with open(base + "/0/top", "w", encoding="ascii") as f:
        f.write("top")
    mount = enc((1, "overlay"), (2, "overlay"), (4, "lowerdir=" + ":".join(lower)), (4, "ro"))
    shim.ok("Create", (1, "c3"), (2, bundles["c3"]), (3, mount))
    shim.ok("Start", (1, "c3"))
    with open(bundles["c3"] + "/rootfs/top", encoding="ascii") as f:
        check("the uppermost layer", f.read(), "top")
    shim.ok("Exec", (1, "c3"), (2, "never"), (7, exec_spec("/bin/busybox", "true")))
    waiting = shim.send("Wait", (1, "c3"), (2, "never"))
    shim.ok("Kill", (1, "c3"), (3, 9))
    check("wait", shim.ok("Wait", (1, "c3")).get(1), 137)
    shim.ok("Delete", (1, "c3"))
    check("wait", shim.answer(waiting)[0], 0)
    with open("/proc/self/mounts", encoding="ascii") as f:
        assert bundles["c3"] not in f.read()
    site.bye(shim, "c3")


def t_cri_o():
    """CRI-O's way: no daemon's address, options with a path, a plain answer, no delete action"""
    log = bundles["c1"] + "/log"
    os.mkfifo(log)
    ear = os.open(log, os.O_RDONLY | os.O_NONBLOCK)
    with open(site.top + "/options.toml", "w", encoding="ascii") as f:
        f.write(f'BinaryName = "{site.top}/bin/thole"\nRoot = "{site.top}/state"\n')
    out = subprocess.run([site.program, "-namespace", "default", "-address", "", "-publish-binary", "/bin/false",
                          "-id", "c1", "start"], cwd=bundles["c1"], env=dict(os.environ, TTRPC_ADDRESS=""),
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=20,
                         check=True).stdout.decode()
    with open(bundles["c1"] + "/address", encoding="ascii") as f:
        check("address", f.read(), out)
    shim = Shim(out)
    options = enc((1, "runtimeoptions.v1.Options"), (2, enc((2, site.top + "/options.toml"))))
    shim.ok("Create", (1, "c1"), (2, bundles["c1"]), (10, options))
    check("root", os.listdir(site.top + "/state/default"), ["c1"])
    shim.ok("Start", (1, "c1"))
    shim.ok("Pause", (1, "c1"))
    check("paused", shim.ok("State", (1, "c1"))[4], 4)
    check("exec", shim.call("Exec", (1, "c1"), (2, "x"), (7, exec_spec("true")))[:2],
          (2, "cannot exec in a paused state"))
    check("pause", shim.call("Pause", (1, "c1"))[:2], (2, "cannot pause a paused container"))
    check("delete", shim.call("Delete", (1, "c1"))[1], "cannot delete a paused process")
    shim.ok("Resume", (1, "c1"))
    site.end(shim, "c1")
    os.close(ear)
    os.unlink(log)


def t_options():
    """options that cannot be are refused with their place; other types count as none"""
    shim = site.start("c1")
    bad = enc((1, "runtimeoptions.v1.Options"), (2, enc((3, "a = 1\nSystemdCgroup = 7\n"))))
    check("TOML", shim.call("Create", (1, "c1"), (2, bundles["c1"]), (10, bad))[:2],
          (2, 'runtime options, line 2: "SystemdCgroup" must be true or false'))
    cut = enc((1, "containerd.runc.v1.Options"), (2, b"\x32\x7f"))
    check("cut", shim.call("Create", (1, "c1"), (2, bundles["c1"]), (10, cut))[:2],
          (2, 'runtime options of type "containerd.runc.v1.Options" cannot be decoded'))
    check("relative", shim.call("Create", (1, "c1"), (2, "b"))[0], 3)
    check("id", shim.call("Create", (1, "../c1"), (2, bundles["c1"]))[0], 3)
    check("garbage", shim.call("Create", (1, b"\xff\xfe"), (2, bundles["c1"]))[:2],
          (3, 'container id "??": invalid character: invalid argument'))
    other = enc((1, "some.other/Type"), (2, "x"))
    shim.ok("Create", (1, "c1"), (2, bundles["c1"]), (10, other))
    check("update", shim.call("Update", (1, "c1"))[0], 3)
    check("resize", shim.call("ResizePty", (1, "c1"), (3, 80), (4, 25))[0], 0)
    check("pids", len(shim.ok("Pids", (1, "c1"))), 1)
    check("never started", shim.ok("Delete", (1, "c1")).get(2, 0), 137)
    site.bye(shim, "c1")


def sched_core(what, pid, scope):
    cookie = ctypes.c_ulong()
    r = ctypes.CDLL(None, use_errno=True).prctl(62, what, pid, scope, ctypes.byref(cookie) if what == 0 else 0)
    return cookie.value if r == 0 else None


def t_sched_core():
    """SCHED_CORE: a cookie of its own for the shim, or a start that says why not"""
    try:
        shim = site.start("c1", SCHED_CORE="1")
    except subprocess.CalledProcessError as e:
        check("reason", e.stdout.decode().startswith("containerd-shim-thole-v2: enable sched core support: "), True)
        check("kernel", sched_core(0, 0, 0), None)
        check("socket", os.listdir("/run/containerd/s"), [])
        return
    shim_pid = shim.ok("Connect", (1, "c1"))[1]
    assert sched_core(0, shim_pid, 0), "no cookie"
    site.bye(shim, "c1")


def t_many_away():
    """sessions while the daemon is away cost bounded memory, which comes back with it"""
    daemon.got.clear()
    shim = site.start("c1")
    shim.ok("Create", (1, "c1"), (2, bundles["c1"]))
    shim.ok("Start", (1, "c1"))
    shim_pid = shim.ok("Connect", (1, "c1"))[1]

    def anonymous():
        with open(f"/proc/{shim_pid}/smaps_rollup", encoding="ascii") as f:
            return sum(int(l.split()[1]) for l in f if l.startswith("Anonymous"))

    def session(n):
        shim.ok("Exec", (1, "c1"), (2, n), (7, exec_spec("/bin/busybox", "true")))
        shim.ok("Start", (1, "c1"), (2, n))
        shim.ok("Wait", (1, "c1"), (2, n))
        shim.ok("Delete", (1, "c1"), (2, n))

    for i in range(20):
        session(f"warm{i}")
    wait_for("events", lambda: ("exit", "warm19", 0) in daemon.got)
    before = anonymous()
    daemon.stop()
    for i in range(300):
        session(f"e{i}")
    away = anonymous()
    daemon.start()
    wait_for("events", lambda: ("exit", "e299", 0) in daemon.got)
    check("events", len([e for e in daemon.got if e[1].startswith("e")]), 900)
    time.sleep(0.2)
    after = anonymous()
    print(f"# anonymous KiB: {before}, with 900 events waiting {away}, told {after}")
    assert away - before < 400 and after - before < 100, (before, away, after)
    site.end(shim, "c1")


def t_deletes():
    """of several Deletes at once one does it, and the others hear that there is nothing any more"""
    for n in range(4):
        shim = site.start("c1")
        shim.ok("Create", (1, "c1"), (2, bundles["c1"]))
        shim.ok("Start", (1, "c1"))
        shim.ok("Exec", (1, "c1"), (2, "x"), (7, exec_spec("/bin/busybox", "true")))
        shim.ok("Start", (1, "c1"), (2, "x"))
        shim.ok("Wait", (1, "c1"), (2, "x"))
        both = [shim.send("Delete", (1, "c1"), (2, "x")) for _ in range(2)]
        check("session", [shim.answer(s)[0] for s in both], [0, 5])
        shim.ok("Kill", (1, "c1"), (3, 9))
        shim.ok("Wait", (1, "c1"))
        all_of = []
        for _ in range(20):
            all_of.append(shim.send("Delete", (1, "c1")))
            time.sleep(0.002 * n)
        check("container", shim.answer(all_of[0])[0], 0)
        # A daemon that heard first that there is nothing would close the connection.
        check("before it", shim.early, {})
        check("others", {shim.answer(s)[0] for s in all_of[1:]}, {5})
        site.bye(shim, "c1")


def t_deletes_wait():
    """several Deletes that wait for the output's reader"""
    fifo = site.top + "/deletes"
    os.mkfifo(fifo)
    ear = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    shim = site.start("c1")
    site.config("c1", lambda c: c["process"].update(args=["/bin/busybox", "head", "-c", "100000", "/dev/zero"]))
    shim.ok("Create", (1, "c1"), (2, bundles["c1"]), (6, fifo))
    shim.ok("Start", (1, "c1"))
    # The pipe is full, the rest is the shim's: no Delete ends before it has been read.
    wait_for("the end", lambda: stopped(shim, "c1"))
    waiting = [shim.send("Delete", (1, "c1")) for _ in range(3)]
    size = 0
    while size < 100000:
        select.select([ear], [], [], 10)
        size += len(os.read(ear, 1 << 16))
    check("answers", sorted(shim.answer(s)[0] for s in waiting), [0, 5, 5])
    os.close(ear)
    site.bye(shim, "c1")


def t_delete_waits():
    """a session whose Delete waits for the output's reader is not forgotten to make room for others"""
    fifo = site.top + "/delete-waits"
    os.mkfifo(fifo)
    ear = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    shim = site.start("c1")
    shim.ok("Create", (1, "c1"), (2, bundles["c1"]))
    shim.ok("Start", (1, "c1"))
    shim.ok("Exec", (1, "c1"), (2, "x"), (5, fifo), (7, exec_spec("/bin/busybox", "head", "-c", "100000", "/dev/zero")))
    shim.ok("Start", (1, "c1"), (2, "x"))
    wait_for("the end", lambda: shim.ok("State", (1, "c1"), (2, "x")).get(4) == 3)
    for n in range(1023):
        shim.ok("Exec", (1, "c1"), (2, f"e{n}"), (7, exec_spec("/bin/busybox", "true")))
    waiting = shim.send("Delete", (1, "c1"), (2, "x"))
    check("one more", shim.call("Exec", (1, "c1"), (2, "y"), (7, exec_spec("/bin/busybox", "true")))[:2],
          (8, "too many exec sessions"))
    size = 0
    while size < 100000:
        select.select([ear], [], [], 10)
        size += len(os.read(ear, 1 << 16))
    check("delete", shim.answer(waiting)[0], 0)
    os.close(ear)
    site.end(shim, "c1")


# The year 1, which is what clients take for no time.
NO_TIME = enc((1, -62135596800))


def t_no_end():
    """what has no end has no time of it, and nobody waits for what never ran"""
    shim = site.start("c1")
    shim.ok("Create", (1, "c1"), (2, bundles["c1"]))
    shim.ok("Start", (1, "c1"))
    shim.ok("Exec", (1, "c1"), (2, "x"), (7, exec_spec("/nosuch")))
    waiting = shim.send("Wait", (1, "c1"), (2, "x"))
    check("start", shim.call("Start", (1, "c1"), (2, "x"))[0], 2)
    check("waiting", shim.answer(waiting)[2], {1: 255, 2: NO_TIME})
    check("wait", shim.ok("Wait", (1, "c1"), (2, "x")), {1: 255, 2: NO_TIME})
    check("state", shim.ok("State", (1, "c1"), (2, "x"))[10], NO_TIME)
    check("running", shim.ok("State", (1, "c1"))[10], NO_TIME)
    check("delete", shim.ok("Delete", (1, "c1"), (2, "x")), {3: NO_TIME})
    site.end(shim, "c1")
    # A restore that fails.
    daemon.got.clear()
    shim = site.start("c1")
    shim.ok("Create", (1, "c1"), (2, bundles["c1"]), (8, "/nosuch"))
    waiting = shim.send("Wait", (1, "c1"))
    check("restore", shim.call("Start", (1, "c1"))[0], 2)
    check("waiting", shim.answer(waiting)[2], {1: 255, 2: NO_TIME})
    check("wait", shim.ok("Wait", (1, "c1")), {1: 255, 2: NO_TIME})
    check("kill", shim.call("Kill", (1, "c1"), (3, 9))[:2], (5, "no such container: not found"))
    check("delete", shim.ok("Delete", (1, "c1")), {3: NO_TIME})
    wait_for("delete", lambda: ("delete", "c1", 0) in daemon.got)
    check("events", daemon.got, [("create", "c1", 0), ("delete", "c1", 0)])
    site.bye(shim, "c1")


def t_exec_terminal():
    """the request's word on a session's terminal counts, not the process's"""
    out = site.top + "/exec-terminal"
    shim = site.start("c1")
    shim.ok("Create", (1, "c1"), (2, bundles["c1"]))
    shim.ok("Start", (1, "c1"))
    spec = json.dumps({"args": ["/bin/busybox", "sh", "-c", "test ! -t 1; echo $? $A"], "cwd": "/", "terminal": True,
                       "env": ["PATH=/bin", "A=\u00e4"], "user": {"uid": 0, "gid": 0}})
    spec = enc((1, "types.containerd.io/opencontainers/runtime-spec/1/Process"), (2, spec))
    shim.ok("Exec", (1, "c1"), (2, "x"), (5, "file://" + out), (7, spec))
    shim.ok("Start", (1, "c1"), (2, "x"))
    shim.ok("Wait", (1, "c1"), (2, "x"))
    with open(out, "rb") as f:
        check("output", f.read(), b"0 \xc3\xa4\n")
    site.end(shim, "c1")


def t_delete_action():
    """the binary's `delete` of a container whose shim lives on, which then is asked, too"""
    shim = site.start("c1")
    shim.ok("Create", (1, "c1"), (2, bundles["c1"]))
    shim.ok("Start", (1, "c1"))
    check("delete", dec(run("delete", "c1", "-bundle", bundles["c1"])).get(2), 137)
    check("wait", shim.ok("Wait", (1, "c1")).get(1), 137)
    check("status", shim.ok("Delete", (1, "c1")).get(2), 137)
    site.bye(shim, "c1")


def t_next_of_bundle():
    """a container of a bundle whose last one is still leaving keeps its mounts"""
    mount = enc((1, "bind"), (2, os.environ["ROOTFS"]), (4, "rbind"), (4, "ro"))
    shim = site.start("c3")
    for n in range(3):
        shim.ok("Create", (1, "c3"), (2, bundles["c3"]), (3, mount))
        shim.ok("Start", (1, "c3"))
        shim.ok("Kill", (1, "c3"), (3, 9))
        shim.ok("Wait", (1, "c3"))
        # What takes a while to be taken away.
        for _ in range(100):
            subprocess.run(["mount", "--bind", "/proc", bundles["c3"] + "/rootfs/proc"], check=True)
        last = shim.send("Delete", (1, "c3"))
        code = 6
        while code == 6:
            code, text, _ = shim.call("Create", (1, "c3"), (2, bundles["c3"]), (3, mount))
        check("create", (code, text), (0, ""))
        check("the last one", shim.answer(last)[0], 0)
        with open("/proc/self/mounts", encoding="ascii") as f:
            check("its mounts", len([line for line in f if bundles["c3"] + "/rootfs" in line]), 1)
        shim.ok("Delete", (1, "c3"))
    site.bye(shim, "c3")


def t_create_after_shutdown():
    """a shim that tells its last events takes no container any more"""
    shim = site.start("c1")
    shim_pid = shim.ok("Connect", (1, "c1"))[1]
    shim.ok("Create", (1, "c1"), (2, bundles["c1"]))
    daemon.stop()
    shim.ok("Delete", (1, "c1"))
    shim.ok("Shutdown", (1, "c1"))
    check("create", shim.call("Create", (1, "c1"), (2, bundles["c1"]))[:2], (14, "the shim is shutting down"))
    daemon.start()
    wait_for("the shim's end", lambda: not os.path.exists(f"/proc/{shim_pid}"))


def dies_after(*commands):
    """Options with a runtime that does one of these commands and dies before it can say so, while there is no
    directory of that name."""
    wrapper, died = f"{site.top}/bin/dies-after-{commands[0]}", f"{site.top}/died-after-{commands[0]}"
    words = " | ".join(f'*" {c} "*' for c in commands)
    site.write(wrapper, f"""#!/bin/sh
case " $* " in {words})
    if mkdir "{died}"; then "{site.top}/bin/thole" "$@"; sleep 0.3; kill -9 $$; fi
esac
exec "{site.top}/bin/thole" "$@"
""")
    os.chmod(wrapper, 0o755)
    return (10, enc((1, "containerd.runc.v1.Options"), (2, enc((6, wrapper))))), died


def t_killed_delete():
    """a delete that killed the init and died before it could say so leaves a stopped container"""
    daemon.got.clear()
    options, died = dies_after("delete")
    shim = site.start("c1")
    shim.ok("Create", (1, "c1"), (2, bundles["c1"]), options)
    code, text, _ = shim.call("Delete", (1, "c1"))
    check("delete", (code, text.endswith("was killed by signal 9")), (2, True))
    wait_for("the end", lambda: stopped(shim, "c1"))
    check("exec", shim.call("Exec", (1, "c1"), (2, "x"), (7, exec_spec("true")))[:2],
          (2, "cannot exec in a stopped state"))
    shim.ok("Delete", (1, "c1"))
    os.rmdir(died)
    wait_for("delete", lambda: ("delete", "c1", 0) in daemon.got)
    check("events", daemon.got, [("create", "c1", 0), ("exit", "c1", 137), ("delete", "c1", 0)])
    site.bye(shim, "c1")


def t_killed_runtime():
    """a runtime that paused, or resumed, and died before it could say so: the next call puts it right"""
    options, died = dies_after("pause", "resume")
    shim = site.start("c1")
    shim.ok("Create", (1, "c1"), (2, bundles["c1"]), options)
    shim.ok("Start", (1, "c1"))
    for method, status in (("Pause", 4), ("Resume", 2)):
        code, text, _ = shim.call(method, (1, "c1"))
        check(method, (code, text.endswith("was killed by signal 9")), (2, True))
        shim.ok(method, (1, "c1"))
        check("status", shim.ok("State", (1, "c1"))[4], status)
        os.rmdir(died)
    shim.ok("Exec", (1, "c1"), (2, "x"), (7, exec_spec("/bin/busybox", "true")))
    shim.ok("Start", (1, "c1"), (2, "x"))
    check("it runs", shim.ok("Wait", (1, "c1"), (2, "x")).get(1, 0), 0)
    site.end(shim, "c1")


site.main("task service", [t_refusals, t_away, t_successor, t_many, t_bootstrap, t_overlay, t_cri_o, t_options,
                           t_sched_core, t_many_away, t_deletes, t_deletes_wait, t_delete_waits, t_no_end,
                           t_exec_terminal, t_delete_action, t_next_of_bundle, t_create_after_shutdown,
                           t_killed_runtime, t_killed_delete, t_pod])
