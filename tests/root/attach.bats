#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# tests/root/attach.bats - standard input and terminals of services, and who is attached to them.

# shellcheck disable=SC2154 # the library sets registry and project, bats status and output

load ../lib/slipway
images busybox

at_terminal() { python3 "$top/tests/lib/at_terminal.py" "$@"; }

@test "attach: lines go in and come out, and its exit code is the service's" {
	service it <<-END
		stdin_open: true
		command: [sh, -c, 'echo ready; read a; echo "got \$\$a"; read b; exit \$\$b']
	END
	slipway up -d
	run bash -c 'printf "hello\n7\n" | slipway attach it'
	[ "$status" -eq 7 ] || show 'should have been 7'
	assert_line 'got hello'
}

@test "attach: output and error output stay apart" {
	service it <<-END
		stdin_open: true
		command: [sh, -c, 'read a; echo out; echo err >&2']
	END
	slipway up -d
	run --separate-stderr bash -c 'echo | slipway attach it'
	assert_output out
	[ "$stderr" = err ] || show 'wanted err'
}

@test "attach: the end of who was attached is not the end of the service's input" {
	service it <<-END
		stdin_open: true
		command: [sh, -c, 'while read a; do echo "got \$\$a"; done; echo over']
	END
	slipway up -d
	timeout -s KILL 1 slipway attach it <<<one || :
	is_field it State running
	timeout -s KILL 1 slipway attach it <<<two || :
	run slipway logs --no-log-prefix it
	assert_output $'got one\ngot two'
}

@test "attach: a reader that does not read does not hold the service up" {
	service it <<-END
		command: [sh, -c, 'sleep 0.5; i=0; while [ \$\$i -lt 60000 ]; do echo 0123456789012345678901234567890123456789; i=\$\$((i + 1)); done; touch /data/done; sleep 100']
		volumes: ["$BATS_TEST_TMPDIR:/data"]
		stop_grace_period: 100ms
	END
	slipway up -d
	command slipway attach it 3>&- > >(sleep 20 3>&-) &
	local reader=$!
	wait_for 15 test -e "$BATS_TEST_TMPDIR/done"
	kill "$reader"
}

@test "attach: a terminal, its size, and keys that leave" {
	service it <<-END
		stdin_open: true
		tty: true
		command: sh
		stop_grace_period: 100ms
	END
	slipway up -d
	run at_terminal '>stty size\r' '=24 80' '@30x100' '>stty size\r' '=30 100' '>\x10\x11' -- slipway attach it
	assert_success
	assert_line '[exit 0]'
	assert_line '[modes kept]'
	is_field it State running
	run at_terminal '>echo $((6*7))\r' '=42' '>exit 3\r' -- slipway attach it
	assert_line '[exit 3]'
	assert_line '[modes kept]'
}

@test "attach: other keys leave when they are named, and ctrl-p goes in then" {
	service it <<-END
		stdin_open: true
		tty: true
		command: [sh, -c, 'stty raw -echo; echo ready; dd bs=1 count=2 2>/dev/null | od -An -tx1; sleep 100']
		stop_grace_period: 100ms
	END
	slipway up -d
	run at_terminal '~0.3' '>\x10\x11' '=10 11' '>\x01q' -- slipway attach --detach-keys ctrl-a,q it
	assert_line '[exit 0]'
	assert_line '[modes kept]'
	run slipway attach --detach-keys ctrl-1 it
	assert_failure 1
	assert_line "--detach-keys: 'ctrl-1' is not a list of at most 16 keys; write ctrl-p,ctrl-q"
}

@test "attach: a signal is the service's, and the terminal is as before" {
	service it <<-END
		stdin_open: true
		tty: true
		command: [sh, -c, 'trap "exit 5" TERM; echo ready; while :; do sleep 0.1; done']
	END
	slipway up -d
	run at_terminal '~0.3' '!TERM' -- slipway attach it
	assert_line '[exit 5]'
	assert_line '[modes kept]'
}

@test "attach: to what does not run is refused" {
	service it <<-END
		command: 'true'
	END
	slipway up
	run slipway attach it
	assert_failure 1
	assert_line "pod $project is not running"
	run slipway attach other
	assert_failure 1
	assert_line 'no such service: other'
}

@test "exec: a terminal, its size, and its modes afterwards" {
	service it <<-END
		command: sleep 100
		stop_grace_period: 100ms
	END
	slipway up -d
	run at_terminal '>stty size\r' '=24 80' '@30x100' '>stty size\r' '=30 100' '>exit 4\r' -- slipway exec it sh
	assert_line '[exit 4]'
	assert_line '[modes kept]'
}
