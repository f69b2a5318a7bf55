# SPDX-License-Identifier: Apache-2.0
"""bench/tools.py - what bench/run measures; the groups of measurements are the methods.

A method measures once and returns {metric: microseconds}. start() is called once, before all;
stop() after each group; close(), where there is one, at the end.
"""

import json
import os
import signal
import subprocess
import tempfile
import time

import bundle
from place import REPO, Skip, find, write

PORT = 5000  # of the registry; the network is ours alone


def since(start, *times):
    """In microseconds."""
    return [(t - start) / 1000 for t in times]


def healthy_services(image, shared):
    """A service, and one that waits until it is healthy. Both say when they came to life, the first
    one's probe in its stead."""
    return f"""services:
  probed:
    image: {image}
    command: ["/bench/stamp", "--stay"]
    volumes: ["{shared}:/bench"]
    stop_grace_period: 1s
    healthcheck: {{test: [CMD, /bench/stamp, /bench/probe], interval: 1s}}
  waits:
    image: {image}
    command: ["/bench/stamp", "--stay", "/bench/first"]
    volumes: ["{shared}:/bench"]
    stop_grace_period: 1s
    depends_on: {{probed: {{condition: service_healthy}}}}
"""


class Tool:
    def start(self):
        """Finds out whether it can be measured here: raises Skip if not."""

    def stop(self):
        """Ends what a group of measurements has kept running."""

    def close(self):
        """Ends what start() has started."""


class Limit(Tool):
    name = "limit"
    plain = True  # the rootfs as it is, as in a bundle

    def __init__(self, bench):
        self.bench = bench
        self.held = None

    def stop(self):
        if self.held:
            os.kill(self.held_init(), signal.SIGTERM)
            self.held.wait()
            self.held = None

    def held_init(self):
        with open(f"/proc/{self.held.pid}/task/{self.held.pid}/children", encoding="utf-8") as f:
            return int(f.read())

    def command(self, *args, group=None):
        group = group or self.bench.groups.unified()
        uppers = tempfile.mkdtemp(dir=self.bench.path("uppers"))
        return [self.bench.path("limit"), *(["-g", group] if group else []), "-k",
                "-t", uppers, "-b", self.bench.shared + ":/bench", *args]

    def measure(self, *args, **kwargs):
        start, end, output = self.bench.clock(*self.command(*args, **kwargs))
        said = dict(pair.split("=") for pair in output.split())
        late = (int(said["start_ns"]) - start) / 1000  # from exec to main()
        times = {k[:-3]: float(v) for k, v in said.items() if k.endswith("_us")}
        if said.get("published") == "0":
            self.bench.note("the limit publishes no port: this kernel has no nftables NAT")
        return times, late, (end - start) / 1000

    def run(self):
        times, late, end = self.measure(*(["-p"] if self.plain else []), "run", self.bench.rootfs,
                                        "/bench/stamp")
        return {"first": times["first"] + late, "exit": end}

    def exec(self):
        unified = self.bench.groups.unified()
        if not self.held:
            self.held = subprocess.Popen(
                self.command("run", self.bench.rootfs, "/bench/stamp", "--stay", "/bench/first"),
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            self.bench.first()
        group = unified and f"{unified}/limit.{self.held.pid}"
        times, late, end = self.measure("exec", str(self.held_init()), self.bench.rootfs,
                                        "/bench/stamp", group=group)
        return {"first": times["first"] + late, "exit": end}

    def pod(self, count):
        at = ["-s", self.bench.path("limit.socket")]
        times, late, _ = self.measure(*at, "pod", str(count), self.bench.rootfs, "/bench/stamp",
                                      "--stay")
        stop, late_stop, end = self.measure(*at, "down")
        # `up -d` is to return once all are running, so the limit for that is the last exec
        return {"first": times["first"] + late, "exit": times["first"] + late,
                "down": stop["down"] + late_stop, "gone": end}

    def up(self):
        return self.pod(1)

    def up3(self):
        return self.pod(3)

    def up10(self):
        return self.pod(10)


class LimitOverlay(Limit):
    name = "overlay"  # the limit, with an overlay over the rootfs; in pods it always has one
    plain = False
    exec = pod = up = up3 = up10 = None


class Oci(Tool):
    """A runtime of the OCI command line, given a bundle."""

    def __init__(self, bench, name):
        self.bench = bench
        self.name = name
        self.count = 0
        self.held = None
        self.base = []
        self.env = None

    def start(self):
        program = find(self.name)
        b = self.bench
        if self.name == "crun":
            b.mount_hugetlb()
        if self.name == "slipway-oci":
            self.base = [program]
            self.env = {**os.environ, "SLIPWAY_ROOT": b.path("oci-root"),
                        "SLIPWAY_RUN": "/run/oci"}
        else:
            self.base = [program, "--root", "/run/" + self.name]
        if not b.profile:
            b.note("no seccomp.json of Docker's: the OCI runtimes run without a filter, which is "
                   "half of their work; the limit, podman and docker have one")
        for kind, args in (("once", ["/bench/stamp", "/bench/first"]),
                           ("stay", ["/bench/stamp", "--stay", "/bench/first"])):
            path = b.path(f"{self.name}-{kind}")
            bundle.make_bundle(path, b.rootfs, args, [(b.shared, "/bench")], b.profile)
            bundle.set_group(path, f"/{b.groups.name}/{self.name}-{kind}")

    def stop(self):
        if self.held:
            self.bench.quiet(*self.base, "delete", "--force", self.held, env=self.env)
            self.held = None

    def run(self):
        self.count += 1
        start, end, _ = self.bench.clock(*self.base, "run", "-b",
                                         self.bench.path(self.name + "-once"),
                                         f"{self.name}-{self.count}", env=self.env)
        return dict(zip(("first", "exit"), since(start, self.bench.first(), end)))

    def exec(self):
        if not self.held:
            self.bench.clock(*self.base, "run", "-d", "-b", self.bench.path(self.name + "-stay"),
                             self.name + "-held", env=self.env)
            self.held = self.name + "-held"
            self.bench.first()
        start, end, _ = self.bench.clock(*self.base, "exec", self.held, "/bench/stamp",
                                         "/bench/first", env=self.env)
        return dict(zip(("first", "exit"), since(start, self.bench.first(), end)))


class Slipway(Tool):
    name = "slipway"

    def __init__(self, bench):
        self.bench = bench
        self.held = False
        self.program = None
        self.env = None

    def start(self):
        b = self.bench
        self.program = find("slipway")
        if not b.images:
            raise Skip("scripts/make-images made no image")
        self.env = {**os.environ, "SLIPWAY_ROOT": b.path("slipway-root"),
                    "SLIPWAY_RUN": "/run/slipway"}
        for count in (1, 3, 10):
            self.compose(count)
        registry = os.path.join(REPO, "scripts", "registry")
        b.quiet(registry, "start", b.path("registry"), str(PORT), env=None)
        try:
            b.quiet(registry, "push", b.images, str(PORT), "busybox")
            self.pod(1)  # pulls the image; from here on nobody needs the registry
        finally:
            b.quiet(registry, "stop", b.path("registry"))

    def compose(self, count):
        lines = ["services:"]
        for i in range(count):
            lines += [f"  s{i}:", f"    image: 127.0.0.1:{PORT}/busybox:latest",
                      '    command: ["/bench/stamp", "--stay", "/bench/first"]',
                      f'    volumes: ["{self.bench.shared}:/bench"]']
            if i == 0:
                lines.append('    ports: ["18080:80"]')
        write(self.bench.path(f"compose-{count}.yml"), "\n".join(lines) + "\n")

    def healthy(self):
        """The one that waits is another: what it writes is told apart by its file."""
        b, file = self.bench, self.bench.path("compose-healthy.yml")
        write(file, healthy_services(f"127.0.0.1:{PORT}/busybox:latest", b.shared))
        b.clock(self.program, "-f", file, "-p", "bench", "up", "-d", env=self.env)
        try:
            first = b.first()
        finally:
            b.clock(self.program, "-p", "bench", "down", env=self.env)
        return {"first": (first - b.first_probe()) / 1000}

    def up_command(self, count, name):
        return [self.program, "-f", self.bench.path(f"compose-{count}.yml"), "-p", name, "up", "-d"]

    def stop(self):
        if self.held:
            self.bench.quiet(self.program, "-p", "held", "down", env=self.env)
            self.held = False

    def pod(self, count):
        start, end, _ = self.bench.clock(*self.up_command(count, "bench"), env=self.env)
        try:
            first = self.bench.first(count)
        finally:
            stop, down, _ = self.bench.clock(self.program, "-p", "bench", "down", env=self.env)
        return dict(zip(("first", "exit", "down"), since(start, first, end) + since(stop, down)))

    def up(self):
        return self.pod(1)

    def up3(self):
        return self.pod(3)

    def up10(self):
        return self.pod(10)

    def exec(self):
        if not self.held:
            # no published port: the pods that are measured have it
            file = self.bench.path("compose-held.yml")
            with open(self.bench.path("compose-1.yml"), encoding="utf-8") as f:
                write(file, "".join(line for line in f if "ports:" not in line))
            self.bench.clock(self.program, "-f", file, "-p", "held", "up", "-d", env=self.env)
            self.held = True
            self.bench.first()
        start, end, _ = self.bench.clock(self.program, "-p", "held", "exec", "-T", "s0",
                                         "/bench/stamp", "/bench/first", env=self.env)
        return dict(zip(("first", "exit"), since(start, self.bench.first(), end)))


class Engine(Tool):
    """podman or docker: the same command line, each with storage of its own. The machine's docker
    daemon is left alone: it would make its containers in the machine's network."""

    def __init__(self, bench, name):
        self.bench = bench
        self.name = name
        self.base = []
        self.env = dict(os.environ)
        self.daemon = None
        self.held = False

    def start(self):
        program, b = find(self.name), self.bench
        if self.name == "podman":
            b.mount_hugetlb()  # podman's default runtime is crun
            # It keeps a cache there, whatever its root. This hides it, in our mount namespace.
            b.quiet("mount", "-t", "tmpfs", "lib", "/var/lib")
            write(b.path("containers.conf"), '[containers]\ndefault_ulimits = '
                  '["nofile=1024:1024", "nproc=1000:1000"]\n')
            self.env["CONTAINERS_CONF"] = b.path("containers.conf")
            self.base = [program, "--root", b.path("podman-root"),
                         "--runroot", "/run/podman", "--cgroup-manager", "cgroupfs",
                         "--storage-driver", "overlay"]
        else:
            self.start_docker(program)
        archive = b.path("rootfs.tar")
        b.quiet("tar", "-c", "-f", archive, "-C", b.rootfs, ".")
        b.quiet(*self.base, "import", archive, "bench", env=self.env)

    def start_docker(self, program):
        b, socket = self.bench, self.bench.path("docker.sock")
        daemon = find("dockerd")
        self.base = [program, "-H", "unix://" + socket]
        self.env["DOCKER_CONFIG"] = b.path("docker-config")
        with open(b.path("dockerd.log"), "w", encoding="utf-8") as log:
            self.daemon = subprocess.Popen(
                [daemon, "--data-root", b.path("docker-root"), "--exec-root", "/run/docker",
                 "--pidfile", b.path("docker.pid"), "-H", "unix://" + socket,
                 "--cgroup-parent", "/" + b.groups.name], stdin=subprocess.DEVNULL, stdout=log,
                stderr=log)
        for _ in range(300):
            if not subprocess.run([*self.base, "version"], env=self.env, capture_output=True,
                                  check=False).returncode:
                return
            time.sleep(0.1)
        raise Skip("dockerd does not answer")

    def stop(self):
        if self.held:
            self.bench.quiet(*self.base, "rm", "-f", "bench-held", env=self.env)
            self.held = False

    def close(self):
        if self.daemon:
            self.daemon.terminate()
            self.daemon.wait()

    def services(self, count, bridge=False):
        """A pod's containers as a Compose file: all in the network of the first, or each in one of
        its own on the bridge that docker compose makes for a project."""
        lines = ["services:"]
        for i in range(count):
            lines += [f"  s{i}:", "    image: bench", "    init: false",
                      '    command: ["/bench/stamp", "--stay", "/bench/first"]',
                      f'    volumes: ["{self.bench.shared}:/bench"]',
                      *(['    ports: ["18080:80"]'] if i == 0 else
                        [] if bridge else ['    network_mode: "service:s0"'])]
        return "\n".join(lines) + "\n"

    def kube(self, count):
        """The same as podman's `kube play` has it, which is one command for all of them."""
        containers = [{"name": f"s{i}", "image": "localhost/bench:latest",
                       "command": ["/bench/stamp", "--stay", "/bench/first"],
                       "volumeMounts": [{"name": "bench", "mountPath": "/bench"}],
                       **({"ports": [{"containerPort": 80, "hostPort": 18080}]} if i == 0 else {})}
                      for i in range(count)]
        return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bench"},
                           "spec": {"containers": containers, "volumes": [
                               {"name": "bench", "hostPath": {"path": self.bench.shared}}]}})

    def compose(self):
        """`docker compose`, as a plugin or as a program of its own."""
        command = [*self.base, "compose"]
        if subprocess.run([*command, "version"], env=self.env, capture_output=True,
                          check=False).returncode:
            command = [find("docker-compose"), *self.base[1:]]
        said = self.bench.quiet(*command, "version", env=self.env)
        self.bench.note("docker is measured with " + said.splitlines()[0])
        return command

    def pod(self, count, bridge=False):
        if self.name == "podman":
            file = self.bench.path(f"podman-{count}.yml")
            write(file, self.kube(count))
            up = [*self.base, "play", "kube", file]
            down = [*self.base, "pod", "rm", "-f", "-t", "0", "bench"]
        else:
            file = self.bench.path(f"docker-{count}.yml")
            write(file, self.services(count, bridge))
            command = [*self.compose(), "-f", file, "-p", "bench"]
            up, down = [*command, "up", "-d"], [*command, "down", "-t", "0"]
        start, end, _ = self.bench.clock(*up, env=self.env)
        try:
            first = self.bench.first(count)
        finally:
            stop, gone, _ = self.bench.clock(*down, env=self.env)
        return dict(zip(("first", "exit", "down"), since(start, first, end) + since(stop, gone)))

    def up3(self):
        return self.pod(3)

    def up10(self):
        return self.pod(10)

    def healthy(self):
        if self.name == "podman":
            raise Skip("its pods have no such order")
        b, file = self.bench, self.bench.path("docker-healthy.yml")
        write(file, healthy_services("bench", b.shared))
        command = [*self.compose(), "-f", file, "-p", "bench"]
        b.clock(*command, "up", "-d", env=self.env)
        try:
            first = b.first()
        finally:
            b.clock(*command, "down", "-t", "0", env=self.env)
        return {"first": (first - b.first_probe()) / 1000}

    def options(self):
        parent = ["--cgroup-parent", "/" + self.bench.groups.name] if self.name == "podman" else []
        return [*parent, "-v", self.bench.shared + ":/bench"]

    def run(self):
        start, end, _ = self.bench.clock(*self.base, "run", "--rm", "--network", "none",
                                         *self.options(), "bench", "/bench/stamp", "/bench/first",
                                         env=self.env)
        return dict(zip(("first", "exit"), since(start, self.bench.first(), end)))

    def up(self):
        start, end, _ = self.bench.clock(*self.base, "run", "-d", "--name", "bench-up", "-p",
                                         "18080:80", *self.options(), "bench", "/bench/stamp",
                                         "--stay", "/bench/first", env=self.env)
        first = self.bench.first()
        stop, down, _ = self.bench.clock(*self.base, "rm", "-f", "bench-up", env=self.env)
        return dict(zip(("first", "exit", "down"), since(start, first, end) + since(stop, down)))

    def exec(self):
        if not self.held:
            self.bench.clock(*self.base, "run", "-d", "--name", "bench-held", "--network", "none",
                             *self.options(), "bench", "/bench/stamp", "--stay", "/bench/first",
                             env=self.env)
            self.held = True
            self.bench.first()
        start, end, _ = self.bench.clock(*self.base, "exec", "bench-held", "/bench/stamp",
                                         "/bench/first", env=self.env)
        return dict(zip(("first", "exit"), since(start, self.bench.first(), end)))


class OnBridge(Tool):
    """docker compose as it is without a network_mode: every service has a network namespace."""

    name = "docker-bridge"

    def __init__(self, engine):
        self.engine = engine

    def start(self):
        if not self.engine.daemon:
            raise Skip("needs docker to be measured, too")

    def up3(self):
        return self.engine.pod(3, bridge=True)

    def up10(self):
        return self.engine.pod(10, bridge=True)


def every(bench):
    docker = Engine(bench, "docker")
    return [Limit(bench), LimitOverlay(bench), Slipway(bench), Oci(bench, "slipway-oci"),
            Oci(bench, "crun"), Oci(bench, "runc"), Engine(bench, "podman"), docker,
            OnBridge(docker)]
