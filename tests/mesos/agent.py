#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""agent.py - tests of the stand-in agent itself (tests/mesos-agent).

Its events and the environment that it gives are compared, name for name and type for type, with what
a real agent sent, and what it answers with what a real agent answered. These captures are not part of
the source; where they are not beside it the tests that need them are skipped.
"""
import glob
import json
import math
import os
import sys
import tempfile
import time
from contextlib import contextmanager

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, f"{TOP}/tests/mesos-agent")

import agent as stand_in
import launchers
import scheduler
import wire
from agent import Agent, task
from ledger import Ledger, call_verdict, http_verdict
from protocol import fill, seconds
from tap import CAPTURES, NO_CAPTURES, Skip, contains, equal, main, test

SAMPLE = f"exec python3 {TOP}/tests/mesos-agent/sample_executor.py"


# ---- captures ------------------------------------------------------------------------------------

def captures(pattern):
    found = sorted(glob.glob(f"{CAPTURES}/{pattern}"))
    if not found:
        raise Skip(NO_CAPTURES)
    return found


def read(path):
    with open(path, "rb") as f:
        return f.read()


def events(path):
    """Those of a captured stream."""
    return map(json.loads, wire.records(read(path)))


def shape(value):
    """Names, in their order, and types; of a list, the shapes that its items have."""
    if isinstance(value, dict):
        return [(k, shape(v)) for k, v in value.items()]
    if isinstance(value, list):
        return ["list"] + sorted({json.dumps(shape(v)) for v in value})
    return type(value).__name__


def shapes(all_events):
    return {(e["type"], json.dumps(shape(e))) for e in all_events}


@contextmanager
def around(marks):
    with tempfile.TemporaryDirectory(prefix="slipway-mesos-") as directory:
        yield directory


def sent(container):
    return [data for _, who, _, data in container.log if who == "->" and data]


def play(directory, *tasks, command=SAMPLE, ends=lambda c: c.kill(), group=False, executor=None, **options):
    """A whole life with the sample executor."""
    with Agent(f"{directory}/agent", **options) as agent:
        c = agent.run(command, *tasks, group=group, executor=executor)
        for t in tasks:
            c.status("TASK_RUNNING", t["task_id"]["value"])
        if ends:
            ends(c)
        c.wait_exit()
        equal(c.violations, [])
        return c


# As the scheduler sent them when the captures were made.
SMALL = {"executor": {"resources": [stand_in.scalar("cpus", 0.1), stand_in.scalar("mem", 32.0)], "name": "exec-1"}}
WITH_DISK = {"executor": {"resources": [*SMALL["executor"]["resources"], stand_in.scalar("disk", 32.0)], "name": "exec-1"}}
FULL_TASK = task(data=b"hello task data", labels={"k": "v"}, kill_policy={"grace_period": {"nanoseconds": 7000000000}},
                 health_check={"type": "COMMAND", "command": {"value": "true"}, "interval_seconds": 2},
                 discovery={"visibility": "CLUSTER", "name": "svc",
                            "ports": {"ports": [{"number": 80, "name": "http", "protocol": "tcp"}]}})
FULL = {"executor": {**SMALL["executor"], "data": "ZXhlYyBkYXRh", "labels": stand_in.labels({"compose": "x.yml"}),
                     "shutdown_grace_period": {"nanoseconds": 9000000000},
                     "command": {"uris": [{"value": "file:///compose.yml", "executable": True, "extract": False}],
                                 "environment": {"variables": [{"name": "FOO", "value": "bar"}]}}}}


@test("events have the members and types that a real agent's have, in the same order")
def _(directory):
    real = shapes(e for path in captures("*/stream*.raw") for e in events(path))
    ours = sent(play(directory, task(), **SMALL))
    ours += sent(play(directory, task(), ends=lambda c: c.shutdown(), **SMALL))
    ours += sent(play(directory, task("a", command={"value": "x"}), task("b", command={"value": "y"}), group=True,
                      command=f"{SAMPLE} 0.1", ends=None, **WITH_DISK))
    ours += sent(play(directory, FULL_TASK, ends=lambda c: c.kill(grace=2), **FULL))
    equal(sorted(real - shapes(ours)), [], "a real agent's only")
    equal(sorted(shapes(ours) - real), [], "ours only")


def names_of(path):
    return sorted(line.split("=")[0] for line in read(path).decode().splitlines())


@test("the environment has the variables that a real agent gives, and no others")
def _(directory):
    kinds = {"posix-finish": {}, "linux-late": {"checkpoint": True}, "posix-kill": FULL, "linux-fs-pidns": {"transport": "unix"}}
    for kind, how in kinds.items():
        captures(f"{kind}/environ.txt")
        options = {k: v for k, v in how.items() if k != "executor"}
        with Agent(f"{directory}/{kind}", **options, launcher=launchers.Plain()) as agent:
            c = agent.run("exec env", executor=how.get("executor"))
            c.wait_exit()
            equal(names_of(f"{c.sandbox}/stdout"), names_of(f"{CAPTURES}/{kind}/environ.txt"), kind)
            values = dict(x.split("=", 1) for x in read(f"{c.sandbox}/stdout").decode().splitlines())
            for line in read(f"{CAPTURES}/{kind}/environ.txt").decode().splitlines():
                name, _, value = line.partition("=")
                if value and "/" not in value.replace(stand_in.PATH, "") and "-S" not in value and name not in (
                        "MESOS_AGENT_ENDPOINT", "MESOS_EXECUTOR_ID", "MESOS_FRAMEWORK_ID", "MESOS_SLAVE_PID",
                        "MESOS_HTTP_COMMAND_EXECUTOR"):
                    equal(values[name], value, f"{kind}: {name}")


@test("calls that a real agent took are taken, with the same code")
def _(directory):
    for path in captures("*/*.req"):
        request = wire.Request.parse("tcp", read(path))
        ids = [json.loads(request.body)[x]["value"] for x in ("framework_id", "executor_id")]
        wrong = http_verdict(request, "slave(1)") or call_verdict(request.body, *ids)[1]
        answer = path[:-3] + "resp"
        if os.path.exists(answer):
            equal(wrong[0] if wrong else 202, int(read(answer).split()[1]), path)
        else:
            equal(wrong, None, path)


@test("a captured conversation breaks none of the ledger's rules")
def _(directory):
    for path in captures("*/stream.raw"):
        folder = os.path.dirname(path)
        ledger = Ledger("exec-1", starting=False)
        for e in events(path):
            for t in [e["launch"]["task"]] if e["type"] == "LAUNCH" else e.get("launch_group", {}).get("task_group", {}).get("tasks", []):
                ledger.launch(t)
        for name in sorted(glob.glob(f"{folder}/*update*.req")):
            call = json.loads(wire.Request.parse("tcp", read(name)).body)
            ledger.call(call)
            ledger.update(call["update"]["status"], fresh=False)
        equal(ledger.violations, [], folder)


# ---- what it refuses -----------------------------------------------------------------------------

GOOD = {"executor_id": {"value": "e"}, "framework_id": {"value": "f"}, "type": "UPDATE", "update": {"status": {
    "task_id": {"value": "t"}, "state": "TASK_RUNNING", "source": "SOURCE_EXECUTOR", "uuid": "6dfyoUxLTSydYUoLf2weVQ==",
    "timestamp": 1.5e9, "healthy": True, "message": "h\u00e9", "container_status": {"network_infos": [{
        "ip_addresses": [{"protocol": "IPv4", "ip_address": "10.1.2.3"}],
        "port_mappings": [{"host_port": 31005, "container_port": 80, "protocol": "tcp"}]}]}}}}


def changed(path, value):
    """GOOD, with one member changed; None removes it."""
    call = json.loads(json.dumps(GOOD))
    at, *rest = path.split(".")
    holder = call
    while rest:
        holder, at = holder[at], rest[0]
        rest = rest[1:]
    if value is None:
        del holder[at]
    else:
        holder[at] = value
    return json.dumps(call).encode()


S = "update.status."
REFUSED = [
    (S + "uuid", None), (S + "uuid", "00000000-0000-0000-0000-000000000000"), (S + "uuid", "6dfyoUxLDSydYUoLf2weVQ=="),
    (S + "uuid", "6dfyoUxLTSydYUoLf2weVQAA"), (S + "uuid", "-_fyoUxLTSydYUoLf2weVQ=="),
    (S + "state", "TASK_BOGUS"), (S + "state", "TASK_STAGING"), (S + "state", 1), (S + "state", None),
    (S + "source", None), (S + "source", "SOURCE_AGENT"), (S + "executor_id", {"value": "other"}),
    (S + "timestamp", math.inf), (S + "task_id", None), (S + "task_id", "t"), (S + "check_status", {}),
    (S + "check_status", {"type": "HTTP"}), ("type", 2), ("type", "BOGUS"), ("executor_id", None),
    ("executor_id", {"value": "other"}), ("framework_id", {"value": "other"}), ("update", None),
    ("update.status.container_status.network_infos", {}),
]
TAKEN_BUT_WRONG = [
    (S + "reason", "REASON_SLAVE_REMOVED"), (S + "reason", "REASON_EXECUTOR_TERMINATED"), (S + "slave_id", {"value": "s"}),
    (S + "taskId", {"value": "t"}), (S + "container_status.containerId", {"value": "c"}),
]


@test("calls that an agent refuses are refused, and what it drops without a word is told of")
def _(directory):
    equal(call_verdict(json.dumps(GOOD).encode(), "f", "e")[1], None)
    for path, value in REFUSED:
        _, wrong = call_verdict(changed(path, value), "f", "e")
        equal(wrong and wrong[0], 400, f"{path} {value}")
    for path, value in TAKEN_BUT_WRONG:
        call, wrong = call_verdict(changed(path, value), "f", "e")
        equal(wrong, None, f"{path} {value}")
        ledger = Ledger("e")
        ledger.call(call)
        equal(len(ledger.violations), 1, f"{path} {value}: {ledger.violations}")


def http(transport="tcp", method="POST", path="/slave(1)/api/v1/executor", **headers):
    headers = {"host": "x", "accept": "application/json", "content_type": "application/json"} | headers
    return wire.Request(transport, method, path, {k.replace("_", "-"): v for k, v in headers.items() if v}, b"")


@test("paths, methods, media types and tokens have an agent's answers")
def _(directory):
    cases = [(http(), None), (http(path="/api/v1/executor"), None), (http("unix"), None),
             (http("unix", path="/api/v1/executor"), 403), (http("unix", path="/slave(2)/api/v1/executor"), 403),
             (http(path="/nowhere"), 404), (http(method="GET"), 405), (http(content_type=None), 400),
             (http(content_type="text/plain"), 415), (http(accept="text/html"), 406), (http(accept=None), None)]
    for request, code in cases:
        wrong = http_verdict(request, "slave(1)")
        equal(wrong and wrong[0], code, f"{request.transport} {request.method} {request.path} {request.headers}")
    equal(http_verdict(http(), "slave(1)", "secret")[0], 401)
    equal(http_verdict(http(authorization="Bearer secret"), "slave(1)", "secret"), None)


# ---- the ledger's own rules ----------------------------------------------------------------------

def status(state, number, name="task-1", **more):
    return {"task_id": {"value": name}, "executor_id": {"value": "exec-1"}, "state": state, "source": "SOURCE_EXECUTOR",
            "uuid": f"6dfyoUxLTSydYUoLf2we{number:02d}==", "timestamp": time.time(), **more}


def ledger(*statuses, t=None, capabilities=()):
    out = Ledger("exec-1", capabilities)
    out.launch(fill("TaskInfo", {"agent_id": {"value": "S"}, **(t or task())}))
    for s in statuses:
        out.update(s)
    return out


RULES = [
    ("the first update should have been", [status("TASK_RUNNING", 1)]),
    ("there is no such task", [status("TASK_STARTING", 1, "other")]),
    ("is TASK_FINISHED already", [status("TASK_STARTING", 1), status("TASK_FINISHED", 2), status("TASK_RUNNING", 3)]),
    ("two updates with one uuid", [status("TASK_STARTING", 1), status("TASK_RUNNING", 1)]),
    ("after TASK_RUNNING", [status("TASK_STARTING", 1), status("TASK_RUNNING", 2), status("TASK_STARTING", 3)]),
    ("does not have the capability", [status("TASK_STARTING", 1), status("TASK_KILLING", 2)]),
    ("timestamp is off", [status("TASK_STARTING", 1, timestamp=time.time() - 60)]),
    ("timestamp is before", [status("TASK_STARTING", 1), status("TASK_RUNNING", 2, timestamp=time.time() - 2)]),
    ("container_id is the agent's", [status("TASK_STARTING", 1, container_status={"container_id": {"value": "x"}})]),
    ("a failure without a message", [status("TASK_STARTING", 1), status("TASK_FAILED", 2)]),
    ("check_status has to be", [status("TASK_STARTING", 1, check_status={"type": "TCP", "tcp": {}})]),
]


@test("the ledger tells of updates that break a rule, and of no others")
def _(directory):
    for text, statuses in RULES:
        found = ledger(*statuses).violations
        equal(len(found), 1, f"{text}: {found}")
        contains(found[0], text)
    fine = [status("TASK_STARTING", 1), status("TASK_RUNNING", 2), status("TASK_KILLING", 3), status("TASK_KILLED", 4)]
    equal(ledger(*fine, fine[2], capabilities=["TASK_KILLING_STATE"]).violations, [])
    late = ledger(*fine[:3], status("TASK_RUNNING", 5), capabilities=["TASK_KILLING_STATE"])
    contains(late.violations[0], "after TASK_KILLING")


def again(book, tasks=(), updates=()):
    """What the ledger says to a second SUBSCRIBE."""
    book.subscriptions, book.stream_ended = 1, time.time()
    book.subscribe({"subscribe": {"unacknowledged_tasks": list(tasks), "unacknowledged_updates": [{"status": s} for s in updates]}})
    return book.violations


@test("the ledger tells of unacknowledged updates and tasks that are missing, too many, changed or out of order")
def _(directory):
    one, two = status("TASK_STARTING", 1), status("TASK_RUNNING", 2)

    def book():
        out = ledger(one, two)
        out.launched["task-1"] -= 10
        return out
    full = [book().tasks["task-1"]]
    equal(again(book(), full, [one, two]), [])
    contains(again(book(), [], [one, two])[0], "does not list task")
    contains(again(book(), full, [one])[0], "does not list TASK_RUNNING")
    contains(again(book(), full, [two, one])[0], "out of order")
    contains(again(book(), full, [{**one, "message": "x"}, two])[0], "changes an update")
    contains(again(book(), [{**full[0], "name": "x"}], [one, two])[0], "changes task")
    contains(again(book(), full, [one, two, status("TASK_FINISHED", 3), {**one, "uuid": "AAAA"}])[0], "Not a valid UUID")
    known = book()
    for update in known.updates.values():
        update.acknowledged = time.time() - 5
    contains(again(known, full, [])[0], "of which an update is acknowledged")
    contains(again(known, [], [two])[-1], "an update that is acknowledged")


# ---- the whole of it, with the sample executor ---------------------------------------------------

FRAMINGS = {"one record a chunk": wire.one, "single bytes": wire.single_bytes, "a length in pieces": wire.split_length,
            "a body in pieces": wire.split_body, "pieces of any size": wire.pieces(1), "many records a chunk": wire.Batch()}


@test("an executor hears all events however they are framed")
def _(directory):
    for name, framing in FRAMINGS.items():
        equal(play(directory, task(), framing=framing).states(), ["TASK_STARTING", "TASK_RUNNING", "TASK_KILLED"], name)


@test("TCP, the domain socket and TLS, with and without a token")
def _(directory):
    for transport in ("tcp", "unix", "tls"):
        for token in (None, "header.body.signature"):
            c = play(f"{directory}/{transport}-{token}", task(), transport=transport, token=token)
            equal(c.states()[-1], "TASK_KILLED", f"{transport} {token}")


@test("infinite limits are written as the agent writes them")
def _(directory):
    c = play(directory, task(limits={"cpus": {"value": math.inf}, "mem": {"value": 128}}))
    contains(json.dumps(sent(c)[1], separators=(",", ":")), '"limits":{"cpus":{"value":Infinity},"mem":{"value":128.0}}')


@test("acknowledgements: late, lost, duplicate and out of order")
def _(directory):
    for acks in (stand_in.Late(0.3), stand_in.Lost(2), stand_in.Twice(), stand_in.Reordered(0.3)):
        equal(play(directory, task(), acks=acks).states()[-1], "TASK_KILLED", type(acks).__name__)


@test("a restart: the executor subscribes again, and is destroyed if it does so too late")
def _(directory):
    with Agent(directory, checkpoint=True, backoff="200ms") as agent:
        c = agent.run(SAMPLE, task())
        c.status("TASK_RUNNING")
        agent.restart(booting=0.2, recovery=1.0)
        c.wait_subscribed(2)
        time.sleep(1.2)
        c.kill()
        c.status("TASK_KILLED")
        c.wait_exit()
        equal(c.violations, [])
        late = agent.run(SAMPLE, task())
        late.status("TASK_RUNNING")
        os.kill(late.executor_pid(), 19)
        agent.restart(recovery=0.5)
        equal(late.status("TASK_LOST")["reason"], "REASON_EXECUTOR_REREGISTRATION_TIMEOUT")
        late.wait_exit()


@test("deadlines: registration and shutdown")
def _(directory):
    with Agent(directory, registration_timeout=0.5, grace="300ms") as agent:
        c = agent.run("sleep 60", task())
        equal(c.status("TASK_FAILED")["reason"], "REASON_EXECUTOR_REGISTRATION_TIMEOUT")
        c.wait_exit()
        c = agent.run(SAMPLE, task())
        c.status("TASK_RUNNING")
        os.kill(c.executor_pid(), 19)
        c.shutdown()
        equal(c.status("TASK_FAILED")["reason"], "REASON_EXECUTOR_TERMINATED")
        contains(c.reason, "grace period")


@test("an executor that ends without a word, and one that is killed")
def _(directory):
    with Agent(directory) as agent:
        c = agent.run("exit 3", task())
        equal(c.status("TASK_FAILED")["reason"], "REASON_EXECUTOR_TERMINATED")
        equal(c.wait_exit(), 3)
        c = agent.run(SAMPLE, task())
        c.status("TASK_RUNNING")
        c.kill_executor()
        equal(c.status("TASK_FAILED")["reason"], "REASON_EXECUTOR_TERMINATED")


@test("the stream is cut at any byte, and the executor comes back")
def _(directory):
    with Agent(directory, checkpoint=True, backoff="1ms") as agent:
        agent.cuts = list(range(1, 900, 50))
        c = agent.run(SAMPLE)
        c.wait_subscribed(len(range(1, 900, 50)) + 1)
        c.launch(task())
        c.status("TASK_RUNNING")
        c.kill()
        c.status("TASK_KILLED")
        c.wait_exit()
        equal(c.violations, [])


@test("the linux launcher: groups as a real agent's, and all that is below them is destroyed")
def _(directory):
    if not launchers.test_group():
        raise Skip("needs scripts/in-test-host")
    nested = ("for h in freezer memory cpu; do g=/sys/fs/cgroup/$h$(sed -n \"s/^[0-9]*:$h://p\" /proc/self/cgroup)/below; "
              "mkdir $g; setsid sh -c 'echo $$ >'$g'/cgroup.procs; exec sleep 100' & done; cat /proc/self/cgroup; ")
    with Agent(directory, launcher=launchers.Linux()) as agent:
        c = agent.run(nested + SAMPLE, task())
        c.status("TASK_RUNNING")
        groups = dict(line.split(":")[1:] for line in read(f"{c.sandbox}/stdout").decode().splitlines())
        for hierarchy in launchers.HIERARCHIES:
            equal(groups[hierarchy], f"/{launchers.test_group()}/mesos/{c.id}")
        freezer = c.agent.launcher.groups(c.id)["freezer"]
        time.sleep(0.2)
        before = launchers.members(freezer)
        equal(len(before) > 4, True, f"processes {before}")
        c.kill_executor()
        c.wait_exit()
        equal(c.violations, [])
        equal([x for x in before if x in launchers.processes()], [])
        equal([h for h, g in c.agent.launcher.groups(c.id).items() if os.path.exists(g)], [])


@test("the linux launcher: running out of memory ends the container, below it does not")
def _(directory):
    if not launchers.test_group():
        raise Skip("needs scripts/in-test-host")
    eat = "head -c 300M /dev/zero | tail -n 1 >/dev/null; " # tail keeps the line that never ends
    below = ("g=/sys/fs/cgroup/memory$(sed -n 's/^[0-9]*:memory://p' /proc/self/cgroup)/below; mkdir $g; "
             f"echo 16M >$g/memory.limit_in_bytes; (sh -c 'echo $PPID' >$g/cgroup.procs; {eat}); ")
    with Agent(directory, launcher=launchers.Linux()) as agent:
        c = agent.run(below + SAMPLE, task(mem=100.0))
        c.status("TASK_RUNNING")
        c.kill()
        c.wait_exit()
        equal(c.violations, [])
        c = agent.run(eat + SAMPLE, task(mem=100.0))
        equal(c.status("TASK_FAILED")["reason"], "REASON_CONTAINER_LIMITATION_MEMORY")
        c.wait_exit()
        equal(c.violations, [])


class Master:
    """As much of a master as the scheduler needs: offers, and tasks that do what they are told."""

    agent_id, framework_id = {"value": "S0"}, {"value": "F0"}

    def __init__(self):
        self.calls, self.stream, self.number = [], None, 0
        self.server = wire.Server(self.handle, ("127.0.0.1", 0))

    def send(self, kind, **more):
        data = json.dumps({"type": kind, **more}).encode()
        record = b"%d\n%s" % (len(data), data)
        self.stream.write(b"%x\r\n%s\r\n" % (len(record), record))

    def update(self, name, state):
        self.number += 1
        self.send("UPDATE", update={"status": {"task_id": {"value": name}, "state": state, "uuid": f"u{self.number}",
                                               "agent_id": self.agent_id}})

    def handle(self, request, connection):
        call = json.loads(request.body)
        self.calls.append((call, request.headers))
        if call["type"] == "SUBSCRIBE":
            self.stream = connection
            connection.write(wire.head(200, [("Transfer-Encoding", "chunked"), ("Mesos-Stream-Id", "stream-1")]))
            self.send("SUBSCRIBED", subscribed={"framework_id": self.framework_id, "heartbeat_interval_seconds": 15})
            self.send("HEARTBEAT")
            self.send("OFFERS", offers={"offers": [{"id": {"value": x}, "agent_id": self.agent_id} for x in ("O1", "O2")]})
            return True
        stays = connection.answer(request, 202)
        if call["type"] == "ACCEPT":
            for operation in call["accept"]["operations"]:
                tasks = operation.get("launch", {}).get("task_infos") or operation["launch_group"]["task_group"]["tasks"]
                for t in tasks:
                    self.update(t["task_id"]["value"], "TASK_STARTING")
                    self.update(t["task_id"]["value"], "TASK_RUNNING")
        if call["type"] == "KILL":
            self.update(call["kill"]["task_id"]["value"], "TASK_KILLED")
        return stays


@test("the scheduler for real masters: offers, launches, updates, kills")
def _(directory):
    for group in (False, True):
        master = Master()
        agent = type("Agent", (), {"master": ("127.0.0.1", master.server.address[1]), "capabilities": ["TASK_KILLING_STATE"],
                                   "checkpoint": True, "work_dir": directory})
        c = scheduler.RealContainer(agent, {"executor_id": {"value": "e"}, "command": {"value": "x"}},
                                    [task(limits={"cpus": {"value": math.inf}})], group)
        c.status("TASK_RUNNING")
        c.kill(grace=2)
        c.status("TASK_KILLED")
        c.wait_exit()
        c.shutdown()
        calls = {call["type"]: call for call, _ in master.calls}
        equal(sorted(calls), ["ACCEPT", "ACKNOWLEDGE", "DECLINE", "KILL", "SUBSCRIBE", "TEARDOWN"])
        equal(all(h["mesos-stream-id"] == "stream-1" for call, h in master.calls if call["type"] != "SUBSCRIBE"), True)
        equal(len([1 for call, _ in master.calls if call["type"] == "ACKNOWLEDGE"]), 3)
        contains(json.dumps(calls["ACCEPT"]), '"limits": {"cpus": {"value": "Infinity"}}')
        equal(c.violations, [])
        master.server.close()


@test("durations")
def _(directory):
    for text, value in {"5secs": 5, "1500ms": 1.5, "15mins": 900, "1.5secs": 1.5, "1hrs": 3600, "250us": 0.00025}.items():
        equal(seconds(text), value)


main(around)
