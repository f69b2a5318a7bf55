# SPDX-License-Identifier: Apache-2.0
"""agent.py - a stand-in for a Mesos agent, as an executor sees it.

    with Agent(work_dir) as agent:
        c = agent.run("slipway-executor", task(labels={"slipway.compose": text}))
        c.status("TASK_RUNNING")
        c.kill()
        c.status("TASK_KILLED")
        c.wait_exit()
        assert not c.violations

Agent listens, starts executors (launchers.py), answers their calls (wire.py, ledger.py) and sends
events (protocol.py). Whatever can go wrong between an agent and an executor can be ordered: how the
stream is framed and where it is cut, what the next calls are answered, what becomes of the
acknowledgements, restarts and outages. Nothing of this is Mesos's code: it was written from its
documented contract and from what was seen on the wire of a real one.
"""
import base64
import json
import os
import shutil
import signal
import ssl
import subprocess
import threading
import time
import uuid

import launchers
import wire
from ledger import Ledger, call_verdict, http_verdict
from protocol import TERMINAL, fill, nanoseconds, seconds

PREFIX = "slave(1)"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


# ---- what a framework would send -----------------------------------------------------------------

def scalar(name, value):
    return {"name": name, "type": "SCALAR", "scalar": {"value": value}, "allocation_info": {"role": "*"}}


def ranges(name, pairs):
    return {"name": name, "type": "RANGES", "ranges": {"range": [{"begin": a, "end": b} for a, b in pairs]},
            "allocation_info": {"role": "*"}}


def as_ranges(numbers):
    """[3, 4, 7] as [(3, 4), (7, 7)], the order kept: what an offer may look like."""
    out = []
    for n in numbers:
        if out and out[-1][1] == n - 1:
            out[-1] = (out[-1][0], n)
        else:
            out.append((n, n))
    return out


def labels(pairs):
    return {"labels": [{"key": k, "value": v} for k, v in pairs.items()]}


def task(name="task-1", cpus=0.5, mem=256.0, ports=(), data=None, **more):
    """A TaskInfo. `labels` may be a dict, `data` bytes; what else is in `more` is as in the proto."""
    out = {"name": name, "task_id": {"value": name}, "resources": [scalar("cpus", cpus), scalar("mem", mem)]}
    if ports:
        out["resources"].append(ranges("ports", as_ranges(ports)))
    if data is not None:
        out["data"] = base64.b64encode(data).decode()
    if isinstance(more.get("labels"), dict) and "labels" not in more["labels"]:
        more["labels"] = labels(more["labels"])
    return {**out, **more}


# ---- acknowledgements ----------------------------------------------------------------------------

class Acks:
    """What becomes of the acknowledgement of an update."""

    def __call__(self, container, task_id, number):
        container.acknowledge(task_id, number)


class Late(Acks):
    def __init__(self, delay):
        self.delay = delay

    def __call__(self, container, task_id, number):
        threading.Timer(self.delay, container.acknowledge, (task_id, number)).start()


class Lost(Acks):
    """Those of the first COUNT updates are never sent; a copy of the update gets its own."""

    def __init__(self, count):
        self.count = count

    def __call__(self, container, task_id, number):
        self.count -= 1
        if self.count < 0:
            container.acknowledge(task_id, number)


class Never(Acks):
    def __call__(self, container, task_id, number):
        pass


class Twice(Acks):
    def __call__(self, container, task_id, number):
        container.acknowledge(task_id, number)
        container.acknowledge(task_id, number)


class Reordered(Acks):
    """Two at a time, the second first. One that stays alone goes after a while."""

    def __init__(self, wait=0.5):
        self.wait, self.held = wait, []

    def __call__(self, container, task_id, number):
        self.held.append((container, task_id, number))
        if len(self.held) == 2:
            self.flush()
        else:
            threading.Timer(self.wait, self.flush).start()

    def flush(self):
        held, self.held = self.held[::-1], []
        for container, task_id, number in held:
            container.acknowledge(task_id, number)


# ---- one executor --------------------------------------------------------------------------------

class Container:
    """One run of an executor, and all that was said between it and the agent."""

    def __init__(self, agent, executor, tasks, group):
        self.agent, self.lock, self.condition = agent, agent.lock, agent.condition
        self.id = str(uuid.uuid4())
        self.executor = fill("ExecutorInfo", {"type": "CUSTOM", **executor, "framework_id": {"value": agent.framework_id}})
        self.executor_id = self.executor["executor_id"]["value"]
        self.sandbox = (f"{agent.work_dir}/slaves/{agent.agent_id}/frameworks/{agent.framework_id}/executors/"
                        f"{self.executor_id}/runs/{self.id}")
        self.ledger = Ledger(self.executor_id, agent.capabilities, agent.starting)
        self.state, self.reason, self.stream, self.process, self.exit_code = "REGISTERING", None, None, None, None
        self.statuses, self.log, self.queue, self.subscribed_at = [], [], [], []
        self.destroying = threading.Lock()
        self.log_since, self.destroyed, self.exited = time.time(), False, False
        grace = self.executor.get("shutdown_grace_period")
        self.grace = f"{grace['nanoseconds'] / 1e9:g}secs" if grace else agent.grace
        if tasks:
            self.queue.append((tasks, group))

    # ---- the beginning

    def start(self, files):
        os.makedirs(self.sandbox)
        for name, content in files.items():
            path = f"{self.sandbox}/{name}"
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as f:
                f.write(content.encode() if isinstance(content, str) else content)
        groups = self.agent.launcher.prepare(self.id)
        self.set_limits([t for tasks, _ in self.queue for t in tasks])
        if groups:
            self.agent.launcher.watch_memory(self.id, self.out_of_memory)
        self.process = launchers.start(self.executor["command"]["value"], self.environment(), self.sandbox, groups)
        self.note("agent", f"started, process {self.process.pid}")
        threading.Thread(target=self.wait_process, daemon=True).start()
        self.after(self.agent.registration_timeout, self.registration_over)

    def environment(self):
        """Exactly what the agent gives; nothing of its own environment is inherited."""
        agent = self.agent
        env = {
            "LIBPROCESS_IP": "127.0.0.1", "LIBPROCESS_PORT": "0", "PATH": PATH,
            "MESOS_AGENT_ENDPOINT": agent.endpoint, "MESOS_CHECKPOINT": str(int(agent.checkpoint)),
            "MESOS_DIRECTORY": self.sandbox, "MESOS_EXECUTOR_ID": self.executor_id,
            "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD": self.grace, "MESOS_FRAMEWORK_ID": agent.framework_id,
            "MESOS_HTTP_COMMAND_EXECUTOR": "0", "MESOS_SANDBOX": self.sandbox, "MESOS_SLAVE_ID": agent.agent_id,
            "MESOS_SLAVE_PID": f"{PREFIX}@{agent.endpoint}",
        }
        if agent.checkpoint:
            env |= {"MESOS_RECOVERY_TIMEOUT": agent.recovery_timeout, "MESOS_SUBSCRIPTION_BACKOFF_MAX": agent.backoff}
        if agent.socket_path:
            env["MESOS_DOMAIN_SOCKET"] = agent.socket_path
        if agent.token:
            env["MESOS_EXECUTOR_AUTHENTICATION_TOKEN"] = agent.token
        if agent.tls:
            env |= {"LIBPROCESS_SSL_ENABLED": "1", "LIBPROCESS_SSL_CA_FILE": agent.ca_file,
                    "LIBPROCESS_SSL_VERIFY_SERVER_CERT": "1"}
        env |= agent.launcher.environment() | agent.environment
        for v in self.executor["command"].get("environment", {}).get("variables", []):
            env[v["name"]] = v["value"]
        return env

    def set_limits(self, tasks):
        total = {"cpus": 0.0, "mem": 0.0}
        for owner in [self.executor, *self.ledger.tasks.values(), *tasks]:
            for r in owner.get("resources", []):
                if r["name"] in total:
                    total[r["name"]] += r["scalar"]["value"]
        self.agent.launcher.limit(self.id, max(total["cpus"], 0.01), max(total["mem"], 32))

    # ---- what goes to the executor

    def send(self, event):
        kind = event["type"]
        event = fill("Event", event)
        self.note("->", kind, event)
        data = json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode()
        return self.stream.send(data) if self.stream else False

    def subscribed(self):
        agent = self.agent
        resources = [scalar("cpus", 2.0), scalar("mem", 4096.0), scalar("disk", 20480.0), ranges("ports", [(31000, 32000)])]
        for r in resources:
            del r["allocation_info"]
        return {"type": "SUBSCRIBED", "subscribed": {
            "executor_info": self.executor,
            "framework_info": {"user": "root", "name": "stand-in", "id": {"value": agent.framework_id},
                               "failover_timeout": 0.0, "checkpoint": agent.checkpoint, "roles": ["*"],
                               "capabilities": [{"type": x} for x in agent.capabilities]},
            "agent_info": {"hostname": "127.0.0.1", "port": agent.port, "resources": resources,
                           "id": {"value": agent.agent_id}},
            "container_id": {"value": self.id}}}

    def complete(self, t):
        """A task as the agent hands it on: with its agent, its executor and the defaults."""
        return fill("TaskInfo", {"agent_id": {"value": self.agent.agent_id}, "executor": self.executor, **t})

    def launch(self, *tasks, group=False):
        """LAUNCH for each, or one LAUNCH_GROUP; at once, or as soon as the executor subscribes."""
        with self.lock:
            if self.state != "RUNNING" or not self.stream:
                self.queue.append((tasks, group))
                return
            self.set_limits(tasks)
            full = [self.complete(t) for t in tasks]
            for t in full:
                self.ledger.launch(t)
            if group:
                events = [(full, {"type": "LAUNCH_GROUP", "launch_group": {"task_group": {"tasks": full}}})]
            else:
                events = [([t], {"type": "LAUNCH", "launch": {"task": t}}) for t in full]
            for about, event in events:
                if not self.send(event):
                    self.ledger.lost(about)

    def launch_queued(self):
        queue, self.queue = self.queue, []
        for tasks, group in queue:
            self.launch(*tasks, group=group)

    def kill(self, task_id=None, grace=None):
        with self.lock:
            task_id = task_id or next(iter(self.ledger.tasks), "task-1")
            self.ledger.kill(task_id)
            policy = {} if grace is None else {"kill_policy": {"grace_period": nanoseconds(grace)}}
            self.send({"type": "KILL", "kill": {"task_id": {"value": task_id}, **policy}})

    def acknowledge(self, task_id, number):
        with self.lock:
            event = {"type": "ACKNOWLEDGED", "acknowledged": {"task_id": {"value": task_id}, "uuid": number}}
            if self.send(event) and number in self.ledger.updates:
                self.ledger.acknowledge(number)

    def message(self, data):
        with self.lock:
            self.send({"type": "MESSAGE", "message": {"data": base64.b64encode(data).decode()}})

    def error(self, text):
        with self.lock:
            self.send({"type": "ERROR", "error": {"message": text}})

    def heartbeat(self):
        with self.lock:
            self.send({"type": "HEARTBEAT"})

    def raw(self, data):
        """Any bytes, as a record."""
        with self.lock:
            self.note("->", f"a record of {len(data)} bytes")
            self.stream.send(data)

    def garbage(self, data):
        """Any bytes, where a record should begin."""
        with self.lock:
            self.note("->", f"{data[:40]!r}")
            self.stream.write([data])

    def shutdown(self):
        """SHUTDOWN. After the grace period the container is destroyed, whatever the executor does."""
        with self.lock:
            self.state = "TERMINATING"
            self.send({"type": "SHUTDOWN"})
            self.after(seconds(self.grace), self.destroy, "did not end within the grace period")

    def cut(self, reset=False):
        """Cuts the stream, as the network would."""
        with self.lock:
            if self.stream:
                self.note("agent", "cuts the stream")
                self.stream.end(reset)

    # ---- what comes from the executor

    def subscribe(self, call, connection):
        """Answers SUBSCRIBE on this connection, and keeps it."""
        with self.lock:
            if self.stream and self.stream.open:
                self.note("agent", "closes the old stream")
                self.stream.end(politely=True)
            new = self.ledger.subscribe(call)
            first, self.state = self.state == "REGISTERING", "RUNNING"
            cut = self.agent.cuts.pop(0) if self.agent.cuts else None
            self.stream = wire.Stream(connection, self.agent.framing, cut, self.agent.reset)
            self.subscribed_at.append(time.time())
            self.stream.start()
            if self.agent.recorded:
                self.raw(self.agent.recorded)
            else:
                self.send(self.subscribed())
            for status in new:
                self.take(status, fresh=False)
            for update in call["subscribe"].get("unacknowledged_updates", []):
                self.acknowledge_by_policy(update["status"])
            if not first:
                self.lose_unknown(call)
            self.launch_queued()
            self.condition.notify_all()

    def lose_unknown(self, call):
        """Tasks that were launched, and of which the executor does not know: the event got lost."""
        listed = {t["task_id"]["value"] for t in call["subscribe"].get("unacknowledged_tasks", [])}
        for name in self.ledger.tasks:
            if name not in listed and not any(s["task_id"]["value"] == name for s in self.statuses):
                self.synthesise(name, "TASK_LOST", "REASON_AGENT_RESTARTED", "Task launched during agent restart")

    def stream_over(self, connection):
        with self.lock:
            if self.stream and self.stream.connection is connection:
                self.stream.open = False
                self.ledger.stream_ended = time.time()
                self.note("agent", "the stream has ended")

    def take(self, status, fresh=True):
        """A status update. The acknowledgement is for whoever calls this, when it has been answered."""
        with self.lock:
            self.note("<-", status["state"], status)
            if self.ledger.update(status, fresh):
                self.publish({**status})

    def acknowledge_by_policy(self, status):
        with self.lock:
            self.agent.acks(self, status["task_id"]["value"], status["uuid"])

    def publish(self, status):
        """What the scheduler gets to see: completed by the agent; after a terminal one, nothing."""
        if any(s["task_id"] == status["task_id"] and s["state"] in TERMINAL for s in self.statuses):
            return
        about = {**status.get("container_status", {})}
        about["container_id"] = {"value": self.id}
        about["executor_pid"] = self.process.pid
        about.setdefault("network_infos", [{"ip_addresses": [{"ip_address": "127.0.0.1"}]}])
        self.statuses.append({**status, "container_status": about, "_time": time.time()})
        self.condition.notify_all()

    def synthesise(self, name, state, reason, message):
        if any(s["task_id"]["value"] == name and s["state"] in TERMINAL for s in self.statuses):
            return
        self.note("agent", f"{name} {state} {reason}")
        self.publish({"task_id": {"value": name}, "state": state, "reason": reason, "message": message,
                      "source": "SOURCE_AGENT", "timestamp": time.time()})

    # ---- the end

    def after(self, delay, function, *arguments):
        timer = threading.Timer(delay, function, arguments)
        timer.daemon = True
        timer.start()

    def registration_over(self):
        if self.state == "REGISTERING":
            self.end_tasks("TASK_FAILED", "REASON_EXECUTOR_REGISTRATION_TIMEOUT", "Executor did not register")
            self.destroy("did not register in time")

    def out_of_memory(self):
        self.end_tasks("TASK_FAILED", "REASON_CONTAINER_LIMITATION_MEMORY", "Memory limit exceeded")
        self.destroy("ran out of memory")

    def end_tasks(self, state, reason, message):
        with self.lock:
            names = list(self.ledger.tasks) + [t["task_id"]["value"] for ts, _ in self.queue for t in ts]
            for name in names:
                self.synthesise(name, state, reason, message)

    def destroy(self, why):
        """By the launcher: the agent's last word."""
        with self.lock:
            if self.destroyed:
                return
            self.reason = why
            self.note("agent", f"destroys the container: {why}")
        with self.destroying:
            self.ledger.violations += self.agent.launcher.destroy(self.id, self.process.pid)

    def wait_process(self):
        code = self.process.wait()
        self.note("agent", f"the executor has ended with {code}")
        with self.destroying:
            self.ledger.violations += self.agent.launcher.destroy(self.id, self.process.pid)
        with self.lock:
            self.destroyed, self.exit_code, self.state = True, code, "TERMINATED"
            if self.stream:
                self.stream.end()
        # What it has sent last may still be on its way through our own threads.
        time.sleep(0.1)
        with self.lock:
            self.end_tasks("TASK_FAILED", "REASON_EXECUTOR_TERMINATED", "Executor terminated")
            self.exited = True
            self.condition.notify_all()

    # ---- for tests

    @property
    def violations(self):
        return self.ledger.violations

    def note(self, who, text, data=None):
        self.log.append((time.time() - self.log_since, who, text, data))

    def executor_pid(self):
        return launchers.executor(self.process.pid) if self.process else None

    def kill_executor(self, number=signal.SIGKILL):
        pid = self.executor_pid()
        if pid:
            os.kill(pid, number)
        return pid

    def wait(self, timeout, what, condition):
        """Until CONDITION() is neither None nor False; returns that."""
        end = time.time() + timeout
        with self.lock:
            while (value := condition()) in (None, False):
                left = end - time.time()
                if left <= 0:
                    raise AssertionError(f"not within {timeout} s: {what}")
                # Not everything that is waited for is told of by the condition.
                self.condition.wait(min(left, 0.05))
            return value

    def find(self, state, task_id=None, check=None):
        for s in self.statuses:
            if s["state"] == state and task_id in (None, s["task_id"]["value"]) and (check is None or check(s)):
                return s
        return None

    def status(self, state, task_id=None, timeout=20, check=None):
        """The first status update of that state. Another terminal one is a failure, at once."""
        def look():
            found = self.find(state, task_id, check)
            if found:
                return found
            for s in self.statuses:
                if s["state"] in TERMINAL and task_id in (None, s["task_id"]["value"]) and (task_id or len(self.ledger.tasks) < 2):
                    raise AssertionError(f"wanted {state}, got {s['state']} {s.get('reason', '')}: {s.get('message', '')}")
            return None
        return self.wait(timeout, f"{state} of {task_id or 'the task'}", look)

    def states(self, task_id=None):
        return [s["state"] for s in self.statuses if task_id in (None, s["task_id"]["value"])]

    def wait_exit(self, timeout=20):
        self.wait(timeout, "the end of the executor", lambda: self.exited)
        return self.exit_code

    def wait_subscribed(self, times=1, timeout=20):
        self.wait(timeout, f"{times} subscriptions", lambda: len(self.subscribed_at) >= times)

    def wait_acknowledged(self, timeout=20):
        """Until every update that has come is acknowledged."""
        self.wait(timeout, "acknowledgements", lambda: all(u.acknowledged for u in self.ledger.updates.values()))

    def story(self):
        """All that happened, for whoever has to find out why a test has failed."""
        lines = []
        for when, who, text, data in self.log[-80:]:
            lines.append(f"{when:8.3f} {who:5} {text}" + (f" {json.dumps(data)[:600]}" if data and who == "<-" else ""))
        for name in ("stdout", "stderr"):
            path = f"{self.sandbox}/{name}"
            if os.path.exists(path):
                with open(path, errors="replace") as f:
                    lines += [f"{name}: {x.rstrip()[:300]}" for x in f.readlines()[-12:]]
        return lines + [f"violation: {x}" for x in self.violations]


# ---- the agent -----------------------------------------------------------------------------------

class Agent:
    """See the top of the file. Options are attributes, and may be changed while it runs:

    framing, cuts, reset    how streams are written (wire.py); cuts is a list of lengths, one a stream
    acks                    what becomes of acknowledgements
    recorded                bytes that are sent as SUBSCRIBED
    answers                 {call type: [code, ...]}: how the next such calls are answered, whatever they say
    """

    real = False

    def __init__(self, work_dir, transport="tcp", token=None, checkpoint=False, capabilities=("MULTI_ROLE",),
                 recovery_timeout="15mins", backoff="2secs", grace="5secs", launcher=None, environment=None,
                 framing=wire.one, acks=None, registration_timeout=60, starting=True):
        self.work_dir, self.transport, self.token, self.checkpoint = work_dir, transport, token, checkpoint
        self.capabilities, self.recovery_timeout, self.backoff, self.grace = capabilities, recovery_timeout, backoff, grace
        self.launcher, self.environment = launcher or launchers.Posix(), environment or {}
        self.framing, self.acks, self.cuts, self.reset, self.answers = framing, acks or Acks(), [], False, {}
        self.registration_timeout, self.starting, self.recorded = registration_timeout, starting, None
        self.agent_id, self.framework_id = f"{uuid.uuid4()}-S0", f"{uuid.uuid4()}-0000"
        self.lock = threading.RLock()
        self.condition = threading.Condition(self.lock)
        self.containers, self.servers, self.port, self.socket_path = [], [], 0, None
        self.complaints, self.tls, self.ca_file, self.recovering_until = [], None, None, 0
        os.makedirs(work_dir, exist_ok=True)
        if transport == "tls":
            self.make_certificate()
        if transport == "unix":
            self.socket_path = f"{work_dir}/agent.sock"
        self.listen()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    @property
    def endpoint(self):
        return f"127.0.0.1:{self.port}"

    def make_certificate(self):
        self.ca_file, key = f"{self.work_dir}/agent.crt", f"{self.work_dir}/agent.key"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=agent",
                        "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", self.ca_file],
                       check=True, capture_output=True)
        self.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.tls.load_cert_chain(self.ca_file, key)

    # ---- up and down

    def listen(self):
        addresses = [("127.0.0.1", self.port)]
        if self.socket_path:
            if os.path.exists(self.socket_path):
                os.unlink(self.socket_path)
            addresses.append(self.socket_path)
        for address in addresses:
            tls = self.tls if address != self.socket_path else None
            self.servers.append(wire.Server(self.handle, address, tls, self.complain, lambda text: None, self.gone))
        self.port = self.servers[0].address[1]
        if self.socket_path:
            os.chmod(self.socket_path, 0o666)

    def stop(self, reset=False):
        """The agent's process dies. Executors, sandboxes and groups stay."""
        servers, self.servers = self.servers, []
        for server in servers:
            server.close(reset)
        with self.lock:
            for c in self.containers:
                if c.stream:
                    c.stream.end(reset)
                    c.ledger.stream_ended = time.time()

    def start(self, booting=0, refuse=503, recovery=2.0):
        """It is back. First it answers everything with REFUSE; then it recovers: executors may only
        subscribe, and those that have not when that is over are destroyed."""
        self.booting_until, self.boot_code = time.time() + booting, refuse
        self.recovering_until = self.booting_until + recovery
        started = time.time()
        self.listen()
        for c in self.containers:
            if not c.exited:
                c.after(booting + recovery, self.too_late, c, started)

    def restart(self, down=0.2, reset=False, **how):
        self.stop(reset)
        time.sleep(down)
        self.start(**how)

    booting_until, boot_code = 0, 503

    def too_late(self, container, started):
        if container.exited or not self.checkpoint or any(t > started for t in container.subscribed_at):
            return
        container.end_tasks("TASK_LOST", "REASON_EXECUTOR_REREGISTRATION_TIMEOUT",
                            "Executor did not reregister within the timeout")
        container.destroy("did not subscribe again in time")

    def close(self):
        for c in self.containers:
            if not c.exited:
                c.destroy("the test is over")
        for c in self.containers:
            try:
                c.wait_exit(10)
            except AssertionError as e:
                c.ledger.complain(str(e))
        self.stop()

    # ---- executors

    def run(self, command, *tasks, executor=None, files=None, group=False, variables=None):
        """Starts an executor with `sh -c COMMAND` for these tasks; `files` are what the fetcher would
        have put into its sandbox."""
        about = {"executor_id": {"value": f"exec-{len(self.containers) + 1}"}, "name": "exec",
                 "resources": [scalar("cpus", 0.1), scalar("mem", 32.0)], **(executor or {})}
        about["command"] = {"value": command, **about.get("command", {})}
        if variables:
            about["command"]["environment"] = {"variables": [{"name": k, "value": v} for k, v in variables.items()]}
        c = Container(self, about, tasks, group)
        with self.lock:
            self.containers.append(c)
        c.start(files or {})
        return c

    def forget(self, container):
        """The agent does not know the executor any more, as after a start without its state."""
        with self.lock:
            self.containers.remove(container)

    # ---- calls

    def complain(self, text):
        with self.lock:
            (self.containers[-1].violations if self.containers else self.complaints).append(text)

    def find(self, request):
        """The container that a call is of, or is meant to be of."""
        try:
            name = json.loads(request.body)["executor_id"]["value"]
        except (ValueError, KeyError, TypeError):
            name = None
        known = [c for c in self.containers if c.executor_id == name]
        return known[0] if known else (self.containers[0] if len(self.containers) == 1 else None)

    def scripted(self, kind):
        """How this call is to be answered, if the test or the agent's own state says so."""
        now = time.time()
        with self.lock:
            if self.answers.get(kind):
                return self.answers[kind].pop(0), "as the test says"
            if now < self.booting_until:
                return self.boot_code, "Agent has not finished recovery"
            if now < self.recovering_until and kind != "SUBSCRIBE":
                return 503, "Agent has not finished recovery"
        return None

    def handle(self, request, connection):
        container = self.find(request)
        if container:
            container.ledger.request(request)
        try:
            kind = json.loads(request.body)["type"]
        except (ValueError, KeyError, TypeError):
            kind = ""
        wrong = http_verdict(request, PREFIX, self.token) or self.scripted(kind)
        if wrong:
            if container:
                container.note("agent", f"answers {kind} with {wrong[0]}")
                if wrong[0] not in (503, 404) and "test says" not in wrong[1]:
                    container.ledger.complain(f"{kind}: {wrong[0]} {wrong[1]}")
            return connection.answer(request, *wrong)
        return self.call(request, connection, container)

    def call(self, request, connection, container):
        known = container and container in self.containers
        call, wrong = call_verdict(request.body, self.framework_id, container.executor_id if known else "")
        if not wrong and call["type"] not in ("SUBSCRIBE", "HEARTBEAT") and container.state == "REGISTERING":
            wrong = 403, "Executor is not subscribed"
        if wrong:
            self.complain(f"{wrong[0]} {wrong[1]}: {request.body[:500]!r}")
            return connection.answer(request, *wrong)
        container.ledger.call(call)
        if call["type"] == "SUBSCRIBE":
            container.note("<-", "SUBSCRIBE", call)
            container.subscribe(call, connection)
            return True
        if call["type"] == "UPDATE":
            # Before the answer: the next one may come by another connection.
            container.take(call["update"]["status"])
        elif call["type"] == "MESSAGE":
            container.note("<-", "MESSAGE", call["message"])
        stays = connection.answer(request, 202)
        if call["type"] == "UPDATE":
            container.acknowledge_by_policy(call["update"]["status"])
        return stays

    def gone(self, connection):
        for c in list(self.containers):
            c.stream_over(connection)

    def remove(self):
        shutil.rmtree(self.work_dir, ignore_errors=True)
