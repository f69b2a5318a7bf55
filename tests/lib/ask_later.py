#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ask_later.py DIR QUESTION - a client of the pod whose state is in DIR, connected before it asks.

Prints "connected", asks when a line comes on standard input, prints "asked", and then the answer.
"""
import os
import socket
import sys

s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
os.chdir(sys.argv[1])  # the path may be longer than a socket's address
s.connect("control")
print("connected", flush=True)
sys.stdin.readline()
s.send(sys.argv[2].encode())
print("asked", flush=True)
print(s.recv(65536).decode() or "(none)", flush=True)
