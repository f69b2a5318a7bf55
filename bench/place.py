# SPDX-License-Identifier: Apache-2.0
"""bench/place.py - where bench/run measures: its directory and control groups, and the clock."""

import fcntl
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

import bundle

HERE = os.path.dirname(os.path.abspath(__file__))
REPO = os.path.dirname(HERE)


class Skip(Exception):
    """This tool cannot be measured here; the text says why."""


def setting(name, default):
    return os.environ.get(name) or default


def find(program):
    """Where a program is; slipway's may be installed or just built."""
    path = os.environ["PATH"] + "".join(f":{REPO}/build/{cc}" for cc in ("cc", "gcc"))
    found = shutil.which(program, path=path)
    if not found:
        raise Skip("not installed" if not program.startswith("slipway") else "not built")
    return found


# ---- control groups ------------------------------------------------------------------------------


class Groups:
    """A group in every hierarchy, with this process in a group of its own below."""

    def __init__(self, name):
        self.name = name
        self.mounts = []  # (mount point, is version 2, the group this process came from)
        self.others = set()  # groups of podman's that were there before
        came_from = {}
        with open("/proc/self/cgroup", encoding="utf-8") as f:
            for line in f:
                _, controllers, path = line.rstrip("\n").split(":", 2)
                came_from[controllers] = path
        with open("/proc/self/mountinfo", encoding="utf-8") as f:
            for line in f:
                fields = line.split()
                kind, options = fields[fields.index("-") + 1], fields[-1].split(",")
                if kind == "cgroup2":
                    self.mounts.append((fields[4], True, came_from.get("", "/")))
                elif kind == "cgroup":
                    old = [p for c, p in came_from.items()
                           if c and set(c.split(",")) <= set(options)]
                    self.mounts.append((fields[4], False, (old or ["/"])[0]))

    def directory(self, mount):
        return os.path.join(mount, self.name)

    def unified(self):
        return next((self.directory(m) for m, two, _ in self.mounts if two), None)

    def enter(self):
        """Also asks for most of the processors' time, against whatever else is going on: a command
        of two milliseconds that has to wait for somebody else's time slice takes six."""
        for mount, _, _ in self.mounts:
            self.add(mount)
            for knob, most in (("cpu.shares", "262144"), ("cpu.weight", "10000")):
                if os.path.exists(os.path.join(self.directory(mount), knob)):
                    write(os.path.join(self.directory(mount), knob), most)

    @staticmethod
    def podman(mount):
        """What podman makes beside the group it was given, for the pods of `play kube`, and leaves."""
        return os.path.join(mount, "libpod_parent")

    def add(self, mount):
        """Version 2 allows no processes in a group that has groups with controllers: hence main."""
        if os.path.exists(self.podman(mount)):
            self.others.add(mount)
        for path in (self.directory(mount), os.path.join(self.directory(mount), "main")):
            os.makedirs(path)
            for knob in ("cpuset.cpus", "cpuset.mems"):  # empty at first, and so not to be entered
                if os.path.exists(os.path.join(path, knob)):
                    with open(os.path.join(path, "..", knob), encoding="utf-8") as f:
                        value = f.read().strip()
                    if value:
                        write(os.path.join(path, knob), value)
        write(os.path.join(self.directory(mount), "main", "cgroup.procs"), "0")

    def leave(self):
        for mount, _, old in self.mounts:
            try:
                write(os.path.join(mount, old.lstrip("/"), "cgroup.procs"), "0")
            except OSError:
                write(os.path.join(mount, "cgroup.procs"), "0")
            self.remove(self.directory(mount))
            if mount not in self.others:
                self.remove(self.podman(mount))

    @staticmethod
    def remove(directory):
        for here, _, _ in os.walk(directory, topdown=False):
            for _ in range(200):  # the last process may still be on its way out
                try:
                    os.rmdir(here)
                    break
                except OSError:
                    time.sleep(0.01)
            else:
                print(f"bench: {here} is left over", file=sys.stderr)


def write(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def keep_apart(directory):
    """What slipway does for its own: each of its directories goes to a part of the disk with few
    others, where ext4's search for a free inode does not pass over what was removed lately."""
    get, put, topdir = 0x80086601, 0x40086602, 0x00020000  # FS_IOC_GETFLAGS and so on
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        flags = struct.unpack("l", fcntl.ioctl(fd, get, struct.pack("l", 0)))[0]
        fcntl.ioctl(fd, put, struct.pack("l", flags | topdir))
    except OSError:
        pass  # another file system
    finally:
        os.close(fd)


# ---- measuring -----------------------------------------------------------------------------------


class Bench:
    """The place where everything happens, and how to run a command in it."""

    def __init__(self, images):
        self.dir = tempfile.mkdtemp(prefix="slipway-bench.", dir=setting("TMPDIR", "/var/tmp"))
        self.groups = Groups(os.path.basename(self.dir))
        self.images = images
        self.notes = []
        self.shared = self.path("bench")  # mounted as /bench in every container
        self.stamps = os.path.join(self.shared, "first")
        self.rootfs = self.path("rootfs")
        self.profile = None
        self.hugetlb = None

    def path(self, name):
        return os.path.join(self.dir, name)

    def prepare(self):
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        # State goes where it usually does, in memory; but this /run is ours alone.
        self.quiet("mount", "-t", "tmpfs", "-o", "mode=755", "run", "/run")
        self.groups.enter()
        os.makedirs(self.shared)
        os.makedirs(self.path("uppers"))
        keep_apart(self.path("uppers"))
        self.build("stamp", self.shared)
        self.build("clock", self.dir)
        self.build("limit", self.dir)
        bundle.make_rootfs(self.rootfs, self.images and os.path.join(self.images, "busybox"))
        profile = setting("SECCOMP", "/usr/share/containers/seccomp.json")
        if os.path.exists(profile):
            self.profile = profile

    def build(self, program, where):
        """Static, and with musl if it is there: glibc's start-up costs as much as some mounts."""
        sources = [os.path.join(HERE, f) for f in sorted(os.listdir(HERE))
                   if re.fullmatch(program + r"(_\w+)?\.c", f)]
        cc = [setting("MUSL_CC", "musl-gcc")]
        if shutil.which(cc[0]):  # the kernel's headers are not in musl's search path
            arch = subprocess.run(["gcc", "-print-multiarch"], capture_output=True, text=True,
                                  check=False).stdout.strip()
            cc += ["-idirafter", "/usr/include", "-idirafter", f"/usr/include/{arch}"]
        else:
            cc = [setting("CC", "cc")]
            self.note("no musl-gcc: the limit and the stamp carry glibc's start-up time")
        subprocess.run([*cc, "-std=gnu17", "-D_GNU_SOURCE", "-O2", "-static", "-s",
                        "-o", os.path.join(where, program), *sources], check=True)

    def note(self, text):
        if text not in self.notes:
            self.notes.append(text)

    def clock(self, *command, env=None):
        """Runs a command; returns when it started and ended, in ns, and what it printed."""
        times = self.path("clock.out")
        with open(self.path("clock.log"), "w+", encoding="utf-8", errors="replace") as log:
            # a file, not a pipe: what stays in the background may keep it open
            subprocess.run([self.path("clock"), times, *command], stdin=subprocess.DEVNULL,
                           stdout=log, stderr=log, env=env, cwd=self.dir, timeout=120, check=False)
            log.seek(0)
            output = log.read()
        with open(times, encoding="utf-8") as f:
            start, end, status = (int(n) for n in f.read().split())
        if status:
            raise Skip(f"{' '.join(command)}: exit {status}: {output.strip()[-500:]}")
        return start, end, output

    def first(self, count=1):
        """When the last of the containers ran its first instruction; forgets it."""
        for _ in range(10000):
            if os.path.exists(self.stamps):
                with open(self.stamps, encoding="utf-8") as f:
                    lines = f.read().split()
                if len(lines) >= count:
                    os.unlink(self.stamps)
                    return max(int(n) for n in lines)
            time.sleep(0.001)
        raise Skip("the container wrote no time stamp within ten seconds")

    def first_probe(self):
        """When the first probe ran, of a service that has one; forgets them."""
        path = os.path.join(self.shared, "probe")
        with open(path, encoding="utf-8") as f:
            first = min(int(n) for n in f.read().split())
        os.unlink(path)
        return first

    def clear(self):
        for path in (self.stamps, os.path.join(self.shared, "probe")):
            if os.path.exists(path):
                os.unlink(path)

    def quiet(self, *command, **kwargs):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False, **kwargs)
        if done.returncode:
            raise Skip(f"{' '.join(command)}: {done.stdout.strip()[-500:]}")
        return done.stdout

    def mount_hugetlb(self):
        """crun 0.4 and later refuses cgroup2 beside version 1 while cgroup2 has any controller; all
        that is left there on such machines is hugetlb. In the mount namespace it is ours alone,
        but the controller is the machine's, so it goes back as soon as the bench is done."""
        unified = next((m for m, two, _ in self.groups.mounts if two), None)
        hybrid = unified and any(not two for _, two, _ in self.groups.mounts)
        if self.hugetlb or not hybrid:
            return
        with open("/proc/cgroups", encoding="utf-8") as f:
            exists = any(line.startswith("hugetlb\t") for line in f)
        # None at all: it may be on its way back from whoever borrowed it last.
        if not exists or self.controllers(unified) not in ([], ["hugetlb"]):
            return
        self.hugetlb = self.path("hugetlb")
        os.mkdir(self.hugetlb)
        self.quiet("mount", "-t", "cgroup", "-o", "hugetlb", "none", self.hugetlb)
        self.groups.mounts.append((self.hugetlb, False, "/"))
        self.groups.add(self.hugetlb)
        self.note("hugetlb was mounted as cgroup v1 for the time: crun refuses hybrid groups else")

    @staticmethod
    def controllers(mount):
        with open(os.path.join(mount, "cgroup.controllers"), encoding="utf-8") as f:
            return f.read().split()

    def unmount_hugetlb(self):
        """A hierarchy goes with its last mount, but not if the kernel is still busy burying groups
        at that moment: then it stays until it is mounted and unmounted again."""
        unified = next(m for m, two, _ in self.groups.mounts if two)
        for _ in range(100):
            subprocess.run(["umount", self.hugetlb], check=False)
            for _ in range(10):
                if "hugetlb" in self.controllers(unified):
                    return
                time.sleep(0.01)
            subprocess.run(["mount", "-t", "cgroup", "-o", "hugetlb", "none", self.hugetlb],
                           check=False)
        print("bench: hugetlb has not come back to cgroup2", file=sys.stderr)

    def close(self):
        """Ends what is left and removes every trace. This is a PID namespace made for the bench, so
        all in it is ours; that is made sure of once more, for otherwise it would be everything."""
        if os.environ["SLIPWAY_BENCH_FROM"] != os.readlink("/proc/self/ns/pid"):
            self.end_all()
        self.groups.leave()
        if self.hugetlb:
            self.unmount_hugetlb()
        with open("/proc/self/mountinfo", encoding="utf-8") as f:
            below = [line.split()[4] for line in f if line.split()[4].startswith(self.dir + "/")]
        for mount in reversed(below):  # podman and docker mount their storage on itself
            subprocess.run(["umount", "-l", mount], check=False)
        shutil.rmtree(self.dir)

    @staticmethod
    def end_all():
        ours = {1, os.getpid()}
        for _ in range(200):
            others = [int(p) for p in os.listdir("/proc") if p.isdigit() and int(p) not in ours]
            if not others:
                return
            for pid in others:
                try:
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, os.WNOHANG)
                except (ProcessLookupError, ChildProcessError):
                    pass
            time.sleep(0.01)
        print("bench: some processes do not end", file=sys.stderr)
