#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""life.py - the life of a pod as a Mesos task: how it starts, ends, fails and is killed."""
import glob
import json
import os
import signal
import sys
import time

sys.path.insert(0, f"{os.path.dirname(os.path.abspath(__file__))}/../mesos-agent")

from agent import Late, Never, task
from host import EXECUTOR, answers, beside_executor, http_get, run_scenarios, wait_for
from protocol import nanoseconds
from tap import contains, equal, test

SLEEPER = {"command": ["sleep", "1000"], "init": True}
STUBBORN = {"command": ["sh", "-c", "trap '' TERM; while :; do sleep 1; done"]}
RUNS = ["TASK_STARTING", "TASK_RUNNING"]


def died_first(c):
    """The terminal update has come; was everything dead by then? (What dies later fails this by chance.)"""
    equal(beside_executor(c), [], "only the executor is left when the task has ended")


@test("a pod starts, is reachable by the port it was offered, and is killed")
def _(case):
    c = case.launch({"web": {"image": "nginx", "ports": ["80"]}}, ports=[31005])
    running = c.status("TASK_RUNNING")
    contains(answers(31005), "nginx")
    info = running["container_status"]["network_infos"][0]
    equal(info["port_mappings"], [{"host_port": 31005, "container_port": 80, "protocol": "tcp"}])
    answers(80, address=info["ip_addresses"][0]["ip_address"])
    c.kill()
    c.status("TASK_KILLED")
    died_first(c)
    equal(c.states(), [*RUNS, "TASK_KILLED"])
    equal(c.wait_exit(), 0)


@test("a pod of which every service ends with 0 has finished, when the last one has")
def _(case):
    c = case.launch({"a": ["true"], "b": ["sleep", "1"]})
    c.status("TASK_FINISHED")
    died_first(c)
    equal(c.states(), [*RUNS, "TASK_FINISHED"])
    equal(c.statuses[-1]["_time"] - c.statuses[1]["_time"] > 0.5, True, "it has waited for the last one")
    equal(c.wait_exit(), 0)


@test("a service that fails ends the pod; the message tells which and how")
def _(case):
    c = case.launch({"good": SLEEPER, "bad": ["sh", "-c", "sleep 0.3; echo no such luck >&2; exit 7"]})
    failed = c.status("TASK_FAILED")
    died_first(c)
    for part in ("bad", "7"):
        contains(failed["message"], part)
    equal("good" in failed["message"], False, failed["message"])
    c.wait_exit()


@test("a message with bytes that are not UTF-8 is told all the same")
def _(case):
    c = case.launch({"bad": ["sh", "-c", "sleep 0.3; printf 'b\\377d\\n' >&2; exit 7"]})
    failed = c.status("TASK_FAILED")
    contains(failed["message"], "exited with status 7")
    contains(failed["message"], "b?d")
    c.wait_exit()


@test("a service that dies of a signal: the message tells which")
def _(case):
    # (As process 1 it would not get it.)
    c = case.launch({"bad": {"command": ["sh", "-c", "sleep 0.3; kill -SEGV $$$$"], "init": True}})
    failed = c.status("TASK_FAILED")
    contains(failed["message"], "bad")
    wanted = ("SIGSEGV", "Segmentation fault", "signal 11", "139")
    equal(any(x in failed["message"] for x in wanted), True, failed["message"])
    c.wait_exit()


@test("a service that is to be restarted is, and does not fail the pod")
def _(case):
    script = "echo x >>/data/tries; [ $$(wc -l </data/tries) -ge 3 ]"
    c = case.launch({"it": {"command": ["sh", "-c", script], "restart": "on-failure:5", "volumes": ["./data:/data"]}},
                    files={"data/.keep": ""})
    c.status("TASK_FINISHED")
    with open(f"{c.sandbox}/data/tries") as f:
        equal(len(f.read().split()), 3)
    c.wait_exit()


@test("kill: the grace period is the event's, else the task's, else three seconds")
def _(case):
    for grace, policy, least, most in ((1, 8, 0.9, 2.0), (None, 2, 1.9, 3.0), (None, None, 2.5, 4.0), (0, None, 0, 1.0)):
        about = {} if policy is None else {"kill_policy": {"grace_period": nanoseconds(policy)}}
        c = case.launch({"it": STUBBORN}, **about)
        c.status("TASK_RUNNING")
        asked = time.time()
        c.kill(grace=grace)
        took = c.status("TASK_KILLED")["_time"] - asked
        equal(least <= took <= most, True, f"grace {grace}, policy {policy}: {took:.2f} s")
        died_first(c)
        c.wait_exit()


@test("a second kill can shorten the time that is left, and not lengthen it")
def _(case):
    for first, second, most in ((20, 1, 2.0), (1, 20, 2.0)):
        c = case.launch({"it": STUBBORN})
        c.status("TASK_RUNNING")
        asked = time.time()
        c.kill(grace=first)
        time.sleep(0.3)
        c.kill(grace=second)
        took = c.status("TASK_KILLED")["_time"] - asked
        equal(took <= most, True, f"{first}, then {second}: {took:.2f} s")
        c.wait_exit()


@test("a kill that comes while a pod ends by itself takes no time away that it gives")
def _(case):
    slow = ["sh", "-c", "trap 'sleep 1.5; echo done >/data/mark; exit 0' TERM; while :; do sleep 0.1; done"]
    c = case.launch({"slow": {"command": slow, "volumes": ["./data:/data"]}, "bad": ["sh", "-c", "sleep 0.5; exit 7"]},
                    files={"data/.keep": ""})
    c.status("TASK_RUNNING")
    time.sleep(1)
    c.kill(grace=10)
    c.status("TASK_FAILED")
    equal(os.path.exists(f"{c.sandbox}/data/mark"), True, "it has ended in its own time")
    c.wait_exit()


@test("who ends before the grace period is over is not waited for")
def _(case):
    c = case.launch({"it": SLEEPER})
    c.status("TASK_RUNNING")
    asked = time.time()
    c.kill(grace=20)
    equal(c.status("TASK_KILLED")["_time"] - asked < 1, True)
    c.wait_exit()


@test("TASK_KILLING is sent to whoever knows it, and nothing but the end comes after it")
def _(case):
    case.agent(capabilities=["TASK_KILLING_STATE", "MULTI_ROLE"])
    c = case.launch({"it": {**STUBBORN, "healthcheck": {"test": ["CMD", "true"], "interval": "200ms"}}},
                    health_check={"type": "COMMAND", "command": {"value": "true"}, "interval_seconds": 0.2, "delay_seconds": 0})
    c.status("TASK_RUNNING", check=lambda s: s.get("healthy"))
    c.kill(grace=1)
    c.status("TASK_KILLED")
    equal(c.states()[-2:], ["TASK_KILLING", "TASK_KILLED"])
    c.wait_exit()


@test("a kill that comes while the pod starts is served, whenever it comes")
def _(case):
    for moment in (0, 0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05):
        c = case.launch({"a": SLEEPER, "b": {"image": "nginx", "ports": ["80"]}}, ports=[31005])
        c.status("TASK_STARTING")
        time.sleep(moment)
        c.kill(grace=1)
        c.status("TASK_KILLED")
        died_first(c)
        c.wait_exit()
        case.host.assert_clean()


@test("a kill that comes right behind the launch is served")
def _(case):
    c = case.launch({"it": SLEEPER})
    c.wait_subscribed()
    c.kill()
    c.status("TASK_KILLED")
    c.wait_exit()


@test("a kill in the middle of a pull is served at once", stand_in=True)
def _(case):
    project = json.dumps({"services": {"slow": {"image": f"{case.host.mock_registry()}/slow/ok"}}})
    c = case.launch(project)
    c.status("TASK_STARTING")
    time.sleep(1)
    asked = time.time()
    c.kill()
    killed = c.status("TASK_KILLED")
    equal(killed["_time"] - asked < 1, True, f"{killed['_time'] - asked:.2f} s")
    c.wait_exit()


@test("a kill for a task that there is not is no harm")
def _(case):
    c = case.launch({"it": SLEEPER})
    c.status("TASK_RUNNING")
    c.kill("no-such-task")
    time.sleep(0.3)
    equal(c.states("task-1"), RUNS)
    c.kill()
    c.status("TASK_KILLED", "task-1")
    c.wait_exit()


@test("shutdown: the pod is killed, and all is over before the agent's deadline")
def _(case):
    for service in (SLEEPER, STUBBORN):
        c = case.launch({"it": service})
        c.status("TASK_RUNNING")
        c.shutdown()
        if not c.agent.real: # a framework that is torn down hears no more
            c.status("TASK_KILLED")
            died_first(c)
        c.wait_exit()
        equal(c.reason, None, "the agent did not have to")


@test("shutdown before anything was launched", stand_in=True)
def _(case):
    c = case.agent().run(f"exec {EXECUTOR}")
    c.wait_subscribed()
    c.shutdown()
    c.wait_exit(5)
    equal(c.reason, None, "the agent did not have to")


@test("a task that comes while the executor shuts down is told as killed", stand_in=True)
def _(case):
    c = case.launch({"it": STUBBORN})
    c.status("TASK_RUNNING")
    c.kill_executor(signal.SIGTERM) # the agent does not know of it
    time.sleep(0.3)
    c.launch(task("late"))
    killed = c.status("TASK_KILLED", "late", timeout=2)
    contains(killed["message"], "the executor is shutting down")
    equal(c.find("TASK_KILLED", "task-1"), None)
    c.status("TASK_KILLED", "task-1")
    c.wait_exit()
    equal(c.reason, None, "the agent did not have to")


@test("SIGTERM to the executor ends the pod as well")
def _(case):
    c = case.launch({"it": SLEEPER})
    c.status("TASK_RUNNING")
    c.kill_executor(signal.SIGTERM)
    c.status("TASK_KILLED")
    c.wait_exit()


@test("after the last update the executor waits for its acknowledgement", stand_in=True)
def _(case):
    agent = case.agent(acks=Late(1.5))
    c = case.launch({"it": ["true"]})
    c.status("TASK_FINISHED")
    time.sleep(1)
    equal(c.exited, False)
    c.wait_exit(5)
    agent.acks = Never()
    c = case.launch({"it": ["true"]})
    last = c.status("TASK_FINISHED")
    time.sleep(3)
    equal(c.exited, False)
    c.acknowledge("task-1", last["uuid"])
    for update in list(c.ledger.updates.values()):
        c.acknowledge(update.task, update.status["uuid"])
    c.wait_exit(5)


@test("a pod's files and volumes are put aside before its last update, and removed after that was acknowledged", stand_in=True)
def _(case):
    agent, trash = case.agent(), f"{case.host.root}/trash"
    script = "for i in 1 2 3 4 5; do mkdir /data/$$i /root/$$i; touch /data/$$i/$$i; done; exec sleep 1000"
    c = case.launch({"it": {"command": ["sh", "-c", script], "init": True, "volumes": ["data:/data"]}}, top={"volumes": {"data": {}}})
    c.status("TASK_RUNNING")
    wait_for(5, "the last directory", lambda: glob.glob(f"{case.host.root}/volumes/*_data/_data/5/5"))
    agent.acks = Never()
    c.kill()
    killed = c.status("TASK_KILLED")
    equal(glob.glob(f"{case.host.root}/volumes/*"), [], "volumes that can be seen")
    equal(len(glob.glob(f"{trash}/*/_data/5/5")), 1, "the volume is put aside")
    equal(len(os.listdir(trash)), 2, "and so is what the pod has written")
    c.acknowledge("task-1", killed["uuid"])
    c.wait_exit(5)
    equal(os.listdir(trash), [])


@test("the sandbox has output, the effective project and the pod's state; relative paths work")
def _(case):
    c = case.launch({"talker": {"command": ["sh", "-c", "cat /data/word; echo wrong >&2; sleep 1000"], "init": True,
                                "volumes": ["./data:/data:ro"]}}, files={"data/word": "hello\n"})
    c.status("TASK_RUNNING")

    def content(name):
        path = f"{c.sandbox}/{name}"
        return open(path).read() if os.path.exists(path) else ""
    wait_for(5, "output", lambda: content("talker/stdout") and content("talker/stderr"))
    equal(content("talker/stdout"), "hello\n")
    equal(content("talker/stderr"), "wrong\n")
    contains(content("slipway/compose.yml"), "talker")
    for name in ("slipway/pod.json", "slipway/state.json"):
        json.loads(content(name))
    c.kill()
    c.status("TASK_KILLED")
    c.wait_exit()
    equal(content("talker/stdout"), "hello\n", "it stays")


@test("what a short service has said is there when it has finished")
def _(case):
    lines = 2000
    c = case.launch({"it": ["sh", "-c", f"i=0; while [ $$i -lt {lines} ]; do echo line $$i; i=$$((i+1)); done"]})
    c.status("TASK_FINISHED")
    with open(f"{c.sandbox}/it/stdout") as f:
        equal(len(f.readlines()), lines)
    c.wait_exit()


@test("max_completion_time: the pod is killed at once, and the reason is told")
def _(case):
    c = case.launch({"it": STUBBORN}, max_completion_time=nanoseconds(1.5))
    began = c.status("TASK_RUNNING")["_time"]
    failed = c.status("TASK_FAILED")
    equal(failed["reason"], "REASON_MAX_COMPLETION_TIME_REACHED")
    equal(0.8 < failed["_time"] - began < 2.5, True, f"{failed['_time'] - began:.2f} s")
    died_first(c)
    c.wait_exit()


@test("a service that runs out of its own memory: told as that, with its name")
def _(case):
    c = case.launch({"good": SLEEPER, "hungry": {"command": ["sh", "-c", "sleep 0.3; exec dd if=/dev/zero of=/dev/null bs=500M count=1"], "mem_limit": "16m"}})
    failed = c.status("TASK_FAILED")
    contains(failed["message"], "hungry")
    equal(failed.get("reason"), "REASON_CONTAINER_LIMITATION_MEMORY")
    equal(failed["source"], "SOURCE_EXECUTOR")
    c.wait_exit()


@test("a pod that runs out of the task's memory is told as that, whoever tells it")
def _(case):
    c = case.launch({"hungry": {"command": ["sh", "-c", "sleep 0.3; exec dd if=/dev/zero of=/dev/null bs=500M count=1"]}}, mem=32.0)
    failed = c.status("TASK_FAILED")
    equal(failed.get("reason"), "REASON_CONTAINER_LIMITATION_MEMORY")
    c.wait_exit()
    case.crashed = True # the agent may have been first


@test("two pods of one project on one agent do not meet")
def _(case):
    project = {"it": {"image": "nginx", "ports": ["80"], "volumes": ["data:/data"]}}
    cs = [case.launch(project, top={"volumes": {"data": {}}}, name=f"task-{p}", ports=[p]) for p in (31005, 31006)]
    for c, port in zip(cs, (31005, 31006)):
        c.status("TASK_RUNNING")
        answers(port)
    cs[0].kill("task-31005")
    cs[0].status("TASK_KILLED")
    cs[0].wait_exit()
    answers(31006)
    equal(http_get(31005)[0], 0)
    cs[1].kill("task-31006")
    cs[1].status("TASK_KILLED")
    cs[1].wait_exit()


@test("a pod is up when its services are healthy")
def _(case):
    slow = {"command": ["sh", "-c", "sleep 1; touch /ready; sleep 1000"], "init": True,
            "healthcheck": {"test": ["CMD", "test", "-e", "/ready"], "interval": "100ms", "start_period": "10s",
                            "start_interval": "100ms"}}
    c = case.launch({"it": slow}, labels={"slipway.ready": "healthy"})
    running = c.status("TASK_RUNNING")
    equal(running["_time"] - c.statuses[0]["_time"] > 0.8, True)
    c.kill()
    c.status("TASK_KILLED")
    c.wait_exit()


@test("a service that is unhealthy for too long ends the pod, and is named")
def _(case):
    sick = {**SLEEPER, "healthcheck": {"test": ["CMD", "test", "!", "-e", "/sick"], "interval": "100ms", "retries": 2},
            "command": ["sh", "-c", "sleep 1; touch /sick; sleep 1000"]}
    c = case.launch({"good": SLEEPER, "ill": sick})
    failed = c.status("TASK_FAILED")
    contains(failed["message"], "ill")
    contains(failed["message"], "unhealthy")
    c.wait_exit()


run_scenarios()
