#!/usr/bin/env python3
"""Checks what no compiler checks: layers, sizes, banned calls, licence lines. Prints TAP."""
import collections
import glob
import os
import re
import subprocess
import sys

BANNED = r"\b(strcpy|strcat|sprintf|vsprintf|strtok|atoi|atol|strtol|strtoul|strtoll|strtoull|alloca|system|gets|getpwnam|getpwuid|getgrnam|gethostbyname|getaddrinfo)\s*\("
# The one checked number parser may use the library's.
BANNED_OK = {"common/str.c": {"strtoull", "strtoll"}}
FILE_MAX, HEADER_MAX, FUNCTION_MAX, MAIN_MAX = 800, 200, 100, 40
LIBS_WAIT_OWNERS = {
    "runtime": {"runtime/spawn.c", "runtime/hooks.c", "runtime/idmap.c", "runtime/cmd_ps.c"},
    "shim": {"shim/reaper.c", "shim/client.c", "shim/conmon_files.c"},
}

sources = sorted(f for d in ("common", "spec", "runtime", "shim") for f in glob.glob(d + "/*.[ch]"))
failures = collections.defaultdict(list)


def read_layers():
    layers, mechanisms = {}, {}
    for line in open("tests/lint/layers"):
        line = line.split("#")[0].strip()
        if not line:
            continue
        name, _, rest = line.partition(":")
        if name.startswith("mechanism "):
            mechanisms["runtime/" + name.split()[1]] = set(rest.split())
        else:
            layers[name] = set(rest.split())
    return layers, mechanisms


def strip_comments(text):
    blank = lambda m: re.sub(r"[^\n]", " ", m.group(0))
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', blank, text, flags=re.S)


def check_layers():
    layers, mechanisms = read_layers()
    stage = re.compile(r"runtime/(sync|stage|spawn|container|step)\.h")
    mech_headers = {"runtime/" + os.path.basename(m)[:-2] + ".h" for m in mechanisms}
    for f in sources:
        own = f.split("/")[0]
        for n, line in enumerate(open(f), 1):
            m = re.match(r'#include "([^"]+)"', line)
            if not m:
                continue
            inc = m.group(1)
            if "/" not in inc:
                failures["layers"].append(f'{f}:{n}: includes are written from the root: "{inc}"')
            elif inc.split("/")[0] not in layers[own]:
                failures["layers"].append(f'{f}:{n}: {own}/ may not include "{inc}"')
            elif f in mechanisms:
                base = os.path.basename(inc)
                same = f[:-2] + ".h" == inc
                if stage.match(inc):
                    failures["layers"].append(f'{f}:{n}: a mechanism includes no stage: "{inc}"')
                elif inc in mech_headers and not same and base not in mechanisms[f]:
                    failures["layers"].append(f'{f}:{n}: a mechanism includes no other: "{inc}"')


def limits():
    out = {}
    for line in open("tests/lint/limits"):
        parts = line.split("#")[0].split(None, 2)
        if len(parts) >= 2:
            out[parts[0]] = int(parts[1])
    return out


def check_sizes():
    allowed = limits()
    for f in sources:
        n = sum(1 for _ in open(f))
        top = allowed.get(f, HEADER_MAX if f.endswith(".h") else FILE_MAX)
        if n > top:
            failures["sizes"].append(f"{f}: {n} lines, at most {top}")
    out = subprocess.run(
        ["ctags", "-x", "--_xformat=%N %F %n %e", "--fields=+ne", "--kinds-C=f", *sources],
        capture_output=True, text=True, check=True).stdout
    for line in out.splitlines():
        name, f, start, end = line.rsplit(None, 3)
        lines = int(end) - int(start) + 1
        top = allowed.get(f"{f}:{name}", MAIN_MAX if name == "main" else FUNCTION_MAX)
        if lines > top:
            failures["sizes"].append(f"{f}:{start}: {name} has {lines} lines, at most {top}")


def check_banned():
    for f in sources:
        text = strip_comments(open(f).read())
        for n, line in enumerate(text.splitlines(), 1):
            for m in re.finditer(BANNED, line):
                if m.group(1) not in BANNED_OK.get(f, ()):
                    failures["banned"].append(f"{f}:{n}: {m.group(1)}")


def check_effects():
    """One owner of waiting a program."""
    for f in sources:
        own = f.split("/")[0]
        if own not in LIBS_WAIT_OWNERS or f in LIBS_WAIT_OWNERS[own]:
            continue
        text = strip_comments(open(f).read())
        for n, line in enumerate(text.splitlines(), 1):
            if re.search(r"\b(waitpid|waitid|wait4|wait|proc_wait)\s*\(", line) and ".wait" not in line:
                failures["effects"].append(f"{f}:{n}: waiting belongs to {LIBS_WAIT_OWNERS[own]}")


def check_heads():
    for f in sources:
        if "SPDX-License-Identifier: Apache-2.0" not in open(f).readline():
            failures["heads"].append(f"{f}:1: no SPDX line")
        if f.endswith(".h"):
            r = subprocess.run(["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-I.", "-Ibuild/gen",
                                "-fsyntax-only", "-x", "c", "-include", f, "/dev/null"],
                               capture_output=True, text=True)
            if r.returncode:
                failures["heads"].append(f"{f}: does not compile alone: {r.stderr.splitlines()[0]}")
        if re.search(r"/utils?\.[ch]$", f):
            failures["heads"].append(f"{f}: no file is called utils")


checks = {"layers": check_layers, "sizes": check_sizes, "banned": check_banned,
          "effects": check_effects, "heads": check_heads}
print(f"1..{len(checks)}")
for i, (name, check) in enumerate(checks.items(), 1):
    check()
    for line in failures[name]:
        print("# " + line)
    print(f"{'not ok' if failures[name] else 'ok'} {i} {name}")
sys.exit(any(failures.values()))
