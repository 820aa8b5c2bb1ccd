# SPDX-License-Identifier: Apache-2.0
"""A service manager's notify socket: notify.py SOCKET prints each datagram as one line of JSON with the
sender's pid, and how many descriptors came with it. BARRIER descriptors are closed after 0.3 s."""
import array
import json
import os
import socket
import struct
import sys
import time

name = sys.argv[1]
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
s.bind("\0" + name[1:] if name[0] == "@" else name)
if name[0] != "@":
    os.chmod(name, 0o777)
print("{}", flush=True)
while True:
    data, control, _, _ = s.recvmsg(65536, 4096)
    fds, pid = array.array("i"), 0
    for level, kind, payload in control:
        if kind == socket.SCM_RIGHTS:
            fds.frombytes(payload[: len(payload) // 4 * 4])
        elif kind == socket.SCM_CREDENTIALS:
            pid = struct.unpack("iii", payload)[0]
    alive = os.path.exists(f"/proc/{pid}")
    print(json.dumps({"text": data.decode(), "fds": len(fds), "pid": pid, "alive": alive}), flush=True)
    if fds:
        time.sleep(0.3)
    for fd in fds:
        os.close(fd)
