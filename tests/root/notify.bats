#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# tests/root/notify.bats - what slipway tells a service manager, and suspend. (systemd itself: tests/vm.)

# shellcheck disable=SC2154 # the library sets registry and project

load ../lib/slipway
images busybox

# listen ADDRESS: writes down what is sent there, a line for each variable; '@' is the abstract name space.
listen() {
	python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1].replace("@", "\0", 1))
print("listening", flush=True)
while True: print(s.recv(4096).decode(), flush=True)
' "$1" >told.txt 3>&- &
	listener=$!
	wait_for 5 grep -q listening told.txt
	export NOTIFY_SOCKET=$1
}

teardown() {
	[ ! "${listener-}" ] || kill "$listener"
	after_test
}

told() { grep -qx "$1" told.txt; }

# a_pod: healthy once go/ready is there.
a_pod() {
	mkdir -p go
	compose <<-END
		x-slipway: {ready: healthy}
		services:
		  a:
		    image: $registry/busybox
		    command: [sh, -c, 'trap "exit 0" TERM; while :; do sleep 0.1; done']
		    volumes: [./go:/go:ro]
		    healthcheck: {test: [CMD, test, -e, /go/ready], interval: 100ms, retries: 1000}
		    restart: always
		    stop_grace_period: 20s
	END
}

@test "up is ready when the pod is, and tells how long it may take to stop" {
	need_command python3
	a_pod
	for address in "$BATS_TEST_TMPDIR/notify" "@slipway-test-$$"; do
		rm -f go/ready
		listen "$address"
		command slipway up >up.txt 2>&1 3>&- &
		up=$!
		wait_for 5 grep -q Started up.txt
		sleep 0.5
		[ "$(cat told.txt)" = listening ]
		touch go/ready
		wait_for 5 told READY=1
		kill -TERM "$up"
		wait "$up"
		told STOPPING=1
		told EXTEND_TIMEOUT_USEC=35000000
		kill "$listener"
		listener=
		NOTIFY_SOCKET='' slipway down
	done
}

@test "a detached pod tells nothing, nor do other commands" {
	need_command python3
	a_pod
	sed -i '/x-slipway/d' compose.yml
	listen "$BATS_TEST_TMPDIR/notify"
	slipway up -d
	slipway ps
	slipway down
	[ "$(cat told.txt)" = listening ]
}

@test "a socket that is not there is no reason to fail" {
	a_pod
	sed -i '/x-slipway/d' compose.yml
	NOTIFY_SOCKET=$PWD/none command slipway up >up.txt 2>&1 3>&- &
	up=$!
	wait_for 5 grep -q 'tell .*/none' up.txt
	slipway down
	wait "$up"
}

@test "suspended pods come back, others do not" {
	a_pod
	sed -i '/x-slipway/d' compose.yml
	slipway up -d
	run slipway suspend
	assert_success
	assert_line "Pod $project  Suspended"
	[ -z "$(slipway ls -q)" ]
	run slipway suspend
	assert_success
	refute_line Suspended
	run slipway resume
	assert_line "Pod $project  Resumed"
	slipway suspend "$project"
	[ -z "$(slipway ls -q)" ]
	slipway resume
	slipway down
	run slipway resume
	refute_line Resumed
}

@test "resume --stay brings pods back, waits, and suspends them" {
	need_command python3
	a_pod
	sed -i '/x-slipway/d' compose.yml
	slipway up -d
	slipway suspend
	listen "$BATS_TEST_TMPDIR/notify"
	command slipway resume --stay >stay.txt 2>&1 3>&- &
	stay=$!
	wait_for 5 told READY=1
	[ "$(slipway ls -q)" = "$project" ]
	kill -TERM "$stay"
	wait "$stay"
	told STOPPING=1
	[ -z "$(slipway ls -q)" ]
	slipway resume
	slipway down
}
