#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""discovery.py - what proxies in front of tasks read: HAProxy balances two instances by a generated configuration."""
import json
import os
import shutil
import subprocess
import sys

sys.path.insert(0, f"{os.path.dirname(os.path.abspath(__file__))}/../mesos-agent")

from host import http_get, run_scenarios, wait_for
from tap import Skip, contains, equal, test

FRONT = """
global
	maxconn 100
defaults
	mode http
	timeout connect 2s
	timeout client 5s
	timeout server 5s
frontend front
	bind 127.0.0.1:8080
	default_backend web-80
"""


def ports(case, *arguments):
    return subprocess.run(["slipway", "ports", *arguments], check=True, capture_output=True, text=True,
                          env={**os.environ, "SLIPWAY_ROOT": case.host.root, "SLIPWAY_RUN": case.host.run_dir}).stdout


def instance(case, name, port):
    """A web server that answers with its name."""
    config = ("daemon off; pid /tmp/pid; error_log stderr; events {} "
              f"http {{ server {{ listen 80; return 200 '{name}\\n'; }} }}")
    c = case.launch({"web": {"image": "nginx", "ports": ["80"], "labels": {"app": "shop"}, "command": ["nginx", "-c", "/conf"],
                             "volumes": ["./conf:/conf:ro"]}}, ports=[port], files={"conf": config})
    c.status("TASK_RUNNING")
    return c


def answer():
    try:
        code, text = http_get(8080)
        return text.strip() if code == 200 else ""
    except OSError:
        return ""


@test("two instances of an app, and HAProxy before them by 'slipway ports --format haproxy'", stand_in=True)
def _(case):
    if not shutil.which("haproxy"):
        raise Skip("needs haproxy")
    first, second = instance(case, "first", 31005), instance(case, "second", 31006)
    listed = json.loads(ports(case, "--format", "json"))
    equal(sorted((x["Service"], x["Port"], x["PublishedPort"]) for x in listed), [("web", 80, 31005), ("web", 80, 31006)])
    equal(ports(case, "--filter", "label=app=other", "--format", "{{.Pod}}"), "")
    generated = ports(case, "--filter", "label=app=shop", "--format", "haproxy")
    contains(generated, "backend web-80")
    for name, text in (("front.cfg", FRONT), ("made.cfg", generated)):
        with open(f"{case.directory}/{name}", "w") as f:
            f.write(text)
    proxy = subprocess.Popen(["haproxy", "-db", "-f", f"{case.directory}/front.cfg", "-f", f"{case.directory}/made.cfg"])
    try:
        wait_for(5, "an answer through the proxy", answer)
        equal({answer() for _ in range(10)}, {"first", "second"})
        first.kill()
        first.status("TASK_KILLED")
        first.wait_exit()
        wait_for(8, "the other alone", lambda: {answer() for _ in range(6)} == {"second"})
    finally:
        proxy.terminate()
        proxy.wait()
    second.kill()
    second.status("TASK_KILLED")
    second.wait_exit()


run_scenarios()
