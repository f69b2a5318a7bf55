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
