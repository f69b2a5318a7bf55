#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Where output goes: the drivers of logging and their options.

load ../lib/slipway

images busybox

setup() {
	[ ${#wanted_images[@]} -eq 0 ] || { need_root; need_host; }
	project=t$BATS_TEST_NUMBER
	mkdir "$BATS_TEST_TMPDIR/$project"
	cd "$BATS_TEST_TMPDIR/$project" || return
	export SLIPWAY_JOURNAL=$BATS_TEST_TMPDIR/journal
}

logs_dir() { echo "$SLIPWAY_ROOT/pods/$project/logs"; }

# journal: plays systemd's for the rest of the test; what it gets is in the file messages.
journal() {
	need_command python3
	# shellcheck disable=SC2016 # that is Python
	python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
out = open(sys.argv[2], "ab", buffering=0)
while True:
	out.write(s.recv(1 << 20) + b"\n")
' "$SLIPWAY_JOURNAL" "$BATS_TEST_TMPDIR/messages" 3>&- &
	journal_pid=$!
	wait_for 5 test -S "$SLIPWAY_JOURNAL"
}

teardown() {
	if [ "${journal_pid-}" ]; then
		kill "$journal_pid"
		wait "$journal_pid" || :
	fi
	[ -z "${own_run-}" ] || umount /run
	after_test
}

@test "json-file: files of a size and a number, with a tag" {
	service it <<-END
		command: [sh, -c, 'i=0; while [ $\$i -lt 2000 ]; do echo line $\$i; i=$\$((i + 1)); done']
		labels: {team: blue}
		logging:
		  options: {max-size: 16k, max-file: '3', tag: '{{.Name}}', labels: team}
	END
	slipway up >up.txt 2>&1
	[ "$(find "$(logs_dir)" -name 'it.log*' | wc -l)" -eq 3 ] || show "$(ls "$(logs_dir)")"
	[ "$(find "$(logs_dir)" -name 'it.log*' -size +16k | wc -l)" -eq 0 ]
	[ "$(tail -n 1 "$(logs_dir)/it.log" | jq -c '[.log, .attrs.team, .attrs.tag]')" = \
		"[\"line 1999\\n\",\"blue\",\"$project-it-1\"]" ]
	[ "$(slipway logs --no-log-prefix | tail -n 1)" = 'line 1999' ]
	slipway down
}

@test "a tag may name the container's id" {
	service it <<-END
		command: [sh, -c, 'echo hello']
		logging: {options: {tag: '{{.ID}} {{.FullID}} {{.Name}}'}}
	END
	slipway up >up.txt 2>&1
	id=$(slipway ps -a -q)
	[ "${#id}" -eq 64 ]
	[ "$(jq -r .attrs.tag "$(logs_dir)/it.log")" = "${id:0:12} $id $project-it-1" ]
	slipway down
}

@test "journald: the tag is the container's id, as docker's is" {
	journal
	service it <<-END
		command: [sh, -c, 'echo hello']
		logging: {driver: journald}
	END
	slipway up >up.txt 2>&1
	wait_for 5 grep -q hello "$BATS_TEST_TMPDIR/messages"
	id=$(slipway ps -a -q)
	for line in "CONTAINER_ID=${id:0:12}" "CONTAINER_ID_FULL=$id" "CONTAINER_TAG=${id:0:12}" "SYSLOG_IDENTIFIER=${id:0:12}"; do
		grep -qxF "$line" "$BATS_TEST_TMPDIR/messages" || show "no $line in $(cat "$BATS_TEST_TMPDIR/messages")"
	done
	slipway down
}

@test "local: as json-file, and read as it" {
	service it <<-END
		command: [echo, hello]
		logging: {driver: local}
	END
	slipway up >up.txt 2>&1
	run slipway logs --no-log-prefix
	assert_output hello
	slipway down
}

@test "none: up shows it, nothing keeps it, and logs says so" {
	service it <<-END
		command: [echo, hello]
		logging: {driver: none}
	END
	run slipway up
	assert_line '| hello'
	[ ! -e "$(logs_dir)/it.log" ]
	run --separate-stderr slipway logs
	assert_failure 1
	assert_one_message 'service it: the logging driver none keeps no output'
	slipway down
}

@test "journald: a message a line, with docker's fields" {
	journal
	service it <<-END
		command: [sh, -c, 'echo hello; echo oops >&2']
		labels: {team: blue}
		logging: {driver: journald, options: {tag: 'my-{{.Name}}', labels: team}}
	END
	slipway up >up.txt 2>&1
	wait_for 5 grep -q oops "$BATS_TEST_TMPDIR/messages"
	local line
	for line in MESSAGE=hello MESSAGE=oops PRIORITY=6 PRIORITY=3 "CONTAINER_NAME=$project-it-1" \
		"CONTAINER_TAG=my-$project-it-1" "SYSLOG_IDENTIFIER=my-$project-it-1" "IMAGE_NAME=$registry/busybox" \
		TEAM=blue "COM_DOCKER_COMPOSE_PROJECT=$project" COM_DOCKER_COMPOSE_SERVICE=it; do
		grep -qxF "$line" "$BATS_TEST_TMPDIR/messages" || show "no $line in $(cat "$BATS_TEST_TMPDIR/messages")"
	done
	run --separate-stderr slipway logs it
	assert_failure 1
	assert_one_message "service it: its output is in the journal: journalctl CONTAINER_NAME=$project-it-1"
	slipway down
}

@test "journald: systemd's own takes the messages and finds them by docker's names" {
	[ -x /lib/systemd/systemd-journald ] || skip 'needs systemd-journald'
	need_command journalctl
	# all of it on a /run of its own; a host's journal is not touched
	mount -t tmpfs slipway-test /run
	own_run=yes
	mkdir -p /run/systemd/journald.conf.d
	printf '[Journal]\nStorage=volatile\nReadKMsg=no\nAudit=no\n' >/run/systemd/journald.conf.d/test.conf
	/lib/systemd/systemd-journald 3>&- >/dev/null 2>&1 &
	journal_pid=$!
	wait_for 10 test -S /run/systemd/journal/socket
	export SLIPWAY_JOURNAL=/run/systemd/journal/socket
	service it <<-END
		command: [sh, -c, 'echo hello; echo oops >&2; head -c 40000 /dev/zero | tr "\\0" x; echo']
		logging: {driver: journald, options: {tag: 'my-{{.Name}}'}}
	END
	slipway up >up.txt 2>&1
	found() { journalctl -q -D /run/log/journal -o json "CONTAINER_NAME=$project-it-1" | jq -r "$1"; }
	# shellcheck disable=SC2317 # wait_for calls it
	all_there() { [ "$(found '.PRIORITY' | wc -l)" -eq 5 ]; }
	wait_for 10 all_there
	[ "$(found 'select(.PRIORITY == "6" and .CONTAINER_PARTIAL_MESSAGE == null).MESSAGE')" = hello ]
	[ "$(found 'select(.PRIORITY == "3").MESSAGE')" = oops ]
	[ "$(found 'select(.MESSAGE == "oops").SYSLOG_IDENTIFIER')" = "my-$project-it-1" ]
	[ "$(found 'select(.MESSAGE == "oops").COM_DOCKER_COMPOSE_SERVICE')" = it ]
	[ "$(found 'select(.CONTAINER_PARTIAL_MESSAGE == "true") | .CONTAINER_PARTIAL_ORDINAL + .CONTAINER_PARTIAL_LAST' |
		tr '\n' ' ')" = '1false 2false 3true ' ]
	slipway down
}

@test "journald: a flood into a journal that does not read holds no service up" {
	need_command python3
	python3 -c '
import socket, sys, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
time.sleep(60)
' "$SLIPWAY_JOURNAL" 3>&- &
	journal_pid=$!
	wait_for 5 test -S "$SLIPWAY_JOURNAL"
	service it <<-END
		command: [sh, -c, 'i=0; while [ $\$i -lt 20000 ]; do echo line $\$i; i=$\$((i + 1)); done; echo done']
		logging: {driver: journald}
	END
	local before=$SECONDS
	run slipway up
	assert_success
	assert_line '| done'
	[ $((SECONDS - before)) -lt 10 ]
	slipway down
}

@test "journald: lines of a time without a journal come when it is back, without a line after them" {
	journal
	service it <<-END
		command: [sh, -c, 'echo first; until [ -e /go ]; do sleep 0.05; done; echo while it was away; exec sleep 100']
		init: true
		logging: {driver: journald}
	END
	slipway up -d
	wait_for 5 grep -q MESSAGE=first "$BATS_TEST_TMPDIR/messages"
	kill "$journal_pid"
	wait "$journal_pid" || :
	rm "$SLIPWAY_JOURNAL"
	slipway exec it touch /go
	sleep 0.5
	journal
	wait_for 5 grep -q 'MESSAGE=while it was away' "$BATS_TEST_TMPDIR/messages"
	slipway down -t 0
}

@test "journald without a journal is refused before anything starts" {
	service it <<-END
		command: [touch, /ran]
		logging: {driver: journald}
	END
	run --separate-stderr slipway up -d
	assert_failure 1
	[[ $stderr == *"compose.yml:2:3: services.it: logging: journald: no journal listens at $SLIPWAY_JOURNAL: "* ]] ||
		show 'not that message'
}

@test "one service in the journal, the others in logs" {
	journal
	cat >compose.yml <<-END
		services:
		  one: {image: $registry/busybox, command: [echo, first], logging: {driver: journald}}
		  two: {image: $registry/busybox, command: [echo, second]}
	END
	slipway up >up.txt 2>&1
	run --separate-stderr slipway logs --no-log-prefix
	assert_success
	assert_output second
	[[ $stderr == *"warning: service one: its output is in the journal: journalctl CONTAINER_NAME=$project-one-1"* ]] ||
		show 'no warning'
	slipway down
}

@test "drivers and options that are not offered are refused at plan time" {
	service it <<-END
		logging: {driver: fluentd}
	END
	run --separate-stderr slipway check
	assert_failure 1
	assert_one_message "compose.yml:2:3: services.it: logging: the driver 'fluentd' is not offered; there are json-file, local, journald and none"
}
