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
last_line = []
call_fds = []  # handed down besides the pipes


def until(what, seconds=15):
    end = time.time() + seconds
    while time.time() < end:
        r = what()
        if r:
            return r
        time.sleep(0.05)
    raise AssertionError("never true: line %d" % what.__code__.co_firstlineno)


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

    def __init__(self, args, terminal=False, env=(), below=None):
        serial[0] += 1
        self.id = "%s-%d-%s" % (CASE.replace("_", "-"), serial[0], "0123456789abcdef")
        self.dir = "%s/%s" % (below or WORK, self.id)
        self.cwd = self.dir
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
        self.answer, self.end = call(argv + list(more), self.cwd, env)
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
    p = subprocess.Popen(argv, cwd=cwd, env=e, pass_fds=(theirs.fileno(), start_theirs.fileno(), *call_fds),
                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    theirs.close()
    start_theirs.close()
    time.sleep(0.05)
    assert p.poll() is None, "did not wait for the start pipe: %s" % p.stderr.read()
    start.send(b"\0")
    assert p.wait() == 0, p.stderr.read()
    sync.settimeout(30)
    line = sync.makefile("rb").readline()
    last_line[:] = [line]
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


def ticks(pid):
    f = read("/proc/%d/stat" % pid).rsplit(")", 1)[1].split()
    return int(f[11]) + int(f[12])


def switches(pid):
    return sum(int(line.split()[1]) for line in read("/proc/%d/status" % pid).splitlines() if "ctxt" in line)


def read_tail(path):
    with open(path, "rb") as f:
        f.seek(max(0, os.path.getsize(path) - 100))
        return f.read().decode()


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
    # One with its parent alive in another session, one whose parent has gone but for its pipe, one that
    # has no parent, no session and no pipe of the exec any more.
    a, status, log = c.exec_sync(
        ["sh", "-c", "setsid sleep 7654 & (setsid sleep 7655 &) ; "
         "(setsid sleep 7657 </dev/null >/dev/null 2>&1 &) ; echo on; sleep 7656"], "-T", "1")
    assert a == {"exit_code": -1, "message": "command timed out"} and status == 255, (a, status)
    assert time.time() - start < 10
    assert log.endswith(" stdout F on\n"), log
    left = runtime("ps", c.id).stdout
    assert "765" not in left, left
    assert "sleep 1000" in left, left
    c.delete()


def case_slow_attach():
    """A client that reads nothing does not hold up the log."""
    c = Container(["seq", "1", "900000"]).create("--full-attach")
    s = attach(c.dir + "/attach")
    c.start()
    until(lambda: os.path.getsize(c.log) > 0)
    last = read_tail(c.log)
    end = time.time() + 40
    while time.time() < end and " 900000\n" not in last:
        time.sleep(0.2)
        last = read_tail(c.log)
    assert last.endswith(" 900000\n"), "the log stopped at %s" % last[-40:]
    s.close()
    text = "".join(line[3] + ("\n" if line[2] == "F" else "") for line in c.lines())
    assert text == "".join("%d\n" % i for i in range(1, 900001)), len(text)
    c.delete()


def case_full_stdin_no_spin():
    """Input for a container that reads none: no processor time is burnt, and what fits arrives later."""
    c = Container(["sh", "-c", "sleep 6; wc -c"]).create("-i", "--full-attach")
    s = attach(c.dir + "/attach")
    c.start()
    s.setblocking(False)
    sent = 0
    end = time.time() + 2
    while time.time() < end:
        try:
            sent += s.send(b"x" * 8192)
        except BlockingIOError:
            time.sleep(0.02)
    monitor = int(read(c.dir + "/conmon.pid"))
    before = ticks(monitor)
    time.sleep(2)
    assert ticks(monitor) - before < 20, "burnt %d ticks" % (ticks(monitor) - before)
    s.setblocking(True)
    s.shutdown(socket.SHUT_WR)
    assert take_all(s)[2].decode().strip() == str(sent), sent
    assert c.exited() == 0
    c.delete()


def case_full_terminal_no_spin():
    """The same with a terminal, and a program that never reads it."""
    c = Container(["sh", "-c", "stty raw -echo; sleep 1000"], terminal=True).create("-i", "--full-attach", terminal=True)
    s = attach(c.dir + "/attach")
    c.start()
    time.sleep(0.5)
    s.setblocking(False)
    end = time.time() + 2
    while time.time() < end:
        try:
            s.send(b"x" * 8192)
        except BlockingIOError:
            time.sleep(0.02)
    monitor = int(read(c.dir + "/conmon.pid"))
    before = ticks(monitor)
    time.sleep(2)
    assert ticks(monitor) - before < 20, "burnt %d ticks" % (ticks(monitor) - before)
    s.close()
    c.delete()


def case_closed_terminal_idle():
    """Nobody has the terminal open for a while: no polling, and a later opener is heard."""
    c = Container(["sh", "-c", "t=$(tty); exec <&- >&- 2>&-; sleep 4; echo back >$t; sleep 1"], terminal=True)
    c.create("-i", "--full-attach", terminal=True).start()
    monitor = int(read(c.dir + "/conmon.pid"))
    time.sleep(1.5)
    before = switches(monitor)
    time.sleep(2)
    woken = switches(monitor) - before
    assert c.exited() == 0
    assert "back" in read(c.log), read(c.log)
    assert woken == 0, "woken %d times in 2 s" % woken
    c.delete()


def case_full_disk():
    """A full disk: only whole lines of the container's in the log, and it goes on when there is room."""
    mnt = WORK + "/small"
    os.makedirs(mnt, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", mnt], check=True)
    try:
        with open(mnt + "/ballast", "wb") as f:
            f.write(b"x" * 131072)
        c = Container(["sh", "-c", "seq 1 20000; while [ ! -e /run/go ]; do sleep 0.1; done; echo last"])
        c.log = mnt + "/log"
        c.create().start()
        time.sleep(3)
        os.unlink(mnt + "/ballast")
        open(c.dir + "/notify/go", "w").close()
        assert c.exited() == 0
        numbers = []
        for line in c.lines():
            assert len(line) == 4 and line[1] == "stdout" and line[2] == "F" and \
                (line[3].isdigit() or line[3] == "last"), line
            numbers.append(line[3])
        assert numbers[0] == "1" and numbers[-1] == "last" and len(set(numbers)) == len(numbers)
        c.delete()
    finally:
        subprocess.run(["umount", "-l", mnt])


def case_eof_line():
    """What ends without a newline is in the log, all of it, whatever its length."""
    for n in (1, 8191, 8192, 8193, 20000):
        c = Container(["sh", "-c", "echo first; head -c %d /dev/zero | tr '\\0' x" % n]).create().start()
        assert c.exited() == 0
        lines = c.lines()
        assert lines[0][2:] == ["F", "first"], lines[0]
        assert all(line[2] == "P" for line in lines[1:]) and \
            "".join(line[3] for line in lines[1:]) == "x" * n, (n, [len(line[3]) for line in lines])
        c.delete()


def case_prompt():
    """A prompt is in the log while its answer is waited for; the line ends in the same line's pieces."""
    c = Container(["sh", "-c", "printf 'Name: '; read x; echo hello $x"]).create("-i")
    s = attach(c.dir + "/attach")
    c.start()
    until(lambda: [line[2:] for line in c.lines()] == [["P", "Name: "]])
    s.send(b"you\n")
    assert c.exited() == 0
    assert [line[2:] for line in c.lines()] == [["P", "Name: "], ["F", "hello you"]], c.lines()
    c.delete()


def refused(argv, text, env=None):
    p = subprocess.run([CONMON, *argv], capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL,
                       env=dict(os.environ, **(env or {})), cwd=WORK)
    assert p.returncode == 1 and text in p.stderr + p.stdout, (argv, p.returncode, p.stderr)


def case_cli():
    p = subprocess.run([CONMON, "--version"], capture_output=True, text=True)
    words = (p.stdout + p.stderr).split()
    assert p.returncode == 0 and words[:2] == ["conmon", "version"], words
    assert [int(n) for n in words[2].split("-")[0].split(".")] >= [2, 1, 2] and words[3] == "commit:"
    for flag in ("--help", "-h"):
        p = subprocess.run([CONMON, flag], capture_output=True, text=True)
        assert p.returncode == 0 and "--log-global-size-max" in p.stdout, p.stdout
    refused(["--nosuch"], "option parsing failed: ")
    refused(["--cid"], "option parsing failed: ")
    refused(["--timeout", "soon"], "option parsing failed: ")
    refused([], "Container ID not provided. Use --cid")
    refused(["-c", "x"], "Container UUID not provided. Use --cuuid")
    refused(["-c", "x", "-u", "x"], "Runtime path not provided. Use --runtime")
    base = ["-c", "x", "-u", "x", "-r", RUNTIME, "-b", WORK]
    log = ["-l", WORK + "/l"]
    refused(base, "Log driver not provided. Use --log-path")
    refused(base + ["-l", "nosuch:x"], "No such log driver nosuch")
    refused(base + ["-l", ""], "log-path must not be empty")
    refused(base + ["-l", "k8s-file:"], "k8s-file requires a filename")
    refused(base + ["-l", WORK + "/no/such/dir/l"], "Failed to open log file")
    refused(base + log + ["--log-level", "loud"], "No such log level loud")
    refused(base + log + ["--log-tag", "t"], "k8s-file doesn't support --log-tag")
    refused(["-c", "x", "-u", "x", "-r", "/etc/passwd", "-b", WORK] + log, "Runtime path /etc/passwd is not valid")
    refused(base + log + ["-e"], "Exec process spec path not provided. Use --exec-process-spec")
    refused(base + log + ["-e", "--exec-process-spec", "x", "--restore", "y"],
            "Cannot use 'exec' and 'restore' at the same time")
    refused(base + log + ["--exec-attach"], "Attach can only be specified with exec")
    refused(base + log + ["--exit-delay", "-1"], "Delay must be greater or equal to 0")
    refused(base + log, "unable to parse _OCI_SYNCPIPE", {"_OCI_SYNCPIPE": "none"})
    # Accepted without effect, glued short ones, strays.
    c = Container(["true"])
    c.create("--seccomp-notify-socket", "s", "--seccomp-notify-plugins", "p", "stray", "--no-sync-log").start()
    assert c.exited() == 0
    c.delete()


def case_start_pipe_eof():
    """The end of the start pipe lets it go on as a byte does; a relative bundle, a pid file by default."""
    c = Container(["true"])
    sync, theirs = socket.socketpair()
    r, w = os.pipe()
    p = subprocess.Popen([CONMON, *c.common(), "-b", ".", "-l", c.log, "--full-attach", "--exit-dir", "exits"],
                         cwd=c.dir, pass_fds=(theirs.fileno(), r), stdin=subprocess.DEVNULL,
                         env=dict(os.environ, _OCI_SYNCPIPE=str(theirs.fileno()), _OCI_STARTPIPE=str(r)))
    theirs.close()
    os.close(r)
    time.sleep(0.2)
    assert p.poll() is None and not os.path.exists(c.dir + "/attach")
    os.close(w)
    assert p.wait() == 0
    answer = json.loads(sync.makefile("rb").readline())
    assert int(read("%s/pidfile-%s" % (c.dir, c.id))) == answer["pid"] > 0
    c.start()
    until(lambda: read("%s/exits/%s" % (c.dir, c.id)) == "0")
    c.delete()


def case_inherited_fd():
    """What was handed down is open as long as the container lives, and closed before the exit is told."""
    c = Container(["sleep", "1"])
    r, w = os.pipe()
    os.set_inheritable(w, True)
    os.set_blocking(r, False)
    call_fds.append(w)
    c.create().start()
    os.close(w)
    call_fds.clear()
    try:
        os.read(r, 1)
        raise AssertionError("closed while the container runs")
    except BlockingIOError:
        pass
    os.set_blocking(r, True)
    assert os.read(r, 1) == b""
    assert c.exited() == 0
    c.delete()


def stub(c, script):
    with open(c.dir + "/runtime", "w") as f:
        f.write("#!/bin/sh\n" + script)
    os.chmod(c.dir + "/runtime", 0o755)
    return c.dir + "/runtime"


def stub_call(c, script, *more, env=None):
    argv = [CONMON, "-b", c.dir, "-c", c.id, "-u", c.id, "-r", stub(c, script), "--exit-dir", c.dir + "/exits",
            "-l", c.log, "--full-attach", *more]
    return call(argv, c.dir, env)[0]


def case_no_terminal():
    """A runtime that delivers no terminal: told, not hung."""
    c = Container(["true"])
    p = subprocess.Popen(["sleep", "30"])
    a = stub_call(c, "while [ $# -gt 0 ]; do [ \"$1\" = --pid-file ] && printf %%d %d >\"$2\"; shift; done\n" % p.pid,
                  "-t")
    p.kill()
    p.wait()
    assert a == {"pid": -1, "message": "Runtime did not set up terminal"}, a


def case_listen_pid():
    """LISTEN_PID becomes the runtime's pid where it named the monitor, or always when asked for."""
    c = Container(["true"])
    script = "echo $LISTEN_PID $$ >listen; exit 1\n"
    stub_call(c, script, "--replace-listen-pid", env={"LISTEN_PID": "4", "LISTEN_FDS": "1"})
    until(lambda: read(c.dir + "/listen"))
    pid, own = read(c.dir + "/listen").split()
    assert pid == own, (pid, own)
    os.unlink(c.dir + "/listen")
    stub_call(c, script, env={"LISTEN_PID": "4", "LISTEN_FDS": "1"})
    until(lambda: read(c.dir + "/listen"))
    assert read(c.dir + "/listen").split()[0] == "4"


def case_long_message():
    """What a failing runtime says fits podman's buffer of 4096 bytes, and is JSON."""
    c = Container(["true"])
    a = stub_call(c, "head -c 20000 /dev/zero | tr '\\0' '\\001' >&2; echo the \\\"end\\\" >&2; exit 3\n")
    assert a["pid"] == -1 and a["message"] and len(last_line[0]) <= 4096, len(last_line[0])


def case_create_timeout():
    c = Container(["sleep", "1000"]).create("-T", "1").start()
    assert c.exited() == -1 and read(c.dir + "/persist/exit") == "-1"
    c.delete()


def case_oom_files():
    """Where podman (persist) and CRI-O (bundle) look; conmon itself runs in another directory."""
    c = Container(["sh", "-c", "dd if=/dev/zero of=/dev/null bs=200M count=1"])
    config = json.loads(read(c.dir + "/config.json"))
    config["linux"]["resources"] = dict(config["linux"].get("resources") or {},
                                        memory={"limit": 16 << 20, "swap": 16 << 20})
    with open(c.dir + "/config.json", "w") as f:
        json.dump(config, f)
    c.cwd = WORK
    c.create().start()
    assert c.exited() == 137
    assert os.path.exists(c.dir + "/oom") and os.path.exists(c.dir + "/persist/oom"), os.listdir(c.dir)
    c.delete()


def case_attach_many():
    """Several clients: all get the output, the input of all is merged; packets of one byte and 8192."""
    c = Container(["sh", "-c", "read a; read b; echo $a $b; head -c 50000 /dev/zero"]).create("-i", "--leave-stdin-open")
    ss = [attach(c.dir + "/attach") for _ in range(3)]
    c.start()
    ss[0].send(b"one\n")
    time.sleep(0.3)
    ss[1].send(b"two\n")
    for s in ss:
        got = b""
        while True:
            p = s.recv(65536)
            if not p:
                break
            assert p[0] == 2 and 2 <= len(p) <= 8193, (p[0], len(p))
            got += p[1:]
        assert got == b"one two\n" + bytes(50000), len(got)
    assert c.exited() == 0
    c.delete()


def case_long_paths():
    """Bundles beyond what a socket's address holds."""
    deep = WORK + "/" + "/".join(["d" * 60] * 3)
    os.makedirs(deep, exist_ok=True)
    c = Container(["sh", "-c", "read x; echo $x"], below=deep)
    assert len(c.dir) > 200
    c.create("-i").start()
    s = attach(c.dir + "/attach")
    s.send(b"far\n")
    assert take_all(s)[2] == b"far\n"
    assert c.exited() == 0
    c.delete()


def case_dev_stdout():
    """The container's user, not root, may open its own stdout and stderr anew."""
    c = Container(["sh", "-c", "echo a >/dev/stdout; echo b >/proc/self/fd/2; cat /dev/stdin"])
    config = json.loads(read(c.dir + "/config.json"))
    config["process"]["user"] = {"uid": 1000, "gid": 1000}
    with open(c.dir + "/config.json", "w") as f:
        json.dump(config, f)
    c.create("-i")
    s = attach(c.dir + "/attach")
    c.start()
    s.send(b"in\n")
    s.shutdown(socket.SHUT_WR)
    got = take_all(s)
    assert got == {2: b"a\nin\n", 3: b"b\n"}, got
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
    before = switches(monitor)
    time.sleep(5)
    assert switches(monitor) == before, switches(monitor) - before
    s.close()
    c.delete()


def case_full_pipe_no_spin():
    """A client that never reads, and a container that never stops: no processor time is burnt."""
    c = Container(["sh", "-c", "exec yes"]).create("--full-attach", logs=["none"]).start()
    s = attach(c.dir + "/attach")
    monitor = int(read(c.dir + "/conmon.pid"))
    time.sleep(2)
    before = ticks(monitor)
    time.sleep(2)
    assert ticks(monitor) - before < 20, "burnt %d ticks" % (ticks(monitor) - before)
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
