#!/usr/bin/env python3
"""watch.py DIRECTORY SECONDS: prints "watching", then the names that appear, leave or come back."""
import ctypes
import os
import select
import struct
import sys
import time

NAMES = {0x40: "moved_from", 0x80: "moved_to", 0x100: "create", 0x200: "delete"}
libc = ctypes.CDLL(None, use_errno=True)
fd = libc.inotify_init1(0)
if libc.inotify_add_watch(fd, sys.argv[1].encode(), 0x3C0) < 0:
    sys.exit(os.strerror(ctypes.get_errno()))
print("watching", flush=True)
end = time.time() + float(sys.argv[2])
while time.time() < end:
    if not select.select([fd], [], [], max(0, end - time.time()))[0]:
        break
    data = os.read(fd, 65536)
    at = 0
    while at < len(data):
        _, mask, _, n = struct.unpack_from("iIII", data, at)
        name = data[at + 16 : at + 16 + n].rstrip(b"\0").decode()
        print(NAMES.get(mask & 0x3C0, hex(mask)), name, flush=True)
        at += 16 + n
