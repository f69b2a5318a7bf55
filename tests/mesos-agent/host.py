# SPDX-License-Identifier: Apache-2.0
"""host.py - a host for the scenarios in tests/mesos: images, an agent, and the question what is left.

    run_scenarios("life", images=["busybox", "nginx"])      at the end of a file

Each scenario is a function of a Case. `case.launch(...)` starts an executor for a task on the agent,
which is the stand-in, or a real one where MESOS_PREFIX names an installation (scheduler.py). At the
end of a scenario the executors are gone, the ledgers have no violation, and nothing is left on the
host: processes, control groups, mounts, links, tables of the packet filter, directories.
"""
import base64
import glob
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager

import launchers
import tap
from agent import Agent, task

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PREFIX = os.environ.get("MESOS_PREFIX")

os.environ["PATH"] += f":{TOP}/build/gcc"
os.environ["LC_ALL"] = "C.UTF-8"
EXECUTOR = shutil.which("slipway-executor")
for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
    os.environ.pop(name, None)


def run(*command, check=True, **options):
    """What a command prints; its errors are those of the test."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **options)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout + (done.stderr if not check else "")


def wait_for(timeout, what, condition):
    end = time.time() + timeout
    while not (value := condition()):
        if time.time() > end:
            raise AssertionError(f"not within {timeout} s: {what}")
        time.sleep(0.02)
    return value


def http_get(port, path="/", address="127.0.0.1", timeout=2):
    """(code, text); the code is 0 if there is no answer."""
    done = subprocess.run(["curl", "-sS", "--noproxy", "*", "--max-time", str(timeout), "-w", "\n%{http_code}",
                           f"http://{address}:{port}{path}"], capture_output=True, text=True, check=False)
    if done.returncode:
        return 0, ""
    text, _, code = done.stdout.rpartition("\n")
    return int(code), text


def answers(port, path="/", address="127.0.0.1"):
    """What is said there with code 200, as soon as somebody says it."""
    wait_for(5, f"an answer from {address}:{port}{path}", lambda: http_get(port, path, address)[0] == 200)
    return http_get(port, path, address)[1]


# ---- the host ------------------------------------------------------------------------------------

class Host:
    """Once for a file: a registry, a store with images pulled from it, and how it was before."""

    def __init__(self, images):
        self.directory = tempfile.mkdtemp(prefix="slipway-mesos-")
        # overlayfs does not stack on itself; and only what is ours may be looked for afterwards.
        run("mount", "-t", "tmpfs", "slipway-test", self.directory)
        try:
            os.setxattr(self.directory, "user.slipway-test", b"x")
        except OSError: # before Linux 6.6: it cannot hold what layers need
            run("umount", self.directory)
        self.root, self.run_dir = f"{self.directory}/root", f"{self.directory}/run"
        os.environ |= {"SLIPWAY_ROOT": self.root, "SLIPWAY_RUN": self.run_dir,
                       "SLIPWAY_DEBS": os.environ.get("SLIPWAY_DEBS", f"{TOP}/build/debs")}
        self.registry, self.mock = "127.0.0.1:5000", None
        run(f"{TOP}/scripts/make-images", f"{TOP}/build/images", *images)
        run(f"{TOP}/scripts/registry", "start", f"{self.directory}/registry", "5000")
        run(f"{TOP}/scripts/registry", "push", f"{TOP}/build/images", "5000", *images)
        os.mkdir(f"{self.directory}/pull")
        with open(f"{self.directory}/pull/compose.yml", "w") as f:
            json.dump({"services": {x: {"image": self.image(x)} for x in images}}, f)
        run("slipway", "-f", f"{self.directory}/pull/compose.yml", "pull", "-q")
        self.number = 0
        self.before = self.traces()

    def image(self, name):
        return f"{self.registry}/{name}"

    def mock_registry(self):
        """HOST:PORT of a registry that misbehaves as the repository's name says (tests/lib/mock_registry.py)."""
        if not self.mock:
            self.mock = subprocess.Popen([sys.executable, f"{TOP}/tests/lib/mock_registry.py"], stdout=subprocess.PIPE, text=True)
            self.mock_address = self.mock.stdout.readline().strip()
            self.before |= {self.process(self.mock.pid)}
        return self.mock_address

    def close(self):
        run(f"{TOP}/scripts/registry", "stop", f"{self.directory}/registry", check=False)
        if self.mock:
            self.mock.kill()
            self.mock.wait()
        run("umount", "-l", self.directory, check=False)
        shutil.rmtree(self.directory, ignore_errors=True)

    # ---- what is on it

    def process(self, pid):
        found = launchers.stat(pid)
        return f"process {pid} ({launchers.name(pid)}) started {found[3]}" if found else ""

    def processes(self):
        return {self.process(pid) for pid in launchers.processes()} - {""}

    def kernel_traces(self):
        """What pods put onto a host, as the host has it: we do not take slipway's word."""
        found = self.processes()
        group = launchers.test_group()
        for path in glob.glob(f"/sys/fs/cgroup/*/{group}/") + glob.glob(f"/sys/fs/cgroup/{group}/"):
            found |= {f"group {p}" for p, _, _ in os.walk(path)}
        for line in run("ip", "-o", "link", "show").splitlines():
            found.add("link " + line.split(": ")[1].split("@")[0])
        found |= {f"nftables {x}" for x in run("nft", "list", "tables").splitlines()}
        with open("/proc/self/mountinfo") as f:
            found |= {"mount " + x.split()[4] for x in f if x.split()[4].startswith(f"{self.directory}/")}
        return found

    def disk_traces(self):
        found = set()
        for pattern in ("*/pods/*", "pods/*", "*/ingest/*"):
            for base in (self.root, self.run_dir):
                found |= {f"directory {x}" for x in glob.glob(f"{base}/{pattern}")}
        return found

    def traces(self):
        return self.kernel_traces() | self.disk_traces()

    def left(self, disk=True, pods=True):
        """What was not there before; disk: directories too; pods: and groups outside of the agent's, if
        they are empty."""
        now = self.traces() if disk else self.kernel_traces()
        if not pods:
            now = {x for x in now if f"/{launchers.test_group()}/pods/" not in x or launchers.members(x.split(" ", 1)[1])}
        # The agent's own stays, and the group that pods are made in.
        own = re.compile(rf"group .*/{launchers.test_group()}/(mesos|mesos/slave|pods)|process \d+ \((lt-)?mesos-.*")
        return sorted(x for x in now - self.before if not own.fullmatch(x))

    def assert_clean(self, collect=False, timeout=3):
        """Nothing is left. COLLECT: what neither the kernel nor an agent removes, directories and empty
        groups, is for the next command to remove, `slipway check --leaks` for instance."""
        end = time.time() + timeout
        while left := self.left(disk=not collect, pods=not collect):
            if time.time() > end:
                raise AssertionError("left on the host:\n" + "\n".join(left))
            time.sleep(0.02)
        if collect:
            text = run("slipway", "check", "--leaks")
            if left := self.left():
                raise AssertionError(f"left on the host, and not collected ({text}):\n" + "\n".join(left))

    def start_over(self):
        """A scenario has left something, and has failed for it; the next one is not to fail for the same."""
        for item in self.left():
            if item.startswith("process "):
                launchers.kill(int(item.split()[1]))
        time.sleep(0.3)
        for item in self.left():
            kind, _, what = item.partition(" ")
            if kind == "group":
                launchers.remove(what)
            elif kind == "directory":
                shutil.rmtree(what, ignore_errors=True)
        self.before |= self.traces()


# ---- one scenario --------------------------------------------------------------------------------

class Case:
    """What a scenario is given."""

    def __init__(self, host, marks):
        self.host, self.marks, self.agents = host, marks, []
        host.number += 1
        self.directory = f"{host.directory}/{host.number}"
        os.mkdir(self.directory)
        self.crashed = False # the executor was killed: the disk is for the next command to clean

    image = property(lambda self: self.host.image)

    def agent(self, launcher=None, **options):
        """An agent, the linux launcher's unless LAUNCHER is "posix" or "cgroup2"."""
        environment = {"SLIPWAY_ROOT": self.host.root, "SLIPWAY_RUN": self.host.run_dir, **options.pop("environment", {})}
        if "SLIPWAY_CGROUP_PARENT" in os.environ:  # that of the test's host, which removes what a crash leaves
            environment.setdefault("SLIPWAY_CGROUP_PARENT", os.environ["SLIPWAY_CGROUP_PARENT"])
        launcher = {None: launchers.Linux, "posix": launchers.Posix, "cgroup2": launchers.Linux2}[launcher]()
        directory = f"{self.directory}/{options.pop('name', f'agent-{len(self.agents)}')}"
        if PREFIX:
            for agent in self.agents: # there is one master, and one agent
                agent.close()
            from scheduler import RealAgent
            made = RealAgent(PREFIX, directory, launcher=launcher, environment=environment, **options)
        else:
            made = Agent(directory, launcher=launcher, environment=environment, **options)
        self.agents.append(made)
        return made

    def pod(self, services, **top):
        """A Compose project, as text. A service may be a list: a command of busybox's."""
        full = {n: {"command": s} if isinstance(s, list) else s for n, s in services.items()}
        full = {n: {**s, "image": self.image(s.get("image", "busybox"))} for n, s in full.items()}
        return json.dumps({"services": full, **top})

    def launch(self, services=None, agent=None, files=None, arguments="", command=None, top=None, variables=None,
               executor=None, group=None, **about):
        """Starts slipway-executor for one task; `services` become compose.yml in its sandbox."""
        if agent is None:
            agent = self.agents[-1] if self.agents else self.agent()
        files = dict(files or {})
        if services:
            files["compose.yml"] = services if isinstance(services, str) else self.pod(services, **(top or {}))
        tasks = group or [task(**about)]
        return agent.run(command or f"exec {EXECUTOR} {arguments}".strip(), *tasks, files=files, variables=variables,
                         executor=executor, group=bool(group))

    def containers(self):
        return [c for a in self.agents for c in a.containers]

    def finish(self):
        """The end of a scenario that has gone well so far."""
        for agent in self.agents:
            running = [c.executor_id for c in agent.containers if not c.exited]
            agent.close()
            if running:
                raise AssertionError(f"still running at the end: {running}")
            problems = agent.complaints + [f"{c.executor_id}: {x}" for c in agent.containers for x in c.violations]
            if problems:
                raise AssertionError("violations:\n" + "\n".join(problems))
        self.host.assert_clean(collect=self.crashed)


def groups_of(container):
    """The processes that are in a container's freezer group, or its only one, and below."""
    return launchers.members([*container.agent.launcher.groups(container.id).values()][0])


def beside_executor(container):
    """The processes in a container's groups, but for the executor, and the shell and helper above it."""
    mine, pid = {container.process.pid}, container.process.pid
    while children := launchers.children(pid):
        if launchers.name(pid) != "sh":
            break
        pid = children[0]
        mine.add(pid)
    found = [(p, launchers.name(p)) for p in groups_of(container) if p not in mine]
    return [f"{p} {name}" for p, name in found if name and name != "slipway-fetch"]


def encoded(text):
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def moments(count, longest, seed=42):
    """Random times, the same in each run."""
    rng = random.Random(seed)
    return [rng.uniform(0, longest) for _ in range(count)]


# ---- a file of them ------------------------------------------------------------------------------

def run_scenarios(images=("busybox", "nginx")):
    """The end of each file in tests/mesos. (The host is made late: it is not to be made to be skipped.)"""
    made = []

    @contextmanager
    def around(marks):
        if PREFIX and marks.get("stand_in"):
            raise tap.Skip("needs the stand-in agent")
        if not made:
            made.append(Host(images))
        case = Case(made[0], marks)
        try:
            yield case
            case.finish()
        except tap.Skip:
            raise
        except BaseException as e:
            e.story = [f"  {x}" for c in case.containers() for x in [f"-- {c.executor_id}", *c.story()]]
            for agent in case.agents:
                agent.close()
            made[0].start_over()
            raise

    why = None
    if os.geteuid() != 0:
        why = "needs root"
    elif not os.environ.get("SLIPWAY_TEST_HOST"):
        why = "needs scripts/in-test-host"
    elif not EXECUTOR:
        why = "needs slipway-executor"
    try:
        tap.main(around, why)
    finally:
        for host in made:
            host.close()
