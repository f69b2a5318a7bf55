# SPDX-License-Identifier: Apache-2.0
"""bench/bundle.py - the root file system and the OCI bundles that bench/run gives to runtimes.

The bundles ask for what Docker gives a container by default, so that crun and runc are made to do
what slipway and the limit do: the same capabilities, mounts, masked paths and system call filter.
"""

import json
import os
import platform
import shutil
import subprocess

CAPS = ["CAP_" + c for c in (
    "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE "
    "SYS_CHROOT KILL AUDIT_WRITE").split()]
MASKED = ["/proc/" + p for p in (
    "acpi asound kcore keys latency_stats timer_list timer_stats sched_debug scsi").split()]
MASKED += ["/sys/firmware", "/sys/devices/virtual/powercap"]
READ_ONLY = ["/proc/" + p for p in "bus fs irq sys sysrq-trigger".split()]
# What the mounts need to be there; Docker makes them in a layer of its own.
DIRS = ["bench", "dev", "etc", "proc", "sys", "tmp"]
FILES = ["etc/hostname", "etc/hosts", "etc/resolv.conf"]


def blob(layout, digest):
    return os.path.join(layout, "blobs", *digest.split(":"))


def native_layers(layout):
    """The layers of the image in an OCI image layout, for this machine."""
    arch = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    with open(os.path.join(layout, "index.json"), encoding="utf-8") as f:
        node = json.load(f)
    while "manifests" in node:
        found = [m for m in node["manifests"]
                 if m.get("platform", {}).get("architecture", arch) == arch]
        with open(blob(layout, found[0]["digest"]), encoding="utf-8") as f:
            node = json.load(f)
    return node["layers"]


def apply_whiteouts(root):
    """Carries out the ".wh." files of the layer unpacked last."""
    for here, _, names in os.walk(root):
        for name in names:
            if not name.startswith(".wh."):
                continue
            os.unlink(os.path.join(here, name))
            hidden = os.path.join(here, name[4:])
            if os.path.isdir(hidden) and not os.path.islink(hidden):
                shutil.rmtree(hidden)
            elif os.path.lexists(hidden):
                os.unlink(hidden)


def unpack_image(layout, root):
    """Unpacks the image into root. Good enough for an image of our own making, and no other: an
    opaque directory keeps what is below, which changes nothing here."""
    for layer in native_layers(layout):
        path = blob(layout, layer["digest"])
        kind = layer["mediaType"].rpartition("+")[2]
        how = {"gzip": ["-z"], "zstd": ["--zstd"]}.get(kind, [])
        subprocess.run(["tar", "-x", "-p", "--numeric-owner", *how, "-f", path, "-C", root],
                       check=True)
        apply_whiteouts(root)


def make_rootfs(root, layout):
    os.makedirs(root)
    if layout:
        unpack_image(layout, root)
    for name in DIRS:
        os.makedirs(os.path.join(root, name), exist_ok=True)
    for name in FILES:
        with open(os.path.join(root, name), "a", encoding="utf-8"):
            pass


def applies(rule):
    """Whether a rule of Docker's profile holds for the default capabilities on this machine."""
    arch = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    wanted, unwanted = rule.get("includes") or {}, rule.get("excludes") or {}
    return (all(c in CAPS for c in wanted.get("caps", []))
            and arch in wanted.get("arches", [arch])
            and not any(c in CAPS for c in unwanted.get("caps", []))
            and arch not in unwanted.get("arches", []))


def seccomp(profile):
    """Docker's profile, as an OCI runtime wants it: no more ifs."""
    with open(profile, encoding="utf-8") as f:
        docker = json.load(f)
    native = "SCMP_ARCH_" + platform.machine().upper()
    arches = [native]
    for entry in docker.get("archMap") or []:
        if entry["architecture"] == native:
            arches += entry["subArchitectures"]
    keys = ("names", "action", "args", "errnoRet")
    result = {"defaultAction": docker["defaultAction"], "architectures": arches,
              "syscalls": [{k: r[k] for k in keys if r.get(k) is not None}
                           for r in docker["syscalls"] if applies(r)]}
    if docker.get("defaultErrnoRet") is not None:
        result["defaultErrnoRet"] = docker["defaultErrnoRet"]
    return result


def mounts(binds):
    safe = ["nosuid", "noexec", "nodev"]
    rows = [("/proc", "proc", safe),
            ("/dev", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
            ("/dev/pts", "devpts",
             ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
            ("/sys", "sysfs", safe + ["ro"]),
            ("/sys/fs/cgroup", "cgroup", safe + ["ro"]),
            ("/dev/mqueue", "mqueue", safe),
            ("/dev/shm", "tmpfs", safe + ["mode=1777", "size=65536k"])]
    return ([{"destination": d, "type": t, "source": t, "options": o} for d, t, o in rows]
            + [{"destination": d, "type": "bind", "source": s, "options": ["rbind", "rprivate"]}
               for s, d in binds])


def make_bundle(path, rootfs, args, binds, profile=None):
    """A bundle directory. The runtime's group is still to be set: see set_group()."""
    config = {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": False, "user": {"uid": 0, "gid": 0}, "args": args, "cwd": "/",
            "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
            "capabilities": {k: CAPS for k in ("bounding", "effective", "permitted")}},
        "root": {"path": rootfs},
        "hostname": "bench",
        "mounts": mounts(binds + [(os.path.join(rootfs, f), "/" + f) for f in FILES]),
        "linux": {
            "namespaces": [{"type": t}
                           for t in ("pid", "network", "ipc", "uts", "mount", "cgroup")],
            "resources": {"devices": [{"allow": False, "access": "rwm"}]},
            "maskedPaths": MASKED, "readonlyPaths": READ_ONLY}}
    if profile:
        config["linux"]["seccomp"] = seccomp(profile)
    os.makedirs(path)
    with open(os.path.join(path, "config.json"), "w", encoding="utf-8") as f:
        json.dump(config, f)


def set_group(path, group):
    file = os.path.join(path, "config.json")
    with open(file, encoding="utf-8") as f:
        config = json.load(f)
    config["linux"]["cgroupsPath"] = group
    with open(file, "w", encoding="utf-8") as f:
        json.dump(config, f)
