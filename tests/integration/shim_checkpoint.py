#!/usr/bin/env python3
"""Checkpoint of thole-shim's task service, and Create from one, without a containerd.

shim_checkpoint.py SHIM NAMESPACE BUNDLE...    criu in PATH; TAP on stdout
"""
import os
import shutil
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from shimd import Site, check, exec_spec, wait_for
from wire import enc

site = Site(sys.argv[1:])
daemon, bundles = site.daemon, site.bundles
out, images = site.top + "/count.out", site.top + "/images"
COUNT = "i=0; while :; do i=$((i + 1)); echo $i; sleep 0.05; done"
RESTORE_FAILED = "OCI runtime restore failed: "


def clean(*command, terminal=False):
    """Nothing of another test, and the container's command until this one's end."""

    def change(config):
        config["process"]["args"] = list(command) or ["/bin/busybox", "sh", "-c", COUNT]
        config["process"]["terminal"] = terminal

    for path in (out, images, bundles["c1"] + "/criu-dump.log"):
        if os.path.isdir(path):
            shutil.rmtree(path)
        elif os.path.exists(path):
            os.unlink(path)
    site.config("c1", change)
    daemon.got.clear()


def options(*fields):
    return (3, enc((1, "containerd.runc.v1.CheckpointOptions"), (2, enc(*fields))))


def runc_options(*fields):
    return (10, enc((1, "containerd.runc.v1.Options"), (2, enc((6, site.top + "/bin/thole"), *fields))))


def create(shim, name, *more):
    shim.ok("Create", (1, name), (2, bundles[name]), (6, "file://" + out), *more)


def run(shim, name, *more):
    create(shim, name, *more)
    return shim.ok("Start", (1, name))[1]


def numbers():
    if not os.path.exists(out):
        return []
    with open(out, encoding="ascii") as f:
        return [int(line) for line in f.read().replace("\r", "").split("\n")[:-1]]


def beyond(n):
    return lambda: (numbers() or [0])[-1] > n


def no_work_left(name):
    check("work", [n for n in os.listdir(bundles[name] + "/work") if n.startswith("criu-work")], [])


def t_exit():
    """with exit: the container ends, and goes on from there as a new one"""
    clean()
    shim = site.start("c1")
    run(shim, "c1")
    wait_for("output", beyond(5))
    shim.ok("Checkpoint", (1, "c1"), (2, images), options((1, 1)))
    check("wait", shim.ok("Wait", (1, "c1"))[1], 137)
    check("state", shim.ok("State", (1, "c1"))[4], 3)
    shim.ok("Delete", (1, "c1"))
    assert os.path.exists(images + "/inventory.img")
    no_work_left("c1")
    seen = numbers()

    check("pid", shim.ok("Create", (1, "c1"), (2, bundles["c1"]), (6, "file://" + out), (8, images)).get(1, 0), 0)
    state = shim.ok("State", (1, "c1"))
    check("created", (state[4], state.get(3, 0)), (1, 0))
    check("exec", shim.call("Exec", (1, "c1"), (2, "x"), (7, exec_spec("true")))[:2],
          (2, "cannot exec in a created state"))
    check("pause", shim.call("Pause", (1, "c1"))[:2], (2, "cannot pause task in created state"))
    check("checkpoint", shim.call("Checkpoint", (1, "c1"), (2, images))[:2],
          (2, "cannot checkpoint a task in created state"))
    check("kill", shim.call("Kill", (1, "c1"), (3, 15))[:2], (5, "no such container: not found"))
    check("stats", shim.call("Stats", (1, "c1"))[0], 5)
    check("pids", shim.ok("Pids", (1, "c1")), {})
    pid = shim.ok("Start", (1, "c1"))[1]
    assert os.path.exists(f"/proc/{pid}")
    wait_for("more output", beyond(seen[-1] + 5))
    check("in order", numbers(), list(range(1, len(numbers()) + 1)))
    check("state", [shim.ok("State", (1, "c1"))[k] for k in (3, 4)], [pid, 2])
    check("stats", shim.call("Stats", (1, "c1"))[0], 0)
    shim.ok("Exec", (1, "c1"), (2, "x"), (7, exec_spec("/bin/busybox", "sh", "-c", "exit 7")))
    shim.ok("Start", (1, "c1"), (2, "x"))
    check("session", shim.ok("Wait", (1, "c1"), (2, "x"))[1], 7)
    shim.ok("Kill", (1, "c1"), (3, 9))
    check("wait", shim.ok("Wait", (1, "c1"))[1], 137)
    shim.ok("Delete", (1, "c1"))
    site.bye(shim, "c1")
    life = [e for e in daemon.got if e[1] == "c1"]
    check("events", life, [(what, "c1", 137 if what == "exit" else 0)
                           for what in ("create", "start", "exit", "delete") * 2])


def t_leave():
    """without: it goes on running, also when it was paused; a second one goes on beside it"""
    clean()
    shim = site.start("c1")
    run(shim, "c1")
    wait_for("output", beyond(3))
    shim.ok("Checkpoint", (1, "c1"), (2, images))
    wait_for("more output", beyond(numbers()[-1] + 3))
    shim.ok("Pause", (1, "c1"))
    shim.ok("Checkpoint", (1, "c1"), (2, images + "/2"), options((4, 1), (9, site.top + "/work")))
    assert os.path.exists(site.top + "/work/dump.log"), "the client's work directory"
    check("paused", shim.ok("State", (1, "c1"))[4], 4)
    n = numbers()
    shim.ok("Resume", (1, "c1"))
    wait_for("more output", beyond(n[-1] + 3))
    site.start("c2")
    site.config("c2", lambda c: c["process"].update(args=["/bin/busybox", "sh", "-c", COUNT]))
    shim.ok("Create", (1, "c2"), (2, bundles["c2"]), (6, f"file://{out}2"), (8, images))
    shim.ok("Start", (1, "c2"))
    wait_for("output of the second", lambda: os.path.getsize(out + "2") > 0)
    with open(out + "2", encoding="ascii") as f:
        assert int(f.readline()) > 3
    check("both", [shim.ok("State", (1, n))[4] for n in ("c1", "c2")], [2, 2])
    shim.ok("Kill", (1, "c2"), (3, 9))
    shim.ok("Wait", (1, "c2"))
    shim.ok("Delete", (1, "c2"))
    site.end(shim, "c1")
    no_work_left("c1")


def t_terminal():
    """a terminal: the restored container writes to a new one"""
    clean(terminal=True)
    os.mkfifo(site.top + "/tty")
    reader = os.open(site.top + "/tty", os.O_RDONLY | os.O_NONBLOCK)
    text = b""

    def has(line):
        nonlocal text
        try:
            text += os.read(reader, 65536)
        except BlockingIOError:
            pass
        return line in text

    shim = site.start("c1")
    fields = (1, "c1"), (2, bundles["c1"]), (4, 1), (6, site.top + "/tty")
    shim.ok("Create", *fields)
    shim.ok("Start", (1, "c1"))
    wait_for("output", lambda: has(b"\r\n5\r\n"))
    shim.ok("Checkpoint", (1, "c1"), (2, images), options((1, 1), (4, 1)))
    check("wait", shim.ok("Wait", (1, "c1"))[1], 137)
    has(b"")
    last = int(text.split(b"\r\n")[-2])
    shim.ok("Delete", (1, "c1"))
    shim.ok("Create", *fields, (8, images))
    shim.ok("Start", (1, "c1"))
    wait_for("more output", lambda: has(b"\n%d\r\n" % (last + 5)))
    check("once", text.count(b"\n2\r\n"), 1)
    shim.ok("ResizePty", (1, "c1"), (3, 77), (4, 33))
    site.end(shim, "c1")
    os.close(reader)
    os.unlink(site.top + "/tty")


def t_failing():
    """what fails says why and leaves nothing, but for criu's log beside the bundle"""
    clean("/bin/payload", "lock", "/tmp/locked", "+", "count", "/dev/null")
    shim = site.start("c1")
    run(shim, "c1")
    wait_for("output", beyond(3))
    kept = bundles["c1"] + "/criu-dump.log"
    code, text, _ = shim.call("Checkpoint", (1, "c1"), (2, images))
    check("locked", (code, text.startswith("OCI runtime checkpoint failed: "), text.endswith(" path= " + kept)),
          (2, True, True))
    with open(kept, encoding="utf-8") as f:
        assert "lock" in f.read()
    no_work_left("c1")
    wait_for("more output", beyond(numbers()[-1] + 3))
    shim.ok("Checkpoint", (1, "c1"), (2, images), options((5, 1), (7, "soft")))
    code, text, _ = shim.call("Checkpoint", (1, "c1"), (2, images), options((7, "bogus")))
    check("mode", (code, "bogus" in text, "path=" in text), (2, True, False))
    for path, more in (("", ()), ("relative", ()), (images, (options((9, "relative")),)),
                       (images, (options(*[(6, "network")] * 9),)),
                       (images, ((3, enc((1, "containerd.runc.v1.CheckpointOptions"), (2, b"\x3a\x7f"))),))):
        check("arguments", shim.call("Checkpoint", (1, "c1"), (2, path), *more)[0], 3)
    shim.ok("Kill", (1, "c1"), (3, 9))
    shim.ok("Wait", (1, "c1"))
    check("stopped", shim.call("Checkpoint", (1, "c1"), (2, images))[:2], (2, "cannot checkpoint a stopped container"))
    shim.ok("Delete", (1, "c1"))

    os.mkdir(images + "/none")
    check("relative", shim.call("Create", (1, "c1"), (2, bundles["c1"]), (8, "images"))[0], 3)
    create(shim, "c1", (8, images + "/none"))
    code, text, _ = shim.call("Start", (1, "c1"))
    check("no images", (code, text.startswith(RESTORE_FAILED)), (2, True))
    check("created", shim.ok("State", (1, "c1"))[4], 1)
    check("again", shim.call("Start", (1, "c1"))[:2], (2, RESTORE_FAILED + "it has been tried before"))
    shim.ok("Delete", (1, "c1"))
    site.bye(shim, "c1")
    check("events", [e[0] for e in daemon.got if e[1] == "c1"][-2:], ["create", "delete"])


main = [t_exit, t_leave, t_terminal, t_failing]


def t_slow():
    """a criu that hangs keeps nobody waiting: neither answers nor a kill"""
    clean()
    told = site.top + "/criu.pid"
    with open(site.top + "/slow-criu", "w", encoding="ascii") as f:
        f.write(f"#!/bin/sh\necho $$ >{told}.new; mv {told}.new {told}\nexec sleep 1000\n")
    os.chmod(site.top + "/slow-criu", 0o755)
    shim = site.start("c1")
    run(shim, "c1", runc_options((8, site.top + "/slow-criu")))
    under_way = shim.send("Checkpoint", (1, "c1"), (2, images))
    wait_for("criu", lambda: os.path.exists(told))
    pausing = shim.send("Pause", (1, "c1"))
    check("state", shim.ok("State", (1, "c1"))[4], 2)
    shim.ok("Exec", (1, "c1"), (2, "x"), (7, exec_spec("/bin/busybox", "true")))
    shim.ok("Kill", (1, "c1"), (3, 9))
    check("wait", shim.ok("Wait", (1, "c1"))[1], 137)
    deleting = shim.send("Delete", (1, "c1"))
    with open(told, encoding="ascii") as f:
        os.kill(int(f.read()), signal.SIGKILL)
    check("checkpoint", shim.answer(under_way)[:1], (2,))
    check("pause", shim.answer(pausing)[:2], (2, "cannot pause a stopped container"))
    check("delete", shim.answer(deleting)[:2], (0, ""))
    site.bye(shim, "c1")


daemon.start()
site.main("checkpoint", ([] if os.environ.get("NO_CRIU") else main) + [t_slow])
