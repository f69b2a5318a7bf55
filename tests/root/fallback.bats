#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# tests/root/fallback.bats - what an older kernel does not have, made to fail by strace.

# shellcheck disable=SC2154 # the library sets registry and project
# shellcheck disable=SC2016 # what is in single quotes is for the shell in the container

load ../lib/slipway
images busybox

# without CALL:ERROR[:when=N] COMMAND...: where that system call fails, in every process.
without() {
	local what=$1
	shift
	strace -f -qq -o /dev/null -e trace=fsconfig -e "inject=$what" "$@"
}

# Linux before 6.5: overlayfs has no `lowerdir+`. (Its is the first fsconfig of a container's process.)
@test "layers are one string" {
	need_command strace
	service it <<-'END'
		command: [sh, -c, 'head -1 /etc/passwd && echo new >/new && cat /new && grep " / / " /proc/self/mountinfo']
	END
	run without fsconfig:error=EINVAL:when=1 slipway up --no-log-prefix
	assert_success
	assert_line 'root:x:0:0'
	assert_line new
	assert_line 'lowerdir=/proc/self/fd/'
	assert_line nodev
	slipway down
}

# fdinfo PID [OPTION...]: strace of a supervisor for a second, in which it starts health checks.
fdinfo() {
	local pid=$1
	shift
	timeout -s INT 1.5 strace -qq -o fdinfo.txt -e trace=openat "$@" -p "$pid" || [ $? -eq 124 ]
}
pidfds() { find "/proc/$1/fd" -lname 'anon_inode:\[pidfd\]' | wc -l; }
children() { ps -o pid= --ppid "$1" | wc -l; }

# What was cloned, but cannot be told by its number, is ended and waited for.
@test "a process whose number cannot be read is not left behind" {
	need_command strace
	service it <<-'END'
		command: [sleep, "1000"]
		init: true
		healthcheck: {test: ["CMD", "true"], interval: 100ms}
	END
	slipway up -d --wait
	local supervisor path pidfds children
	supervisor=$(jq .supervisor "$SLIPWAY_RUN/pods/$project/state.json")
	fdinfo "$supervisor"
	path=$(grep -om 1 '/proc/self/fdinfo/[0-9]*' fdinfo.txt)
	pidfds=$(pidfds "$supervisor") children=$(children "$supervisor")
	fdinfo "$supervisor" -P "$path" -e inject=openat:error=EMFILE
	grep -q INJECTED fdinfo.txt
	wait_for 3 eval "[ \$(pidfds $supervisor) -le $pidfds ] && [ \$(children $supervisor) -le $children ]"
	slipway down -t 0
}

# slipway-pause and slipway-init are run by execveat, from memory; the one is the supervisor's first.
failing_exec() {
	strace -f -qq -o /dev/null -e trace=execveat -e inject=execveat:error=ENOMEM:when=1 "$@"
}

@test "why the pod's init cannot be run is told, whatever the network" {
	need_command strace
	local network
	for network in bridge none host; do
		printf 'command: sleep 1000\nnetwork_mode: %s\n' "$network" | service app
		run failing_exec slipway up -d
		assert_failure
		assert_output "slipway: the pod's init: run: Cannot allocate memory"
		[ -z "$(slipway ps -q)" ]
	done
}

@test "why a program cannot be put beside a container's is told" {
	need_command strace
	service app <<<'command: sleep 1000'
	slipway up -d
	run failing_exec slipway exec -T app true
	assert_failure
	assert_output 'slipway: slipway-init: run: Cannot allocate memory'
	run failing_exec slipway exec -d app true
	assert_failure
	assert_output 'slipway: slipway-init: run: Cannot allocate memory'
	slipway exec -T app true
	slipway down
}

@test "the pod's network does not depend on the limit of stacks" {
	service app <<<'command: sleep 1000'
	local kilobytes
	for kilobytes in 256 80000000000; do
		(ulimit -s "$kilobytes" && slipway up -d)
		slipway down
	done
}
