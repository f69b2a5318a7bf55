#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""recovery.py - connections that break, agents that restart, acknowledgements that get lost.

SLIPWAY_MESOS_CUTS is the step between the bytes at which the stream is cut (13; 1 for all of them).
"""
import json
import os
import sys
import time

sys.path.insert(0, f"{os.path.dirname(os.path.abspath(__file__))}/../mesos-agent")

import wire
from agent import Acks, Late, Lost, Never, Reordered, Twice, task
from host import EXECUTOR, answers, beside_executor, run_scenarios, wait_for
from protocol import fill
from tap import CAPTURES, NO_CAPTURES, Skip, equal, test

SLEEPER = {"command": ["sleep", "1000"], "init": True}
LIFE = ["TASK_STARTING", "TASK_RUNNING", "TASK_KILLED"]
STEP = int(os.environ.get("SLIPWAY_MESOS_CUTS", "13"))
BIG = {"command": ["sh", "-c", "sleep 1000"], "init": True}


def life(c, timeout=20):
    c.status("TASK_RUNNING", timeout=timeout)
    c.kill()
    c.status("TASK_KILLED", timeout=timeout)
    c.wait_exit()
    equal(c.states(), LIFE)


# ---- how it comes over the wire ------------------------------------------------------------------

FRAMINGS = {"single bytes": wire.single_bytes, "a length in pieces": wire.split_length, "a body in pieces": wire.split_body,
            "pieces of any size": wire.pieces(1), "many records a chunk": wire.Batch()}


@test("events are heard however they are framed", stand_in=True)
def _(case):
    for framing in FRAMINGS.values():
        case.agent(framing=framing)
        life(case.launch({"it": SLEEPER}))


@test("the very bytes that a real agent has sent", stand_in=True)
def _(case):
    for name in ("posix-kill", "linux-late"):
        path = f"{CAPTURES}/{name}/stream.raw"
        if not os.path.exists(path):
            raise Skip(NO_CAPTURES)
        with open(path, "rb") as f:
            first, launch, *_ = wire.records(f.read())
        t = json.loads(launch)["launch"]["task"]
        agent = case.agent()
        agent.recorded, agent.agent_id = first, t["agent_id"]["value"]
        agent.framework_id = t["executor"]["framework_id"]["value"]
        c = agent.run(f"exec {EXECUTOR}", files={"compose.yml": case.pod({"it": SLEEPER})}, executor={"executor_id": t["executor"]["executor_id"]})
        c.wait_subscribed()
        c.ledger.launch(t)
        c.raw(launch)
        life(c)


@test("the domain socket, also one with a long path, and TLS; with a token and without", stand_in=True)
def _(case):
    for n, options in enumerate(({"transport": "unix"}, {"transport": "unix", "name": "d" * 120}, {"transport": "tls"},
                                 {"transport": "unix", "token": "a.b.c"}, {"transport": "tls", "token": "a.b.c"}, {"token": "a.b.c"})):
        if "name" in options:
            options["name"] += str(n)
        case.agent(**options)
        life(case.launch({"it": SLEEPER}))


@test("TLS: an agent that cannot show its certificate's authority is not talked to", stand_in=True)
def _(case):
    other = case.agent(transport="tls")
    agent = case.agent(transport="tls", registration_timeout=3)
    agent.ca_file = other.ca_file
    c = case.launch({"it": SLEEPER})
    equal(c.status("TASK_FAILED")["reason"] in ("REASON_EXECUTOR_REGISTRATION_TIMEOUT", "REASON_EXECUTOR_TERMINATED"), True)
    c.wait_exit()
    equal(c.ledger.subscriptions, 0)


def size(event):
    """Of a record, with its length and the chunk around it."""
    data = len(json.dumps(fill("Event", event), separators=(",", ":")))
    record = len(f"{data}\n") + data
    return len(f"{record:x}\r\n") + record + len("\r\n")


@test(f"the stream is cut at every byte of SUBSCRIBED (step {STEP}), and the executor comes back", stand_in=True, timeout=600)
def _(case):
    agent = case.agent(checkpoint=True, backoff="5ms")
    agent.cuts = [1]
    with agent.lock:
        c = agent.run(f"exec {EXECUTOR}", files={"compose.yml": case.pod({"it": SLEEPER})})
        agent.cuts += range(1 + STEP, size(c.subscribed()), STEP)
        cuts = len(agent.cuts)
    c.wait_subscribed(cuts + 1, 300)
    c.launch(task())
    life(c)


@test(f"the stream is cut at every byte of LAUNCH (step {STEP}): that task is lost, the next one runs", stand_in=True, timeout=600)
def _(case):
    agent = case.agent(checkpoint=True, backoff="5ms")
    c = agent.run(f"exec {EXECUTOR}", files={"compose.yml": case.pod({"it": SLEEPER})})
    whole = size({"type": "LAUNCH", "launch": {"task": c.complete(task("cut-0000"))}})
    for n, offset in enumerate(range(1, whole - 2, STEP), 1): # without the end of the chunk it may be taken, or not
        c.wait_subscribed(n)
        with agent.lock:
            c.stream.left = offset
            c.launch(task(f"cut-{offset:04}"))
        c.wait_subscribed(n + 1)
        c.status("TASK_LOST", f"cut-{offset:04}")
    c.launch(task("whole"))
    c.status("TASK_RUNNING", "whole")
    c.kill("whole")
    c.status("TASK_KILLED", "whole")
    c.wait_exit()
    equal({u.task for u in c.ledger.updates.values()}, {"whole"})


@test("large events, strange characters, unknown events and members are no harm", stand_in=True)
def _(case):
    strange = {"big": "x" * (2 << 20), "null": "a\0b", "text": "h\u00e9\u4e16\U0001f6a2", "quote": "\"\\/\n"}
    c = case.launch({"it": SLEEPER}, labels=strange, limits={"cpus": {"value": float("inf")}, "mem": {"value": float("inf")}})
    c.status("TASK_RUNNING")
    c.raw(b'{"type":"UNKNOWN"}')
    c.raw(b'{"type":"FROM_THE_FUTURE","from_the_future":{"limits":[Infinity,-Infinity,NaN]}}')
    c.raw(b'{"type":"HEARTBEAT","more":{"a":[1,2,{"b":null}]}}')
    c.message(b"to whom it may concern")
    c.heartbeat()
    time.sleep(0.3)
    equal(len(c.subscribed_at), 1, "still the first subscription")
    c.kill()
    c.status("TASK_KILLED")
    c.wait_exit()


@test("what is no event breaks the stream, not the executor", stand_in=True)
def _(case):
    agent = case.agent(checkpoint=True, backoff="50ms")
    c = case.launch({"it": SLEEPER})
    c.status("TASK_RUNNING")
    c.wait_acknowledged()
    time.sleep(0.6)
    for n, data in enumerate((b"not a number\n{}", b"99999999999999999999\n", b"-5\nhello", b"18446744073709551615\n", b"\n\n\n"), 2):
        c.garbage(data)
        c.wait_subscribed(n)
    for n, data in enumerate((b"{", b"[]", b'"text"', b"\xff\xfe", b'{"type":5}', b'{"type":"KILL"}', b'{"type":"LAUNCH","launch":{}}',
                              b'{"type":"KILL","kill":{"task_id":[]}}', b"[" * 100000)):
        c.raw(data)
        time.sleep(0.2)
    c.wait(5, "a stream", lambda: c.stream.open)
    equal(c.executor_pid() is not None, True)
    equal("TASK_KILLED" in c.states(), False)
    c.kill()
    c.status("TASK_KILLED")
    c.wait_exit()
    agent.complaints.clear()


# ---- what agents answer --------------------------------------------------------------------------

@test("an agent that is not ready is asked again: 503, 404, nobody there", stand_in=True)
def _(case):
    agent = case.agent()
    agent.answers["SUBSCRIBE"] = [503, 404, 503]
    life(case.launch({"it": SLEEPER}))
    agent.stop()
    c = case.launch({"it": SLEEPER})
    time.sleep(0.7)
    agent.start(recovery=0)
    life(c)


@test("updates that are answered with 503 are sent again, in their order", stand_in=True)
def _(case):
    agent = case.agent()
    agent.answers["UPDATE"] = [503, 503]
    life(case.launch({"it": SLEEPER}), timeout=30)
    agent.answers["UPDATE"] = [503]
    c = case.launch({"it": ["true"]})
    c.status("TASK_FINISHED")
    c.wait_exit()


@test("acknowledgements: late, lost, twice, out of order", stand_in=True)
def _(case):
    for acks in (Late(0.3), Lost(1), Lost(3), Twice(), Reordered(0.3)):
        case.agent(acks=acks)
        life(case.launch({"it": SLEEPER}), timeout=40)


@test("acknowledgements of what was never sent are no harm", stand_in=True)
def _(case):
    c = case.launch({"it": SLEEPER})
    c.status("TASK_RUNNING")
    for name, number in (("task-1", "6dfyoUxLTSydYUoLf2weVQ=="), ("other", "6dfyoUxLTSydYUoLf2weVQ=="), ("task-1", "")):
        c.acknowledge(name, number)
    life(c)


# ---- connections that break ----------------------------------------------------------------------

@test("without checkpoint, an executor that has lost its agent kills its pod and ends", stand_in=True)
def _(case):
    for reset in (False, True):
        case.agent(checkpoint=False)
        c = case.launch({"it": SLEEPER, "stubborn": ["sh", "-c", "trap '' TERM; while :; do sleep 1; done"]})
        c.status("TASK_RUNNING")
        c.cut(reset)
        c.wait_exit(8)
        equal(c.reason, None)
        case.host.assert_clean()


@test("with checkpoint it comes back in time, the pod unharmed, and is killed as ever", stand_in=True)
def _(case):
    for reset in (False, True):
        case.agent(checkpoint=True)
        c = case.launch({"web": {"image": "nginx", "ports": ["80"]}}, ports=[31005])
        c.status("TASK_RUNNING")
        c.wait_acknowledged()
        time.sleep(0.6)
        c.cut(reset)
        lost = time.time()
        answers(31005)
        c.wait_subscribed(2)
        equal(c.subscribed_at[1] - lost < 2.2, True, f"{c.subscribed_at[1] - lost:.2f} s")
        answers(31005)
        c.kill()
        c.status("TASK_KILLED")
        c.wait_exit()
        equal(c.states(), LIFE, "no update twice")


@test("an agent that restarts: with the same state, and a socket that is new", stand_in=True)
def _(case):
    for options in ({}, {"transport": "unix"}, {"transport": "tls"}):
        agent = case.agent(checkpoint=True, **options)
        c = case.launch({"it": SLEEPER})
        c.status("TASK_RUNNING")
        c.wait_acknowledged()
        time.sleep(0.6)
        if "transport" in options and options["transport"] == "unix":
            agent.stop()
            agent.port = 0 # another port; the socket's path is what stays
            agent.start(booting=0.5, recovery=2)
        else:
            agent.restart(down=1, booting=0.5, recovery=2, refuse=404)
        c.wait_subscribed(2)
        time.sleep(2)
        equal(c.states(), LIFE[:2])
        c.kill()
        c.status("TASK_KILLED")
        c.wait_exit()


@test("an agent that kills who subscribes too late finds nobody late", real=True)
def _(case):
    agent = case.agent(checkpoint=True)
    cs = [case.launch({"it": SLEEPER}, name=f"task-{n}") for n in range(3)]
    for n, c in enumerate(cs):
        c.status("TASK_RUNNING", f"task-{n}")
    agent.restart(down=3)
    time.sleep(3)
    for n, c in enumerate(cs):
        equal(c.states(), LIFE[:2])
        c.kill(f"task-{n}")
        c.status("TASK_KILLED")
        c.wait_exit()


@test("what happened while the agent was away is told when it is back", stand_in=True)
def _(case):
    agent = case.agent(checkpoint=True)
    c = case.launch({"it": ["sleep", "1"]})
    c.status("TASK_RUNNING")
    agent.restart(down=2)
    c.status("TASK_FINISHED")
    c.wait_exit()
    equal(c.states(), ["TASK_STARTING", "TASK_RUNNING", "TASK_FINISHED"])


@test("an update that was sent and not acknowledged is listed on return, with the same uuid", stand_in=True)
def _(case):
    agent = case.agent(checkpoint=True, acks=Never())
    c = case.launch({"it": SLEEPER})
    c.status("TASK_RUNNING")
    time.sleep(0.6)
    c.cut()
    c.wait_subscribed(2)
    agent.acks = Acks()
    c.cut()
    c.wait_subscribed(3)
    c.wait_acknowledged()
    time.sleep(0.7)
    c.cut()
    c.wait_subscribed(4)
    life(c)


@test("an agent that stays away is waited for as long as MESOS_RECOVERY_TIMEOUT says, and no longer", stand_in=True)
def _(case):
    agent = case.agent(checkpoint=True, recovery_timeout="3secs", backoff="500ms")
    c = case.launch({"it": SLEEPER})
    c.status("TASK_RUNNING")
    agent.stop()
    lost = time.time()
    time.sleep(2)
    equal(bool(beside_executor(c)), True, "the pod runs on")
    c.wait_exit(6)
    equal(2.5 < time.time() - lost < 7, True)
    case.host.assert_clean()
    agent.start()


@test("an agent that knows nothing of the executor any more is taken at its word", stand_in=True)
def _(case):
    agent = case.agent(checkpoint=True, backoff="200ms")
    c = case.launch({"it": SLEEPER})
    c.status("TASK_RUNNING")
    agent.answers["SUBSCRIBE"] = [400] * 1000
    c.cut()
    c.wait_exit(20)
    equal(c.reason, None)
    case.host.assert_clean()


@test("an ERROR event", stand_in=True)
def _(case):
    case.agent(checkpoint=True, backoff="200ms")
    c = case.launch({"it": SLEEPER})
    c.status("TASK_RUNNING")
    c.error("something is wrong")
    wait_for(10, "an end, or another subscription", lambda: c.exited or len(c.subscribed_at) > 1)
    if not c.exited:
        life(c)


@test("a cut while the pod starts", stand_in=True)
def _(case):
    for moment in (0, 0.005, 0.01, 0.02, 0.04):
        case.agent(checkpoint=True, backoff="50ms")
        c = case.launch({"a": SLEEPER, "b": {"image": "nginx", "ports": ["80"]}}, ports=[31005])
        c.status("TASK_STARTING")
        time.sleep(moment)
        c.cut(True)
        c.status("TASK_RUNNING")
        c.wait_subscribed(2)
        life(c)


run_scenarios()
