#!/usr/bin/env python3
"""Root file systems as thole-shim's task service gets them: binds, loop, other ids, fuse, and hostile ones.

shim_mounts.py SHIM NAMESPACE BUNDLE...    c3 has its root at <bundle>/rootfs; TAP on stdout
"""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../lib")
from shimd import Site, check
from wire import enc

site = Site(sys.argv[1:])
bundle, rootfs = site.bundles["c3"], os.environ["ROOTFS"]


def mount(kind, source, *options, target=""):
    return 3, enc((1, kind), (2, source), *([(3, target)] if target else []), *[(4, o) for o in options])


def mounts():
    with open("/proc/self/mounts", encoding="ascii") as f:
        return [l for l in f if bundle in l]


def make(*fields, check_in=None):
    """A container with these mounts, a look at it while it runs, and nothing left of them."""
    shim = site.start("c3")
    shim.ok("Create", (1, "c3"), (2, bundle), *fields)
    shim.ok("Start", (1, "c3"))
    if check_in:
        check_in()
    site.end(shim, "c3")
    check("mounts left", mounts(), [])
    check("files left", sorted(os.listdir(bundle)), ["address", "config.json", "rootfs"])


def refused(text, *fields):
    shim = site.start("c3")
    code, got, _ = shim.call("Create", (1, "c3"), (2, bundle), *fields)
    check("code", code, 2)
    assert got.startswith("failed to mount rootfs component: ") and text in got, got
    check("mounts left", mounts(), [])
    check("files left", sorted(os.listdir(bundle)), ["address", "config.json", "rootfs"])
    site.bye(shim, "c3")


def t_bind():
    """bind mounts: read-only is a second mount; sub-directories by target"""
    def look():
        lines = [l.split() for l in mounts()]
        check("flags", [(l[1], l[3].split(",")[0]) for l in lines],
              [(bundle + "/rootfs", "ro"), (bundle + "/rootfs/data", "rw")])
        check("with it", "nosuid" in lines[0][3], True)
        assert os.path.exists(bundle + "/rootfs/data/x")
    os.makedirs(site.top + "/sub", exist_ok=True)
    site.write(site.top + "/sub/x", "x")
    make(mount("bind", rootfs, "rbind", "nosuid", "ro"), mount("bind", site.top + "/sub", "bind", target="/data"),
         check_in=look)


def t_loop():
    """an image file on a loop device, which goes with the mount"""
    image = site.top + "/image"
    with open(image, "wb") as f:
        f.truncate(32 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-d", rootfs, image], check=True)

    def look():
        check("loop", [l.split()[0][:9] for l in mounts()], ["/dev/loop"])
        assert os.path.exists(bundle + "/rootfs/bin/busybox")
    make(mount("ext4", image, "loop", "ro", "direct-io"), check_in=look)
    used = subprocess.run(["losetup", "-j", image], stdout=subprocess.PIPE, check=True).stdout
    check("devices", used, b"")
    refused("/nosuch/image", mount("ext4", "/nosuch/image", "loop"))


def t_mapped():
    """other ids: a bind mount, and the layers of an overlay"""
    base = site.top + "/mapped"
    shutil.copytree(rootfs, base, symlinks=True)
    site.write(base + "/mine", "x")
    os.chown(base + "/mine", 7, 8)
    maps = ["uidmap=0:100000:1000", "gidmap=0:200000:1000"]

    def look():
        st = os.stat(bundle + "/rootfs/mine")
        check("ids", (st.st_uid, st.st_gid), (100007, 200008))
    shim_args = (mount("bind", base, "rbind", "rw", *maps),)
    make(*shim_args, check_in=look)
    dirs = [f"{site.top}/over/{n}" for n in ("l", "u", "w")]
    for d in dirs:
        os.makedirs(d)
    make(mount("overlay", "overlay", f"lowerdir={dirs[0]}:{base}", f"upperdir={dirs[1]}", f"workdir={dirs[2]}",
               *maps), check_in=look)
    refused("must be given together", mount("bind", base, "rbind", maps[0]))
    refused("is no id map", mount("bind", base, "rbind", "uidmap=0:1", "gidmap=0:1:1"))
    refused("for bind and overlay", mount("tmpfs", "tmpfs", *maps))


def t_fuse():
    """fuse3.X: mounted by mount.fuse3, its process gone with the container"""
    def look():
        check("type", [l.split()[2] for l in mounts()], ["fuse.fuse-overlayfs"])
    if shutil.which("mount.fuse3") and shutil.which("fuse-overlayfs") and os.path.exists("/dev/fuse"):
        make(mount("fuse3.fuse-overlayfs", "overlay", "lowerdir=" + rootfs), check_in=look)
    refused("mount helper for \"fuse3.nosuch\"" if shutil.which("mount.fuse3") else "mount.fuse3",
            mount("fuse3.nosuch", "x"))


def t_hostile():
    """links and dots in targets stay inside; what cannot be is named, and nothing stays mounted"""
    root = site.top + "/evil"
    shutil.copytree(rootfs, root, symlinks=True)
    os.symlink("/etc", root + "/out")
    os.symlink("../../../../../../proc", root + "/up")
    os.makedirs(site.top + "/sub", exist_ok=True)
    before = os.listdir("/etc")

    def look():
        points = sorted(l.split()[1] for l in mounts())
        check("inside", points, [bundle + "/rootfs", bundle + "/rootfs/etc", bundle + "/rootfs/proc"])
        check("the host's", os.listdir("/etc"), before)
    make(mount("bind", root, "rbind"), mount("bind", site.top + "/sub", "bind", target="/out"),
         mount("bind", site.top + "/sub", "bind", target="../../up"), check_in=look)
    refused("was not consumed by the mount manager", mount("bind", root, "rbind", "X-containerd.mkdir.path=/x"))
    refused("mount options is too long", mount("tmpfs", "tmpfs", "x=" + "y" * 5000))
    refused("no such file", mount("bind", root, "rbind"), mount("bind", site.top + "/nosuch", "bind"))
    refused("no such file", mount("bind", root, "rbind"), mount("bind", root, "bind", target="/nosuch"))
    refused("nosuchfs", mount("nosuchfs", "x"))
    shim = site.start("c3")
    code, text, _ = shim.call("Create", (1, "c3"), (2, bundle), *[mount("tmpfs", "x")] * 65)
    check("many", (code, text), (3, "too many rootfs mounts"))
    site.bye(shim, "c3")


site.daemon.start()
for c in ("c1", "c2"):  # pods of their own
    site.config(c, lambda conf: conf["annotations"].clear())
site.undo.clear()
site.main("mounts", [t_bind, t_loop, t_mapped, t_fuse, t_hostile])
