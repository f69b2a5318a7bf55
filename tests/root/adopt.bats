#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# tests/root/adopt.bats - containers that come back: what they have written, their ids and their logs.

# shellcheck disable=SC2154 # the library sets registry and project, bats status, output and stderr

load ../lib/slipway
images busybox

# project CONFIG...: services a and b, the first with these attributes more
two() {
	cat >compose.yml <<-END
		services:
		  a:
		    image: $registry/busybox
		    command: sh -c 'echo run >>/trail; echo here; exec sleep 1000'
		    init: true
		    $*
		  b:
		    image: $registry/busybox
		    command: sh -c 'echo run >>/trail; exec sleep 1000'
		    init: true
	END
}
# two_changed: both have run once, are stopped, and a is another by now; sets a and b, their ids.
two_changed() {
	two
	slipway up -d
	wait_for 5 ran a 1
	a=$(cid a) b=$(cid b)
	slipway stop
	two 'environment: {changed: "1"}'
}
runs() { slipway -p "$project" exec -T "$1" wc -l /trail | tr -dc 0-9; }
lines() { slipway logs --no-log-prefix a 2>/dev/null | grep -c here; }
cid() { slipway -p "$project" ps -aq "$1"; }
ran() { [ "$(runs "$1")" = "$2" ]; }

@test "stop and start, stop and up: the containers are what they were" {
	two
	slipway up -d
	wait_for 5 ran a 1
	local a b
	a=$(cid a) b=$(cid b)
	slipway exec -T a sh -c 'echo kept >/file; rm /bin/vi; mkdir /etc/new; chmod 4711 /file'
	slipway stop
	slipway start
	wait_for 5 ran a 2
	[ "$(slipway exec -T a cat /file)" = kept ]
	[ "$(slipway exec -T a stat -c %a /file)" = 4711 ]
	! slipway exec -T a test -e /bin/vi || false
	[ "$(cid a) $(cid b)" = "$a $b" ]
	wait_for 5 eval '[ "$(lines)" = 2 ]'
	slipway stop
	slipway up -d
	wait_for 5 ran a 3
	wait_for 5 ran b 3
	[ "$(cid a) $(cid b)" = "$a $b" ]
	# in the foreground as well
	slipway stop
	slipway up >up.out 2>&1 3>&- &
	local up=$!
	wait_for 5 ran a 4
	kill -INT $up
	wait $up || :
	slipway restart
	wait_for 5 ran a 5
	[ "$(cid a) $(cid b)" = "$a $b" ]
	slipway down
	[ ! -e "$SLIPWAY_ROOT/pods/$project" ]
	slipway up -d
	wait_for 5 ran a 1
	[ "$(cid a)" != "$a" ]
}

@test "what has changed is new, with a log of its own; the other is what it was" {
	local a b
	two_changed
	slipway up -d
	wait_for 5 ran a 1
	wait_for 5 ran b 2
	wait_for 5 eval '[ "$(lines)" = 1 ]'
	[ "$(cid a)" != "$a" ]
	[ "$(cid b)" = "$b" ]
	# while it runs
	a=$(cid a)
	two 'environment: {changed: "2"}'
	slipway up -d
	wait_for 5 ran a 1
	ran b 2
	wait_for 5 eval '[ "$(lines)" = 1 ]'
	[ "$(cid a)" != "$a" ]
	# published ports are the pod's: it is started anew, and b is what it was
	two 'ports: ["127.0.0.1:18086:80"]'
	slipway up -d
	wait_for 5 ran a 1
	wait_for 5 ran b 3
	[ "$(cid b)" = "$b" ]
}

@test "new ones are asked for: --force-recreate, of all and of one, ended or running" {
	two
	slipway up -d
	wait_for 5 ran a 1
	local a b
	a=$(cid a) b=$(cid b)
	slipway up -d --force-recreate a
	wait_for 5 ran a 1
	[ "$(cid a)" != "$a" ] && [ "$(cid b)" = "$b" ]
	a=$(cid a)
	slipway stop
	slipway up -d --force-recreate
	wait_for 5 ran a 1
	wait_for 5 ran b 1
	[ "$(cid a)" != "$a" ] && [ "$(cid b)" != "$b" ]
	b=$(cid b)
	slipway stop
	slipway up -d --force-recreate a
	wait_for 5 ran a 1
	slipway start b
	wait_for 5 ran b 2
	[ "$(cid b)" = "$b" ]
	slipway up -d --force-recreate
	wait_for 5 ran b 1
	[ "$(cid b)" != "$b" ]
}

@test "one that has ended while the other runs comes back as what it was" {
	two
	slipway up -d
	wait_for 5 ran a 1
	local a
	a=$(cid a)
	slipway stop a
	slipway up -d
	wait_for 5 ran a 2
	[ "$(cid a)" = "$a" ]
	slipway stop a
	two 'environment: {changed: "1"}'
	slipway up -d
	wait_for 5 ran a 1
	[ "$(cid a)" != "$a" ]
	a=$(cid a)
	slipway rm -fs a
	slipway up -d
	wait_for 5 ran a 1
	[ "$(cid a)" != "$a" ]
	# b has changed, and a has ended
	a=$(cid a)
	slipway stop a
	sed -i '$s/.*/    init: false\n    stop_grace_period: 0s/' compose.yml
	slipway up -d
	wait_for 5 ran a 2
	wait_for 5 ran b 1
	[ "$(cid a)" = "$a" ]
}

@test "rm of one that has ended leaves nothing of it, down nothing of what the file has no more" {
	two
	slipway up -d
	wait_for 5 ran a 1
	slipway stop
	slipway rm -f a
	[ -z "$(compgen -G "$SLIPWAY_ROOT/pods/$project/rootfs/a.*")" ]
	[ -n "$(compgen -G "$SLIPWAY_ROOT/pods/$project/rootfs/b.*")" ]
	slipway up -d
	wait_for 5 ran a 1
	wait_for 5 ran b 2
	slipway stop
	sed -i '/^  b:/,$d' compose.yml
	slipway up -d
	wait_for 5 ran a 2
	slipway down
	[ ! -e "$SLIPWAY_ROOT/pods/$project" ]
}

@test "a start that fails loses nothing" {
	two 'ports: ["127.0.0.1:18087:80"]'
	slipway up -d
	wait_for 5 ran a 1
	local a
	a=$(cid a)
	slipway stop
	python3 -c 'import socket, time
s = socket.create_server(("127.0.0.1", 18087))
print("up", flush=True)
time.sleep(100)' >listener 3>&- &
	local listener=$!
	wait_for 5 grep -q up listener
	run --separate-stderr slipway start
	assert_failure
	assert_one_message "18087"
	[ "$(slipway ps -a --format '{{.State}}' a)" = exited ]
	# nor does one of a version that cannot run, of which nothing is found by the next
	two 'command: /no/such'
	sed -i "0,/command: sh/{/command: sh/d}" compose.yml
	run --separate-stderr slipway up -d
	assert_failure 1
	kill $listener
	two 'ports: ["127.0.0.1:18087:80"]'
	slipway start
	wait_for 5 eval '[ "$(runs b)" -ge 2 ]' # it may have begun beside the one that could not
	wait_for 5 ran a 1
	[ "$(cid a)" = "$a" ]
}

@test "a supervisor that was killed takes nothing of theirs along" {
	two
	slipway up -d
	wait_for 5 ran a 1
	local a
	a=$(cid a)
	kill -KILL "$(process supervisor)"
	wait_for 5 eval '[ "$(slipway ps -a --format "{{.State}}" a)" = dead ]'
	slipway check --leaks
	slipway up -d
	wait_for 5 ran a 2
	[ "$(cid a)" = "$a" ]
}

@test "after a reboot of the host all begins anew" {
	two
	slipway up -d
	wait_for 5 ran a 1
	slipway stop
	# what RUN is after one
	rm -rf "$SLIPWAY_RUN/pods"
	slipway up -d
	wait_for 5 ran a 1
	slipway stop
	# where RUN is kept, it is of another boot
	sed -i 's/"boot":"[^"]*"/"boot":"another"/' "$SLIPWAY_RUN/pods/$project/state.json"
	slipway up -d
	wait_for 5 ran a 1
}

@test "run without --rm, and start: the same container; with it nothing stays" {
	slipway run -d --name once "$registry/busybox" sh -c 'echo run >>/trail; wc -l </trail; exec sleep 1000'
	local before
	before=$(slipway ps -aq)
	wait_for 5 eval '[ "$(slipway logs --no-log-prefix once)" = 1 ]'
	slipway stop -t 0 once
	slipway start once
	wait_for 5 eval '[ "$(slipway logs --no-log-prefix once | tr -d "\n")" = 12 ]'
	[ "$(slipway ps -aq)" = "$before" ]
	slipway rm -f once
	slipway run --rm "$registry/busybox" sh -c 'echo x >/trail'
	run ls "$SLIPWAY_ROOT/pods"
	assert_output ""
}

@test "create, and start what it made; create of one that has ended keeps it" {
	two
	slipway create
	local a
	a=$(cid a)
	slipway start
	wait_for 5 ran a 1
	[ "$(cid a)" = "$a" ]
	slipway stop
	slipway create
	slipway start
	wait_for 5 ran a 2
	[ "$(cid a)" = "$a" ]
	slipway stop
	two 'environment: {changed: "1"}'
	slipway create
	slipway start
	wait_for 5 ran a 1
	wait_for 5 ran b 3
}

@test "start takes what is there, and not what the files say by now" {
	local a b
	two_changed
	slipway start
	wait_for 5 ran a 2
	[ "$(cid a) $(cid b)" = "$a $b" ]
	[ -z "$(slipway exec -T a sh -c 'echo $changed')" ]
	[ "$(slipway ls -a --format '{{.ConfigFiles}}' --filter name="$project")" = "$PWD/compose.yml" ]
	# 'up' looks at the files
	slipway up -d
	wait_for 5 ran a 1
	[ "$(slipway exec -T a sh -c 'echo $changed')" = 1 ]
	a=$(cid a)
	# so it does not matter that there are none
	slipway stop
	rm compose.yml
	slipway -p "$project" start b
	wait_for 5 ran b 3
	[ "$(slipway -p "$project" ps -a --format '{{.State}}' a)" = exited ]
	slipway -p "$project" start
	wait_for 5 ran a 2
	[ "$(cid a) $(cid b)" = "$a $b" ]
	slipway -p "$project" restart
	wait_for 5 ran a 3
	# one that was taken out does not come back
	slipway -p "$project" stop
	slipway -p "$project" rm -f a
	slipway -p "$project" start
	wait_for 5 ran b 5
	[ "$(slipway -p "$project" ps -a --services)" = b ]
}

@test "start of a project of several files, of instances, and after a change while it ran" {
	two
	cat >more.yml <<-END
		services:
		  b: {deploy: {replicas: 2}, environment: {more: "\$\$x"}}
	END
	slipway -f compose.yml -f more.yml up -d --scale b=3
	wait_for 5 ran a 1
	slipway stop
	slipway start
	wait_for 5 ran a 2
	[ "$(slipway ps -q b | wc -l)" = 3 ]
	[ "$(slipway exec -T b sh -c 'echo "$more"')" = '$x' ]
	[ "$(slipway ls --format '{{.ConfigFiles}}' --filter name="$project")" = "$PWD/compose.yml,$PWD/more.yml" ]
	sed -i 's/x"/y"/' more.yml
	slipway -f compose.yml -f more.yml up -d
	[ "$(slipway ls --format '{{.ConfigFiles}}' --filter name="$project")" = "$PWD/compose.yml,$PWD/more.yml" ]
	slipway stop
	slipway start
	wait_for 5 ran a 3
	[ "$(slipway exec -T --index 2 b sh -c 'echo "$more"')" = '$y' ]
}

@test "one that has changed while it rested has nothing of what it was, also not of another image" {
	two
	slipway up -d
	wait_for 5 ran b 1
	local b
	b=$(cid b)
	slipway stop
	sed -i '$s/.*/    init: true\n    environment: {changed: "1"}/' compose.yml
	slipway up -d a
	wait_for 5 ran a 2
	slipway stop
	slipway up -d
	wait_for 5 ran b 1
	[ "$(cid b)" != "$b" ]
	[ "$(slipway exec -T b sh -c 'echo $changed')" = 1 ]
}

@test "a supervisor that is killed while it replaces one mixes nothing" {
	two 'stop_grace_period: 30s'
	sed -i 's/init: true/init: false/; s/exec sleep 1000/trap "" TERM; while :; do sleep 1; done/' compose.yml
	slipway up -d
	wait_for 5 ran a 1
	sed -i 's/stop_grace_period: 30s/stop_grace_period: 29s/' compose.yml
	slipway up -d >/dev/null 2>&1 3>&- &
	local up=$!
	sleep 0.7
	kill -KILL "$(process supervisor)"
	wait "$up" || :
	slipway up -d
	wait_for 5 ran a 1
}

@test "create of one service of a pod that has ended leaves the other" {
	two
	slipway up -d
	wait_for 5 ran a 1
	slipway stop
	slipway create a
	[ "$(slipway ps -a --services | sort | tr '\n' ' ')" = 'a b ' ]
	slipway create --force-recreate a
	slipway start
	wait_for 5 ran a 1
	wait_for 5 ran b 2
}

@test "several starts at once, and restart of one that has ended" {
	two
	slipway up -d
	wait_for 5 ran a 1
	local i
	for i in 2 3 4; do
		slipway stop
		slipway start &
		local first=$!
		slipway start
		wait "$first"
		wait_for 5 ran a "$i"
		ran b "$i"
	done
	slipway stop
	slipway restart a
	wait_for 5 ran a 5
	[ "$(slipway ps -a --format '{{.State}}' b)" = exited ]
}

@test "services that a start does not bring lose nothing: a profile that is off, a start that fails" {
	two
	sed -i 's/^  b:/  b:\n    profiles: [more]/' compose.yml
	slipway --profile more up -d
	wait_for 5 ran b 1
	slipway stop
	sed -i "0,/command: .*/s//command: \/no\/such/" compose.yml
	run slipway up -d
	assert_failure 1
	slipway start
	wait_for 5 ran b 2
}
