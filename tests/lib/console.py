#!/usr/bin/env python3
"""Terminal tools for the tests.

console.py recv SOCKET [SIZE]   listens on SOCKET, receives a pty master, prints its output until hang-up
console.py pty COMMAND...       runs COMMAND on a new pty of 24x80, stdin forwarded, output printed;
                                lines "@resize ROWS COLS", "@sleep S", "@until TEXT", "@signal NUMBER" on
                                stdin act on it; exit status is the command's
console.py fd SOCKET            listens on SOCKET, receives one descriptor: its message and fdinfo
"""
import array
import fcntl
import os
import pty
import select
import socket
import struct
import sys
import termios
import time


def copy(fd, out):
    while True:
        try:
            data = os.read(fd, 4096)
        except OSError:
            return
        if not data:
            return
        out.write(data)
        out.flush()


def recv(path):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.bind(path)
    s.listen(1)
    s.settimeout(20)
    conn, _ = s.accept()
    fds = array.array("i")
    name, anc, _, _ = conn.recvmsg(4096, socket.CMSG_SPACE(64))
    for level, kind, data in anc:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    print(f"name {name.decode()} fds {len(fds)}", flush=True)
    rows, cols = struct.unpack("HHHH", fcntl.ioctl(fds[0], termios.TIOCGWINSZ, b"\0" * 8))[:2]
    print(f"size {rows} {cols}", flush=True)
    copy(fds[0], sys.stdout.buffer)


def recv_fd(path):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.bind(path)
    s.listen(1)
    s.settimeout(20)
    conn, _ = s.accept()
    text, fds, _, _ = socket.recv_fds(conn, 4096, 4)
    print(f"message {text.decode()} fds {len(fds)}", flush=True)
    sys.stdout.write(open(f"/proc/self/fdinfo/{fds[0]}").read())


def run_pty(argv):
    pid, fd = pty.fork()
    if pid == 0:
        # before the program can look
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        os.execvp(argv[0], argv)
    before = termios.tcgetattr(fd)
    seen = b""

    def pump(seconds, until=None):
        nonlocal seen
        end = time.time() + seconds
        while time.time() < end:
            if until and until in seen:
                seen = seen.split(until, 1)[1]
                return True
            r, _, _ = select.select([fd], [], [], 0.05)
            if r:
                try:
                    data = os.read(fd, 4096)
                except OSError:
                    return False
                if not data:
                    return False
                seen += data
                sys.stdout.buffer.write(data)
                sys.stdout.flush()
        return until is None

    for line in sys.stdin:
        words = line.split()
        if words[:1] == ["@resize"]:
            fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", int(words[1]), int(words[2]), 0, 0))
        elif words[:1] == ["@sleep"]:
            pump(float(words[1]))
        elif words[:1] == ["@until"]:
            if not pump(10, " ".join(words[1:]).encode()):
                print(f"\nnever saw: {' '.join(words[1:])}")
        elif words[:1] == ["@signal"]:
            os.kill(pid, int(words[1]))
        elif words[:1] == ["@keys"]:
            os.write(fd, bytes(int(w, 16) for w in words[1:]))
        else:
            os.write(fd, line.encode())
    end = time.time() + 20
    status = None
    while time.time() < end and status is None:
        pump(0.1)
        done, st = os.waitpid(pid, os.WNOHANG)
        if done:
            status = os.waitstatus_to_exitcode(st)
    pump(0.2)
    try:
        same = termios.tcgetattr(fd)[:4] == before[:4]
    except termios.error:
        same = True
    print(f"\nterminal {'restored' if same else 'left raw'}")
    sys.exit(99 if status is None else status if status >= 0 else 128 - status)


if sys.argv[1] == "recv":
    recv(sys.argv[2])
elif sys.argv[1] == "fd":
    recv_fd(sys.argv[2])
else:
    run_pty(sys.argv[2:])
