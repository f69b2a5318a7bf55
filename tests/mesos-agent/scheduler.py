# SPDX-License-Identifier: Apache-2.0
"""scheduler.py - the scenarios on a real master and agent, driven by a scheduler of ours.

RealAgent has of Agent (agent.py) what scenarios use that are not marked as the stand-in's. It starts
the mesos-master and mesos-agent of an installation on the loopback interface, with everything they
write below one directory. Each run of an executor is a framework of its own (Scheduler, by the v1
HTTP API), so that a teardown, which makes the agent shut an executor down, is that of one scenario.
What is seen is what a scheduler sees: the real contract.
"""
import http.client
import json
import os
import signal
import subprocess
import threading
import time

import launchers
from agent import Container, scalar
from protocol import TERMINAL, fill, nanoseconds, seconds

RESOURCES = "cpus:16;mem:16384;disk:16384;ports:[31000-32000]"


# ---- a scheduler ---------------------------------------------------------------------------------

class Scheduler:
    """One framework."""

    def __init__(self, master, framework, on_event):
        self.master, self.on_event = master, on_event
        self.framework_id, self.stream_id, self.open = None, None, True
        body = json.dumps({"type": "SUBSCRIBE", "subscribe": {"framework_info": framework}})
        self.connection = http.client.HTTPConnection(*master, timeout=None)
        self.connection.request("POST", "/api/v1/scheduler", body, {"Content-Type": "application/json", "Accept": "application/json"})
        self.stream = self.connection.getresponse()
        if self.stream.status != 200:
            raise AssertionError(f"SUBSCRIBE: {self.stream.status} {self.stream.read()!r}")
        self.stream_id = self.stream.getheader("Mesos-Stream-Id")

    def start(self):
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        """Records, until the connection ends."""
        try:
            while size := self.stream.readline():
                event = json.loads(self.stream.read(int(size)))
                if event["type"] == "SUBSCRIBED":
                    self.framework_id = event["subscribed"]["framework_id"]
                self.on_event(event)
        except (OSError, ValueError, http.client.HTTPException):
            pass
        self.open = False

    def call(self, kind, **more):
        """One call, on a connection of its own."""
        connection = http.client.HTTPConnection(*self.master, timeout=10)
        body = json.dumps({"framework_id": self.framework_id, "type": kind, **more})
        connection.request("POST", "/api/v1/scheduler", body, {
            "Content-Type": "application/json", "Accept": "application/json", "Mesos-Stream-Id": self.stream_id})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        if answer.status != 202:
            raise AssertionError(f"{kind}: {answer.status} {text!r}")


# ---- one executor --------------------------------------------------------------------------------

class RealContainer:
    """One framework with one executor; what Container (agent.py) is on the stand-in."""

    status, states, find, wait, story_of = Container.status, Container.states, Container.find, Container.wait, Container.story

    def __init__(self, agent, executor, tasks, group):
        self.agent, self.executor, self.group = agent, executor, group
        self.executor_id = executor["executor_id"]["value"]
        self.tasks = {t["task_id"]["value"]: t for t in tasks}
        self.pending = list(tasks)
        self.lock = threading.RLock()
        self.condition = threading.Condition(self.lock)
        self.statuses, self.log, self.violations, self.log_since = [], [], [], time.time()
        self.reason, self.exited, self.exit_code, self.torn_down = None, False, None, False
        capabilities = sorted({"MULTI_ROLE", *agent.capabilities})
        self.scheduler = Scheduler(agent.master, {
            "user": "root", "name": "slipway-test", "roles": ["*"], "checkpoint": agent.checkpoint, "failover_timeout": 60.0,
            "capabilities": [{"type": x} for x in capabilities]}, self.event)
        self.scheduler.start()

    @property
    def ledger(self):
        """What Container.status asks it for."""
        return self

    def note(self, who, text, data=None):
        self.log.append((time.time() - self.log_since, who, text, data))

    def event(self, event):
        with self.lock:
            kind = event["type"]
            if kind not in ("HEARTBEAT", "OFFERS"):
                self.note("<-", kind, event)
            if kind == "OFFERS":
                self.offers(event["offers"]["offers"])
            elif kind == "UPDATE":
                self.update(event["update"]["status"])
            elif kind == "FAILURE" and event["failure"].get("executor_id", {}).get("value") == self.executor_id:
                self.exit_code = event["failure"].get("status", 0) >> 8
            elif kind == "ERROR":
                self.violations.append(event["error"]["message"])
            self.condition.notify_all()

    def offers(self, offers):
        """Takes the first that comes while there is something to launch; the rest is declined."""
        for n, offer in enumerate(offers):
            if n or not self.pending:
                self.scheduler.call("DECLINE", decline={"offer_ids": [offer["id"]], "filters": {"refuse_seconds": 5.0}})
                continue
            executor = {**self.executor, "framework_id": self.scheduler.framework_id}
            infos = [{**t, "agent_id": offer["agent_id"]} for t in self.pending]
            if self.group:
                operation = {"type": "LAUNCH_GROUP", "launch_group": {"executor": executor, "task_group": {"tasks": infos}}}
            else:
                operation = {"type": "LAUNCH", "launch": {"task_infos": [{**t, "executor": executor} for t in infos]}}
            self.pending = []
            self.note("->", "LAUNCH")
            # Infinity is no JSON; as a string it is understood.
            text = json.loads(json.dumps(operation), parse_constant=str)
            self.scheduler.call("ACCEPT", accept={"offer_ids": [offer["id"]], "operations": [text], "filters": {"refuse_seconds": 0.1}})

    def update(self, status):
        if "uuid" in status:
            self.scheduler.call("ACKNOWLEDGE", acknowledge={k: status[k] for k in ("agent_id", "task_id", "uuid")})
        # Whatever comes again is told once.
        if status.get("uuid") is None or status["uuid"] not in [s.get("uuid") for s in self.statuses]:
            self.statuses.append({**status, "_time": time.time()})

    # ---- for tests

    def kill(self, task_id=None, grace=None):
        policy = {} if grace is None else {"kill_policy": {"grace_period": nanoseconds(grace)}}
        self.note("->", "KILL")
        self.scheduler.call("KILL", kill={"task_id": {"value": task_id or next(iter(self.tasks))}, **policy})

    def shutdown(self):
        """A teardown. The framework does not hear any more of its tasks."""
        self.torn_down = True
        self.note("->", "TEARDOWN")
        self.scheduler.call("TEARDOWN")

    def processes(self):
        """The executor's, by what the agent has put into its environment."""
        mark = f"MESOS_FRAMEWORK_ID={self.scheduler.framework_id['value']}".encode()
        found = []
        for pid in launchers.processes():
            try:
                with open(f"/proc/{pid}/environ", "rb") as f:
                    if mark in f.read().split(b"\0"):
                        found.append(pid)
            except OSError:
                pass
        return found

    def executor_pid(self):
        return next((p for p in self.processes() if launchers.name(p).startswith("slipway-execut")), None)

    @property
    def process(self):
        """Something with a pid: the agent's launch helper, of which the shell and the executor descend."""
        status = next((s for s in self.statuses if "executor_pid" in s.get("container_status", {})), None)
        return subprocess.CompletedProcess([], 0) if not status else type("Helper", (), {"pid": status["container_status"]["executor_pid"]})

    def kill_executor(self, number=signal.SIGKILL):
        pid = self.executor_pid()
        if pid:
            os.kill(pid, number)
        return pid

    @property
    def sandbox(self):
        return os.path.realpath(f"{self.run_directory()}/latest")

    @property
    def id(self):
        return os.path.basename(self.sandbox)

    def run_directory(self):
        base = f"{self.agent.work_dir}/slaves"
        for agent_id in os.listdir(base):
            path = f"{base}/{agent_id}/frameworks/{self.scheduler.framework_id['value']}/executors/{self.executor_id}/runs"
            if os.path.isdir(path):
                return path
        raise AssertionError("there is no sandbox yet")

    def wait_subscribed(self, times=1, timeout=20):
        self.wait(timeout, "the executor", lambda: self.executor_pid() is not None)

    def wait_exit(self, timeout=30):
        def is_over():
            return not self.pending and not self.executor_pid() and (
                self.torn_down or self.exit_code is not None or any(s["state"] in TERMINAL for s in self.statuses))
        self.wait(timeout, "the end of the executor", is_over)
        self.exited = True
        return self.exit_code or 0

    def story(self):
        try:
            return self.story_of()
        except AssertionError:
            return [str(x) for x in self.log]


# ---- master and agent ----------------------------------------------------------------------------

class RealAgent:
    """A master and an agent, on loopback; options as Agent's, as far as a real one has them."""

    real = True

    def __init__(self, prefix, work_dir, launcher=None, environment=None, checkpoint=False, capabilities=("MULTI_ROLE",),
                 grace="5secs", recovery_timeout="15mins", backoff="2secs", registration_timeout=60, transport="tcp", **unknown):
        if unknown or transport not in ("tcp", "unix"):
            from tap import Skip
            raise Skip(f"a real agent has no {', '.join(unknown) or transport}")
        self.prefix, self.directory, self.work_dir = prefix, work_dir, f"{work_dir}/agent"
        self.launcher, self.checkpoint, self.capabilities = launcher, checkpoint, capabilities
        self.containers, self.complaints, self.closed = [], [], False
        self.flags = {
            "work_dir": self.work_dir, "runtime_dir": f"{work_dir}/runtime", "ip": "127.0.0.1", "port": "5051",
            "hostname": "127.0.0.1", "master": "127.0.0.1:5050", "resources": RESOURCES, "containerizers": "mesos",
            "executor_shutdown_grace_period": grace, "recovery_timeout": recovery_timeout,
            "executor_reregistration_timeout": backoff, "executor_registration_timeout": f"{registration_timeout:g}secs",
            "executor_environment_variables": json.dumps({**launcher.environment(), **(environment or {})}),
            "systemd_enable_support": "false", "launcher_dir": f"{prefix}/libexec/mesos", "fetcher_cache_dir": f"{work_dir}/fetch",
        }
        if isinstance(launcher, launchers.Linux):
            self.flags |= {"launcher": "linux", "isolation": "cgroups/cpu,cgroups/mem", "cgroups_hierarchy": launchers.CGROUPS,
                           "cgroups_root": launcher.root}
        else:
            self.flags |= {"launcher": "posix", "isolation": "posix/cpu,posix/mem"}
        if transport == "unix":
            self.flags |= {"http_executor_domain_sockets": "true", "domain_socket_location": f"{work_dir}/agent.sock"}
        os.makedirs(self.work_dir)
        self.master = ("127.0.0.1", 5050)
        self.master_process = self.start_program("mesos-master", {
            "ip": "127.0.0.1", "port": "5050", "hostname": "127.0.0.1", "work_dir": f"{work_dir}/master",
            "allocation_interval": "100ms"})
        self.wait_port(5050)
        self.agent_process = None
        self.start()

    def start_program(self, name, flags):
        path = next(p for p in (f"{self.prefix}/sbin/{name}", f"{self.prefix}/bin/{name}") if os.path.exists(p))
        command = [path, *(f"--{k}={v}" for k, v in flags.items())]
        if name == "mesos-agent" and os.path.exists(f"{launchers.CGROUPS}/unified/cgroup.procs"):
            # With both in sight the agent would take version 2, which here has no controllers.
            hide = f'umount {launchers.CGROUPS}/unified; exec "$@"'
            command = ["unshare", "--mount", "sh", "-c", hide, "sh", *command]
        log = open(f"{self.directory}/{name}.log", "ab")
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                                env={"PATH": os.environ["PATH"], "LIBPROCESS_IP": "127.0.0.1",
                                     "LD_LIBRARY_PATH": f"{self.prefix}/lib"})

    def wait_port(self, port, timeout=30):
        end = time.time() + timeout
        while True:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
                connection.request("GET", "/health" if port == 5050 else "/slave(1)/health")
                if connection.getresponse().status == 200:
                    return
            except OSError:
                pass
            if time.time() > end:
                raise AssertionError(f"nobody answers at port {port}")
            time.sleep(0.1)

    def start(self, **unused):
        self.agent_process = self.start_program("mesos-agent", self.flags)
        self.wait_port(5051)

    def stop(self, reset=False):
        """SIGKILL: executors and what the agent has written down stay."""
        self.agent_process.kill()
        self.agent_process.wait()

    def restart(self, down=0.2, **unused):
        self.stop()
        time.sleep(down)
        self.start()

    def run(self, command, *tasks, executor=None, files=None, group=False, variables=None):
        number = len(self.containers) + 1
        about = {"type": "CUSTOM", "executor_id": {"value": f"exec-{number}"}, "name": "exec",
                 "resources": [scalar("cpus", 0.1), scalar("mem", 32.0)], **(executor or {})}
        about["command"] = {"shell": True, "value": command, **about.get("command", {})}
        about["command"]["uris"] = self.uris(number, files or {})
        if variables:
            about["command"]["environment"] = {"variables": [{"name": k, "value": v} for k, v in variables.items()]}
        fill("ExecutorInfo", about) # ValueError: a member that there is not
        c = RealContainer(self, about, tasks, group)
        self.containers.append(c)
        return c

    def uris(self, number, files):
        """Files for the fetcher, which puts them into the sandbox by their names."""
        out = []
        for n, (name, content) in enumerate(files.items()):
            path = f"{self.directory}/files/{number}/{n}"
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as f:
                f.write(content.encode() if isinstance(content, str) else content)
            out.append({"value": f"file://{path}", "extract": False, "executable": False, "output_file": name})
        return out

    def close(self):
        if self.closed:
            return
        self.closed = True
        for c in self.containers:
            if not c.torn_down and c.scheduler.open and c.scheduler.framework_id:
                c.shutdown()
        for c in self.containers:
            try:
                c.wait_exit(seconds(self.flags["executor_shutdown_grace_period"]) + 15)
            except AssertionError as e:
                c.violations.append(str(e))
        # The agent has until here to remove the groups.
        time.sleep(0.5)
        for process in (self.agent_process, self.master_process):
            if process.poll() is None:
                process.kill()
                process.wait()
