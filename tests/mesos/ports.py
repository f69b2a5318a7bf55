#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ports.py - which service gets which of the ports that were offered."""
import os
import sys

sys.path.insert(0, f"{os.path.dirname(os.path.abspath(__file__))}/../mesos-agent")

from host import answers, run_scenarios
from tap import contains, equal, test

WEB = {"image": "nginx"}
SLEEPER = {"command": ["sleep", "1000"], "init": True}


def mappings(c):
    """[(host port, container port, protocol), ...] as the scheduler gets to see them."""
    info = c.status("TASK_RUNNING")["container_status"]["network_infos"]
    return sorted((m["host_port"], m["container_port"], m.get("protocol", "tcp")) for i in info for m in i.get("port_mappings", []))


def done(c):
    c.kill()
    c.status("TASK_KILLED")
    c.wait_exit()


def mapped(case, ports, offered, wanted, **about):
    """One service with these ports, of an offer of those, gets the ones that are wanted."""
    c = case.launch({"it": {**SLEEPER, "ports": ports}}, ports=offered, **about)
    equal(mappings(c), sorted(wanted), str(ports))
    done(c)


def refused(case, ports, offered, *parts, **about):
    c = case.launch({"it": {**SLEEPER, "ports": ports}}, ports=offered, **about)
    failed = c.status("TASK_FAILED")
    equal(failed.get("reason"), "REASON_TASK_INVALID", failed.get("message", ""))
    for part in parts:
        contains(failed["message"], part)
    c.wait_exit()


@test("services in the file's order, ports in the list's, get the offer in its order")
def _(case):
    for _ in range(3):
        c = case.launch({"zebra": {**SLEEPER, "ports": ["1000", "1001"]}, "ant": {**SLEEPER, "ports": ["2000"]}},
                        ports=[31005, 31006, 31009])
        equal(mappings(c), [(31005, 1000, "tcp"), (31006, 1001, "tcp"), (31009, 2000, "tcp")])
        done(c)


@test("every way to write a port")
def _(case):
    mapped(case, [80], [31005], [(31005, 80, "tcp")])
    mapped(case, ["8080:80"], [31005], [(31005, 80, "tcp")])
    mapped(case, ["80/udp"], [31005], [(31005, 80, "udp")])
    mapped(case, ["80-82"], [31005, 31006, 31007], [(31005, 80, "tcp"), (31006, 81, "tcp"), (31007, 82, "tcp")])
    mapped(case, ["9000-9001:80-81"], [31005, 31006], [(31005, 80, "tcp"), (31006, 81, "tcp")])
    mapped(case, ["0.0.0.0:8080:80"], [31005], [(31005, 80, "tcp")])
    mapped(case, [{"target": 80, "published": "8080", "protocol": "udp"}], [31005], [(31005, 80, "udp")])
    mapped(case, [{"target": 80}], [31005], [(31005, 80, "tcp")])


@test("a number that is in the offer is the one that is used; the others get the rest")
def _(case):
    mapped(case, ["80", "31005:81", "82"], [31005, 31006, 31007], [(31006, 80, "tcp"), (31005, 81, "tcp"), (31007, 82, "tcp")])


@test("offers of several ranges, in any order", stand_in=True)
def _(case):
    mapped(case, ["80", "81", "82"], [31010, 31005, 31006], [(31010, 80, "tcp"), (31005, 81, "tcp"), (31006, 82, "tcp")])


@test("a port whose name is one of discovery's gets that one")
def _(case):
    discovery = {"visibility": "FRAMEWORK", "name": "x", "ports": {"ports": [
        {"number": 31005, "name": "admin", "protocol": "tcp"}, {"number": 31006, "name": "http", "protocol": "tcp"}]}}
    mapped(case, [{"target": 80, "name": "http"}, {"target": 81, "name": "admin"}], [31005, 31006],
           [(31006, 80, "tcp"), (31005, 81, "tcp")], discovery=discovery)


@test("more ports than were offered are refused, unless the label slipway.ports says host")
def _(case):
    refused(case, ["80"], [], "80")
    refused(case, ["80", "81"], [31005], "81")
    mapped(case, ["32080:80"], [], [(32080, 80, "tcp")], labels={"slipway.ports": "host"})


@test("a port that is only exposed is not published")
def _(case):
    c = case.launch({"it": {**SLEEPER, "expose": ["80"]}}, ports=[31005])
    equal(mappings(c), [])
    done(c)


@test("a pod on the host's network listens where it likes, and is told the port it was offered")
def _(case):
    c = case.launch({"it": {"network_mode": "host", "command": ["sh", "-c", "mkdir /w; echo $$PORT0 >/w/index.html; exec httpd -f -p $$PORT0 -h /w"]}},
                    ports=[31005])
    c.status("TASK_RUNNING")
    equal(answers(31005).strip(), "31005")
    c.kill(grace=1)
    c.status("TASK_KILLED")
    c.wait_exit()


run_scenarios()
