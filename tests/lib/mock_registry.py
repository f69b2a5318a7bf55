#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""mock_registry.py - a registry that misbehaves on demand, for tests of slipway-fetch.

    mock_registry.py [PORT]        0 or none: any free port; the address is the first line printed

What is asked for decides what happens: the repository's name is a list of faults joined by "/",
each a key of FAULTS below ("ok" for none). Every image has two small layers and one of 3 MB.
GET /log gives the requests so far, one a line: METHOD PATH Authorization-or-dash Range-or-dash.
A second port, the address of which /other gives, serves blobs for redirects; /log tells of it as well.
"""
import gzip
import hashlib
import io
import json
import random
import sys
import tarfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

OCI = "application/vnd.oci.image."
DOCKER = "application/vnd.docker.distribution.manifest."

log, seen, lock = [], {}, threading.Lock()


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def tar(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as t:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.type = tarfile.DIRTYPE if data is None else tarfile.REGTYPE
            info.mode, info.mtime, info.size = (0o755 if data is None else 0o644), 1000, len(data or b"")
            t.addfile(info, io.BytesIO(data or b""))
    return out.getvalue()


class Image:
    """Blobs by digest and documents by name, of one set of faults."""

    def __init__(self, faults):
        self.blobs, self.faults = {}, faults
        rng = random.Random(7)
        layers = [tar([("etc/", None), ("etc/who", b"mock\n")]),
                  tar([("big", rng.randbytes(3 << 20))]),
                  tar([("etc/more", b"implied\n")])]
        if "bad-tar" in faults:
            layers[2] = b"no tar at all" * 100
        if "twice" in faults:
            layers.append(layers[0])
        if "escape" in faults:
            layers[2] = tar([("d/.wh.", b"")])
        packed = [layers[0], gzip.compress(layers[1], 1, mtime=0), gzip.compress(layers[2], 9, mtime=0)] + layers[3:]
        diffs = [digest(x) for x in layers]
        if "wrong-diff" in faults:
            diffs[2] = digest(b"something else")
        if "few-diffs" in faults:
            diffs.pop()
        config = json.dumps({"architecture": self.arch(), "os": "linux", "config": {"Cmd": ["/x"], "Env": ["A=1"]},
                             "rootfs": {"type": "layers", "diff_ids": diffs}}).encode()
        if "bad-config" in faults:
            config = b"{"
        self.layers = [self.add(x, OCI + "layer.v1.tar+gzip") for x in packed]
        manifest = {"schemaVersion": 2, "mediaType": OCI + "manifest.v1+json",
                    "config": self.add(config, OCI + "config.v1+json"), "layers": self.layers}
        if "artifact" in faults:
            manifest["config"]["mediaType"] = "application/vnd.cncf.helm.config.v1+json"
        if "foreign" in faults:
            manifest["layers"][1]["mediaType"] = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
        if "small-size" in faults:
            manifest["layers"][1]["size"] -= 1000
        if "no-layers" in faults:
            manifest["layers"] = []
        if "no-digest" in faults:
            manifest["layers"][2]["digest"] = "sha256:../../../etc/passwd"
        if "both" in faults:
            manifest["manifests"] = []
        self.type = OCI + "manifest.v1+json"
        self.manifest = json.dumps(manifest).encode()
        self.top()

    def arch(self):
        import platform
        other = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), "amd64")
        return "s390x" if "other-arch" in self.faults else other

    def add(self, data, kind):
        self.blobs[digest(data)] = data
        return {"mediaType": kind, "digest": digest(data), "size": len(data)}

    def index(self, entries):
        return json.dumps({"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": entries}).encode()

    def top(self):
        """What the tag stands for."""
        faults = self.faults
        if "schema1" in faults:
            self.manifest = json.dumps({"schemaVersion": 1, "name": "x", "tag": "latest", "fsLayers": []}).encode()
            self.type = DOCKER + "v1+prettyjws"
        if "mismatch" in faults:
            self.type = DOCKER + "v2+json"
        if "not-json" in faults:
            self.manifest = b"<html>welcome to the hotel's network</html>"
        if "deep" in faults:
            self.manifest = b"[" * 100000
        if "large" in faults:
            self.manifest += b" " * (5 << 20)
        if "index" in faults or "no-platform" in faults or "nested" in faults:
            machine = "s390x" if "no-platform" in faults else self.arch()
            entry = self.add(self.manifest, self.type)
            self.docs = {entry["digest"]: (self.manifest, self.type)}
            entry["platform"] = {"os": "linux", "architecture": machine}
            unknown = dict(entry, platform={"os": "unknown", "architecture": "unknown"})
            self.manifest, self.type = self.index([unknown, entry]), OCI + "index.v1+json"
            for _ in range(6 if "nested" in faults else 0):
                outer = self.add(self.manifest, self.type)
                self.docs[outer["digest"]] = (self.manifest, self.type)
                self.manifest = self.index([outer])
        else:
            self.docs = {}
        self.docs["latest"] = (self.manifest, self.type)
        self.docs[digest(self.manifest)] = (self.manifest, self.type)


images = {}


def image(repo):
    with lock:
        if repo not in images:
            images[repo] = Image(set(repo.split("/")))
        return images[repo]


def count(key):
    """How often this has been asked for, this time included."""
    with lock:
        seen[key] = seen.get(key, 0) + 1
        return seen[key]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", headers=None, kind="application/json"):
        self.send_response(status)
        headers = {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def error(self, status, code, message, headers=None):
        body = json.dumps({"errors": [{"code": code, "message": message, "detail": None}]}).encode()
        self.answer(status, body, headers)

    def do_GET(self):
        if self.path == "/log":
            return self.answer(200, ("\n".join(log) + "\n").encode(), kind="text/plain")
        if self.path == "/other":
            return self.answer(200, other.encode(), kind="text/plain")
        with lock:
            log.append(" ".join([self.command, self.path, self.headers.get("Authorization", "-").replace(" ", "_"),
                                 self.headers.get("Range", "-")]))
        if self.path.startswith("/token"):
            return self.token()
        parts = self.path.split("?")[0].split("/")
        if len(parts) < 5 or parts[1] != "v2":
            return self.answer(200, b"{}")
        repo, kind, name = "/".join(parts[2:-2]), parts[-2], parts[-1]
        faults = set(repo.split("/"))
        if self.server.server_port != port and self.headers.get("Authorization"):
            return self.answer(400) # as S3 does when a signed address comes with credentials
        if self.server.server_port == port and self.refused(repo, faults, kind, name):
            return None
        if kind == "manifests":
            return self.manifest(repo, name, faults)
        return self.blob(repo, name, faults)

    def token(self):
        if "broken-token" in self.path:
            return self.answer(200, b'{"tokken": "x"}')
        if "refused-token" in self.path:
            return self.error(403, "DENIED", "go away")
        return self.answer(200, json.dumps({"token": "t0ken-%d" % count("token"), "expires_in": 60}).encode())

    def refused(self, repo, faults, kind, name):
        """Faults that come before it matters what is asked for."""
        given = self.headers.get("Authorization", "")
        host = self.headers["Host"]
        wanted = faults & {"token", "broken-token", "refused-token", "expiring"}
        if wanted and not given.startswith("Bearer t0ken-"):
            self.error(401, "UNAUTHORIZED", "who is there?", {
                "WWW-Authenticate": f'Bearer realm="http://{host}/token/{wanted.pop()}",service="mock",scope="repository:{repo}:pull"'})
        elif "evil-realm" in faults and not given:
            self.error(401, "UNAUTHORIZED", "", {
                "WWW-Authenticate": 'Bearer realm="http://localhost:1@192.0.2.1/token",service="mock"'})
        elif "expiring" in faults and kind == "blobs" and count(repo + "auth") == 2:
            self.error(401, "UNAUTHORIZED", "too late", {
                "WWW-Authenticate": f'Bearer realm="http://{host}/token",service="mock"'})
        elif "basic" in faults and given != "Basic Y2FwdGFpbjpzM2NyZXQ=":
            self.error(401, "UNAUTHORIZED", "who is there?", {"WWW-Authenticate": 'Basic realm="mock"'})
        elif "busy" in faults and count(repo + name) == 1:
            self.error(429, "TOOMANYREQUESTS", "slowly", {"Retry-After": "1"})
        elif "always-busy" in faults:
            self.error(429, "TOOMANYREQUESTS", "slowly")
        elif "sick" in faults and count(repo + name) <= 2:
            self.error(500, "UNKNOWN", "ouch")
        elif "always-sick" in faults:
            self.error(503, "UNAVAILABLE", "gone home")
        elif "forbidden" in faults:
            self.error(403, "DENIED", "not you")
        elif "missing" in faults:
            self.error(404, "MANIFEST_UNKNOWN", "manifest unknown")
        else:
            return False
        return True

    def manifest(self, repo, name, faults):
        doc = image(repo).docs.get(name if ":" in name else "latest")
        if not doc:
            return self.error(404, "MANIFEST_UNKNOWN", "manifest unknown")
        text, kind = doc
        if "wrong-manifest" in faults and name.startswith("sha256:"):
            text += b" "
        return self.answer(200, text, {"Docker-Content-Digest": digest(text)}, kind + "; charset=utf-8")

    def blob(self, repo, name, faults):
        img = image(repo)
        data = img.blobs.get(name)
        if data is None or ("lost-layer" in faults and name == img.layers[1]["digest"]):
            return self.error(404, "BLOB_UNKNOWN", "blob unknown")
        big = name == img.layers[1]["digest"]
        if "redirect" in faults and len(data) > 1000 and self.server.server_port == port:
            return self.answer(307, b"", {"Location": f"http://{other}{self.path}?signature=s3cret"})
        if "loop" in faults and big:
            return self.answer(307, b"", {"Location": self.path})
        if "wrong-digest" in faults and big:
            data = data[:-9] + bytes([data[-9] ^ 1]) + data[-8:]
        if "too-many" in faults and big:
            data += b"x" * 100
        if "slow" in faults and big:
            time.sleep(3)
        return self.send_blob(repo, name, faults, data, big)

    def send_blob(self, repo, name, faults, data, big):
        start, status, headers = 0, 200, {}
        ranged = self.headers.get("Range")
        if ranged and "no-range" not in faults:
            start = int(ranged.split("=")[1].split("-")[0])
            if start >= len(data):
                return self.error(416, "RANGE", "not that far")
            status, headers = 206, {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}
        part = data[start:]
        if not big or not faults & {"short", "always-short", "no-range", "at-the-end", "stall"}:
            return self.answer(status, part, headers, "application/octet-stream")
        n = count(repo + name)
        keep = len(part) if n > 2 and "always-short" not in faults else 1 << 20
        if "always-short" in faults:
            keep = 1000
        if "at-the-end" in faults: # all there, but for the proper end
            keep = len(part)
        if "stall" in faults: # the first time half of it, and then nothing for a while
            keep = len(part) // (2 if n == 1 else 1)
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(part) + (1 if "at-the-end" in faults else 0)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(part[:keep])
        if "stall" in faults and n == 1:
            time.sleep(30)
        self.close_connection = True
        return None


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        pass # whoever hangs up has a reason


one = Server(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 0), Handler)
two = Server(("127.0.0.1", 0), Handler)
port, other = one.server_port, f"127.0.0.1:{two.server_port}"
threading.Thread(target=two.serve_forever, daemon=True).start()
print(f"127.0.0.1:{port}", flush=True)
one.serve_forever()
