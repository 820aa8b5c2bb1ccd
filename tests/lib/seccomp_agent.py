# SPDX-License-Identifier: Apache-2.0
"""A seccomp agent: seccomp_agent.py SOCKET prints what comes over each connection as one line of JSON
(the message, how many descriptors, whether the connection was closed after it) and answers every
notification of the listeners that it gets with ENOTTY."""
import errno
import fcntl
import json
import os
import socket
import struct
import sys
import threading

RECV, SEND = 0xC0502100, 0xC0182101  # struct seccomp_notif: 80 bytes, seccomp_notif_resp: 24


def answer(fd):
    while True:
        request = bytearray(80)
        try:
            fcntl.ioctl(fd, RECV, request)
            number = struct.unpack_from("Q", request)[0]
            fcntl.ioctl(fd, SEND, struct.pack("QqiI", number, 0, -errno.ENOTTY, 0))
        except OSError as e:
            if e.errno in (errno.ENOENT, errno.EINTR):
                continue
            return


s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o777)
s.listen()
print("{}", flush=True)
while True:
    connection, _ = s.accept()
    data, fds, _, _ = socket.recv_fds(connection, 65536, 8)
    more = connection.recv(1) if data else b""
    for fd in fds:
        threading.Thread(target=answer, args=(fd,), daemon=True).start()
    links = [os.readlink(f"/proc/self/fd/{fd}") for fd in fds]
    print(json.dumps({"message": json.loads(data or "null"), "fds": links, "closed": more == b""}), flush=True)
    connection.close()
