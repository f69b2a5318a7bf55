#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""at_terminal.py - a terminal and somebody who sits at it.

  at_terminal.py STEP... -- CMD [ARG...]

Runs CMD with a terminal of 24x80. A step is a letter and what follows it:

  =TEXT     wait until the terminal has shown this text, after what was waited for before
  >TEXT     type it; \\r, \\x10 and the like as in Python
  @ROWSxCOLS  the window's new size
  !NAME     a signal to CMD, "TERM"
  ~SECONDS  do nothing for so long

At the end, what was shown is printed, then a line "[exit N]", then one that says
whether the terminal's modes are what they were: "[modes kept]" or "[modes changed]".
"""
import fcntl
import os
import select
import signal
import struct
import sys
import termios
import time

LIMIT = 15
steps, command = sys.argv[1:sys.argv.index("--")], sys.argv[sys.argv.index("--") + 1:]
shown, seen = b"", 0


def resize(fd, rows, cols):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))


def look(seconds):
    """Reads for at most so long; False at the end."""
    global shown
    if select.select([master], [], [], seconds)[0]:
        try:
            data = os.read(master, 65536)
        except OSError:
            return False
        shown += data
        return bool(data)
    return True


def fail(text):
    sys.stdout.buffer.write(shown)
    print(f"\n[{text}]")
    os.kill(child, signal.SIGKILL)
    sys.exit(1)


master, slave = os.openpty()
resize(master, 24, 80)
before = termios.tcgetattr(slave)
child = os.fork()
if child == 0:
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for fd in range(3):
        os.dup2(slave, fd)
    os.closerange(3, 256)
    os.execvp(command[0], command)
for step in steps:
    kind, rest = step[0], step[1:]
    if kind == "=":
        text, end = rest.encode().decode("unicode_escape").encode("latin1"), time.time() + LIMIT
        while (at := shown.find(text, seen)) < 0:
            if time.time() > end or not look(0.1):
                fail(f"never shown: {rest}")
        seen = at + len(text)
    elif kind == ">":
        os.write(master, rest.encode().decode("unicode_escape").encode("latin1"))
    elif kind == "@":
        resize(master, *map(int, rest.split("x")))
    elif kind == "!":
        os.kill(child, getattr(signal, "SIG" + rest))
    elif kind == "~":
        end = time.time() + float(rest)
        while time.time() < end:
            look(0.05)
end, status = time.time() + LIMIT, None
while status is None:
    look(0.05)
    pid, code = os.waitpid(child, os.WNOHANG)
    if pid:
        status = os.waitstatus_to_exitcode(code)
    elif time.time() > end:
        fail("does not end")
while select.select([master], [], [], 0.1)[0] and look(0):
    pass
after = termios.tcgetattr(slave)
sys.stdout.buffer.write(shown)
sys.stdout.flush()
print(f"\n[exit {status}]\n[modes {'kept' if after == before else 'changed'}]")
