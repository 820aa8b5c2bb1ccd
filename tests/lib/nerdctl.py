#!/usr/bin/env python3
"""nerdctl in small: what it asks of containerd and of a shim, and what its own binary does for both.

nerdctl is its containers' logging program (binary://) and their hook. This makes a double of it, which
notes what it is given, and then does what `run -d`, `run -dit`, `run --restart=always`, `exec -i`, `top`,
`stats`, `pause`, `stop`, `start` and `rm` do, through containerd's own interface.

nerdctl.py SOCKET NAMESPACE RUNTIME THOLE ROOTFS CGROUP DIR    exit status 0 when all was as it has to be
"""
import json
import os
import signal
import subprocess
import sys
import time
import urllib.parse

import grpc

from wire import dec, dec_all, enc

socket, namespace, runtime, thole, rootfs, cgroup, top = sys.argv[1:8]
channel = grpc.insecure_channel("unix://" + socket)
SPEC = "types.containerd.io/opencontainers/runtime-spec/1/"
program = top + "/nerdctl"
STOPPED = 3


def call(service, method, *fields, decode=dec):
    f = channel.unary_unary(f"/containerd.services.{service}/{method}", lambda x: x, decode)
    return f(enc(*fields), timeout=30, metadata=[("containerd-namespace", namespace)])


def task(method, *fields, **kind):
    return call("tasks.v1.Tasks", method, *fields, **kind)


def check(what, got, expected):
    if got != expected:
        sys.exit(f"{what}: got {got!r}, expected {expected!r}")


def wait_for(what, condition):
    end = time.time() + 30
    while not condition():
        if time.time() > end:
            sys.exit("never: " + what)
        time.sleep(0.1)


def read(name):
    try:
        with open(f"{top}/{name}", encoding="utf-8", newline="") as f:
            return f.read()
    except FileNotFoundError:
        return ""


def double():
    """Logger: one line of each line, tagged. Hook: its state, and an address in the network namespace."""
    with open(program, "w", encoding="ascii") as f:
        f.write(f"""#!/bin/bash
export PATH=/usr/bin:/usr/sbin:/bin:/sbin
if [ "$1" = _NERDCTL_INTERNAL_LOGGING ]; then
	echo "$CONTAINER_NAMESPACE $CONTAINER_ID $2" >>"$2/loggers"
	tag() {{ while IFS= read -r line; do echo "$1 $line"; done >>"$2/$CONTAINER_ID.log"; }}
	tag out "$2" <&3 5>&- &
	tag err "$2" <&4 5>&- &
	exec 3<&- 4<&- 5>&-
	wait
	echo "end" >>"$2/$CONTAINER_ID.log"
	exit
fi
state=$(cat)
echo "$* $state" >>{top}/hooks
pid=$(jq -r .pid <<<"$state")
[ "$3" != createRuntime ] || nsenter --net=/proc/$pid/ns/net ip addr add 10.4.0.9/32 dev lo
""")
    os.chmod(program, 0o755)


def spec(name, *args, terminal=False):
    bundle = top + "/spec"
    os.makedirs(bundle, exist_ok=True)
    subprocess.run([thole, "spec"], cwd=bundle, check=True)
    with open(bundle + "/config.json", encoding="utf-8") as f:
        config = json.load(f)
    os.unlink(bundle + "/config.json")
    config["root"] = {"path": rootfs, "readonly": True}
    config["process"].update(args=list(args), terminal=terminal)
    config["linux"]["cgroupsPath"] = f"{cgroup}/{name}"
    config["annotations"] = {"nerdctl/name": name}
    words = [program, "internal", "oci-hook"]
    config["hooks"] = {k: [{"path": program, "args": words + [word], "env": ["A=b"]}]
                       for k, word in (("createRuntime", "createRuntime"), ("poststop", "postStop"))}
    return config


def logging_uri():
    return f"binary://{program}?_NERDCTL_INTERNAL_LOGGING={urllib.parse.quote(top, safe='')}"


def create(name, *args, terminal=False, labels=()):
    any_spec = enc((1, SPEC + "Spec"), (2, json.dumps(spec(name, *args, terminal=terminal))))
    fields = [(1, name), (4, enc((1, runtime))), (5, any_spec)]
    fields += [(2, enc((1, key), (2, value))) for key, value in labels]
    call("containers.v1.Containers", "Create", (1, enc(*fields)))


def start(name, stdin="", terminal=False):
    pid = task("Create", (1, name), (4, stdin), (5, logging_uri()), (6, "" if terminal else logging_uri()),
               (7, terminal))[2]
    task("Start", (1, name))
    return pid


def status(name):
    return dec(task("Get", (1, name))[1]).get(4)


def lines(name):
    return sorted(read(name + ".log").split("\n")[:-1])


def rm(name):
    task("Delete", (1, name))
    call("containers.v1.Containers", "Delete", (1, name))


def fifo(name):
    path = f"{top}/{name}"
    os.mkfifo(path)
    return path


def run_detached():
    """run -d: hooks with the network's address, log by the program; exec -i, top, stats, pause, stop, start, rm"""
    create("nd", "sh", "-c", "trap 'echo bye; exit 3' TERM; ip addr show lo; echo err >&2; while :; do sleep 0.1; done")
    pid = start("nd")
    wait_for("the log", lambda: any("10.4.0.9/32" in line for line in lines("nd")) and "err err" in lines("nd"))
    check("loggers", read("loggers"), f"{namespace} nd {top}\n")
    hook = read("hooks").split(" ", 3)
    state = json.loads(hook[3])
    check("hook", hook[:3], ["internal", "oci-hook", "createRuntime"])
    check("its state", (state["pid"], state["id"], state["annotations"]), (pid, "nd", {"nerdctl/name": "nd"}))
    stdin, stdout, stderr = (fifo(n) for n in ("in", "out", "err"))
    process = dict(spec("nd", "cat")["process"])
    task("Exec", (1, "nd"), (2, stdin), (3, stdout), (4, stderr),
         (6, enc((1, SPEC + "Process"), (2, json.dumps(process)))), (7, "e"))
    err = os.open(stderr, os.O_RDONLY | os.O_NONBLOCK)
    out = os.open(stdout, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(out, True)
    with open(stdin, "r+b", buffering=0) as typed:
        task("Start", (1, "nd"), (2, "e"))
        typed.write(b"typed\n")
        check("exec -i", os.read(out, 100), b"typed\n")
        task("CloseIO", (1, "nd"), (2, "e"), (3, True))
    check("exec's end", task("Wait", (1, "nd"), (2, "e")).get(1, 0), 0)
    check("its last byte", os.read(out, 100), b"")
    os.close(out)
    os.close(err)
    task("DeleteProcess", (1, "nd"), (2, "e"))
    pids = [dec(p)[1] for p in task("ListPids", (1, "nd"), decode=dec_all)[1]]
    check("top", pid in pids, True)
    check("stats", dec(dec(task("Metrics", (1, "id==nd"))[1])[3])[1].startswith(b"io.containerd.cgroups.v"), True)
    task("Pause", (1, "nd"))
    check("paused", status("nd"), 4)
    task("Resume", (1, "nd"))
    task("Kill", (1, "nd"), (3, signal.SIGTERM))
    check("stop", task("Wait", (1, "nd"))[1], 3)
    task("Delete", (1, "nd"))
    wait_for("the end of the log", lambda: {"out bye", "end"} <= set(lines("nd")))
    stopped = read("hooks").split("\n")[1].split(" ", 3)
    check("postStop", (stopped[2], json.loads(stopped[3])["status"]), ("postStop", "stopped"))
    start("nd")
    wait_for("the second start's log", lambda: lines("nd").count("err err") == 2)
    task("Kill", (1, "nd"), (3, signal.SIGKILL), (4, True))
    check("kill", task("Wait", (1, "nd"))[1], 137)
    rm("nd")


def run_terminal():
    """run -dit: what is typed comes by a fifo, the terminal's output goes to the program"""
    create("nt", "sh", "-c", "tty; read line; echo got $line", terminal=True)
    path = fifo("typed")
    with open(path, "r+b", buffering=0) as typed:
        start("nt", stdin=path, terminal=True)
        wait_for("the terminal's name", lambda: "out /dev/pts/0\r" in lines("nt"))
        typed.write(b"word\n")
        check("end", task("Wait", (1, "nt")).get(1, 0), 0)
    rm("nt")
    wait_for("its log", lambda: "end" in lines("nt"))
    check("log", lines("nt"), ["end", "out /dev/pts/0\r", "out got word\r", "out word\r"])


def restart_status(name, value):
    label = "containerd.io/restart.status"
    call("containers.v1.Containers", "Update", (1, enc((1, name), (2, enc((1, label), (2, value))))),
         (2, enc((1, "labels." + label))))


def run_restart():
    """run -d --restart=always: containerd's own monitor makes the task anew, with the same log"""
    create("nr", "sh", "-c", "echo up; sleep 1", labels=(
        ("containerd.io/restart.policy", "always"), ("containerd.io/restart.loguri", logging_uri())))
    start("nr")
    restart_status("nr", "running")
    wait_for("a restart", lambda: lines("nr").count("out up") >= 2)
    restart_status("nr", "stopped")

    def gone():
        # The monitor may be at the same.
        try:
            if status("nr") == STOPPED:
                task("Delete", (1, "nr"))
        except grpc.RpcError as e:
            return e.code() == grpc.StatusCode.NOT_FOUND
        return False
    wait_for("the last end", gone)
    call("containers.v1.Containers", "Delete", (1, "nr"))
    wait_for("every logger's end", lambda: lines("nr").count("end") == lines("nr").count("out up"))


double()
run_detached()
run_terminal()
run_restart()
