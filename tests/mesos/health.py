#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""health.py - Mesos health checks and checks: what is probed, when, and what is told of it."""
import os
import subprocess
import sys
import time

sys.path.insert(0, f"{os.path.dirname(os.path.abspath(__file__))}/../mesos-agent")

from host import run_scenarios
from tap import equal, test

QUICK = {"delay_seconds": 0.5, "interval_seconds": 0.2, "timeout_seconds": 1, "grace_period_seconds": 0}
WEB = {"image": "nginx", "ports": ["80"]}
SLEEPER = {"command": ["sleep", "1000"], "init": True}


def health(kind, **more):
    return {**QUICK, "type": kind, "consecutive_failures": 2, **more}


def http(port=80, path="/", scheme="http", **more):
    return health("HTTP", http={"port": port, "path": path, "scheme": scheme}, **more)


def is_healthy(s):
    return s.get("healthy") is True


def is_sick(s):
    return s.get("healthy") is False


def done(c):
    c.kill(grace=1)
    c.status("TASK_KILLED")
    c.wait_exit()


def good(case, services, check, **about):
    c = case.launch(services, health_check=check, **about)
    told = c.status("TASK_RUNNING", check=is_healthy)
    equal(bool(told["container_status"]["network_infos"][0].get("ip_addresses")), True, "what was known is told again")
    time.sleep(1)
    equal([s.get("healthy") for s in c.statuses if s["state"] == "TASK_RUNNING"].count(True), 1, "health is told once")
    done(c)


def sick(case, services, check, failures=2, **about):
    """Killed after that many failures in a row, each of which is told."""
    c = case.launch(services, health_check=check, **about)
    killed = c.status("TASK_KILLED")
    equal(killed.get("healthy"), False)
    told = [s for s in c.statuses if s["state"] == "TASK_RUNNING" and is_sick(s)]
    equal(len(told) in (failures - 1, failures), True, f"{len(told)} failures told")
    c.wait_exit()


@test("HTTP: by the container's port, and by the host's")
def _(case):
    good(case, {"web": WEB}, http(80), ports=[31005])
    good(case, {"web": WEB}, http(31005), ports=[31005])


@test("HTTP: a page that is missing, and a port where nobody listens; the task is killed for it")
def _(case):
    sick(case, {"web": WEB}, http(80, "/missing"), ports=[31005])
    sick(case, {"web": WEB}, http(81), ports=[31005])


@test("HTTP: an answer that does not come in time is a failure")
def _(case):
    mute = {"command": ["sh", "-c", "while :; do nc -l -p 80 -e sleep 10; done"], "init": True}
    sick(case, {"it": mute}, http(80, timeout_seconds=0.3))


@test("HTTPS: whatever the certificate")
def _(case):
    directory = f"{case.directory}/tls"
    os.makedirs(directory)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=elsewhere",
                    "-keyout", f"{directory}/key", "-out", f"{directory}/crt"], check=True, capture_output=True)
    files = {name: open(f"{directory}/{name}").read() for name in ("key", "crt")}
    files["nginx.conf"] = ("events {} http { server { listen 443 ssl; ssl_certificate /tls/crt; ssl_certificate_key /tls/key; "
                           "location / { return 200 fine; } } }")
    web = {"image": "nginx", "ports": ["443"], "volumes": ["./key:/tls/key:ro", "./crt:/tls/crt:ro", "./nginx.conf:/tls/nginx.conf:ro"],
           "command": ["nginx", "-g", "daemon off;", "-c", "/tls/nginx.conf"], "entrypoint": []}
    good(case, {"web": web}, http(443, scheme="https"), ports=[31005], files=files)


@test("TCP")
def _(case):
    good(case, {"web": WEB}, health("TCP", tcp={"port": 80}), ports=[31005])
    sick(case, {"web": WEB}, health("TCP", tcp={"port": 81}), ports=[31005])


@test("COMMAND: in the container, with a shell and without")
def _(case):
    it = {"command": ["sh", "-c", "touch /here; sleep 1000"], "init": True}
    good(case, {"it": it}, health("COMMAND", command={"value": "test -e /here && test -d /proc/1"}))
    good(case, {"it": it}, health("COMMAND", command={"shell": False, "value": "test", "arguments": ["test", "-e", "/here"]}))
    sick(case, {"it": it}, health("COMMAND", command={"value": "exit 1"}))
    sick(case, {"it": it}, health("COMMAND", command={"value": "sleep 10"}, timeout_seconds=0.3))


@test("health that comes and goes: told each time")
def _(case):
    it = {"command": ["sh", "-c", "touch /ok; sleep 1; rm /ok; sleep 1; touch /ok; sleep 1000"], "init": True}
    c = case.launch({"it": it}, health_check=health("COMMAND", command={"value": "test -e /ok"}, consecutive_failures=50))
    c.status("TASK_RUNNING", check=is_healthy)
    c.status("TASK_RUNNING", check=is_sick)
    c.wait(10, "health again", lambda: is_healthy(c.statuses[-1]) and any(map(is_sick, c.statuses)))
    done(c)


@test("failures within the grace period do not count until it was healthy once")
def _(case):
    it = {"command": ["sh", "-c", "sleep 1.5; touch /ok; sleep 1000"], "init": True}
    c = case.launch({"it": it}, health_check=health("COMMAND", command={"value": "test -e /ok"}, grace_period_seconds=10))
    c.status("TASK_RUNNING", check=is_healthy)
    equal([s for s in c.statuses if is_sick(s)], [])
    done(c)


@test("a health check begins after its delay")
def _(case):
    c = case.launch({"it": SLEEPER}, health_check=health("COMMAND", command={"value": "true"}, delay_seconds=1))
    began = c.status("TASK_RUNNING")["_time"]
    equal(c.status("TASK_RUNNING", check=is_healthy)["_time"] - began > 0.8, True)
    done(c)


# ---- checks, which judge nothing -----------------------------------------------------------------

def check(kind, **more):
    return {"delay_seconds": 0.5, "interval_seconds": 0.2, "timeout_seconds": 1, "type": kind, **more}


def results(c, kind):
    return [s["check_status"].get(kind.lower()) for s in c.statuses]


def reports(case, services, about, kind, *wanted, **more):
    """The results come in that order, after an empty one, and each is told once."""
    c = case.launch(services, check=about, **more)
    c.wait(10, f"{wanted}", lambda: all(w in results(c, kind) for w in wanted))
    seen = results(c, kind)
    equal(seen[0], {}, "at first there is no result")
    equal([r for n, r in enumerate(seen) if n == 0 or seen[n - 1] != r], [{}, *wanted])
    equal(all(s["check_status"]["type"] == kind for s in c.statuses), True)
    done(c)


@test("check HTTP: the code, whatever it is")
def _(case):
    reports(case, {"web": WEB}, check("HTTP", http={"port": 80, "path": "/"}), "HTTP", {"status_code": 200}, ports=[31005])
    reports(case, {"web": WEB}, check("HTTP", http={"port": 31005, "path": "/missing"}), "HTTP", {"status_code": 404}, ports=[31005])


@test("check TCP: whether somebody is there")
def _(case):
    reports(case, {"web": WEB}, check("TCP", tcp={"port": 80}), "TCP", {"succeeded": True}, ports=[31005])
    reports(case, {"web": WEB}, check("TCP", tcp={"port": 81}), "TCP", {"succeeded": False}, ports=[31005])


@test("check COMMAND: the exit code, each time it changes")
def _(case):
    it = {"command": ["sh", "-c", "sleep 1.5; touch /later; sleep 1000"], "init": True}
    reports(case, {"it": it}, check("COMMAND", command={"command": {"value": "test -e /later && exit 42; exit 3"}}), "COMMAND",
            {"exit_code": 3}, {"exit_code": 42})


@test("a check and a health check at once")
def _(case):
    c = case.launch({"web": WEB}, ports=[31005], health_check=http(80), check=check("TCP", tcp={"port": 80}))
    c.status("TASK_RUNNING", check=lambda s: is_healthy(s) and s["check_status"].get("tcp") == {"succeeded": True})
    done(c)


run_scenarios()
