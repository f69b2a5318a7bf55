#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""sample_executor.py - the least an executor can do, to test the stand-in agent with.

    sample_executor.py [SECONDS]    every task runs that long and finishes; without, until it is killed
"""
import json
import os
import random
import socket
import ssl
import sys
import time
import uuid
import base64
import threading

E = os.environ
IDS = {"executor_id": {"value": E["MESOS_EXECUTOR_ID"]}, "framework_id": {"value": E["MESOS_FRAMEWORK_ID"]}}
TOKEN = E.pop("MESOS_EXECUTOR_AUTHENTICATION_TOKEN", None)
PREFIX = E["MESOS_SLAVE_PID"].split("@")[0]
HOLD = float(sys.argv[1]) if len(sys.argv) > 1 else None

tasks, updates, lock = {}, {}, threading.RLock()


def connect():
    if "MESOS_DOMAIN_SOCKET" in E:
        s = socket.socket(socket.AF_UNIX)
        s.connect(E["MESOS_DOMAIN_SOCKET"])
        return s
    host, port = E["MESOS_AGENT_ENDPOINT"].split(":")
    s = socket.create_connection((host, int(port)))
    if "LIBPROCESS_SSL_ENABLED" in E:
        s = ssl.create_default_context(cafile=E["LIBPROCESS_SSL_CA_FILE"]).wrap_socket(s, server_hostname=host)
    return s


def post(call):
    """The connection's file, its head read; and the code."""
    body = json.dumps({**IDS, **call}).replace(": Infinity", ': "Infinity"').encode()
    head = [f"POST /{PREFIX}/api/v1/executor HTTP/1.1", "Host: agent", "Content-Type: application/json",
            "Accept: application/json", f"Content-Length: {len(body)}"]
    if TOKEN:
        head.append(f"Authorization: Bearer {TOKEN}")
    s = connect()
    s.sendall("\r\n".join(head + ["", ""]).encode() + body)
    f = s.makefile("rb")
    first = f.readline().split()
    if len(first) < 2:
        raise OSError("no answer")
    code = int(first[1])
    while f.readline().strip():
        pass
    return s, f, code


def records(f):
    """RecordIO over chunks."""
    data = b""
    while True:
        size = f.readline().strip()
        if not size or size == b"0":
            return
        chunk = f.read(int(size, 16))
        f.readline()
        data += chunk
        while b"\n" in data:
            n, _, rest = data.partition(b"\n")
            if len(rest) < int(n):
                break
            yield json.loads(rest[:int(n)])
            data = rest[int(n):]


def send(status):
    try:
        s, _, code = post({"type": "UPDATE", "update": {"status": status}})
        s.close()
        return code == 202
    except OSError:
        return False


def update(name, state, **more):
    with lock:
        status = {"task_id": {"value": name}, "executor_id": IDS["executor_id"], "state": state,
                  "source": "SOURCE_EXECUTOR", "uuid": base64.b64encode(uuid.uuid4().bytes).decode(),
                  "timestamp": time.time(), **more}
        updates[status["uuid"]] = status
    send(status)


def again():
    """Until they are acknowledged: all, in order."""
    while True:
        time.sleep(1)
        with lock:
            for status in list(updates.values()):
                if time.time() - status["timestamp"] > 1 and not send(status):
                    break


def end(state, names):
    for name in names:
        update(name, state)
    while updates:
        time.sleep(0.01)
    os._exit(0)


def launch(task):
    name = task["task_id"]["value"]
    tasks[name] = task
    update(name, "TASK_STARTING")
    update(name, "TASK_RUNNING")
    if HOLD is not None:
        threading.Timer(HOLD, end, ("TASK_FINISHED", [name])).start()


def handle(event):
    kind = event["type"]
    if kind == "LAUNCH":
        launch(event["launch"]["task"])
    elif kind == "LAUNCH_GROUP":
        for task in event["launch_group"]["task_group"]["tasks"]:
            launch(task)
    elif kind == "KILL":
        threading.Thread(target=end, args=("TASK_KILLED", [event["kill"]["task_id"]["value"]])).start()
    elif kind == "SHUTDOWN":
        threading.Thread(target=end, args=("TASK_KILLED", list(tasks))).start()
    elif kind == "ACKNOWLEDGED":
        with lock:
            updates.pop(event["acknowledged"]["uuid"], None)
            tasks[event["acknowledged"]["task_id"]["value"]] = None


def main():
    threading.Thread(target=again, daemon=True).start()
    backoff = E.get("MESOS_SUBSCRIPTION_BACKOFF_MAX", "2secs")
    longest = float(backoff.rstrip("secm")) * (0.001 if backoff.endswith("ms") else 1)
    while True:
        try:
            with lock:
                said = {"unacknowledged_tasks": [t for t in tasks.values() if t],
                        "unacknowledged_updates": [{"status": s} for s in updates.values()]}
                _, f, code = post({"type": "SUBSCRIBE", "subscribe": said})
            if code == 200:
                for event in records(f):
                    handle(event)
        except OSError:
            pass
        if E["MESOS_CHECKPOINT"] == "0":
            os._exit(1)
        time.sleep(random.uniform(0, min(longest, 1)))


main()
