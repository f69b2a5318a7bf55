# SPDX-License-Identifier: Apache-2.0
"""ledger.py - judges the calls of an executor.

http_verdict() and call_verdict() answer as an agent does: None, or an HTTP code and its text. The
Ledger is stricter. It remembers all of one executor's calls, and writes down in `violations` whatever
an executor must not do, though an agent would say nothing, or say it too late.
"""
import json
import math
import time

from protocol import TERMINAL, from_base64, is_uuid, problems

SETTLED = 0.5 # after that many seconds an executor has read what the agent has written to it


# ---- as an agent answers -------------------------------------------------------------------------

def http_verdict(request, prefix, token=None):
    """What is wrong with a request before its body is looked at."""
    paths = {f"/{prefix}/api/v1/executor"}
    if request.transport == "unix":
        if request.path not in paths:
            return 403, f"the domain socket is for /{prefix}/api/v1/executor only"
    elif request.path not in paths | {"/api/v1/executor"}:
        return 404, ""
    if token and request.headers.get("authorization") != f"Bearer {token}":
        return 401, ""
    if request.method != "POST":
        return 405, "Expecting 'POST'"
    media = request.headers.get("content-type")
    if media is None:
        return 400, "Expecting 'Content-Type' to be present"
    if media != "application/json":
        return 415, "Expecting 'Content-Type' of application/json"
    if not {"*/*", "application/json"} & {x.strip() for x in request.headers.get("accept", "*/*").split(",")}:
        return 406, "Expecting 'Accept' to allow application/json"
    return None


def parse_call(body):
    """The call; ValueError says what the agent's parser would not take."""
    def constant(name):
        raise ValueError(f"{name} is no JSON")
    call = json.loads(body.decode(), parse_constant=constant)
    if not isinstance(call, dict):
        raise ValueError("not an object")
    return call


def call_verdict(body, framework_id, executor_id):
    """The call, and what is wrong with it: (call or None, None or (code, text))."""
    try:
        call = parse_call(body)
    except ValueError as e:
        return None, (400, f"Failed to parse body into JSON: {e}")
    refused = [str(x) for x in problems("Call", call) if x.refused]
    if refused:
        return None, (400, "Failed to parse JSON: " + "; ".join(refused))
    if call["type"] == "HEARTBEAT":
        return call, None
    if call["type"].lower() not in call:
        return None, (400, f"Expecting '{call['type'].lower()}' to be present")
    if call["framework_id"]["value"] != framework_id:
        return None, (400, "Framework cannot be found")
    if call["executor_id"]["value"] != executor_id:
        return None, (400, "Executor cannot be found")
    if call["type"] == "UPDATE":
        text = update_problem(call["update"]["status"], executor_id)
        if text:
            return None, (400, text)
    return call, None


def update_problem(status, executor_id):
    if "uuid" not in status:
        return "Expecting 'uuid' to be present"
    if len(from_base64(status["uuid"])) != 16 or not is_uuid(from_base64(status["uuid"])):
        return "Not a valid UUID"
    if status.get("executor_id", {}).get("value", executor_id) != executor_id:
        return "ExecutorID in Call does not match ExecutorID in TaskStatus"
    if status.get("source") != "SOURCE_EXECUTOR":
        return "Received Call from executor with invalid source, expecting 'SOURCE_EXECUTOR'"
    if status["state"] == "TASK_STAGING":
        return "Received TASK_STAGING from executor which is not allowed"
    check = status.get("check_status")
    if check is not None:
        if "type" not in check:
            return "CheckStatusInfo must specify 'type'"
        if check["type"].lower() not in check:
            return f"Expecting '{check['type'].lower()}' to be set for the check status of that type"
    return None


# ---- stricter ------------------------------------------------------------------------------------

def same(a, b):
    """Equal as JSON; the infinite number and the string that stands for it are the same."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b))
    if "Infinity" in (a, b):
        return {a, b} <= {"Infinity", math.inf}
    return a == b


class Update:
    """One status update, by its uuid."""

    def __init__(self, status, now):
        self.status, self.first, self.acknowledged, self.copies = status, now, None, 1
        self.task, self.state = status["task_id"]["value"], status["state"]


class Ledger:
    """All that one executor has been told and has said."""

    def __init__(self, executor_id, capabilities=(), starting=True):
        self.executor_id, self.capabilities, self.starting = executor_id, capabilities, starting
        self.tasks = {} # as they were launched, by id
        self.launched = {} # when
        self.updates = {} # by uuid, in the order in which they first came
        self.killed = {} # by task: when it was first asked to end
        self.subscriptions, self.stream_ended = 0, None
        self.violations = []

    def complain(self, text):
        self.violations.append(text)

    # What the agent does:

    def launch(self, task):
        self.tasks[task["task_id"]["value"]] = task
        self.launched[task["task_id"]["value"]] = time.time()

    def lost(self, tasks):
        """The executor cannot have heard of their launch."""
        for task in tasks:
            self.launched[task["task_id"]["value"]] = None

    def kill(self, task_id):
        self.killed.setdefault(task_id, time.time())

    def acknowledge(self, uuid):
        update = self.updates[uuid]
        update.acknowledged = update.acknowledged or time.time()

    # What the executor does:

    def request(self, request):
        for name in ("host", "accept"):
            if name not in request.headers:
                self.complain(f"a request without {name}")
        for name in ("expect", "accept-encoding"):
            if name in request.headers:
                self.complain(f"a request with {name}: {request.headers[name]}")

    def call(self, call):
        for problem in problems("Call", call):
            self.complain(f"{call['type']}: {problem}")

    def subscribe(self, call):
        """The updates that are new to us."""
        said = call["subscribe"]
        for name in ("unacknowledged_tasks", "unacknowledged_updates"):
            if not self.subscriptions and said.get(name):
                self.complain(f"the first SUBSCRIBE has {name}")
        self.unacknowledged_tasks([x for x in said.get("unacknowledged_tasks", [])])
        new = self.unacknowledged_updates([x["status"] for x in said.get("unacknowledged_updates", [])])
        self.subscriptions += 1
        return new

    def certainly(self, when):
        """Did the executor read what was written then, before its stream ended?"""
        return when is not None and when < (self.stream_ended or time.time()) - SETTLED

    def acknowledged_tasks(self, sure):
        """Those of which an acknowledgement was written; sure: and was read."""
        return {x.task for x in self.updates.values() if x.acknowledged and (not sure or self.certainly(x.acknowledged))}

    def unacknowledged_tasks(self, tasks):
        listed = set()
        for task in tasks:
            name = task["task_id"]["value"]
            listed.add(name)
            if name not in self.tasks:
                self.complain(f"SUBSCRIBE lists a task that was never launched: {name}")
            elif not same(task, self.tasks[name]):
                self.complain(f"SUBSCRIBE changes task {name}")
        for name in listed & self.acknowledged_tasks(True):
            self.complain(f"SUBSCRIBE lists task {name}, of which an update is acknowledged")
        for name in set(self.tasks) - listed - self.acknowledged_tasks(False):
            if self.certainly(self.launched[name]):
                self.complain(f"SUBSCRIBE does not list task {name}, of which no update is acknowledged")

    def unacknowledged_updates(self, statuses):
        known, new, order = list(self.updates), [], []
        for status in statuses:
            text = update_problem(status, self.executor_id)
            if text:
                # This one ends the agent.
                self.complain(f"SUBSCRIBE, unacknowledged update: {text}")
                continue
            uuid = status["uuid"]
            if uuid not in self.updates:
                new.append(status)
            else:
                if new:
                    self.complain("SUBSCRIBE has updates out of order: an old one after a new one")
                if self.certainly(self.updates[uuid].acknowledged):
                    self.complain(f"SUBSCRIBE lists an update that is acknowledged: {status['state']}")
                if not same(status, self.updates[uuid].status):
                    self.complain(f"SUBSCRIBE changes an update: {status['state']}")
                order.append(known.index(uuid))
        if order != sorted(order):
            self.complain("SUBSCRIBE has updates out of order")
        listed = {x["uuid"] for x in statuses}
        for uuid, update in self.updates.items():
            if not update.acknowledged and uuid not in listed:
                self.complain(f"SUBSCRIBE does not list {update.state} of {update.task}, which is not acknowledged")
        return new

    def update(self, status, fresh=True):
        """One UPDATE, or one new one from SUBSCRIBE. False: it is a copy."""
        now = time.time()
        seen = self.updates.get(status["uuid"])
        if seen:
            seen.copies += 1
            if not same(seen.status, status):
                self.complain(f"two updates with one uuid: {seen.state} and {status['state']}")
            if self.certainly(seen.acknowledged):
                self.complain(f"{seen.state} of {seen.task} is sent again, although it is acknowledged")
            return False
        update = Update(status, now)
        for text in self.update_rules(update, now, fresh):
            self.complain(f"{update.state} of {update.task}: {text}")
        self.updates[status["uuid"]] = update
        return True

    def update_rules(self, update, now, fresh):
        status, before = update.status, [x for x in self.updates.values() if x.task == update.task]
        states = [x.state for x in before]
        if update.task not in self.tasks:
            yield "there is no such task"
            return
        yield from self.order_rules(update.state, states)
        if from_base64(status["uuid"])[8] >> 6 != 2:
            yield "its uuid is not of RFC 4122's variant"
        if "executor_id" not in status:
            yield "executor_id is missing"
        if "timestamp" not in status:
            yield "timestamp is missing"
        elif fresh and abs(status["timestamp"] - now) > 5:
            yield f"timestamp is off by {status['timestamp'] - now:.1f} s"
        elif before and status["timestamp"] < before[-1].status.get("timestamp", 0):
            yield "timestamp is before the last update's"
        if ("check" in self.tasks[update.task]) != ("check_status" in status):
            yield "check_status has to be there exactly if the task has a check"
        if "container_id" in status.get("container_status", {}):
            yield "container_status.container_id is the agent's to fill in"
        if update.state == "TASK_FAILED" and not status.get("message"):
            yield "a failure without a message"

    def order_rules(self, state, states):
        ended = [x for x in states if x in TERMINAL]
        if ended:
            yield f"the task is {ended[0]} already"
        if "TASK_KILLING" in states and state not in TERMINAL:
            yield "after TASK_KILLING"
        if state == "TASK_STARTING" and "TASK_RUNNING" in states:
            yield "after TASK_RUNNING"
        if state == "TASK_KILLING" and "TASK_KILLING_STATE" not in self.capabilities:
            yield "the framework does not have the capability TASK_KILLING_STATE"
        if self.starting and not states and state != "TASK_STARTING":
            yield "the first update should have been TASK_STARTING"
