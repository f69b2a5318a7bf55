#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""cgroup2.py - an agent on pure cgroup2: its group, the executor's leaf in it, and the pod's groups beside that.

Where v1 hierarchies are mounted, this runs in a mount namespace in which they are not. The controllers
that are bound to them are not in cgroup2 then: scenarios that need one are skipped, and say so.
"""
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, f"{os.path.dirname(os.path.abspath(__file__))}/../mesos-agent")

CGROUPS = "/sys/fs/cgroup"

if os.environ.get("SLIPWAY_TEST_HOST") and not os.path.exists(f"{CGROUPS}/cgroup.controllers"):
    if not os.environ.get("SLIPWAY_TEST_VIEW"):
        os.environ["SLIPWAY_TEST_VIEW"] = "1"
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable, *sys.argv])
    subprocess.run(["umount", "-R", CGROUPS], check=True)
    subprocess.run(["mount", "-t", "cgroup2", "cgroup2", CGROUPS], check=True)

import launchers
from host import answers, beside_executor, groups_of, run_scenarios, wait_for
from tap import Skip, contains, equal, test

SLEEPER = {"command": ["sleep", "1000"], "init": True}
POD = {"web": {"image": "nginx", "ports": ["80"]}, "beside": SLEEPER}


def group(c):
    return c.agent.launcher.groups(c.id)["cgroup2"]


def need(controller):
    there = launchers.Linux2.controllers()
    if controller not in there:
        raise Skip(f"the {controller} controller of this host is in a v1 hierarchy; in cgroup2: {' '.join(there) or 'none'}")


def launch(case, services, **about):
    return case.launch(services, agent=case.agent("cgroup2"), **about)


def service_group(c, service):
    """The group of one service, as the kernel has it."""
    found = [path for path, _, files in os.walk(group(c)) if service in os.path.basename(path) and "cgroup.procs" in files]
    equal(len(found), 1, f"groups of {service}: {found}")
    return found[0]


@test("the pod's groups are beside the leaf, one level below the agent's; a kill leaves none", stand_in=True)
def _(case):
    c = launch(case, POD, ports=[31005])
    c.status("TASK_RUNNING")
    contains(answers(31005), "nginx")
    equal(c.executor_pid() in launchers.members(f"{group(c)}/leaf"), True, "the executor stays in the leaf")
    below = sorted(os.path.relpath(path, group(c)) for path, _, _ in os.walk(group(c)))
    equal([x for x in below if "/" in x], [], "an agent that restarts takes what is deeper for containers")
    equal(len(below), 2 + len(POD) + 1, f"itself, leaf, init, services: {below}")
    equal(launchers.members(f"{group(c)}/leaf")[-1:], [c.executor_pid()], "and nobody else of the pod's is in it")
    c.kill()
    c.status("TASK_KILLED")
    equal(beside_executor(c), [])
    equal(c.wait_exit(), 0)


@test("a pod that ends by itself, and one that fails", stand_in=True)
def _(case):
    for command, state in ((["true"], "TASK_FINISHED"), (["false"], "TASK_FAILED")):
        c = launch(case, {"it": command})
        c.status(state)
        equal(beside_executor(c), [])
        c.wait_exit()


@test("an executor that is killed takes the pod with it, and the agent removes all groups", stand_in=True)
def _(case):
    case.crashed = True
    c = launch(case, {**POD, "third": ["sh", "-c", "(setsid sleep 1000 &); while :; do sleep 1; done"]}, ports=[31005])
    c.status("TASK_RUNNING")
    before = groups_of(c)
    c.kill_executor()
    c.wait_exit(5)
    wait_for(3, "their end", lambda: not set(before) & set(launchers.processes()))
    equal(os.path.isdir(group(c)), False)


@test("an executor that hangs: the agent kills its group, and the pod is gone", stand_in=True)
def _(case):
    case.crashed = True
    c = launch(case, POD, ports=[31005])
    c.status("TASK_RUNNING")
    c.kill_executor(signal.SIGSTOP)
    c.shutdown()
    c.wait_exit()
    equal(c.reason is not None, True, "the agent had to")
    time.sleep(0.1)
    equal(os.path.isdir(group(c)), False)


@test("limits of a service, and the agent's around them", stand_in=True)
def _(case):
    need("memory")
    need("pids")
    c = launch(case, {"it": {**SLEEPER, "mem_limit": "64m", "pids_limit": 50, "cpus": 0.5}}, mem=128.0)
    c.status("TASK_RUNNING")
    own = service_group(c, "it")
    wanted = {"memory.max": str(64 << 20), "pids.max": "50"}
    if "cpu" in launchers.read(f"{group(c)}/cgroup.controllers").split(): # the root need not give it
        wanted["cpu.max"] = "50000 100000"
    for name, value in wanted.items():
        equal(launchers.read(f"{own}/{name}"), value, name)
    equal(launchers.read(f"{group(c)}/memory.max"), str((128 + 32) << 20), "the task's, and the executor's")
    c.kill()
    c.status("TASK_KILLED")
    c.wait_exit()


@test("a service that runs out of memory: told as that, whoever tells it", stand_in=True)
def _(case):
    need("memory")
    case.crashed = True # the agent may have been first: to it the pod's groups count as its own
    hungry = {"command": ["sh", "-c", "sleep 0.3; exec dd if=/dev/zero of=/dev/null bs=500M count=1"], "mem_limit": "16m"}
    c = launch(case, {"good": SLEEPER, "hungry": hungry}, mem=256.0)
    equal(c.status("TASK_FAILED").get("reason"), "REASON_CONTAINER_LIMITATION_MEMORY")
    c.wait_exit()


run_scenarios()
