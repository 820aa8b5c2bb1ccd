#!/usr/bin/env python3
"""Standard streams of thole-shim's task service: fifos whose reader is slow, absent, gone and back.

shim_stdio.py SHIM NAMESPACE BUNDLE...    bundles of containers named as their directories; TAP on stdout
"""
import json
import os
import select
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from shimd import Site, check, exec_spec, wait_for
from wire import enc

site = Site(sys.argv[1:])
fifos = 0


def fifo():
    global fifos
    fifos += 1
    path = f"{site.top}/fifo{fifos}"
    os.mkfifo(path, 0o700)
    return path


def reader(path):
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK)


def take(fd, limit=10.0, least=None):
    """What comes until the end of file (or `least` bytes are there)."""
    data, end = b"", time.time() + limit
    while least is None or len(data) < least:
        if not select.select([fd], [], [], max(0, end - time.time()))[0]:
            raise AssertionError(f"only {len(data)} bytes and no end")
        part = os.read(fd, 1 << 16)
        if not part:
            return data
        data += part
    return data


def command(*args):
    def change(config):
        config["process"]["args"] = ["/bin/busybox", "sh", "-c", *args]
    return change


def lines(n):
    return b"".join(b"line %06d\n" % i for i in range(n))


# Prints numbered lines, quickly: 12 bytes each.
COUNT = "i=0; while [ $i -lt %d ]; do printf 'line %%06d\\n' $i; i=$((i + 1)); done"


def waits(shim, name, pid):
    """The process sleeps in its write: nobody takes what it has to say."""
    with open(f"/proc/{pid}/wchan", encoding="ascii") as f:
        return "pipe_write" in f.read()


def t_absent():
    """a reader that comes late gets everything: the pipe's, the spool's, the container's own"""
    site.config("c1", command(COUNT % 200000 + "; exit 7"))  # 2.4 MB
    shim, out = site.start("c1"), fifo()
    pid = shim.ok("Create", (1, "c1"), (2, site.bundles["c1"]), (6, out))[1]
    shim.ok("Start", (1, "c1"))
    wait_for("a full spool", lambda: waits(shim, "c1", pid))
    check("still there", shim.ok("State", (1, "c1"))[4], 2)
    fd = reader(out)
    check("output", take(fd, 30) == lines(200000), True)
    check("status", shim.ok("Wait", (1, "c1")).get(1), 7)
    site.end(shim, "c1")


def t_gone_and_back():
    """readers go and come in the middle, by kill too: nothing is lost, doubled or mixed up"""
    site.config("c1", command("while read l; do " + COUNT % 20000 + "; done"))
    shim, out, stdin = site.start("c1"), fifo(), fifo()
    fd, keep = reader(out), os.open(stdin, os.O_RDWR | os.O_NONBLOCK)
    shim.ok("Create", (1, "c1"), (2, site.bundles["c1"]), (5, stdin), (6, out))
    shim.ok("Start", (1, "c1"))
    os.write(keep, b"go\n")
    check("first", take(fd, least=240000) == lines(20000), True)
    os.close(fd)
    os.write(keep, b"go\n")
    time.sleep(0.5)
    # A reader that takes some of it and is killed.
    part = subprocess.run(["timeout", "-s", "KILL", "20", "head", "-c", "24000", out], stdout=subprocess.PIPE,
                          check=True).stdout
    check("second's start", part == lines(2000), True)
    fd = reader(out)
    os.write(keep, b"go\n")
    check("the rest and the third", take(fd, least=456000) == lines(20000)[24000:] + lines(20000), True)
    os.close(fd)
    os.close(keep)
    site.end(shim, "c1")


def t_blocking_open():
    """a reader whose open blocks without a writer (as containerd's) finds one, also after the end"""
    site.config("c1", command("echo early; exit 3"))
    shim, out = site.start("c1"), fifo()
    shim.ok("Create", (1, "c1"), (2, site.bundles["c1"]), (6, out))
    shim.ok("Start", (1, "c1"))
    check("status", shim.ok("Wait", (1, "c1")).get(1), 3)
    for first in (True, False):  # the second finds what the first has left, and the end
        got = subprocess.run(["timeout", "-s", "KILL", "5", "dd", f"if={out}", "bs=2", f"count={1 if first else 100}",
                              "status=none"], stdout=subprocess.PIPE, check=True).stdout
        check("read", got, b"ea" if first else b"rly\n")
        time.sleep(0.3)
    site.end(shim, "c1")


def t_drop():
    """by option a full spool drops what is newer, and the daemon is told how much"""
    def change(config):
        command(COUNT % 20000 + "; exit 5")(config)
        config["annotations"].update({"io.thole.spool-size": "100000", "io.thole.spool-full": "drop"})
    site.config("c1", change)
    ear = os.open(fifo_at("c1", "log"), os.O_RDONLY | os.O_NONBLOCK)
    shim, out = site.start("c1"), fifo()
    shim.ok("Create", (1, "c1"), (2, site.bundles["c1"]), (6, out))
    shim.ok("Start", (1, "c1"))
    check("status", shim.ok("Wait", (1, "c1")).get(1), 5)
    record = f"/run/thole-shim/{site.namespace}/c1/record"
    with open(record, encoding="utf-8") as f:
        dropped = json.load(f)
    check("dropped", (dropped["bytes_dropped"], dropped["drop_reason"]),
          (240000 - 100000, "nobody read the output"))
    check("the first bytes are kept", take(reader(out)) == lines(20000)[:100000], True)
    site.end(shim, "c1")
    said = take(ear).decode()
    assert "140000 bytes of output of" in said, said
    os.close(ear)
    os.unlink(site.bundles["c1"] + "/log")
    site.undo.pop()()
    # A size that is none is refused, with its name.
    site.config("c1", lambda c: c["annotations"].update({"io.thole.spool-size": "4G"}))
    shim = site.start("c1")
    code, text, _ = shim.call("Create", (1, "c1"), (2, site.bundles["c1"]))
    check("size", (code, "io.thole.spool-size" in text), (2, True))
    site.bye(shim, "c1")


def fifo_at(name, file):
    path = site.bundles[name] + "/" + file
    os.mkfifo(path, 0o700)
    return path


def t_slow():
    """a slow reader gets back-pressure, no spool; stderr to the same fifo keeps the order"""
    site.config("c1", command(COUNT % 30000))
    shim, out = site.start("c1"), fifo()
    fd = reader(out)
    pid = shim.ok("Create", (1, "c1"), (2, site.bundles["c1"]), (6, out), (7, out))[1]
    shim.ok("Start", (1, "c1"))
    wait_for("back-pressure", lambda: waits(shim, "c1", pid))
    shim_pid = shim.ok("Connect", (1, "c1"))[1]
    links = [os.readlink(f"/proc/{shim_pid}/fd/{n}") for n in os.listdir(f"/proc/{shim_pid}/fd")]
    check("no spool", [l for l in links if l.startswith(site.bundles["c1"])], [])
    check("no read end", sum(l == out for l in links), 1)
    check("output", take(fd) == lines(30000), True)
    os.close(fd)
    site.end(shim, "c1")


def t_idle():
    """nobody reads: the shim sleeps, uses no time, and has one inotify instance for all"""
    site.config("c1", command("echo out; echo err >&2; while :; do sleep 100; done"))
    shim, out, err = site.start("c1"), fifo(), fifo()
    shim.ok("Create", (1, "c1"), (2, site.bundles["c1"]), (6, out), (7, err))
    shim.ok("Start", (1, "c1"))
    shim_pid = shim.ok("Connect", (1, "c1"))[1]

    def instances():
        found = [os.readlink(f"/proc/{shim_pid}/fd/{n}") for n in os.listdir(f"/proc/{shim_pid}/fd")]
        return sum("inotify" in l for l in found)

    def used():
        with open(f"/proc/{shim_pid}/stat", encoding="ascii") as f:
            words = f.read().rsplit(")", 1)[1].split()
        with open(f"/proc/{shim_pid}/status", encoding="ascii") as f:
            switches = [l.split()[1] for l in f if l.startswith("voluntary")]
        return words[11], words[12], switches

    wait_for("inotify", lambda: instances() == 1)
    # Once, a little after what has happened, memory is given back; one that polls never gets quiet.
    for _ in range(5):
        before = used()
        time.sleep(1.5)
        if used() == before:
            break
    check("wake-ups", used(), before)
    fds = [reader(out), reader(err)]
    check("out", take(fds[0], least=4), b"out\n")
    check("err", take(fds[1], least=4), b"err\n")
    wait_for("no inotify", lambda: instances() == 0)
    for fd in fds:
        os.close(fd)
    site.end(shim, "c1")


def t_many_writes_before_start():
    """a runtime that says more than a pipe holds while it creates does not block"""
    wrapper = site.top + "/bin/noisy"
    with open(wrapper, "w", encoding="ascii") as f:
        f.write(f"""#!/bin/sh
case "$*" in *" create "*) head -c 300000 /dev/zero ;; esac
exec {site.top}/bin/thole "$@"
""")
    os.chmod(wrapper, 0o755)
    shim, out = site.start("c1"), fifo()
    fd = reader(out)
    options = enc((1, "containerd.runc.v1.Options"), (2, enc((6, wrapper))))
    thread = threading.Thread(target=lambda: take(fd, 20), daemon=True)
    thread.start()
    start = time.time()
    shim.ok("Create", (1, "c1"), (2, site.bundles["c1"]), (6, out), (10, options))
    assert time.time() - start < 60
    shim.ok("Start", (1, "c1"))
    site.end(shim, "c1")
    thread.join()
    os.close(fd)


def t_update_twice():
    """updates at the same time have a file each, which goes with them"""
    shim = site.start("c1")
    shim.ok("Create", (1, "c1"), (2, site.bundles["c1"]))
    shim.ok("Start", (1, "c1"))

    def resources(shares):
        return enc((1, "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources"),
                   (2, json.dumps({"cpu": {"shares": shares}})))

    calls = [shim.send("Update", (1, "c1"), (2, resources(n))) for n in (128, 256, 512, 1024)]
    for c in calls:
        check("update", shim.answer(c)[:2], (0, ""))
    pid = shim.ok("State", (1, "c1"))[3]
    with open(f"/proc/{pid}/cgroup", encoding="ascii") as f:
        path = [l.strip().split(":", 2)[2] for l in f if ":cpu:" in l or ":cpu," in l]
    if path:
        with open(f"/sys/fs/cgroup/cpu{path[0]}/cpu.shares", encoding="ascii") as f:
            check("the last one counts", f.read(), "1024\n")
    check("files", [n for n in os.listdir(f"/run/thole-shim/{site.namespace}/c1") if "update" in n], [])
    check("reserved", os.stat(f"/run/thole-shim/{site.namespace}/c1/record.spare").st_blocks > 0, True)
    site.end(shim, "c1")


def logger(name, body):
    path = f"{site.top}/{name}"
    site.write(path, f"#!/bin/bash\n{body}\n")
    os.chmod(path, 0o755)
    return path


def t_loggers():
    """binary-v2:// is ready with a byte, a crash without; binary:// with the end of its pipe; exact surroundings"""
    site.config("c1", command("echo out; echo err >&2"))
    log = site.top + "/logged"
    # A reader of both streams, told who it is for; descriptor 5 is the word that it is ready.
    work = f'{{ echo "$# $*"; env | grep ^CONTAINER_ | sort; ls /proc/self/fd | wc -l; cat <&3; cat <&4; }} >{log} 5>&-'
    v2 = logger("v2", "printf x >&5; exec 5>&-; " + work)
    v1 = logger("v+1", "exec 5>&-; " + work)
    for scheme, path in (("binary-v2", v2), ("binary", v1)):
        shim = site.start("c1")
        # A key's first value counts; a plus sign is a blank in the query only.
        uri = f"{scheme}://{path}?a=1%2F2+3&b&a=4#c"
        shim.ok("Create", (1, "c1"), (2, site.bundles["c1"]), (6, uri), (7, uri))
        shim.ok("Start", (1, "c1"))
        shim.ok("Wait", (1, "c1"))
        site.end(shim, "c1")

        def logged():
            with open(log, encoding="ascii") as f:
                return f.read().split("\n")
        wait_for("the log", lambda: logged()[-2:] == ["err", ""])
        got = logged()
        check("surroundings", got[:3] + got[4:],
              ["4 a 1/2 3 b ", "CONTAINER_ID=c1", "CONTAINER_NAMESPACE=" + site.namespace, "out", "err", ""])
    for scheme, path, text in (("binary-v2", logger("crash", "exit 1"), "did not call ready"),
                               ("binary", "/nosuch/logger", "no such file"),
                               ("binary", "relative", "not an absolute path"),
                               ("journald", "/x", "unknown STDIO scheme")):
        shim = site.start("c1")
        code, got, _ = shim.call("Create", (1, "c1"), (2, site.bundles["c1"]), (6, f"{scheme}://{path}"))
        check("refusal", (code, text in got), (2, True))
        check("nothing left", shim.call("State", (1, "c1"))[0], 5)
        site.bye(shim, "c1")


def t_file_names():
    """a file's URI is decoded: what clients escape is the name; no query, no fragment"""
    site.config("c1", command("echo out"))
    log = site.top + "/a b+c?"
    for uri in (f"file://{site.top}/a%20b+c%3F", f"file://{site.top}/a%20b+c%3f?mode=1#x"):
        shim = site.start("c1")
        shim.ok("Create", (1, "c1"), (2, site.bundles["c1"]), (6, uri), (7, uri))
        shim.ok("Start", (1, "c1"))
        shim.ok("Wait", (1, "c1"))
        with open(log, "rb") as f:
            check("output", f.read(), b"out\n")
        got = subprocess.run([os.path.dirname(site.program) + "/thole-shim", "logs", "--namespace", site.namespace, "c1"],
                             stdout=subprocess.PIPE, check=True, timeout=20).stdout
        check("logs", got, b"out\n")
        os.unlink(log)
        site.end(shim, "c1")


def t_quick_session():
    """a session that has ended before the runtime's call for it has: nothing of its output is lost"""
    slow = f"{site.top}/slow-runtime"
    site.write(slow, f'#!/bin/sh\n{site.top}/bin/thole "$@"\nr=$?\ncase "$*" in *" exec "*) sleep 0.5 ;; esac\nexit $r\n')
    os.chmod(slow, 0o755)
    shim = site.start("c1")
    options = enc((1, "containerd.runc.v1.Options"), (2, enc((6, slow))))
    shim.ok("Create", (1, "c1"), (2, site.bundles["c1"]), (10, options))
    shim.ok("Start", (1, "c1"))
    for i in range(3):
        out, err = fifo(), fifo()
        ears = reader(out), reader(err)
        spec = exec_spec("/bin/busybox", "sh", "-c", "echo out; echo err >&2; exit 4")
        shim.ok("Exec", (1, "c1"), (2, f"x{i}"), (5, out), (6, err), (7, spec))
        shim.ok("Start", (1, "c1"), (2, f"x{i}"))
        check("output", [take(e) for e in ears], [b"out\n", b"err\n"])
        check("status", shim.ok("Wait", (1, "c1"), (2, f"x{i}"))[1], 4)
        shim.ok("Delete", (1, "c1"), (2, f"x{i}"))
        for e in ears:
            os.close(e)
    site.end(shim, "c1")


site.daemon.start()
site.main("streams", [t_absent, t_gone_and_back, t_blocking_open, t_drop, t_slow, t_idle,
                      t_many_writes_before_start, t_update_twice, t_loggers, t_file_names,
                      t_quick_session])
