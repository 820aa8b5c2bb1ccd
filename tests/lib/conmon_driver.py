# SPDX-License-Identifier: Apache-2.0
"""How conmon_calls.py starts a conmon, what it makes for it and reads of it, and which options it has used."""
import json
import os
import socket
import subprocess
import sys
import time

CONMON, RUNTIME, ROOTFS, WORK, CGROUP, CASE = sys.argv[1:7]
ROOT = WORK + "/rt"
serial = [0]
last_line = []
call_fds = []  # handed down besides the pipes
USED = os.path.dirname(WORK) + "/used-" + os.path.basename(CONMON)  # options, of all cases until now


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


def using(argv):
    """Notes the options that a monitor is started with; returns argv."""
    with open(USED, "a") as f:
        f.writelines(a.split("=")[0] + "\n" for a in argv if a.startswith("-"))
    return argv


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

    def create(self, *more, logs=None, api=False, terminal=False, fail=False, env=None, before=None):
        argv = [*(before or []), CONMON, "-b", self.dir, *self.common(), "--exit-dir", self.dir + "/exits", "-P",
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
        p = subprocess.Popen(using(argv), pass_fds=(w,), env=dict(os.environ, _OCI_SYNCPIPE=str(w)),
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
    p = subprocess.Popen(using(argv), cwd=cwd, env=e, pass_fds=(theirs.fileno(), start_theirs.fileno(), *call_fds),
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


def refused(argv, text, env=None):
    p = subprocess.run([CONMON, *argv], capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL,
                       env=dict(os.environ, **(env or {})), cwd=WORK)
    assert p.returncode == 1 and text in p.stderr + p.stdout, (argv, p.returncode, p.stderr)


def stub(c, script):
    with open(c.dir + "/runtime", "w") as f:
        f.write("#!/bin/sh\n" + script)
    os.chmod(c.dir + "/runtime", 0o755)
    return c.dir + "/runtime"


def stub_call(c, script, *more, env=None, before=()):
    argv = [*before, CONMON, "-b", c.dir, "-c", c.id, "-u", c.id, "-r", stub(c, script), "--exit-dir", c.dir + "/exits",
            "-l", c.log, "--full-attach", *more]
    return call(argv, c.dir, env)[0]
