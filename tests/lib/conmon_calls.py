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
import time

from conmon_driver import (CASE, CONMON, ROOT, ROOTFS, RUNTIME, USED, WORK, Container, attach, call_fds, last_line, read,
                           read_tail, refused, runtime, stub_call, switches, take_all, ticks, until, using)


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
    # No further than the limit, and up to there whole lines.
    a, status, log = c.exec_sync(["seq", "1", "3000"], "--log-global-size-max", "1000")
    n = len(log.splitlines())
    assert a == {"exit_code": 0} and 10 < n < 30, (a, n)
    assert [line.split(" ")[3] for line in log.splitlines()] == [str(i) for i in range(1, n + 1)], log
    a, status, log = c.exec_sync(["sh", "-c", "tty; exit 4"], "-t", terminal=True)
    assert a == {"exit_code": 4} and "/dev/pts/" in log, (a, log)
    c.delete()


def case_exec_attach():
    """As podman: seqpacket pipes, told when the attach socket is there, the second byte lets it run."""
    c = Container(["sleep", "1000"]).create(api=True).start()
    home = c.dir + "/session"
    for d in ("", "/exit", "/persist"):
        os.mkdir(home + d)
    with open(home + "/spec", "w") as f:
        json.dump({"args": ["sh", "-c", "read x; echo got $x; exit 5"], "cwd": "/", "env": ["PATH=/bin"],
                   "user": {"uid": 0, "gid": 0}}, f)
    pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(3)]
    ours, theirs = zip(*pairs)
    names = ("_OCI_SYNCPIPE", "_OCI_STARTPIPE", "_OCI_ATTACHPIPE")
    p = subprocess.Popen(
        using([CONMON, "--api-version", "1", *c.common(), "--cuuid", "5e55107", "-b", home, "-p", home + "/exec_pid",
               "--exit-dir", home + "/exit", "--persist-dir", home + "/persist", "--full-attach", "-l", "none", "-i",
               "-e", "--exec-attach", "--exec-process-spec", home + "/spec"]),
        cwd=home, stdin=subprocess.DEVNULL, pass_fds=[s.fileno() for s in theirs],
        env=dict(os.environ, **{n: str(s.fileno()) for n, s in zip(names, theirs)}))
    for s in theirs:
        s.close()
    for s in ours:
        s.settimeout(30)
    sync, start, ready = ours
    start.send(b"\0")
    assert p.wait() == 0
    assert ready.recv(4096) == b'{"data": 0}\n'
    s = attach(home + "/attach")
    time.sleep(0.3)
    assert not os.path.exists(home + "/exec_pid"), "did not wait for the second byte"
    start.send(b"\0")
    answer = sync.recv(4096)
    assert json.loads(answer)["data"] == int(read(home + "/exec_pid")) and answer[-1:] == b"\n", answer
    s.send(b"word\n")
    s.shutdown(socket.SHUT_WR)
    assert take_all(s)[2] == b"got word\n"
    assert sync.recv(4096) == b'{"data": 5}\n'
    assert read("%s/exit/%s" % (home, c.id)) == read(home + "/persist/exit") == "5"
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


# A runtime that names a process of another's.
TELLS_PID = "while [ $# -gt 0 ]; do [ \"$1\" = --pid-file ] && printf %%d %d >\"$2\"; shift; done\n"


def case_no_terminal():
    """A runtime that delivers no terminal: told, not hung."""
    c = Container(["true"])
    p = subprocess.Popen(["sleep", "30"])
    a = stub_call(c, TELLS_PID % p.pid, "-t")
    p.kill()
    p.wait()
    assert a == {"pid": -1, "message": "Runtime did not set up terminal"}, a


def case_runtime_argv():
    """What of the options reaches the runtime, word for word."""
    c = Container(["true"])
    bundle, pid = ["--bundle", c.dir], ["--pid-file", c.dir + "/p"]
    options = ["--runtime-arg", "--log", "--runtime-arg=/l", "--pidfile", c.dir + "/p"]
    rows = (
        (["-s", "--no-pivot", "--no-new-keyring", "--runtime-opt", "--preserve-fds", "--runtime-opt=1"],
         ["--systemd-cgroup", "--log", "/l", "create", *bundle, *pid, "--no-pivot", "--no-new-keyring",
          "--preserve-fds", "1", c.id]),
        (["--systemd-cgroup", "--restore", "/cp", "--restore-arg=--tcp-established"],
         ["--systemd-cgroup", "--log", "/l", "restore", *bundle, *pid, "--detach", "--image-path", "/cp",
          "--work-path", c.dir, "--tcp-established", c.id]),
        (["-s", "-e", "--exec-process-spec", "/spec", "--runtime-opt=--x"],
         ["--log", "/l", "exec", *pid, "--process", "/spec", "--detach", "--x", c.id]),
    )
    for more, want in rows:
        stub_call(c, "printf '%s\\n' \"$@\" >argv; exit 1\n", *options, *more)
        got = read(c.dir + "/argv").splitlines()
        assert got == want, got
    stub_call(c, "printf '%s\\n' \"$@\" >argv; test -S \"$7\" && touch socket; exit 1\n", "-it", "-p", c.dir + "/p")
    got = read(c.dir + "/argv").splitlines()
    assert got == ["create", *bundle, *pid, "--console-socket", got[6], c.id], got
    assert os.path.exists(c.dir + "/socket") and not os.path.exists(got[6]), got


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


def case_rotate_allowed():
    """New files only in directories that are allowed; elsewhere the log goes on as it is."""
    for allowed in (False, True):
        c = Container(["seq", "1", "1000"])
        c.create("--log-size-max", "8192", "--log-rotate", "--log-max-files", "20", "--log-allowlist-dir",
                 c.dir + "/socks", "--log-allowlist-dir=" + (WORK if allowed else "/nosuch")).start()
        assert c.exited() == 0
        assert os.path.exists(c.log + ".1") == allowed, os.listdir(c.dir)
        assert allowed or [line[3] for line in c.lines()] == [str(i) for i in range(1, 1001)]
        c.delete()


def case_no_sync_log():
    """The log is on the disk when the monitor has gone, unless that is not asked for."""
    for more in ((), ("--no-sync-log",)):
        c = Container(["echo", "hi"])
        trace = c.dir + "/trace"
        c.create(*more, before=["strace", "-f", "-D", "-y", "-qq", "-e", "trace=fsync,fdatasync", "-o", trace]).start()
        monitor = int(read(c.dir + "/conmon.pid"))
        assert c.exited() == 0
        until(lambda: not os.path.exists("/proc/%d" % monitor))
        assert ("<%s>" % c.log in read(trace)) != bool(more), (more, read(trace))
        c.delete()


def case_syslog():
    """Messages go to the syslog too; its socket is put into a /dev of the call's own."""
    dev = WORK + "/dev"
    os.mkdir(dev)
    open(dev + "/null", "w").close()
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.bind(dev + "/log")
    s.settimeout(10)
    own_dev = "mount --bind /dev/null $0/null && mount --rbind $0 /dev && exec \"$@\""
    c = Container(["true"])
    a = stub_call(c, "echo its words >&2; exit 3\n", "--syslog", before=["unshare", "-m", "sh", "-c", own_dev, dev])
    assert a["pid"] == -1, a
    text = ""
    while "its words" not in text:
        text = s.recv(4096).decode()
    assert text.startswith("<") and "conmon " + c.id[:20] in text, text
    s.close()
    p = subprocess.run([CONMON, "--syslog", "-c", "x"], capture_output=True, text=True)
    assert "Use --cuuid" in p.stderr and p.returncode == 1, p.stderr


def case_options():
    """The last case: each option that the help names was used by one before."""
    used = set(read(USED).split())
    text = subprocess.run([CONMON, "--help"], capture_output=True, text=True, check=True).stdout
    rows = [set(w.rstrip(",") for w in line.split() if w[0] == "-") for line in text.splitlines() if line.startswith("  -")]
    assert len(rows) > 40, text
    # The two that only print are in `cli`.
    unused = [sorted(row) for row in rows if not row & (used | {"--help", "--version"})]
    assert not unused, unused


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


def journal(*more):
    """What one container says, as the journal and the log file get it."""
    path = "/run/systemd/journal/socket"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.bind(path)
    s.settimeout(10)
    try:
        c = Container(["sh", "-c", "echo one; echo two >&2; printf end"])
        c.create(*more, logs=["k8s-file:" + c.log, "journald:"]).start()
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
        assert len(c.lines()) == 3  # and in the file, all of it
        c.delete()
    finally:
        s.close()
        os.unlink(path)
    got.sort(key=lambda m: m["MESSAGE"])
    assert [m["MESSAGE"] for m in got] == ["end", "one\n", "two\n"], got
    assert [m["PRIORITY"] for m in got] == ["6", "6", "3"]
    return c, got


def case_journald():
    c, got = journal("--log-tag", "the tag", "--log-label", "A_B=c d")
    assert got[0]["CONTAINER_PARTIAL_MESSAGE"] == "true" and "CONTAINER_PARTIAL_MESSAGE" not in got[1]
    for m in got:
        assert m["CONTAINER_ID_FULL"] == c.id and m["CONTAINER_ID"] == c.id[:12]
        assert m["CONTAINER_TAG"] == m["SYSLOG_IDENTIFIER"] == "the tag"
        assert m["CONTAINER_NAME"] == "name-" + c.id and m["A_B"] == "c d"


def case_journald_no_partial():
    c, got = journal("--no-container-partial-message")
    for m in got:
        assert "CONTAINER_PARTIAL_MESSAGE" not in m and m["SYSLOG_IDENTIFIER"] == "name-" + c.id, m


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
    c = Container(["true"])
    p = subprocess.Popen(["sleep", "2"])
    a = stub_call(c, TELLS_PID % p.pid)
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
