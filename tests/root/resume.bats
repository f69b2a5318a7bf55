#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# tests/root/resume.bats - pods that come back after a reboot, and those that do not.

# shellcheck disable=SC2154 # the library sets registry and project, bats stderr

load ../lib/slipway
images busybox

# a_pod [POLICY]: one whose service is restarted.
a_pod() {
	compose <<-END
		services:
		  a:
		    image: $registry/busybox
		    command: [sh, -c, 'echo here; sleep 100']
		    init: true
		    restart: ${1:-always}
		    stop_grace_period: 200ms
		    environment: {WORD: "\${WORD:-none}"}
		    volumes: [./file:/file:ro]
	END
	echo content >file
}

# reboot: what is left of a pod after one: its files below SLIPWAY_ROOT.
reboot() {
	kill -9 "$(jq .supervisor "$SLIPWAY_RUN/pods/$project/state.json")"
	wait_for 5 eval '[[ $(slipway ps -a) == *Dead* ]]'
	rm -rf "${SLIPWAY_RUN:?}/pods/$project"
}

@test "a pod comes back as it was, from any directory" {
	a_pod
	WORD=hello slipway up -d
	reboot
	cd /
	run slipway resume
	assert_success
	[[ $output == *"Pod $project  Resumed"* ]] || show 'it does not say so'
	[ "$(slipway -p "$project" exec -T a sh -c 'echo $WORD; cat /file')" = $'hello\ncontent' ]
	run slipway resume
	assert_success
	[[ $output != *Resumed* ]] || show 'twice'
	cd - >/dev/null
	run env WORD=hello slipway up -d
	assert_success
	[[ $output == *'already running'* ]] || show 'it is another pod now'
	slipway down
}

@test "after a crash of the host what was written into containers is thrown away" {
	a_pod
	slipway up -d
	pause=$(process pause)
	kill -9 "$(process supervisor)"
	wait_for 5 eval '! kill -0 '"$pause"' 2>/dev/null'
	rm -rf "${SLIPWAY_RUN:?}/pods/$project"
	[ -e "$SLIPWAY_ROOT/pods/$project/rootfs" ]
	run slipway resume
	assert_success
	[[ $output == *Resumed* ]] || show 'it did not come back'
	slipway down
	slipway gc
}

@test "what was ended does not come back" {
	a_pod
	slipway up -d
	slipway down
	run slipway resume
	[[ $output != *Resumed* ]] || show 'after down'
	slipway up -d
	slipway stop
	run slipway resume
	[[ $output != *Resumed* ]] || show 'after stop'
	slipway down
}

@test "nor what need not be restarted" {
	a_pod on-failure
	slipway up -d
	reboot
	run slipway resume
	assert_success
	[[ $output != *Resumed* ]] || show 'it came back'
	[ ! -e "$SLIPWAY_ROOT/resume/$project.yml" ]
	slipway gc # what it had belongs to nobody now
	[ ! -e "$SLIPWAY_ROOT/pods/$project" ]
}

@test "a supervisor that the host asks to end leaves its record" {
	a_pod
	slipway up -d
	kill -TERM "$(jq .supervisor "$SLIPWAY_RUN/pods/$project/state.json")"
	wait_for 5 eval '[ -z "$(slipway ls -q)" ]'
	run slipway resume
	[[ $output == *Resumed* ]] || show 'it did not come back'
	slipway down
	[ ! -e "$SLIPWAY_ROOT/resume/$project.yml" ]
}

@test "one that cannot come back is named, and keeps none of the others" {
	a_pod
	slipway up -d
	reboot
	printf 'services: {a: {image: 5}}\n' >"$SLIPWAY_ROOT/resume/broken.yml"
	run slipway resume
	assert_failure 1
	[[ $output == *'pod broken does not come back'* ]] || show 'not named'
	[[ $output == *"Pod $project  Resumed"* ]] || show 'the other one did not come back'
	rm "$SLIPWAY_ROOT/resume/broken.yml"
	slipway down
}

@test "a pod that never was is named, and -p is heard" {
	a_pod
	slipway up -d
	run --separate-stderr slipway resume nobody
	assert_failure 1
	assert_one_message 'there is no pod nobody to resume'
	run --separate-stderr slipway suspend nobody
	assert_success
	assert_one_message 'warning: pod nobody is not running'
	slipway -p nobody suspend
	is_field a State running || show '-p was not heard'
	slipway -p "$project" suspend
	! is_field a State running || show 'it runs'
	slipway -p "$project" resume
	is_field a State running
	slipway down
}
