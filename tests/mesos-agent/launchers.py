# SPDX-License-Identifier: Apache-2.0
"""launchers.py - starts an executor as an agent does, and destroys what it became.

Posix    the executor stays in the agent's control groups; it is killed by process tree, session and
         process group, so that whoever leaves all three outlives it
Linux2   the same on cgroup2: a group .../mesos/CONTAINER, and the executor in its child, leaf
Linux    the executor gets a group of its own in the hierarchies freezer, memory, cpu and cpuacct,
         .../mesos/CONTAINER; what is killed is what is in the freezer's, and below it

Everything is made below the group that scripts/in-test-host has made for this test.
"""
import os
import signal
import subprocess
import threading
import time

CGROUPS = "/sys/fs/cgroup"
HIERARCHIES = ("freezer", "memory", "cpu", "cpuacct")

# What the agent's launch helper does: it leads a session, joins the groups, runs the command with a
# shell and ends like it.
HELPER = """ulimit -S -c 0 && ulimit -n 20000 && umask 022 || exit
value=$1; shift
for group; do echo $$ >"$group/cgroup.procs" || exit; done
sh -c "$value"
exit $?"""


def test_group():
    """The name of the group that scripts/in-test-host has made; None without one."""
    return os.environ.get("SLIPWAY_CGROUP_PARENT", "").split("/")[0] or None


def start(value, environment, sandbox, groups=()):
    """The helper, with `sh -c VALUE` below it."""
    with open(f"{sandbox}/stdout", "ab") as out, open(f"{sandbox}/stderr", "ab") as err:
        return subprocess.Popen(["sh", "-c", HELPER, "mesos-launch", value, *groups], cwd=sandbox, env=environment,
                                stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True)


# ---- processes -----------------------------------------------------------------------------------

def stat(pid):
    """(parent, process group, session, start time, state) of a process; None if it is gone."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            fields = f.read().rpartition(")")[2].split()
    except OSError:
        return None
    return int(fields[1]), int(fields[2]), int(fields[3]), int(fields[19]), fields[0]


def processes():
    """Every process there is, by its number, without those that are dead already."""
    found = {int(x): stat(x) for x in os.listdir("/proc") if x.isdigit()}
    return {pid: s for pid, s in found.items() if s and s[4] not in "ZX"}


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            return [int(x) for x in f.read().split()]
    except OSError:
        return []


def name(pid):
    try:
        with open(f"/proc/{pid}/comm") as f:
            return f.read().strip()
    except OSError:
        return ""


def chain(helper):
    """From the helper down to the executor, which is the first that is neither shell nor Mesos's own."""
    pid = helper
    while pid and name(pid):
        yield pid
        is_above = name(pid) in ("sh", "bash") or name(pid).startswith("mesos-")
        pid = next(iter(children(pid)), None) if is_above else None


def executor(helper):
    """The executor. None: not there (any more, or yet)."""
    last = [*chain(helper)][-1:]
    return last[0] if last and name(last[0]) not in ("sh", "bash") and last[0] != helper else None


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


class Plain:
    """The posix launcher, as it is."""

    def environment(self):
        return {}

    def prepare(self, container_id):
        return []

    def limit(self, container_id, cpus, mem):
        pass

    def watch_memory(self, container_id, on_oom):
        pass

    def destroy(self, container_id, helper):
        """The tree below the helper, its session and its group. Once the helper is gone, nobody: the
        agent begins with the process that it has started, and looks no further without it."""
        if helper not in processes():
            return []
        alive, end = [], time.time() + 5
        while time.time() < end:
            found, tree = processes(), {helper}
            for _ in range(len(found)):
                more = {p for p, s in found.items() if s[0] in tree or s[2] == helper or s[1] == helper} - tree
                if not more:
                    break
                tree |= more
            alive = [p for p in tree if p in found]
            if not alive:
                return []
            for pid in alive:
                kill(pid)
            time.sleep(0.01)
        return ["processes that cannot be killed: " + " ".join(map(str, alive))]


class Posix(Plain):
    """The posix launcher of an agent whose --executor_environment_variables tells slipway where pods
    go: there is no group of the executor's own, and these tests may use only the one made for them."""

    def environment(self):
        return {"SLIPWAY_CGROUP_PARENT": os.environ["SLIPWAY_CGROUP_PARENT"]} if test_group() else {}


class Linux:
    """The linux launcher, on the v1 hierarchies that there are."""

    def __init__(self, root=None):
        self.root = f"{root or test_group()}/mesos"

    def environment(self):
        return {}

    def groups(self, container_id):
        """By hierarchy, where it is mounted."""
        found = [h for h in HIERARCHIES if os.path.exists(f"{CGROUPS}/{h}/cgroup.procs")]
        return {h: f"{CGROUPS}/{h}/{self.root}/{container_id}" for h in found}

    def prepare(self, container_id):
        groups = self.groups(container_id)
        if "freezer" not in groups:
            raise RuntimeError("the linux launcher needs a freezer hierarchy")
        for group in groups.values():
            os.makedirs(group)
        return list(groups.values())

    def limit(self, container_id, cpus, mem):
        """Resources of executor and tasks; the agent raises them before it sends LAUNCH."""
        groups = self.groups(container_id)
        write(f"{groups['cpu']}/cpu.shares", max(2, int(1024 * cpus)))
        limit = f"{groups['memory']}/memory.limit_in_bytes"
        size = int(mem * (1 << 20))
        write(f"{groups['memory']}/memory.soft_limit_in_bytes", size)
        with open(limit) as f:
            if int(f.read()) < size or int(read(limit)) > 1 << 62:
                write(limit, size)

    def watch_memory(self, container_id, on_oom):
        """Calls ON_OOM when this very group runs out of memory: one below it does not count."""
        group = self.groups(container_id)["memory"]
        control = os.open(f"{group}/memory.oom_control", os.O_RDONLY)
        event = os.eventfd(0, os.EFD_CLOEXEC)
        write(f"{group}/cgroup.event_control", f"{event} {control}")

        def watch():
            os.eventfd_read(event)
            # It is also told when the group is removed.
            if os.path.exists(f"{group}/cgroup.procs"):
                on_oom()
            os.close(event)
            os.close(control)
        threading.Thread(target=watch, daemon=True).start()

    def destroy(self, container_id, helper):
        """What could not be done; empty if all of it is gone."""
        groups = self.groups(container_id)
        problems = freezer_kill(groups["freezer"]) if os.path.isdir(groups["freezer"]) else []
        for hierarchy, group in groups.items():
            end = time.time() + 2
            while os.path.isdir(group) and time.time() < end:
                remove(group)
                time.sleep(0.01)
            if os.path.isdir(group):
                problems.append(f"{hierarchy}: {group} cannot be removed: processes {' '.join(map(str, members(group)))}")
        return problems


class Linux2(Linux):
    """The linux launcher on cgroup2. The container's group gives its controllers to those below it, so
    that no process can be in it: the executor is in its leaf."""

    def __init__(self):
        super().__init__()
        self.top = f"{CGROUPS}/{test_group()}"

    @staticmethod
    def controllers():
        """Those of this host that are in cgroup2, and not in a v1 hierarchy; None: that is not what is mounted."""
        path = f"{CGROUPS}/cgroup.controllers"
        return read(path).split() if os.path.exists(path) else None

    def groups(self, container_id):
        return {"cgroup2": f"{self.top}/mesos/{container_id}"}

    def prepare(self, container_id):
        group = self.groups(container_id)["cgroup2"]
        os.makedirs(f"{group}/leaf")
        for path in (self.top, f"{self.top}/mesos", group):
            for name in {"memory", "cpu", "pids"} & set(read(f"{path}/cgroup.controllers").split()):
                write(f"{path}/cgroup.subtree_control", f"+{name}")
        return [f"{group}/leaf"]

    def limit(self, container_id, cpus, mem):
        group = self.groups(container_id)["cgroup2"]
        values = {"cpu.weight": max(1, int(100 * cpus)), "memory.max": int(mem * (1 << 20))}
        for name, value in values.items():
            if os.path.exists(f"{group}/{name}"):
                write(f"{group}/{name}", value)

    def watch_memory(self, container_id, on_oom):
        """Here the groups below count as well."""
        path = f"{self.groups(container_id)['cgroup2']}/memory.events"

        def watch():
            try:
                while not any(x.startswith("oom ") and x != "oom 0" for x in read(path).splitlines()):
                    time.sleep(0.02)
            except OSError:
                return # it was removed
            on_oom()
        if os.path.exists(path):
            threading.Thread(target=watch, daemon=True).start()

    def destroy(self, container_id, helper):
        group, end = self.groups(container_id)["cgroup2"], time.time() + 5
        if not os.path.isdir(group):
            return []
        write(f"{group}/cgroup.kill", 1)
        while os.path.isdir(group) and time.time() < end:
            remove(group)
            time.sleep(0.01)
        return [f"{group} cannot be removed: processes {' '.join(map(str, members(group)))}"] if os.path.isdir(group) else []


def write(path, value):
    with open(path, "w") as f:
        f.write(str(value))


def read(path):
    with open(path) as f:
        return f.read().strip()


def members(group):
    """The processes in a group and below."""
    pids = []
    for path, _, files in os.walk(group):
        if "cgroup.procs" in files:
            try:
                pids += [int(x) for x in read(f"{path}/cgroup.procs").split()]
            except OSError:
                pass
    return pids


def remove(group):
    for path, _, _ in os.walk(group, topdown=False):
        try:
            os.rmdir(path)
        except OSError:
            pass


def freezer_kill(group):
    """Freezes a group, kills what is in it and below, and lets that die."""
    end = time.time() + 5
    while members(group) and time.time() < end:
        write(f"{group}/freezer.state", "FROZEN")
        while read(f"{group}/freezer.state") != "FROZEN" and time.time() < end:
            time.sleep(0.002)
        for pid in members(group):
            kill(pid)
        write(f"{group}/freezer.state", "THAWED")
        time.sleep(0.01)
    left = members(group)
    return [f"freezer: processes that cannot be killed: {' '.join(map(str, left))}"] if left else []
