#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# tests/root/crash.bats - SIGKILL at any moment, of any process of ours, leaves nothing behind.
#
# Each test kills one process at SLIPWAY_CRASHES (20) moments. Then, within two seconds, the host is
# as it was, and the next `up` works.

# shellcheck disable=SC2154 # the library sets registry and project

load ../lib/slipway
images busybox nginx

times=${SLIPWAY_CRASHES:-20}
export BATS_TEST_TIMEOUT=$((60 + 15 * times))

write_pod() {
	compose <<-END
		services:
		  web:
		    image: $registry/nginx
		    ports: ["18080:80"]
		    mem_limit: 64m
		    pids_limit: 50
		  beside:
		    image: $registry/busybox
		    command: [sleep, '1000']
		    init: true
		    volumes: ["data:/data"]
		    tmpfs: [/scratch]
		    cpus: 0.5
		volumes: {data: }
	END
}

# A number of milliseconds below the given one; $RANDOM, but the same in each run.
RANDOM=42
moment() { printf '%d.%03d' $((RANDOM % $1 / 1000)) $((RANDOM % $1 % 1000)); }

# clean_again: within two seconds `check --leaks`, which also collects what the kernel cannot take
# back, finds nothing, and nor do we.
is_clean() { slipway check --leaks >leaks.txt 2>&1 && no_kernel_traces; }
clean_again() {
	wait_for 2 is_clean || {
		cat leaks.txt
		kernel_traces
		return 1
	}
}

works() {
	slipway up -d
	wait_for 10 curl -sS --fail --noproxy '*' -o /dev/null http://127.0.0.1:18080/ 2>/dev/null
	[ "$(slipway ps -q | wc -l)" -eq 2 ]
}

@test "the supervisor is killed" {
	write_pod
	for ((n = 0; n < times; n++)); do
		works
		sleep "$(moment 100)"
		pid=$(process supervisor)
		kill -KILL "$pid"
		clean_again
	done
	works
}

@test "up waits for whoever cleans up after a dead pod" {
	write_pod
	works
	kill -KILL "$(process supervisor)"
	clean_again
	flock "$SLIPWAY_RUN/pods/$project/lock" sleep 1 3>&- &
	sleep 0.2
	run slipway up -d
	assert_success
	refute_line 'already running'
	[ "$(slipway ps -q | wc -l)" -eq 2 ]
	slipway down
}

@test "the pod's init is killed" {
	write_pod
	for ((n = 0; n < times; n++)); do
		works
		sleep "$(moment 100)"
		pid=$(process pause)
		kill -KILL "$pid"
		clean_again
	done
	works
}

@test "both are killed at once" {
	write_pod
	for ((n = 0; n < times; n++)); do
		works
		pids=("$(process supervisor)" "$(process pause)")
		kill -KILL "${pids[@]}"
		clean_again
	done
	works
}

@test "up is killed while it starts" {
	write_pod
	for ((n = 0; n < times; n++)); do
		setsid slipway up >up.txt 2>&1 3>&- &
		up=$!
		sleep "$(moment 400)"
		# the whole of it, or the foreground process alone
		if ((n % 2)); then kill -KILL -- "-$up" 2>/dev/null || :; fi
		kill -KILL "$up" 2>/dev/null || :
		wait "$up" || :
		clean_again
	done
	works
}

@test "up -d is killed while it starts" {
	write_pod
	for ((n = 0; n < times; n++)); do
		command slipway up -d >up.txt 2>&1 3>&- &
		up=$!
		sleep "$(moment 200)"
		kill -KILL "$up" 2>/dev/null || :
		wait "$up" || :
		# Its detached child may live on and finish: then that is a pod like any other.
		slipway down -t 2
		clean_again
	done
	works
}

@test "down is killed" {
	write_pod
	for ((n = 0; n < times; n++)); do
		works
		command slipway down -t 2 >down.txt 2>&1 3>&- &
		down=$!
		sleep "$(moment 150)"
		kill -KILL "$down" 2>/dev/null || :
		wait "$down" || :
		slipway down -t 2
		clean_again
	done
	works
}

@test "a container's first process is killed: the pod goes on" {
	write_pod
	works
	pid=$(jq -r '.services[] | select(.service == "beside").pid' "$SLIPWAY_RUN/pods/$project/state.json")
	grep -q "/${SLIPWAY_CGROUP_PARENT:?}/" "/proc/$pid/cgroup" # it is one of ours
	kill -KILL "$pid"
	wait_for 5 is_field beside ExitCode 137
	[ "$(field web State)" = running ]
}

@test "a name that leads out of the directory of pods ends nobody" {
	sleep 100 3>&- &
	for name in . .. ../..; do
		for command in down stop kill logs rm suspend; do
			run --separate-stderr slipway -p "$name" "$command"
			assert_failure 1
			assert_one_message "'$name'"
			run --separate-stderr slipway suspend "$name"
			assert_failure 1
		done
	done
	kill $!
	[ -d "$SLIPWAY_RUN/pods" ]
}

@test "an empty name is none" {
	echo 'services: {a: {image: '"$registry"'/busybox, command: sleep 100, init: true}}' >compose.yml
	slipway up -d
	run slipway -p '' ps -q
	assert_success
	[ -n "$output" ] || show 'not the project of the directory'
	slipway -p '' down
	run slipway ls -q
	assert_output ''
	[ -d "$SLIPWAY_RUN/pods" ]
}

@test "up and up, up and down, down and down at once: each ends, and says nothing odd" {
	local i delay
	service a <<<$'command: sleep 100\ninit: true'
	for i in 1 2 3; do
		for delay in 0 0.003 0.008; do
			slipway up -d 2>one.txt &
			sleep "$delay"
			slipway up -d 2>two.txt || { cat two.txt; false; }
			wait $! || { cat one.txt; false; }
			slipway up -d --force-recreate 2>one.txt &
			sleep "$delay"
			slipway down 2>two.txt || { cat two.txt; false; }
			wait $! || :
			slipway up -d 2>>two.txt
			slipway down 2>>one.txt &
			sleep "$delay"
			slipway down 2>>two.txt
			wait $!
			! grep -E 'open|lock' one.txt two.txt || false
			[ -z "$(slipway ls -aq)" ]
		done
	done
}

@test "a pod whose control socket somebody has removed: down says so, and does not wait for ever" {
	service a <<<$'command: sleep 100\ninit: true'
	slipway up -d
	rm "$SLIPWAY_RUN/pods/$project/control"
	run --separate-stderr slipway down
	assert_failure 1
	assert_one_message "pod $project does not end, and its supervisor does not answer"
	kill "$(process supervisor)"
	wait_for 5 eval '[ -z "$(slipway ps -q)" ]'
	slipway down
}

@test "a full disk: who could not be written is named, and state follows when there is room" {
	service a <<<$'command: sleep 100\ninit: true'
	mkdir full
	mount -t tmpfs -o size=64k full full
	export SLIPWAY_RUN=$PWD/full
	slipway ls >/dev/null
	dd if=/dev/zero of=full/fill bs=1k 2>/dev/null || :
	# 4 KiB more each time: files of the container, its state, and then it runs
	local said='' i
	for ((i = 0; i < 12; i++)); do
		if slipway up -d 2>up.err; then break; fi
		said+=$(cat up.err)
		[ -z "$(ls full/pods)" ]
		! grep 'No space left' up.err | grep -v "$PWD/full/pods/$project/" || show "no path in $(cat up.err)"
		truncate -s -4096 full/fill
	done
	[[ $said == *'/hosts: write: No space left on device'* ]] || show "$said"
	[[ $said == *'/state.json: '*'No space left on device'* ]] || show "$said"
	# it runs now
	[ "$(slipway ps --services)" = a ]
	dd if=/dev/zero of=full/more bs=1k 2>/dev/null || :
	slipway pause a
	slipway unpause a
	slipway pause a
	[ "$(grep -c "others see an earlier state of pod $project" "$SLIPWAY_ROOT/supervisor.log")" = 1 ] || show "$(cat "$SLIPWAY_ROOT/supervisor.log")"
	is_field a State running
	rm full/more full/fill
	wait_for 5 is_field a State paused
	slipway down -t 0
	export SLIPWAY_RUN=$BATS_FILE_TMPDIR/run
	umount full
}

@test "a root that cannot be written: what there is is listed, and up says why not" {
	service a <<<'command: sleep 100'
	mkdir fixed
	mount --bind "$SLIPWAY_ROOT" fixed
	mount -o remount,ro,bind fixed
	export SLIPWAY_ROOT=$PWD/fixed
	[ "$(slipway images --format "{{.Repository}}" | grep -c "^$registry/")" = 2 ]
	slipway volumes
	slipway ps -a
	run --separate-stderr slipway up -d
	assert_failure 1
	assert_one_message 'Read-only file system'
	export SLIPWAY_ROOT=$BATS_FILE_TMPDIR/root
	umount fixed
	# nor state
	mkdir fixed/pods
	mount --bind fixed fixed
	mount -o remount,ro,bind fixed
	SLIPWAY_RUN=$PWD/fixed run --separate-stderr slipway up -d
	assert_failure 1
	assert_one_message "$PWD/fixed/pods/$project: Read-only file system"
	SLIPWAY_RUN=$PWD/fixed slipway ps -a
	SLIPWAY_RUN=$PWD/fixed slipway images >/dev/null
	umount fixed
}

@test "create with no room for state says so" {
	service a <<<'command: sleep 100'
	mkdir full
	mount -t tmpfs -o size=64k full full
	SLIPWAY_RUN=$PWD/full slipway ls >/dev/null
	dd if=/dev/zero of=full/fill bs=1k 2>/dev/null || :
	SLIPWAY_RUN=$PWD/full run --separate-stderr slipway create
	assert_failure 1
	assert_one_message 'state.json: write: No space left on device'
	[ -z "$(ls full/pods)" ]
	umount full
}

@test "down: what the pod has left is gone when it returns, and a large log a moment later" {
	service a <<<$'command: sh -c "head -c 20000000 /dev/zero | tr \'\\\\0\' x | fold; touch /tmp/done; sleep 100"\ninit: true\nlogging: {driver: json-file}'
	slipway up -d
	wait_for 10 slipway exec -T a test -e /tmp/done
	slipway down
	[ ! -e "$SLIPWAY_RUN/pods/$project" ]
	[ ! -e "$SLIPWAY_ROOT/pods/$project" ]
	wait_for 20 eval '[ -z "$(find "$SLIPWAY_ROOT/trash" -name "a.log*" -size +1M)" ]'
}

@test "down of a pod whose files cannot be removed says so, and can be had again" {
	service a <<<$'command: sleep 100\ninit: true'
	slipway up -d
	mkdir "$SLIPWAY_RUN/pods/$project/kept"
	mount -t tmpfs kept "$SLIPWAY_RUN/pods/$project/kept"
	run --separate-stderr slipway down
	assert_failure 1
	assert_one_message "remove $SLIPWAY_RUN/pods/$project: "
	umount "$SLIPWAY_RUN/pods/$project/kept"
	slipway down
	[ ! -e "$SLIPWAY_RUN/pods/$project" ]
	run slipway ls -aq
	assert_output ""
}
