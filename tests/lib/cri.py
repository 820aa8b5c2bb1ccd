#!/usr/bin/env python3
"""A kubelet in small: drives the CRI runtime service of a containerd from RunPodSandbox to its removal.

cri.py SOCKET CGROUP LOGDIR IMAGE [update] [restart=DIR]    exit status 0 when all was as it has to be

restart: the daemon, of containerd.pid, containerd.toml and containerd.log in DIR, is killed and started anew.
"""
import os
import signal
import subprocess
import sys
import time

import grpc

from wire import dec, enc

socket, cgroup, logs, image = sys.argv[1:5]
channel = grpc.insecure_channel("unix://" + socket)


def call(method, *fields):
    f = channel.unary_unary("/runtime.v1.RuntimeService/" + method, lambda x: x, dec)
    return f(enc(*fields), timeout=30)


def check(what, got, expected):
    if got != expected:
        sys.exit(f"{what}: got {got!r}, expected {expected!r}")


def status(container):
    s = dec(call("ContainerStatus", (1, container))[1])
    return s.get(3, 0), s.get(7, 0), s.get(10, b"").decode()


def wait_exit(container):
    for _ in range(100):
        if status(container)[0] == 2:
            return
        time.sleep(0.1)
    sys.exit("the container does not end: " + repr(status(container)))


def container(name, *command, limit=64 << 20):
    resources = enc((3, 512), (4, limit))
    conf = [(1, enc((1, name))), (2, enc((1, image)))]
    conf += [(3, a) for a in command]
    conf += [(6, enc((1, "A"), (2, "b"))), (11, name + ".log"), (15, enc((1, resources)))]
    return call("CreateContainer", (1, pod), (2, enc(*conf)), (3, config))[1]


# hostname, log directory, cgroup parent
config = enc((1, enc((1, "pod"), (2, "uid"), (3, "default"))), (2, "podhost"), (3, logs),
             (8, enc((1, cgroup))))
pod = call("RunPodSandbox", (1, config))[1]
address = dec(dec(call("PodSandboxStatus", (1, pod))[1])[5])[1].decode()
if not address.startswith("10.88.77."):
    sys.exit("address of the sandbox: " + address)



def life():
    main = container("main", "sh", "-c", "trap 'echo bye; exit 4' TERM; echo $A; while :; do sleep 0.1; done")
    check("state", status(main)[0], 0)
    call("StartContainer", (1, main))
    check("state", status(main)[0], 1)
    got = call("ExecSync", (1, main), (2, "sh"), (2, "-c"), (2, "hostname; echo err >&2; exit 9"), (3, 10))
    check("exec", (got.get(1), got.get(2), got.get(3)), (b"podhost\n", b"err\n", 9))
    got = call("ExecSync", (1, main), (2, "sh"), (2, "-c"), (2, "ip addr show eth0"), (3, 10))
    if address.encode() not in got[1]:
        sys.exit("the container is not in the sandbox's network: " + repr(got))
    call("ContainerStats", (1, main))
    if "update" in sys.argv:
        call("UpdateContainerResources", (1, main), (2, enc((4, 48 << 20))))
        path = f"/sys/fs/cgroup/memory{cgroup}/{main.decode()}/memory.limit_in_bytes"
        if not os.path.exists(path):
            path = f"/sys/fs/cgroup{cgroup}/{main.decode()}/memory.max"
        with open(path, encoding="ascii") as f:
            check("updated limit", f.read(), str(48 << 20) + "\n")
    call("StopContainer", (1, main), (2, 10))
    check("end", status(main), (2, 4, "Error"))
    call("RemoveContainer", (1, main))
    with open(logs + "/main.log", encoding="ascii") as f:
        check("log", [line.split(" ", 1)[1] for line in f], ["stdout F b\n", "stdout F bye\n"])

    oom = container("oom", "dd", "if=/dev/zero", "of=/dev/null", "bs=200M", "count=1", limit=16 << 20)
    call("StartContainer", (1, oom))
    wait_exit(oom)
    check("OOM", status(oom), (2, 137, "OOMKilled"))
    bad = container("bad", "nosuch")
    try:
        call("StartContainer", (1, bad))
        sys.exit("a missing program was started")
    except grpc.RpcError as e:
        if '"nosuch": executable file not found in $PATH' not in e.details():
            sys.exit("message: " + e.details())
    check("bad", status(bad)[:2], (2, 128))


def ready():
    try:
        call("Version")
        return call("Status") is not None
    except grpc.RpcError:
        return False


def restart_daemon(where):
    with open(where + "/containerd.pid", encoding="ascii") as f:
        pid = int(f.read())
    os.kill(pid, signal.SIGKILL)
    while os.path.exists(f"/proc/{pid}") and not is_zombie(pid):
        time.sleep(0.05)
    time.sleep(2)
    with open(where + "/containerd.log", "ab") as log:
        daemon = subprocess.Popen(["containerd", "-c", where + "/containerd.toml"], stdin=subprocess.DEVNULL,
                                  stdout=log, stderr=log)
    with open(where + "/containerd.pid", "w", encoding="ascii") as f:
        f.write(str(daemon.pid))
    for _ in range(150):
        if ready():
            return
        time.sleep(0.2)
    sys.exit("the daemon does not come back")


def is_zombie(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as f:
            return f.read().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def numbers():
    with open(logs + "/main.log", encoding="ascii") as f:
        return [int(line.split()[-1]) for line in f if line.split()[-1].isdigit()]


def restart(where):
    main = container("main", "sh", "-c", "trap 'echo bye; exit 4' TERM; i=0; "
                     "while :; do i=$((i + 1)); echo $i; sleep 0.02; done")
    brief = container("brief", "sh", "-c", "sleep 2; exit 6")
    created = container("created", "sh", "-c", "exit 3")
    call("StartContainer", (1, main))
    call("StartContainer", (1, brief))
    restart_daemon(where)
    check("state", status(main)[0], 1)
    check("state", status(created)[0], 0)
    wait_exit(brief)
    # From 1.7 on the daemon deletes what ended meanwhile by itself, without asking for the status.
    if " 1.6." in subprocess.run(["containerd", "--version"], stdout=subprocess.PIPE, check=True).stdout.decode():
        check("ended meanwhile", status(brief), (2, 6, "Error"))
    got = call("ExecSync", (1, main), (2, "hostname"), (3, 10))
    check("exec", got.get(1), b"podhost\n")
    call("ContainerStats", (1, main))
    call("StartContainer", (1, created))
    wait_exit(created)
    check("started afterwards", status(created)[:2], (2, 3))
    at = len(numbers())
    for _ in range(100):
        if len(numbers()) > at:
            break
        time.sleep(0.1)
    call("StopContainer", (1, main), (2, 10))
    check("end", status(main), (2, 4, "Error"))
    check("log", numbers(), list(range(1, len(numbers()) + 1)))
    if len(numbers()) <= at:
        sys.exit("nothing has been logged since")
    for c in (main, brief, created):
        call("RemoveContainer", (1, c))


dirs = [a.partition("=")[2] for a in sys.argv if a.startswith("restart=")]
if dirs:
    restart(dirs[0])
else:
    life()
call("StopPodSandbox", (1, pod))
call("RemovePodSandbox", (1, pod))
check("sandboxes left", call("ListPodSandbox"), {})
check("containers left", call("ListContainers"), {})
