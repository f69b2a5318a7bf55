#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""crash.py - an executor that is killed at any moment leaves nothing, under both launchers.

SLIPWAY_MESOS_CRASHES is at how many moments (10).
"""
import os
import signal
import statistics
import sys
import time

sys.path.insert(0, f"{os.path.dirname(os.path.abspath(__file__))}/../mesos-agent")

import launchers
from host import answers, beside_executor, groups_of, moments, run_scenarios
from tap import contains, equal, test

TIMES = int(os.environ.get("SLIPWAY_MESOS_CRASHES", "10"))
SLEEPER = {"command": ["sleep", "1000"], "init": True}
POD = {"web": {"image": "nginx", "ports": ["80"], "mem_limit": "64m", "pids_limit": 50},
       "beside": {**SLEEPER, "volumes": ["data:/data"], "tmpfs": ["/scratch"], "cpus": 0.5},
       "third": ["sh", "-c", "(setsid sleep 1000 &); while :; do sleep 1; done"]}
TOP = {"volumes": {"data": {}}}


def crash(case, launcher, moment, agent):
    """Killed so long after the launch was sent."""
    c = case.launch(POD, top=TOP, ports=[31005], agent=agent)
    c.wait_subscribed()
    time.sleep(moment)
    c.kill_executor()
    c.wait_exit(5)
    c.wait(5, "TASK_FAILED", lambda: c.find("TASK_FAILED"))
    case.host.assert_clean(collect=True, timeout=2)


@test(f"the linux launcher: SIGKILL at {TIMES} moments", timeout=60 + 10 * TIMES)
def _(case):
    case.crashed, agent = True, case.agent()
    for moment in moments(TIMES, 0.15):
        crash(case, "linux", moment, agent)


@test(f"the posix launcher, which cleans nothing up: SIGKILL at {TIMES} moments", timeout=60 + 10 * TIMES)
def _(case):
    case.crashed, agent = True, case.agent("posix")
    for moment in moments(TIMES, 0.15, seed=43):
        crash(case, "posix", moment, agent)


@test("after a crash the next executor works, on the same ports and volumes")
def _(case):
    case.crashed = True
    for launcher in (None, "posix"):
        agent = case.agent(launcher)
        for kill in (True, False):
            c = case.launch(POD, top=TOP, ports=[31005], agent=agent)
            c.status("TASK_RUNNING")
            answers(31005)
            if kill:
                c.kill_executor()
            else:
                c.kill(grace=1)
                c.status("TASK_KILLED")
            c.wait_exit()


@test("an executor that hangs is destroyed by the agent, and nothing is left")
def _(case):
    case.crashed = True
    for launcher in (None, "posix"):
        agent = case.agent(launcher, grace="1secs")
        c = case.launch(POD, top=TOP, ports=[31005], agent=agent)
        c.status("TASK_RUNNING")
        os.kill(c.executor_pid(), signal.SIGSTOP)
        c.shutdown()
        c.wait_exit(8)
        if not agent.real:
            contains(c.reason, "grace period")
        case.host.assert_clean(collect=True, timeout=2)


@test("whatever process of the pod is killed, the task ends, the message tells of it, and nothing is left")
def _(case):
    for n in range(3):
        c = case.launch({"a": SLEEPER, "b": SLEEPER})
        c.status("TASK_RUNNING")
        known = {c.process.pid, c.executor_pid()}
        others = sorted(p for p in groups_of(c) if p not in known and launchers.name(p) != "sh")
        if n >= len(others):
            c.kill()
            c.status("TASK_KILLED")
            c.wait_exit()
            continue
        launchers.kill(others[n])
        failed = c.status("TASK_FAILED", timeout=10)
        equal(bool(failed["message"]), True)
        equal(beside_executor(c), [], "all of the pod is dead")
        c.wait_exit()
        case.host.assert_clean()


@test("the helper above the executor is killed (the agent destroys by its session and its groups)")
def _(case):
    case.crashed = True
    c = case.launch({"a": SLEEPER})
    c.status("TASK_RUNNING")
    launchers.kill(c.process.pid)
    c.wait_exit()
    case.host.assert_clean(collect=True)


@test("an agent that dies with its executor leaves what the next check collects", stand_in=True)
def _(case):
    case.crashed = True
    agent = case.agent(checkpoint=True)
    c = case.launch({"a": SLEEPER})
    c.status("TASK_RUNNING")
    agent.stop()
    c.kill_executor()
    c.wait_exit()
    agent.start()
    case.host.assert_clean(collect=True)


@test("from LAUNCH to TASK_RUNNING, and memory, of a warm pod of three services")
def _(case):
    times, memory = [], []
    for _ in range(10):
        c = case.launch({"a": SLEEPER, "b": SLEEPER, "c": SLEEPER})
        running = c.status("TASK_RUNNING")
        launched = next(t for t, who, text, _ in c.log if (who, text) == ("->", "LAUNCH"))
        times.append((running["_time"] - c.log_since - launched) * 1000)
        memory.append(sum(rss(p) for p in groups_of(c) if launchers.name(p).startswith("slipway")) / 1024)
        c.kill()
        c.status("TASK_KILLED")
        c.wait_exit()
    print(f"# LAUNCH to TASK_RUNNING: median {statistics.median(times):.1f} ms, worst {max(times):.1f} ms")
    print(f"# memory of slipway's processes (Pss): {statistics.median(memory):.1f} MiB")
    equal(statistics.median(times) < 500, True)
    equal(statistics.median(memory) < 16, True)


def rss(pid):
    """KiB, shared pages divided among those that share them."""
    try:
        with open(f"/proc/{pid}/smaps_rollup") as f:
            return next(int(x.split()[1]) for x in f if x.startswith("Pss:"))
    except (OSError, StopIteration):
        return 0


run_scenarios()
