#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""hooks.py - executables of the operator's at the stages of a pod's life, and the two samples of examples/hooks."""
import json
import os
import shutil
import sys
import time

sys.path.insert(0, f"{os.path.dirname(os.path.abspath(__file__))}/../mesos-agent")

from host import EXECUTOR, TOP, run_scenarios, wait_for
from tap import Skip, contains, equal, test

SLEEPER = {"command": ["sleep", "1000"], "init": True}
FIRST = 'import json, os, sys\nstage, told = sys.argv[1], json.load(sys.stdin)\nhere = os.path.dirname(sys.argv[0])\n'
NOTE = 'open(f"{here}/.seen", "a").write(f"{os.path.basename(sys.argv[0])} {stage} {told.get(\'state\', \'\')}\\n")\n'


def hooks(case, **texts):
    """A directory of hooks; the variable that names it. What they note is in .seen."""
    directory = f"{case.directory}/hooks"
    os.mkdir(directory)
    for name, text in texts.items():
        path = f"{directory}/{name.replace('_', '-')}"
        with open(path, "w") as f:
            f.write(f"#!{sys.executable}\n{FIRST}{text}")
        os.chmod(path, 0o755)
    return directory, {"SLIPWAY_HOOKS_DIR": directory}


def seen(directory):
    path = f"{directory}/.seen"
    if not os.path.exists(path):
        return []
    with open(path) as f:
        return f.read().splitlines()


def output(c, service):
    path = f"{c.sandbox}/{service}/stdout"
    return wait_for(5, "its output", lambda: os.path.exists(path) and open(path).read())


@test("every stage is told, in its order, with what it is about")
def _(case):
    directory, variables = hooks(case, a=NOTE + 'json.dump(told, open(f"{here}/.{stage}", "w"))\n')
    c = case.launch({"it": SLEEPER}, variables=variables)
    c.status("TASK_RUNNING")
    wait_for(5, "post-launch", lambda: any("post-launch" in x for x in seen(directory)))
    c.kill()
    c.status("TASK_KILLED")
    c.wait_exit()
    stages = [x.split()[1] for x in seen(directory) if " status " not in x]
    equal(stages, ["pre-pull", "post-pull", "pre-launch", "post-launch", "pre-kill", "post-kill"])
    states = [x.split()[2] for x in seen(directory) if " status " in x]
    equal(states, ["TASK_STARTING", "TASK_RUNNING", "TASK_KILLED"])
    with open(f"{directory}/.pre-pull") as f:
        told = json.load(f)
    equal(told["tasks"][0]["task_id"]["value"], "task-1")
    equal(list(told["model"]["services"]), ["it"])
    equal(told["sandbox"], c.sandbox)


@test("what they print changes the project; each sees what the one before has done")
def _(case):
    patch = ('if stage == "pre-pull":\n'
             '    old = told["model"]["services"]["it"].get("environment", {}).get("WORD", "")\n'
             '    print(json.dumps({"services": {"it": {"environment": {"WORD": old + "%s", "GONE": None}}}}))\n')
    _, variables = hooks(case, a=patch % "first", b=patch % "second")
    c = case.launch({"it": {"command": ["sh", "-c", "echo $$WORD-$${GONE-none}"], "environment": {"GONE": "x"}}},
                    variables=variables)
    c.status("TASK_FINISHED")
    equal(output(c, "it"), "firstsecond-none\n")
    with open(f"{c.sandbox}/slipway/compose.yml") as f:
        contains(f.read(), "WORD: firstsecond")
    c.wait_exit()


@test("the label pluginorder says which, and in which order; one that is not there is a failure")
def _(case):
    directory, variables = hooks(case, a=NOTE, b=NOTE, c=NOTE)
    c = case.launch({"it": ["true"]}, variables=variables, labels={"pluginorder": "c,a"})
    c.status("TASK_FINISHED")
    c.wait_exit()
    equal([x.split()[0] for x in seen(directory) if "pre-pull" in x], ["c", "a"])
    for name in ("nobody", "../a"):
        c = case.launch({"it": ["true"]}, variables=variables, labels={"pluginorder": name})
        contains(c.status("TASK_FAILED")["message"], f"hook {name}: there is no executable of that name")
        c.wait_exit()


@test("one that fails, that takes too long, or prints nonsense, is the launch's failure")
def _(case):
    for name, text, said, labels in (
            ("bad", 'if stage == "pre-pull": sys.exit("no such team")', "hook bad pre-pull exited with 1: no such team", {}),
            ("slow", 'import time\nif stage == "post-pull": time.sleep(100)', "hook slow post-pull took longer than 1500 ms",
             {"slipway.hooks.timeout": "1500ms"}),
            ("odd", 'if stage == "pre-launch": print("{nonsense")', "hook odd pre-launch: what it printed is no merge patch", {})):
        directory = f"{case.directory}/{name}"
        os.mkdir(directory)
        with open(f"{directory}/{name}", "w") as f:
            f.write(f"#!{sys.executable}\n{FIRST}{text}\n")
        os.chmod(f"{directory}/{name}", 0o755)
        c = case.launch({"it": ["true"]}, variables={"SLIPWAY_HOOKS_DIR": directory}, labels=labels)
        failed = c.status("TASK_FAILED")
        contains(failed["message"], said)
        equal(failed["reason"], "REASON_CONTAINER_LAUNCH_FAILED")
        c.wait_exit()


@test("a patch that makes the project wrong is told as that")
def _(case):
    _, variables = hooks(case, a='if stage == "pre-pull": print(json.dumps({"services": {"it": {"mem_limit": "12q"}}}))\n')
    c = case.launch({"it": ["true"]}, variables=variables)
    failed = c.status("TASK_FAILED")
    equal(failed["reason"], "REASON_TASK_INVALID")
    contains(failed["message"], "services.it.mem_limit")
    c.wait_exit()


@test("a kill does not wait for a hook before the launch; what the hook has started ends with it")
def _(case):
    _, variables = hooks(case, a='import subprocess\nif stage == "pre-pull": subprocess.run(["sleep", "1000"])\n')
    c = case.launch({"it": SLEEPER}, variables=variables)
    c.status("TASK_STARTING")
    time.sleep(0.3)
    start = time.time()
    c.kill()
    c.status("TASK_KILLED")
    equal(time.time() - start < 2, True, f"took {time.time() - start:.1f} s")
    c.wait_exit()


@test("a hook that takes all the time of a shutdown: the executor ends in it all the same, with the pod", stand_in=True)
def _(case):
    _, variables = hooks(case, a='import time\nif stage == "pre-kill": time.sleep(100)\n')
    c = case.launch({"it": SLEEPER}, variables=variables, labels={"slipway.hooks.timeout": "60s"})
    c.status("TASK_RUNNING")
    c.shutdown()
    equal(c.wait_exit(), 1)
    equal(c.reason, None, "the agent did not have to")
    case.host.assert_clean()


@test("what a hook has started is killed while the hook's process number is still its own")
def _(case):
    strace = shutil.which("strace")
    if not strace:
        raise Skip("needs strace")
    _, variables = hooks(case, a=NOTE)
    trace = f"{case.directory}/trace"
    c = case.launch({"it": ["true"]}, variables=variables, command=f"exec {strace} -o {trace} -e trace=kill {EXECUTOR}")
    c.status("TASK_FINISHED")
    c.wait_exit()
    with open(trace) as f:
        kills = [x for x in f.read().splitlines() if x.startswith("kill(-")]
    equal(len(kills) >= 6, True, f"{len(kills)} groups were killed")
    equal([x for x in kills if "ESRCH" in x], [], "the group of a hook that was reaped may be another's")


@test("sample: images come from a mirror")
def _(case):
    host, _, rest = case.image("busybox").partition("/")
    c = case.launch(json.dumps({"services": {"it": {"image": f"example.org/{rest}", "command": ["echo", "mirrored"]}}}),
                    variables={"SLIPWAY_HOOKS_DIR": f"{TOP}/examples/hooks", "MIRROR": host, "REGISTRY": "example.org"})
    c.status("TASK_FINISHED")
    equal(output(c, "it"), "mirrored\n")
    c.wait_exit()


@test("sample: where a task's ports are is announced while it runs")
def _(case):
    directory = f"{case.directory}/announced"
    os.mkdir(directory)
    c = case.launch({"web": {"image": "nginx", "ports": ["80"]}}, ports=[31005],
                    variables={"SLIPWAY_HOOKS_DIR": f"{TOP}/examples/hooks", "ANNOUNCE_DIR": directory})
    c.status("TASK_RUNNING")
    wait_for(5, "the announcement", lambda: os.path.exists(f"{directory}/task-1.json"))
    with open(f"{directory}/task-1.json") as f:
        equal(json.load(f)["ports"], {"web": [{"port": 80, "host_port": 31005, "protocol": "tcp"}]})
    c.kill()
    c.status("TASK_KILLED")
    c.wait_exit()
    equal(os.listdir(directory), [])


run_scenarios()
