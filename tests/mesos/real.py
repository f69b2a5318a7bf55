#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""real.py - what only a real master and agent can show; and, where there are none, one skipped test.

MESOS_PREFIX is where Mesos is installed. With it, the other files' scenarios run there as well.
SLIPWAY_MESOS_LAUNCHES is how many pods are launched for the times (100).
"""
import os
import statistics
import sys
import time

sys.path.insert(0, f"{os.path.dirname(os.path.abspath(__file__))}/../mesos-agent")

import tap
from host import PREFIX, answers, run_scenarios
from tap import equal, test

SLEEPER = {"command": ["sleep", "1000"], "init": True}
LAUNCHES = int(os.environ.get("SLIPWAY_MESOS_LAUNCHES", "100"))


@test("a real master and agent run a pod")
def _(case):
    c = case.launch({"web": {"image": "nginx", "ports": ["80"]}}, ports=[31005])
    c.status("TASK_RUNNING", timeout=60)
    answers(31005)
    c.kill()
    c.status("TASK_KILLED")
    c.wait_exit()


@test(f"{LAUNCHES} launches, from ACCEPT to TASK_RUNNING", timeout=60 + 5 * LAUNCHES)
def _(case):
    times = []
    for _ in range(LAUNCHES):
        c = case.launch({"a": SLEEPER, "b": SLEEPER, "c": SLEEPER})
        running = c.status("TASK_RUNNING", timeout=60)
        accepted = next(when for when, who, text, _ in c.log if (who, text) == ("->", "LAUNCH"))
        times.append((running["_time"] - c.log_since - accepted) * 1000)
        c.kill()
        c.status("TASK_KILLED")
        c.wait_exit()
    times.sort()
    print("# ms: " + ", ".join(f"{p} % {times[min(len(times) - 1, len(times) * p // 100)]:.0f}" for p in (0, 25, 50, 75, 90, 99)))
    equal(statistics.median(times) < 2000, True)


@test("an agent that is away for longer than its timeout: the pod is gone, and told as lost")
def _(case):
    agent = case.agent(checkpoint=True, backoff="2secs", recovery_timeout="5secs")
    c = case.launch({"it": SLEEPER})
    c.status("TASK_RUNNING", timeout=60)
    agent.stop()
    time.sleep(12)
    equal(c.executor_pid(), None)
    case.host.assert_clean(collect=True)
    agent.start()
    c.wait(60, "a last status", lambda: c.states()[-1] not in ("TASK_STARTING", "TASK_RUNNING"))
    c.wait_exit()


if PREFIX:
    run_scenarios()
else:
    tap.main(None, "needs MESOS_PREFIX: a real master and agent")
