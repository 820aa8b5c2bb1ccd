#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Calls a conmon as CRI-O and podman do, without them: conmon_calls.py CONMON RUNTIME ROOTFS DIR CGROUP CASE.

Each case is one function; it fails by an exception. The containers are made below DIR and CGROUP."""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

CONMON, RUNTIME, ROOTFS, WORK, CGROUP, CASE = sys.argv[1:7]
ROOT = WORK + "/rt"
serial = [0]


def until(what, seconds=15):
    end = time.time() + seconds
    while time.time() < end:
        r = what()
        if r:
            return r
        time.sleep(0.05)
    raise AssertionError("never true: " + getattr(what, "__doc__", None) or "condition")


def read(path):
    try:
        with open(path) as f:
            return f.read()
    except FileNotFoundError:
        return None


def runtime(*args, check=True):
    return subprocess.run([RUNTIME, "--root", ROOT, *args], check=check, capture_output=True,
                          text=True, stdin=subprocess.DEVNULL)


class Container:
    """A bundle and the files around it."""

    def __init__(self, args, terminal=False, env=()):
        serial[0] += 1
        self.id = "%s-%d-%s" % (CASE.replace("_", "-"), serial[0], "0123456789abcdef")
        self.dir = "%s/%s" % (WORK, self.id)
        for d in ("", "/exits", "/persist", "/socks", "/notify"):
            os.mkdir(self.dir + d)
        self.log = self.dir + "/ctr.log"
        config = json.loads(subprocess.run([RUNTIME, "spec"], cwd=self.dir, check=True) and
                            read(self.dir + "/config.json"))
        config["process"].update(args=args, terminal=terminal)
        config["process"]["env"] += env
        config["process"].pop("rlimits", None)
        config["root"] = {"path": ROOTFS, "readonly": True}
        config["linux"]["cgroupsPath"] = "%s/%s" % (CGROUP, self.id)
        config["mounts"].append({"destination": "/run", "type": "none", "source": self.dir + "/notify",
                                 "options": ["bind"]})
        with open(self.dir + "/config.json", "w") as f:
            json.dump(config, f)

    def common(self):
        return ["-c", self.id, "-u", self.id, "-r", RUNTIME, "--runtime-arg", "--root=" + ROOT,
                "--log-level", "info", "-n", "name-" + self.id]

    def create(self, *more, logs=None, api=False, terminal=False, fail=False, env=None):
        argv = [CONMON, "-b", self.dir, *self.common(), "--exit-dir", self.dir + "/exits", "-P",
                self.dir + "/conmon.pid", "-p", self.dir + "/pidfile", "--persist-dir",
                self.dir + "/persist", "--socket-dir-path", self.dir + "/socks"]
        for path in logs or ["k8s-file:" + self.log]:
            argv += ["-l", path]
        if api:
            argv += ["--api-version", "1"]
        if terminal:
            argv.append("-t")
        self.answer, self.end = call(argv + list(more), self.dir, env)
        if fail:
            return self.answer
        self.pid = self.answer["data" if api else "pid"]
        assert self.pid > 0, self.answer
        return self

    def start(self):
        runtime("start", self.id)
        return self

    def exited(self):
        until(lambda: os.path.exists("%s/exits/%s" % (self.dir, self.id)))
        return int(read("%s/exits/%s" % (self.dir, self.id)))

    def delete(self):
        runtime("delete", "--force", self.id, check=False)

    def lines(self):
        return [line.split(" ", 3) for line in read(self.log).splitlines()]

    def exec_sync(self, args, *more, terminal=False):
        """As CRI-O: --sync, a pipe, a temporary log, the answer at the end."""
        serial[0] += 1
        base = "%s/exec%d" % (self.dir, serial[0])
        process = {"args": args, "cwd": "/", "env": ["PATH=/bin"], "terminal": terminal,
                   "user": {"uid": 0, "gid": 0}}
        with open(base + ".json", "w") as f:
            json.dump(process, f)
        r, w = os.pipe()
        argv = [CONMON, "-c", self.id, "-n", "x", "-r", RUNTIME, "-p", base + ".pid", "-e", "-l",
                base + ".log", "--socket-dir-path", self.dir + "/socks", "--log-level", "info",
                "--sync", "--log-global-size-max", "16777216", "--exec-process-spec", base + ".json",
                "--runtime-arg=--root=" + ROOT, *more]
        p = subprocess.Popen(argv, pass_fds=(w,), env=dict(os.environ, _OCI_SYNCPIPE=str(w)),
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        os.close(w)
        out = b""
        while True:
            b = os.read(r, 4096)
            if not b:
                break
            out += b
        os.close(r)
        p.communicate()
        return json.loads(out), p.returncode, read(base + ".log")


def call(argv, cwd, env=None):
    """Starts a monitor with sync and start pipes, as a stream socket pair; returns its first answer."""
    sync, theirs = socket.socketpair()
    start, start_theirs = socket.socketpair()
    e = dict(os.environ, _OCI_SYNCPIPE=str(theirs.fileno()), _OCI_STARTPIPE=str(start_theirs.fileno()))
    e.update(env or {})
    p = subprocess.Popen(argv, cwd=cwd, env=e, pass_fds=(theirs.fileno(), start_theirs.fileno()),
                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    theirs.close()
    start_theirs.close()
    time.sleep(0.05)
    assert p.poll() is None, "did not wait for the start pipe: %s" % p.stderr.read()
    start.send(b"\0")
    assert p.wait() == 0, p.stderr.read()
    sync.settimeout(30)
    line = sync.makefile("rb").readline()
    return json.loads(line) if line else None, sync


def attach(path):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    fd = os.open(os.path.dirname(path), os.O_PATH)
    s.connect("/proc/self/fd/%d/%s" % (fd, os.path.basename(path)))
    os.close(fd)
    s.settimeout(20)
    return s


def take_all(s):
    out = {2: b"", 3: b""}
    while True:
        p = s.recv(8193)
        if not p:
            return out
        out[p[0]] += p[1:]


def case_crio_life():
    c = Container(["sh", "-c", "echo out; echo err >&2; printf end; exit 7"]).create()
    assert c.answer == {"pid": c.pid}, c.answer
    # There before the start, and by the symlink in the socket directory.
    s = attach("%s/socks/%s/attach" % (c.dir, c.id))
    assert os.path.exists(c.dir + "/ctl") and os.path.exists(c.log)
    c.start()
    got = take_all(s)
    assert got == {2: b"out\nend", 3: b"err\n"}, got
    assert c.exited() == 7 and read(c.dir + "/persist/exit") == "7"
    lines = [tuple(line[1:]) for line in c.lines()]
    assert sorted(lines) == [("stderr", "F", "err"), ("stdout", "F", "out"), ("stdout", "P", "end")], lines
    until(lambda: not os.path.lexists("%s/socks/%s" % (c.dir, c.id)))
    assert not os.path.exists(c.dir + "/attach")
    c.delete()


def case_create_fails():
    for api in (False, True):
        c = Container(["/nosuch"])
        a = c.create("--exit-command", "/bin/busybox", "--exit-command-arg=touch",
                     "--exit-command-arg=" + c.dir + "/cleaned", api=api, fail=True)
        assert a["data" if api else "pid"] == -1 and "nosuch" in a["message"], a
        until(lambda: os.path.exists(c.dir + "/cleaned"))
        c.delete()


def case_exit_command():
    c = Container(["true"])
    t = "test -s %s/exits/%s && echo seen >%s/order" % (c.dir, c.id, c.dir)
    c.create("--exit-command", "/bin/sh", "--exit-command-arg=-c", "--exit-command-arg", t,
             "--exit-delay", "1").start()
    assert c.exited() == 0
    assert read(c.dir + "/order") is None, "the delay was not kept"
    until(lambda: read(c.dir + "/order") == "seen\n")
    c.delete()


def case_exec_sync():
    c = Container(["sleep", "1000"]).create().start()
    a, status, log = c.exec_sync(["sh", "-c", "echo hi; echo no >&2; exit 3"])
    assert a == {"exit_code": 3} and status == 3, (a, status)
    assert [line.split(" ", 1)[1] for line in log.splitlines()] in (
        ["stdout F hi", "stderr F no"], ["stderr F no", "stdout F hi"]), log
    a, status, log = c.exec_sync(["/nosuch"])
    assert a["exit_code"] == -1 and "nosuch" in a["message"] and status == 1, a
    a, status, log = c.exec_sync(["sh", "-c", "kill -9 $$"])
    assert a == {"exit_code": 137}, a
    # 3 MB and not a byte less when conmon has ended.
    a, status, log = c.exec_sync(["seq", "1", "300000"])
    text = "".join(line.split(" ", 3)[3] + ("\n" if " F " in line[:47] else "") for line in log.splitlines())
    assert text == "".join("%d\n" % i for i in range(1, 300001)), len(text)
    a, status, log = c.exec_sync(["sh", "-c", "head -c 3000 /dev/zero | tr '\\0' x; echo"],
                                 "--log-global-size-max", "1000")
    assert a == {"exit_code": 0}, a
    a, status, log = c.exec_sync(["sh", "-c", "tty; exit 4"], "-t", terminal=True)
    assert a == {"exit_code": 4} and "/dev/pts/" in log, (a, log)
    c.delete()


def case_exec_timeout():
    c = Container(["sleep", "1000"]).create().start()
    start = time.time()
    # One with its parent alive in another session, one whose parent has gone but for its pipe.
    a, status, log = c.exec_sync(
        ["sh", "-c", "setsid sleep 7654 & (setsid sleep 7655 &) ; echo on; sleep 7656"], "-T", "1")
    assert a == {"exit_code": -1, "message": "command timed out"} and status == 255, (a, status)
    assert time.time() - start < 10
    assert log.endswith(" stdout F on\n"), log
    left = runtime("ps", c.id).stdout
    assert "765" not in left, left
    assert "sleep 1000" in left, left
    c.delete()


def case_winsz():
    c = Container(["sh", "-c", "read x; stty size; read x; stty size"], terminal=True)
    c.create("-i", terminal=True)
    with open(c.dir + "/ctl", "w") as f:
        f.write("1 33 99\n")
    time.sleep(0.3)
    s = attach("%s/attach" % c.dir)
    c.start()
    s.send(b"\n")
    until(lambda: "33 99" in read(c.log))
    with open(c.dir + "/ctl", "w") as f:
        f.write("9 0 0\n1 44")
        f.flush()
        time.sleep(0.2)
        f.write(" 111\n")
    time.sleep(0.3)
    s.send(b"\n")
    assert c.exited() == 0
    assert "44 111" in read(c.log), read(c.log)
    assert all(line[1] == "stdout" for line in c.lines())
    c.delete()


def case_reopen():
    c = Container(["sh", "-c", "i=0; while [ $i -lt 3000 ]; do echo $i; i=$((i+1)); "
                   "[ $((i % 100)) != 0 ] || sleep 0.05; done"])
    c.create().start()
    for n in range(5):
        time.sleep(0.07)
        os.rename(c.log, "%s.%d" % (c.log, n))
        with open(c.dir + "/ctl", "w") as f:
            f.write("2 0 0\n")
        until(lambda: os.path.exists(c.log))
    assert c.exited() == 0
    text = "".join(read("%s.%d" % (c.log, n)) for n in range(5)) + read(c.log)
    got = [int(line.split(" ")[3]) for line in text.splitlines()]
    assert got == list(range(3000)), len(got)
    c.delete()


def case_reopen_in_place():
    c = Container(["sh", "-c", "echo before; sleep 1; echo after"]).create().start()
    until(lambda: "before" in read(c.log))
    with open(c.dir + "/ctl", "w") as f:
        f.write("2 0 0\n")
    c.exited()
    assert [line[3] for line in c.lines()] == ["before", "after"], read(c.log)
    c.delete()


def case_rotate():
    c = Container(["seq", "1", "1000"])
    c.create("--log-size-max", "8192", "--log-rotate", "--log-max-files", "20").start()
    assert c.exited() == 0
    names = [n for n in os.listdir(c.dir) if n.startswith("ctr.log.")]
    names.sort(key=lambda n: -int(n.rsplit(".", 1)[1]))
    text = "".join(read(c.dir + "/" + n) for n in names) + read(c.log)
    assert [line.split(" ")[3] for line in text.splitlines()] == [str(i) for i in range(1, 1001)]
    assert all(os.path.getsize(c.dir + "/" + n) <= 8192 for n in names)
    c.delete()


def case_size_keeps_lines():
    """At no moment is the log empty once it has a line, or does it begin inside one."""
    c = Container(["sh", "-c", "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done"])
    c.create("--log-size-max", "8192").start()
    until(lambda: read(c.log))
    empty = 0
    while not os.path.exists("%s/exits/%s" % (c.dir, c.id)):
        text = read(c.log)
        empty += not text
        assert not text or text[:2] == "20" and text[35:38] == " st", text[:60]
    assert not empty, "seen empty %d times" % empty
    assert c.lines()[-1][3] == "line 19999" and len(c.lines()) > 40
    c.delete()


def case_journald():
    path = "/run/systemd/journal/socket"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.bind(path)
    s.settimeout(10)
    try:
        c = Container(["sh", "-c", "echo one; echo two >&2; printf end"])
        c.create("--log-tag", "the tag", "--log-label", "A_B=c d",
                 logs=["k8s-file:" + c.log, "journald:"]).start()
        got = []
        while len(got) < 3:
            m = {}
            d = s.recv(65536)
            while d:
                key, sep, rest = d.partition(b"\n")
                if b"=" in key:
                    k, _, v = key.partition(b"=")
                    d = rest
                else:
                    n = int.from_bytes(rest[:8], "little")
                    k, v, d = key, rest[8:8 + n], rest[9 + n:]
                m[k.decode()] = v.decode()
            if "CONTAINER_ID" in m:
                got.append(m)
        assert c.exited() == 0
        got.sort(key=lambda m: m["MESSAGE"])
        assert [m["MESSAGE"] for m in got] == ["end", "one\n", "two\n"], got
        assert [m["PRIORITY"] for m in got] == ["6", "6", "3"]
        assert got[0]["CONTAINER_PARTIAL_MESSAGE"] == "true" and "CONTAINER_PARTIAL_MESSAGE" not in got[1]
        for m in got:
            assert m["CONTAINER_ID_FULL"] == c.id and m["CONTAINER_ID"] == c.id[:12]
            assert m["CONTAINER_TAG"] == m["SYSLOG_IDENTIFIER"] == "the tag"
            assert m["CONTAINER_NAME"] == "name-" + c.id and m["A_B"] == "c d"
        assert len(c.lines()) == 3  # and in the file, all of it
        c.delete()
    finally:
        s.close()
        os.unlink(path)


def case_notify():
    host = WORK + "/host.sock"
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.bind(host)
    s.settimeout(10)
    c = Container(["sleep", "1000"])
    c.create("--sdnotify-socket", host).start()
    out = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    out.sendto(b"MAINPID=1\nREADY=1\nSTATUS=fine\nFDSTORE=1", c.dir + "/notify/notify.sock")
    assert s.recv(4096) == b"READY=1\nSTATUS=fine"
    os.unlink(host)
    c.delete()
    assert c.exited() == 137


def case_stdin():
    c = Container(["sh", "-c", "cat; echo over"]).create("-i")
    s = attach(c.dir + "/attach")
    c.start()
    s.send(b"typed\n")
    s.shutdown(socket.SHUT_WR)
    assert take_all(s)[2] == b"typed\nover\n"
    assert c.exited() == 0
    c.delete()
    c = Container(["sh", "-c", "read a; read b; echo $a $b"]).create("-i", "--leave-stdin-open")
    s = attach(c.dir + "/attach")
    c.start()
    s.send(b"one\n")
    s.close()
    time.sleep(0.3)
    s = attach(c.dir + "/attach")
    s.send(b"two\n")
    assert take_all(s)[2] == b"one two\n"
    c.delete()


def case_idle():
    """A monitor of a silent container never wakes up."""
    c = Container(["sleep", "1000"]).create().start()
    s = attach(c.dir + "/attach")
    monitor = int(read(c.dir + "/conmon.pid"))
    time.sleep(1)

    def switches():
        return [line for line in read("/proc/%d/status" % monitor).splitlines() if "ctxt" in line]
    before = switches()
    time.sleep(5)
    assert switches() == before, (before, switches())
    s.close()
    c.delete()


def case_full_pipe_no_spin():
    """A client that never reads, and a container that never stops: no processor time is burnt."""
    c = Container(["sh", "-c", "exec yes"]).create("--full-attach", logs=["none"]).start()
    s = attach(c.dir + "/attach")
    monitor = int(read(c.dir + "/conmon.pid"))
    time.sleep(2)

    def ticks():
        f = read("/proc/%d/stat" % monitor).rsplit(")", 1)[1].split()
        return int(f[11]) + int(f[12])
    before = ticks()
    time.sleep(2)
    assert ticks() - before < 20, ticks() - before
    s.close()
    c.delete()


def case_unknown_exit():
    """Where nobody knows the status it is not 0."""
    c = Container(["sleep", "1000"])
    stub = c.dir + "/runtime"
    p = subprocess.Popen(["sleep", "2"])
    with open(stub, "w") as f:
        f.write("#!/bin/sh\nwhile [ $# -gt 0 ]; do [ \"$1\" = --pid-file ] && printf %%d %d >\"$2\"; shift; done\n" % p.pid)
    os.chmod(stub, 0o755)
    argv = [CONMON, "-b", c.dir, "-c", c.id, "-u", c.id, "-r", stub, "--exit-dir", c.dir + "/exits",
            "-l", c.log, "--full-attach"]
    a, _ = call(argv, c.dir)
    assert a == {"pid": p.pid}, a
    p.wait()
    assert c.exited() == -1, c.exited()


def case_term_forwarded():
    c = Container(["sh", "-c", "trap 'exit 9' TERM; echo up; while :; do sleep 0.1; done"]).create().start()
    until(lambda: "up" in read(c.log))
    os.kill(int(read(c.dir + "/conmon.pid")), signal.SIGTERM)
    assert c.exited() == 9
    c.delete()


def main():
    os.makedirs(ROOT, exist_ok=True)
    try:
        globals()["case_" + CASE]()
    finally:
        for name in os.listdir(ROOT):
            runtime("delete", "--force", name, check=False)
        for name in os.listdir(WORK):
            if name.startswith(CASE.replace("_", "-")):
                shutil.rmtree(WORK + "/" + name, ignore_errors=True)


main()
