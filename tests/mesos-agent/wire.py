# SPDX-License-Identifier: Apache-2.0
"""wire.py - the agent's side of HTTP/1.1 and RecordIO, down to where the bytes are cut.

Server takes connections, on TCP, TLS or a unix domain socket, and hands requests to a function.
Stream is the answer to SUBSCRIBE that never ends: it writes records, framed as it is told to.
"""
import os
import random
import select
import socket
import ssl
import struct
import threading
import time
from email.utils import formatdate

MAX_HEAD, MAX_BODY = 64 << 10, 64 << 20

REASONS = {200: "OK", 202: "Accepted", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
           405: "Method Not Allowed", 406: "Not Acceptable", 415: "Unsupported Media Type",
           500: "Internal Server Error", 501: "Not Implemented", 503: "Service Unavailable"}


def head(code, headers):
    lines = [f"HTTP/1.1 {code} {REASONS[code]}", f"Date: {formatdate(usegmt=True)}"]
    return "\r\n".join(lines + [f"{k}: {v}" for k, v in headers] + ["", ""]).encode()


class Request:
    """One request, and what it came by."""

    def __init__(self, transport, method, path, headers, body):
        self.transport, self.method, self.path, self.headers, self.body = transport, method, path, headers, body
        self.time = time.time()

    @classmethod
    def parse(cls, transport, data):
        """A request from its bytes, as a file has them."""
        top, _, body = data.partition(b"\r\n\r\n")
        return cls(transport, *parse_head(top), body)


def records(answer):
    """Those of a captured answer to SUBSCRIBE: its head, then records in chunks."""
    data, stream = answer.partition(b"\r\n\r\n")[2], b""
    while data:
        size, _, data = data.partition(b"\r\n")
        stream, data = stream + data[:int(size, 16)], data[int(size, 16) + 2:]
    while stream:
        size, _, stream = stream.partition(b"\n")
        yield stream[:int(size)]
        stream = stream[int(size):]


def parse_head(data):
    lines = data.decode("latin-1").split("\r\n")
    method, path, version = lines[0].split(" ")
    if version != "HTTP/1.1":
        raise ValueError(f"not HTTP/1.1: {version}")
    headers = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon or name != name.strip():
            raise ValueError(f"not a header: {line!r}")
        headers[name.lower()] = value.strip()
    return method, path, headers


# ---- framing -------------------------------------------------------------------------------------

def one(record):
    """One record, one chunk: what the agent does, and does not promise."""
    return [record]


def single_bytes(record):
    return [record[i:i + 1] for i in range(len(record))]


def split_length(record):
    """Between the digits of the length, and between length and newline."""
    digits = record.index(b"\n")
    return [record[:1], record[1:digits], record[digits:digits + 1], record[digits + 1:]]


def split_body(record):
    middle = len(record) // 2
    return [record[:middle], record[middle:]]


def pieces(seed):
    """Pieces of any size, the same in each run."""
    rng = random.Random(seed)

    def split(record):
        out = []
        while record:
            n = rng.randint(1, 40)
            out.append(record[:n])
            record = record[n:]
        return out
    return split


class Batch:
    """Several records in one chunk: what comes within that many seconds goes out together."""

    def __init__(self, seconds=0.05):
        self.seconds = seconds


class Cut(Exception):
    """The stream has ended where it was told to."""


class Stream:
    """The events of one subscription."""

    def __init__(self, connection, framing=one, cut=None, reset=False):
        self.connection, self.framing, self.reset = connection, framing, reset
        self.left = cut # how many bytes of the body are still to go out, of those that ever shall
        self.lock, self.held, self.open, self.cut_at = threading.Lock(), [], True, None

    def start(self):
        self.connection.write(head(200, [("Transfer-Encoding", "chunked"), ("Content-Type", "application/json")]))

    def send(self, data):
        """One record. False: nobody listens any more."""
        record = b"%d\n%s" % (len(data), data)
        with self.lock:
            if isinstance(self.framing, Batch):
                self.held.append(record)
                if len(self.held) == 1:
                    threading.Timer(self.framing.seconds, self.flush).start()
                return self.open
            return self.write([x for x in self.framing(record) if x])

    def flush(self):
        with self.lock:
            if self.held:
                self.write([b"".join(self.held)])
            self.held = []

    def write(self, chunks):
        try:
            for chunk in chunks:
                self.put(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        except (OSError, Cut):
            self.open = False
        return self.open

    def put(self, data):
        if not self.open:
            raise Cut
        if self.left is None:
            self.connection.write(data)
            return
        self.connection.write(data[:self.left])
        if len(data) >= self.left:
            self.cut_at = time.time()
            self.connection.close(self.reset)
            raise Cut
        self.left -= len(data)

    def end(self, reset=False, politely=False):
        """Closes; politely is with the last chunk, as if there were nothing more to say."""
        with self.lock:
            if self.open and politely:
                self.write([])
                try:
                    self.connection.write(b"0\r\n\r\n")
                except OSError:
                    pass
            self.open = False
        self.connection.close(reset)


# ---- connections ---------------------------------------------------------------------------------

class Connection:
    """One connection, and the thread that reads from it."""

    def __init__(self, server, sock):
        self.server, self.sock, self.buffer = server, sock, b""
        self.writing = threading.Lock()

    def write(self, data):
        with self.writing:
            self.sock.sendall(data)

    def close(self, reset=False):
        try:
            if reset:
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            # close(2) alone would not wake whoever reads in another thread, and as long as he does
            # the peer would hear nothing. (Shutting down the reading half is not heard either.)
            self.sock.shutdown(socket.SHUT_RD if reset else socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()

    def read(self):
        """One request; None at the end."""
        while b"\r\n\r\n" not in self.buffer:
            if not self.more() or len(self.buffer) > MAX_HEAD:
                return None
        top, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        method, path, headers = parse_head(top)
        if "expect" in headers:
            self.server.complain("Expect: the agent does not know it, and a client that waits for its answer waits long")
        if "chunked" in headers.get("transfer-encoding", ""):
            body = self.read_chunks()
        else:
            body = self.take(int(headers.get("content-length", "0")))
        return Request(self.server.transport, method, path, headers, body)

    def more(self):
        try:
            if self.server.tls:
                # One thread at a time may be in OpenSSL with a connection, and another one writes.
                if not self.sock.pending():
                    select.select([self.sock], [], [])
                with self.writing:
                    data = self.sock.recv(65536)
            else:
                data = self.sock.recv(65536)
        except (OSError, ValueError): # the latter is what ssl says when another thread has closed
            return False
        self.buffer += data
        return bool(data)

    def take(self, n):
        if n > MAX_BODY:
            raise ValueError("too long")
        while len(self.buffer) < n:
            if not self.more():
                raise ValueError("ended in the middle of a request")
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data

    def line(self):
        while b"\r\n" not in self.buffer:
            if not self.more():
                raise ValueError("ended in the middle of a request")
        text, _, self.buffer = self.buffer.partition(b"\r\n")
        return text

    def read_chunks(self):
        out = b""
        while size := int(self.line().split(b";")[0], 16):
            out += self.take(size)
            self.line()
        self.line()
        return out

    def serve(self):
        try:
            if self.server.tls:
                self.sock = self.server.tls.wrap_socket(self.sock, server_side=True)
            while request := self.read():
                if not self.server.handler(request, self):
                    break
        except ssl.SSLError as e:
            self.server.note(f"TLS: {e}")
        except ValueError as e:
            self.server.complain(f"a request that is none: {e}")
        except OSError:
            pass
        finally:
            self.server.gone(self)
            self.close()

    def answer(self, request, code, text=""):
        """False: the connection is to end."""
        body = text.encode()
        headers = [("Content-Length", str(len(body)))]
        if body:
            headers.append(("Content-Type", "text/plain; charset=utf-8"))
        ends = request.headers.get("connection", "").lower() == "close"
        self.write(head(code, headers) + body)
        return not ends


class Server:
    """Listens, until close(). HANDLER(request, connection) answers; False ends the connection."""

    def __init__(self, handler, address, tls=None, complain=print, note=print, on_gone=lambda c: None):
        self.handler, self.tls, self.complain, self.note, self.on_gone = handler, tls, complain, note, on_gone
        self.connections, self.lock = set(), threading.Lock()
        if isinstance(address, str):
            self.transport = "unix"
            self.sock = socket.socket(socket.AF_UNIX)
            # An address has room for 107 bytes, a path may have more.
            directory, name = os.path.split(address)
            self.directory = os.open(directory, os.O_PATH | os.O_DIRECTORY)
            address = f"/proc/self/fd/{self.directory}/{name}"
        else:
            self.transport = "tls" if tls else "tcp"
            self.sock = socket.socket()
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind(address)
        self.sock.listen(64)
        self.address = self.sock.getsockname()
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()

    def listen(self):
        while True:
            try:
                sock, _ = self.sock.accept()
            except OSError:
                return
            if self.transport != "unix":
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(self, sock)
            with self.lock:
                self.connections.add(connection)
            threading.Thread(target=connection.serve, daemon=True).start()

    def gone(self, connection):
        with self.lock:
            self.connections.discard(connection)
        self.on_gone(connection)

    def close(self, reset=False):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()
        self.thread.join()
        with self.lock:
            connections = list(self.connections)
        for connection in connections:
            connection.close(reset)
