#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""source.py - where the Compose project of a task comes from, and what is told of one that is no good."""
import json
import os
import struct
import sys

sys.path.insert(0, f"{os.path.dirname(os.path.abspath(__file__))}/../mesos-agent")

from agent import labels, scalar, task
from host import EXECUTOR, answers, encoded, run_scenarios, wait_for
from protocol import nanoseconds
from tap import contains, equal, test

SLEEPER = {"command": ["sleep", "1000"], "init": True}


def services(c):
    """Those of the effective project; empty as long as there is none."""
    inside, found = False, []
    for line in content(f"{c.sandbox}/slipway/compose.yml").splitlines():
        if not line.startswith(" "):
            inside = line == "services:"
        elif inside and line.startswith("  ") and line[2] != " " and line.rstrip().endswith(":"):
            found.append(line.strip().rstrip(":").strip('"'))
    return sorted(found)


def content(path):
    if not os.path.exists(path):
        return ""
    with open(path) as f:
        return f.read()


def runs(c, *names):
    c.status("TASK_RUNNING")
    equal(services(c), sorted(names))
    c.kill()
    c.status("TASK_KILLED")
    c.wait_exit()


def fails(c, reason, *parts):
    failed = c.status("TASK_FAILED")
    equal(failed.get("reason"), reason, failed.get("message", ""))
    for part in parts:
        contains(failed["message"], part)
    c.wait_exit()
    return failed


@test("label fileName: files of the sandbox, merged, with paths of their own folder")
def _(case):
    files = {"app/a.yml": case.pod({"one": {**SLEEPER, "volumes": ["./word:/word:ro"]}}), "app/b.yml": case.pod({"two": SLEEPER}),
             "app/word": "x", "compose.yml": case.pod({"wrong": SLEEPER})}
    runs(case.launch(files=files, labels={"fileName": "app/a.yml,app/b.yml"}), "one", "two")


@test("label fileName by its suffix, as Aurora has it; another that only contains the word is not it")
def _(case):
    files = {"a.yml": case.pod({"one": SLEEPER}), "b.yml": case.pod({"two": SLEEPER})}
    runs(case.launch(files=files, labels={"notfileName": "b.yml", "org.apache.aurora.metadata.fileName": "a.yml"}), "one")


@test("label slipway.compose, as text and in base64")
def _(case):
    text = case.pod({"one": SLEEPER})
    runs(case.launch(labels={"slipway.compose": text}), "one")
    runs(case.launch(labels={"slipway.compose": encoded(text)}), "one")


@test("SLIPWAY_COMPOSE_FILE, and the executor's arguments")
def _(case):
    files = {"a.yml": case.pod({"one": SLEEPER}), "b.yml": case.pod({"two": SLEEPER})}
    runs(case.launch(files=files, variables={"SLIPWAY_COMPOSE_FILE": "a.yml"}), "one")
    runs(case.launch(files=files, arguments="a.yml b.yml"), "one", "two")


@test("the data of a task, and of its executor")
def _(case):
    text = case.pod({"one": SLEEPER})
    runs(case.launch(data=text.encode()), "one")
    runs(case.launch(data=f"services:\n  one:\n    image: {case.image('busybox')}\n    command: sleep 1000\n    init: true\n".encode()), "one")
    runs(case.launch(executor={"data": encoded(text)}), "one")


def thrift(fields):
    """A struct in Thrift's binary protocol: {number: value}, where bytes and numbers and such say their type."""
    out = b""
    for number, value in fields.items():
        kind, data = thrift_value(value)
        out += struct.pack(">bh", kind, number) + data
    return out + b"\0"


def thrift_value(value):
    if isinstance(value, bool):
        return 2, struct.pack(">b", value)
    if isinstance(value, int):
        return 8, struct.pack(">i", value)
    if isinstance(value, str):
        return 11, struct.pack(">i", len(value.encode())) + value.encode()
    if isinstance(value, list): # of pairs: a map of strings to numbers
        body = b"".join(thrift_value(k)[1] + thrift_value(v)[1] for k, v in value)
        return 13, struct.pack(">bbi", 11, 8, len(value)) + body
    return 12, thrift(value)


def aurora(text, is_service, ports):
    """An AssignedTask."""
    return thrift({1: "www-data-prod-hello-0", 2: "slave-1", 3: "agenthost", 6: 0,
                   4: {7: is_service, 9: 1, 25: {1: "slipway", 2: text}}, 5: list(ports.items())})


@test("Aurora: the project of executorConfig, ports by name, and a service may not just end")
def _(case):
    web = {"image": "nginx", "ports": [{"target": 80, "name": "http"}]}
    data = aurora(case.pod({"web": web}), True, {"admin": 31007, "http": 31009})
    c = case.launch(data=data, ports=[31007, 31009], labels={"org.apache.aurora.tier": "preemptible"})
    c.status("TASK_RUNNING")
    answers(31009)
    c.kill()
    c.status("TASK_KILLED")
    c.wait_exit()
    for is_service, end in ((True, "TASK_FAILED"), (False, "TASK_FINISHED")):
        c = case.launch(data=aurora(case.pod({"it": ["true"]}), is_service, {}))
        c.status(end)
        c.wait_exit()


def docker(case, **more):
    return {"type": "DOCKER", "docker": {"image": case.image("nginx"), "network": "BRIDGE", "port_mappings": [
        {"host_port": 31005, "container_port": 80, "protocol": "tcp"}], **more}}


@test("an image in TaskInfo.container: DOCKER, with ports and volumes")
def _(case):
    os.mkdir(f"{case.directory}/data")
    c = case.launch(ports=[31005], container={**docker(case), "volumes": [
        {"mode": "RW", "container_path": "/data", "host_path": f"{case.directory}/data"}]})
    running = c.status("TASK_RUNNING")
    answers(31005)
    equal(running["container_status"]["network_infos"][0]["port_mappings"][0]["host_port"], 31005)
    c.kill()
    c.status("TASK_KILLED")
    c.wait_exit()


@test("an image in TaskInfo.container: parameters are options of docker run; others are refused by their names")
def _(case):
    given = [{"key": "hostname", "value": "webbox"}, {"key": "env", "value": "WORD=a$b"}, {"key": "label", "value": "x=y"}]
    c = case.launch(ports=[31005], container=docker(case, parameters=given))
    c.status("TASK_RUNNING")
    with open(f"{c.sandbox}/slipway/compose.yml") as f:
        text = f.read()
    for part in ("hostname: webbox", "WORD: a$$b", 'x: "y"', "MESOS_SANDBOX: /mnt/mesos/sandbox"):
        contains(text, part)
    c.kill()
    c.status("TASK_KILLED")
    c.wait_exit()
    for key, value, said in (("frobnicate", "1", "container.docker.parameters: --frobnicate is not supported"), ("blkio-weight", "10", "services.task.blkio_config: not supported")):
        c = case.launch(ports=[31005], container=docker(case, parameters=[{"key": key, "value": value}]))
        failed = c.status("TASK_FAILED")
        equal(failed["reason"], "REASON_TASK_INVALID")
        contains(failed["message"], said)
        c.wait_exit()


@test("an image in TaskInfo.container: MESOS")
def _(case):
    c = case.launch(container={"type": "MESOS", "mesos": {"image": {"type": "DOCKER", "docker": {"name": case.image("nginx")}}}})
    c.status("TASK_RUNNING")
    c.kill()
    c.status("TASK_KILLED")
    c.wait_exit()


@test("the only Compose file in the sandbox, by any of its names")
def _(case):
    for name in ("compose.yml", "compose.yaml", "docker-compose.yml", "docker-compose.yaml"):
        runs(case.launch(files={name: case.pod({"one": SLEEPER})}), "one")


@test("no project at all, and files that are not there")
def _(case):
    fails(case.launch(), "REASON_TASK_INVALID")
    fails(case.launch(labels={"fileName": "missing.yml"}), "REASON_TASK_INVALID", "missing.yml")
    fails(case.launch(labels={"fileName": "../../../../etc/passwd"}), "REASON_TASK_INVALID")


@test("what is wrong with a project is told with file and line")
def _(case):
    image = case.image("busybox")
    for text, line, part in ((f"services:\n  it:\n    image: {image}\n    comand: x\n", 4, "comand"),
                             (f"services:\n  it:\n    image: {image}\n    ports: [99999]\n", 4, "99999"),
                             ("services:\n  it: {image: [\n", 3, ""),
                             (f"services:\n  it:\n    image: {image}\n    privileged: true\n", 4, "privileged")):
        fails(case.launch(text), "REASON_TASK_INVALID", "compose.yml", f":{line}" if part != "privileged" else "", part)


@test("an image that is not there is a launch failure, which names it")
def _(case):
    quick = {"config.launchtask.retryinterval": "100ms"}
    fails(case.launch({"it": {"image": "no-such-image"}}, labels=quick), "REASON_CONTAINER_LAUNCH_FAILED", "no-such-image")


@test("a program that is not in its image is a launch failure, which names service and program")
def _(case):
    fails(case.launch({"it": ["/no/such/program"]}), "REASON_CONTAINER_LAUNCH_FAILED", "it", "/no/such/program")


@test("a registry that is not there is a launch failure, and is asked several times")
def _(case):
    project = json.dumps({"services": {"it": {"image": "127.0.0.1:9/nothing"}}})
    fails(case.launch(project, labels={"config.launchtask.retryinterval": "100ms"}), "REASON_CONTAINER_LAUNCH_FAILED", "127.0.0.1:9")


@test("variables: the task's, the ports', and nothing that is secret")
def _(case):
    c = case.launch({"it": ["env"]}, ports=[31005, 31006], variables={"FOO": "bar baz"})
    c.status("TASK_FINISHED")
    with open(f"{c.sandbox}/it/stdout") as f:
        env = dict(x.rstrip("\n").split("=", 1) for x in f if "=" in x)
    equal((env.get("PORT0"), env.get("PORT1")), ("31005", "31006"))
    equal([x for x in env if "TOKEN" in x], [])
    c.wait_exit()


@test("a token is not seen by what the executor runs, nor in its own environment", stand_in=True)
def _(case):
    case.agent(token="header.body.signature")
    c = case.launch({"it": ["sh", "-c", "env; sleep 1000"]})
    c.status("TASK_RUNNING")
    said = wait_for(5, "output", lambda: content(f"{c.sandbox}/it/stdout"))
    equal("PATH=" in said and "signature" not in said, True, said)
    with open(f"/proc/{c.executor_pid()}/environ") as f:
        equal("signature" in f.read(), False)
    c.kill()
    c.status("TASK_KILLED")
    c.wait_exit()


# ---- as frameworks send them ---------------------------------------------------------------------

@test("an app as Marathon sends it")
def _(case):
    app = {"executor_id": {"value": "marathon-demo_nginx.instance-1"}, "labels": labels({}),
           "command": {"environment": {"variables": [
               {"name": "PORT0", "value": "31005"}, {"name": "PORT", "value": "31005"}, {"name": "PORTS", "value": "31005,31006"},
               {"name": "HOST", "value": "agenthost"}, {"name": "MESOS_TASK_ID", "value": "demo_nginx.instance-1._app.1"},
               {"name": "MARATHON_APP_ID", "value": "/demo/nginx"}]}}}
    case.agent(checkpoint=True, capabilities=["TASK_KILLING_STATE"])
    c = case.launch({"web": {"image": "nginx", "ports": ["80"]}}, executor=app, ports=[31005, 31006],
                    command=f"chmod ug+rx '{EXECUTOR}' && exec '{EXECUTOR}'  ", name="demo_nginx.instance-1._app.1",
                    kill_policy={"grace_period": nanoseconds(10)}, labels={"HAPROXY_GROUP": "external"},
                    health_check={"type": "HTTP", "http": {"scheme": "http", "port": 31005, "path": "/"}, "delay_seconds": 0,
                                  "interval_seconds": 1, "grace_period_seconds": 5},
                    discovery={"visibility": "FRAMEWORK", "name": "demo-nginx", "ports": {"ports": [
                        {"number": 31005, "protocol": "tcp", "labels": labels({"network-scope": "host"})}]}},
                    limits={"cpus": {"value": float("inf")}, "mem": {"value": 512}})
    c.status("TASK_RUNNING", check=lambda s: s.get("healthy") is True)
    answers(31005)
    c.kill()
    c.status("TASK_KILLED")
    equal("TASK_KILLING" in c.states(), True)
    c.wait_exit()


def member(case, name, *command, image="busybox"):
    return task(name, cpus=0.1, mem=32.0, command={"shell": False, "value": command[0], "arguments": list(command)} if command else {"shell": False},
                container={"type": "MESOS", "mesos": {"image": {"type": "DOCKER", "docker": {"name": case.image(image)}}}})


DISK = {"resources": [scalar("cpus", 0.1), scalar("mem", 32.0), scalar("disk", 32.0)]}


@test("a task group: one pod with one network, an update for each task, over when all are")
def _(case):
    c = case.launch(group=[member(case, "web", image="nginx"),
                           member(case, "asks", "sh", "-c", "until wget -q -O - http://127.0.0.1/; do sleep 0.1; done")], executor=DISK)
    c.status("TASK_RUNNING", "web")
    c.status("TASK_FINISHED", "asks")
    equal(c.states("asks"), ["TASK_STARTING", "TASK_RUNNING", "TASK_FINISHED"])
    equal(c.states("web"), ["TASK_STARTING", "TASK_RUNNING"], "one that finishes does not end the rest")
    c.kill("web")
    c.status("TASK_KILLED", "web")
    c.wait_exit()


@test("a task group: one that fails ends the rest, which is told as killed")
def _(case):
    c = case.launch(group=[member(case, "good", "sleep", "1000"), member(case, "bad", "sh", "-c", "sleep 0.5; exit 3")], executor=DISK)
    contains(c.status("TASK_FAILED", "bad")["message"], "3")
    c.status("TASK_KILLED", "good")
    c.wait_exit()


@test("a task group: one that is killed ends the rest")
def _(case):
    c = case.launch(group=[member(case, "a", "sleep", "1000"), member(case, "b", "sleep", "1000")], executor=DISK)
    for name in "ab":
        c.status("TASK_RUNNING", name)
    c.kill("a", grace=1)
    for name in "ab":
        c.status("TASK_KILLED", name)
    c.wait_exit()


@test("a task group with a task twice, or with more tasks than there may be, is refused", stand_in=True)
def _(case):
    for names, said in (("aba", "the task 'a' is there twice"), ([f"t{n}" for n in range(257)], "257 tasks; there may be 256")):
        c = case.launch(group=[member(case, name, "true") for name in names], executor=DISK)
        for name in set(names):
            failed = c.status("TASK_FAILED", name)
            equal(failed["reason"], "REASON_TASK_INVALID")
            contains(failed["message"], said)
        c.wait_exit(5)


def sandbox_volume(path, target, **about):
    return {"mode": "RW", "container_path": target, "source": {"type": "SANDBOX_PATH", "sandbox_path": {"path": path, **about}}}


def with_volumes(member, *volumes):
    member["container"]["volumes"] = list(volumes)
    return member


@test("a path of the sandbox as a volume: a task's own, or its executor's")
def _(case):
    say = ("sh", "-c", "echo $0 >/own/word; echo $0 >>/shared/words; sleep 0.5; cat /own/word")
    a, b = (with_volumes(member(case, name, *say, name), sandbox_volume("own", "/own", type="SELF"),
                         sandbox_volume("shared/data", "/shared", type="PARENT")) for name in ("a", "b"))
    c = case.launch(group=[a, b], executor=DISK)
    for name in "ab":
        c.status("TASK_FINISHED", name)
        equal(content(f"{c.sandbox}/{name}/own/word"), f"{name}\n")
        equal(content(f"{c.sandbox}/{name}/stdout"), f"{name}\n")
    equal(sorted(content(f"{c.sandbox}/shared/data/words").split()), ["a", "b"])
    c.wait_exit()
    # of a single task the sandbox is its own
    single = {**docker(case), "volumes": [sandbox_volume("data", "/data", type="SELF")]}
    c = case.launch(ports=[31005], container=single)
    c.status("TASK_RUNNING")
    equal(os.path.isdir(f"{c.sandbox}/data"), True)
    c.kill()
    c.status("TASK_KILLED")
    c.wait_exit()


@test("a path of the sandbox as a volume: what leads out of it, and a parent that there is not, is refused")
def _(case):
    for volume, said in ((sandbox_volume("../x", "/x", type="SELF"), "'../x' leads out of the sandbox"),
                         (sandbox_volume("a/..", "/x", type="SELF"), "'a/..' leads out of the sandbox"),
                         (sandbox_volume("/etc", "/x", type="SELF"), "'/etc' is not relative to the sandbox"),
                         (sandbox_volume("x", "/x", type="PARENT"), "PARENT: only a task of a group has a parent"),
                         (sandbox_volume("x", "/x", type="AUNT"), "AUNT: there are SELF and PARENT"),
                         ({"mode": "RW", "container_path": "/x", "host_path": "../x"}, "'../x' leads out of the sandbox")):
        c = case.launch(ports=[31005], container={**docker(case), "volumes": [volume]})
        fails(c, "REASON_TASK_INVALID", "container.volumes[0]", said)


@test("a task group: names that the sandbox has already, or that are no names")
def _(case):
    names = ["stdout", "stderr", "slipway", "tasks", "stdout.1", "kept", "task-8", "no name", "again", "again"]
    group = [member(case, f"id-{n}", "sh", "-c", "echo $MESOS_TASK_ID") for n in range(len(names))]
    for t, name in zip(group, names):
        t["name"] = name
    c = case.launch(group=group, executor=DISK, files={"kept": "x"})
    for n in range(len(names)):
        c.status("TASK_FINISHED", f"id-{n}")
        equal(content(f"{c.sandbox}/tasks/id-{n}/stdout"), f"id-{n}\n")
    equal(content(f"{c.sandbox}/kept"), "x")
    equal(os.path.isdir(f"{c.sandbox}/again"), True)
    contains(content(f"{c.sandbox}/slipway/compose.yml"), "services:")
    c.wait_exit()


run_scenarios()
