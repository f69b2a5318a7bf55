#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Several requests to one pod at once, who asks and goes away, and what cannot be done for one service of many.

load ../lib/slipway
images busybox

polite="sh -c 'trap \"sleep 1; exit 0\" TERM; echo began; while :; do sleep 0.1; done'"
stubborn="sh -c 'trap \"\" TERM; while :; do sleep 0.1; done'"

# pod_of SERVICE... with each its lines: "name: {more of it}"
pod_of() {
	local s grace
	echo 'services:' >compose.yml
	for s; do
		grace='stop_grace_period: 100ms, '
		[[ $s != *stop_grace_period* ]] || grace=
		echo "  ${s%%:*}: {image: $registry/busybox, $grace${s#*:}" >>compose.yml
	done
}
innocent='other: command: sleep 1000}'

# ask NAME COMMAND...: in the background; NAME.rc has its exit code, NAME.out what it says.
ask() {
	local name=$1
	shift
	(
		rc=0
		timeout 15 slipway "$@" >"$name.out" 2>&1 3>&- || rc=$?
		echo "$rc" >"$name.rc"
	) 3>&- &
}

state_of() { jq -r --arg s "$1" --arg f "$2" '.services[] | select(.service == $s)[$f]' "$SLIPWAY_RUN/pods/$project/state.json"; }

@test "a suspended exec does not keep its container from ending" {
	pod_of 'app: command: sleep 1000}'
	slipway up -d
	command slipway exec -T app sleep 1000 </dev/null >/dev/null 2>&1 3>&- &
	client=$!
	wait_for 5 eval '[ "$(slipway exec -T app ps | grep -c 'slee[p]')" = 2 ]'
	kill -STOP $client
	limit=8 run slipway stop
	kill -CONT $client
	code=0
	wait $client || code=$?
	assert_success
	[ $code = 137 ]
}

@test "two restarts at once are both answered, and so is a stop before a restart" {
	pod_of "app: stop_grace_period: 5s, command: $polite}" "$innocent"
	slipway up -d
	ask one restart app
	first=$!
	sleep 0.3
	ask two restart app
	wait $first $! || :
	[ "$(cat one.rc two.rc)" = "$(printf '0\n0')" ]
	is_field app State running
	ask one stop app
	first=$!
	sleep 0.3
	ask two restart app
	wait $first $! || :
	[ "$(cat one.rc two.rc)" = "$(printf '0\n0')" ]
	is_field app State running
}

@test "a restart goes on when who has asked for it goes away" {
	pod_of "app: stop_grace_period: 5s, command: $polite}" "$innocent"
	slipway up -d
	command slipway restart app >/dev/null 2>&1 3>&- &
	client=$!
	sleep 0.3
	kill -KILL $client
	wait $client || :
	wait_for 5 eval '[ "$(slipway logs --no-log-prefix app | grep -c began)" = 2 ]'
	is_field app State running
}

@test "a pod that is being stopped starts nothing again" {
	pod_of "app: stop_grace_period: 8s, command: $polite}" "$innocent"
	slipway up -d
	ask one restart app
	first=$!
	sleep 0.3
	ask two stop
	wait $first $! || :
	[ "$(cat one.rc)" = 1 ]
	grep -q 'is being stopped' one.out
	[ "$(cat two.rc)" = 0 ]
	[ "$(slipway logs --no-log-prefix app | grep -c began)" = 1 ]
}

@test "who stops later with less patience is heard, for services that are being replaced, too" {
	pod_of "app: command: $stubborn}"
	sed -i 's/100ms/30s/' compose.yml
	slipway up -d
	ask one stop
	sleep 0.5
	limit=5 run slipway stop -t 1
	assert_success
	slipway up -d
	sed -i 's/sleep 0.1/sleep 0.2/' compose.yml
	ask one up -d
	sleep 1
	limit=5 run slipway down -t 0
	assert_success
}

@test "up -t is the patience for what is replaced" {
	pod_of "app: command: $stubborn}"
	sed -i 's/100ms/30s/' compose.yml
	slipway up -d
	sed -i 's/sleep 0.1/sleep 0.2/' compose.yml
	limit=5 run slipway up -d -t 1
	assert_success
	slipway down -t 0
}

@test "stop with a time keeps the order" {
	pod_of "web: depends_on: [db], command: $polite}" "db: command: $polite}"
	slipway up -d
	slipway events >events 3>&- &
	listener=$!
	sleep 0.3
	slipway stop -t 5
	wait $listener || :
	sed 's/^[^ ]* container \([a-z]*\) .*name=t[0-9]*-\([a-z]*\)-.*/\1 \2/' events >order
	[ "$(tr '\n' , <order)" = 'kill web,die web,stop web,kill db,die db,stop db,' ]
}

@test "kill between two runs is the end of them" {
	pod_of "app: restart: always, command: sh -c 'sleep 0.2; exit 3'}" "$innocent"
	slipway up -d
	wait_for 10 eval '[ "$(state_of app restarts)" -ge 3 ] && is_field app State restarting'
	slipway kill app
	is_field app State exited
	is_field app ExitCode 3
	sleep 2
	is_field app State exited
}

@test "the end of the pod between two runs does not make the exit code another" {
	pod_of "app: restart: always, command: sh -c 'exit 7'}" "$innocent"
	slipway up -d
	wait_for 10 eval '[ "$(state_of app restarts)" -ge 4 ] && is_field app State restarting'
	kill -KILL "$(process pause)"
	wait_for 5 is_field app State exited
	is_field app ExitCode 7
}

@test "restarts that were asked for do not use up on-failure's" {
	pod_of "app: restart: 'on-failure:2', command: sh -c 'sleep 0.5; exit 1'}" "$innocent"
	slipway up -d
	slipway restart -t 0 app
	slipway restart -t 0 app
	wait_for 10 is_field app State exited
	[ "$(state_of app restarts)" = 2 ]
}

@test "a restart that fails for want of a process is tried again, and the pod lives" {
	need_command strace
	pod_of "app: restart: always, command: sh -c 'sleep 1; exit 1'}" "$innocent"
	slipway up -d
	timeout 5 strace -p "$(process supervisor)" -e trace=clone3 -e inject=clone3:error=EAGAIN:when=1 -o calls 3>&- || :
	grep -q INJECTED calls
	is_field other State running
	wait_for 5 is_field app State running
}

@test "a program that goes away after a good run is not tried without a pause" {
	printf '#!/bin/sh\nsleep 10.5\n' >program
	chmod +x program
	pod_of "app: restart: always, command: /d/program, volumes: ['.:/d']}" "$innocent"
	slipway up -d
	sleep 10
	mv program away
	sleep 5
	# 0.1, 0.2, 0.4, 0.8, 1.6 s and so on: without a pause it would be some forty
	[ "$(state_of app restarts)" -le 8 ]
	is_field other State running
}

@test "what up cannot create is told, who depends on it is not started, and the next up tries again" {
	pod_of "$innocent"
	slipway up -d
	before=$(state_of other pid)
	pod_of "$innocent" 'b: depends_on: [a], command: sleep 1000}' \
		"a: command: sleep 1000, volumes: [{type: bind, source: $PWD/later, target: /x, bind: {create_host_path: false}}]}"
	for i in 1 2; do
		limit=10 run slipway up -d
		assert_failure 1
		assert_line 'service a: the bind source'
		assert_line 'dependency failed to start: service a was not started'
		is_field a State created
		is_field b State created
	done
	mkdir later
	slipway up -d
	is_field a State running
	is_field b State running
	[ "$(state_of other pid)" = "$before" ]
}

@test "a volume that is not there harms only who has it" {
	pod_of "$innocent"
	slipway up -d
	before=$(state_of other pid)
	pod_of "$innocent" "b: command: sleep 1000, volumes: ['ext:/x']}"
	printf 'volumes: {ext: {external: true, name: nothere}}\n' >>compose.yml
	limit=10 run slipway up -d
	assert_failure 1
	[ ${#lines[@]} = 1 ]
	assert_line "the external volume 'nothere' does not exist"
	is_field b State created
	[ "$(state_of other pid)" = "$before" ]
	is_field other State running
}

@test "the error of an up that nobody waits for any more is not the next one's" {
	pod_of "$innocent"
	slipway up -d
	cp compose.yml good.yml
	pod_of "$innocent" "slow: command: sleep 1000, healthcheck: {test: [CMD, 'false'], interval: 500ms, retries: 1}}" \
		'b: command: sleep 1000, depends_on: {slow: {condition: service_healthy}}}'
	command slipway up -d >/dev/null 2>&1 3>&- &
	client=$!
	wait_for 5 is_field slow State running
	kill -KILL $client
	wait $client || :
	wait_for 5 is_field slow Health unhealthy
	sleep 0.3
	limit=10 run slipway -f good.yml up -d
	assert_success
}

@test "the reason of a failed up is not looked for in a container that is gone" {
	pod_of "$innocent"
	slipway up -d
	cp compose.yml good.yml
	pod_of "$innocent" "slow: command: sleep 1000, healthcheck: {test: [CMD, 'false'], interval: 300ms, retries: 1}}" \
		'b: command: sleep 1000, depends_on: {slow: {condition: service_healthy}}}'
	run slipway up -d
	assert_failure 1
	assert_line 'service slow is unhealthy'
	slipway -f good.yml up -d
	supervisor=$(process supervisor)
	kill -KILL "$(process pause)"
	wait_for 5 eval "! kill -0 $supervisor"
	tail -1 "$SLIPWAY_ROOT/supervisor.log" | grep -q "pod's init was killed"
	is_field other State exited
}

@test "a service that is stopped before up has come to it is not started" {
	pod_of "$innocent"
	slipway up -d
	pod_of "$innocent" "slow: command: sleep 1000, healthcheck: {test: [CMD-SHELL, 'sleep 2'], interval: 3s, timeout: 5s}}" \
		'b: restart: always, command: sleep 1000, depends_on: {slow: {condition: service_healthy}}}'
	ask up up -d
	up=$!
	wait_for 5 is_field slow State running
	slipway stop b
	wait $up || :
	[ "$(cat up.rc)" = 0 ]
	wait_for 8 is_field slow Health healthy
	is_field b State created
	slipway start b
	kill -KILL "$(state_of b pid)"
	wait_for 5 eval '[ "$(state_of b restarts)" = 1 ] && is_field b State running'
}

@test "a second up waits for what the first one is at" {
	pod_of "$innocent"
	slipway up -d
	pod_of "$innocent" "slow: command: sleep 1000, healthcheck: {test: [CMD-SHELL, 'sleep 2'], interval: 3s, timeout: 5s}}" \
		'b: command: sleep 1000, depends_on: {slow: {condition: service_healthy}}}'
	ask up up -d
	up=$!
	wait_for 5 is_field slow State running
	limit=10 run slipway up -d
	assert_success
	is_field b State running
	wait $up
	[ "$(cat up.rc)" = 0 ]
}

@test "a probe may write more than fits at once" {
	pod_of "app: command: sleep 1000, healthcheck: {test: [CMD, head, -c, '3000000', /dev/zero], interval: 1s, retries: 1}}"
	slipway up -d --wait --wait-timeout 10
	is_field app Health healthy
	sleep 1.5
	is_field app Health healthy
}

@test "a probe's time does not pass while its container is paused" {
	pod_of "app: command: sleep 1000, healthcheck: {test: [CMD, sleep, '0.8'], interval: 300ms, timeout: 2s, retries: 1}}"
	slipway up -d --wait --wait-timeout 10
	for i in 1 2; do
		slipway pause
		sleep 2.5
		slipway unpause
		sleep 0.3
		is_field app Health healthy
	done
	sleep 1.5
	is_field app Health healthy
}

@test "start and restart keep the order of dependencies, and wait for health" {
	pod_of "$innocent" 'web: command: sleep 1000, depends_on: {db: {condition: service_healthy}, job: {condition: service_completed_successfully}}}' \
		"db: command: sleep 1000, healthcheck: {test: [CMD-SHELL, 'sleep 0.5'], interval: 1s}}" \
		"job: command: sh -c 'sleep 0.3; exit 0'}"
	slipway up -d
	for what in 'start web db job' 'restart'; do
		[ "$what" = restart ] || slipway stop -t 0 web db
		command slipway events >events 3>&- &
		listener=$!
		sleep 0.3
		# shellcheck disable=SC2086 # words
		slipway $what
		kill $listener
		wait $listener || :
		sed 's/^[^ ]* container \([a-z_]*:* *[a-z]*\) .*name=t[0-9]*-\([a-z]*\)-.*/\1 \2/' events >order
		[ "$(grep -e '^start web' -e 'health_status: healthy db' order | tr '\n' ,)" = 'health_status: healthy db,start web,' ]
		is_field web State running
	done
}

@test "what cannot start for its dependency is told, and the rest starts" {
	pod_of "$innocent" 'web: command: sleep 1000, depends_on: {job: {condition: service_completed_successfully}}}' \
		"job: command: sh -c 'exit 0'}" 'free: command: sleep 1000}'
	slipway up -d
	wait_for 5 is_field job State exited
	slipway stop -t 0 web free
	sed -i 's/exit 0/exit 4/' compose.yml
	slipway up -d job
	wait_for 5 is_field job ExitCode 4
	limit=10 run slipway start web free
	assert_failure 1
	assert_line 'service job did not complete successfully: exit 4'
	is_field web State exited
	is_field free State running
	limit=10 run slipway restart web
	assert_failure 1
	sed -i 's/exit 4/exit 0/' compose.yml
	slipway up -d
	is_field web State running
}

# later NAME QUESTION: a client that is connected, and asks at `now NAME`; NAME.answer is what it prints.
later() {
	mkfifo "$1.go"
	python3 "$top/tests/lib/ask_later.py" "$SLIPWAY_RUN/pods/$project" "$2" <"$1.go" >"$1.answer" 2>&1 3>&- &
	eval "exec {go_$1}>$1.go"
	wait_for 5 grep -q connected "$1.answer"
}
now() {
	local fd="go_$1"
	echo >&"${!fd}"
	wait_for 5 grep -q asked "$1.answer"
}

@test "the patience of a stop that is over does not end the next run" {
	pod_of "app: stop_grace_period: 30s, command: $polite}" "$innocent"
	slipway up -d
	slipway stop app
	slipway restart -t 2 app
	sleep 3
	is_field app State running
}

@test "start of one that is given up, and at its gate still, is done when it has ended" {
	pod_of "$innocent"
	slipway up -d
	pod_of "$innocent" "slow: command: sleep 1000, healthcheck: {test: [CMD-SHELL, 'sleep 3'], interval: 5s, timeout: 5s}}" \
		'b: command: sleep 1000, depends_on: {slow: {condition: service_healthy}}}'
	ask up up -d
	up=$!
	wait_for 5 is_field slow State running
	supervisor=$(process supervisor)
	later kill '{"do": "kill", "services": ["b"]}'
	later start '{"do": "start", "services": ["b"]}'
	sleep 0.2
	kill -STOP "$supervisor"
	now kill
	now start
	kill -CONT "$supervisor"
	wait $up || :
	wait_for 8 is_field b State running
	before=$(awk '{ print $14 + $15 }' "/proc/$supervisor/stat")
	sleep 1
	[ $(($(awk '{ print $14 + $15 }' "/proc/$supervisor/stat") - before)) -lt 30 ]
	grep -q ok kill.answer
	wait_for 5 grep -q ok start.answer
}

@test "a restart that comes with the end of the pod is refused" {
	pod_of 'app: command: sleep 1000}'
	slipway up -d
	supervisor=$(process supervisor) app=$(state_of app pid)
	later restart '{"do": "restart", "services": ["app"]}'
	sleep 0.2
	kill -STOP "$supervisor"
	kill -KILL "$app"
	sleep 0.2
	now restart
	kill -CONT "$supervisor"
	wait_for 5 eval '[ "$(wc -l <restart.answer)" -ge 3 ]'
	# it may come first, and then it is done
	grep -q -e ok -e 'is being stopped' restart.answer
	! grep -q -i -e segmentation -e '(none)' restart.answer
}

@test "a listener that goes while others are answered takes nobody along" {
	pod_of 'app: command: "true"}' "$innocent"
	slipway up -d
	wait_for 5 is_field app State exited
	supervisor=$(process supervisor)
	command slipway events >/dev/null 3>&- &
	listener=$!
	sleep 0.3
	later remove '{"do": "remove", "services": ["app"]}'
	sleep 0.2
	kill -STOP "$supervisor"
	now remove
	kill -KILL $listener
	wait $listener || :
	kill -CONT "$supervisor"
	wait_for 5 grep -q ok remove.answer
	is_field other State running
}

@test "a change is made though a hook on its way cannot be run" {
	need_command strace
	pod_of "app: command: sleep 1000, pre_stop: [{command: ['true']}]}" "$innocent"
	slipway up -d
	sed -i 's/sleep 1000, pre/sleep 1001, pre/' compose.yml
	timeout 5 strace -p "$(process supervisor)" -e trace=clone3 -e inject=clone3:error=EAGAIN:when=1 -o calls 3>&- &
	tracer=$!
	sleep 0.7
	slipway up -d
	wait $tracer || :
	grep -q INJECTED calls
	is_field app State running
	[[ $(jq -r '.services[] | select(.service == "app").command' "$SLIPWAY_RUN/pods/$project/state.json") == 'sleep 1001' ]]
}

@test "a hook that begins while output is held is read when it goes on" {
	compose <<-END
		services:
		  noisy: {image: $registry/busybox, stop_grace_period: 100ms, command: [sh, -c, 'while :; do echo 0123456789012345678901234567890123456789; done']}
		  w: {image: $registry/busybox, command: sleep 2}
		  b:
		    image: $registry/busybox
		    stop_grace_period: 100ms
		    command: sleep 1000
		    depends_on: {w: {condition: service_completed_successfully}}
		    post_start: [{command: [sh, -c, 'head -c 300000 /dev/zero | tr "\\\\0" "\\\\n"; touch /done']}]
	END
	cat >slowly.py <<-'END'
		import os, time
		end = time.time() + 4
		while time.time() < end:
		    os.read(0, 4096)
		    time.sleep(0.05)
		while os.read(0, 1 << 16):
		    pass
	END
	mkfifo pipe
	python3 slowly.py <pipe 3>&- &
	command slipway up >pipe 2>err.txt 3>&- &
	up=$!
	wait_for 15 eval 'slipway exec -T b test -e /done'
	slipway down -t 0
	wait $up || :
}

@test "what did not die, and does at last, keeps nothing" {
	pod_of 'app: command: sleep 1000}' "$innocent"
	slipway up -d
	nsenter -t "$(state_of app pid)" -p sleep 2000 3>&- &
	child=$!
	sleep 0.5
	kill -STOP $child # and with it who would reap what it has forked
	slipway kill app
	wait_for 14 is_field app State exited
	kill -CONT $child
	sleep 0.5
	limit=6 run slipway down -t 0
	assert_success
}

@test "stop reaches the instance that is being replaced" {
	pod_of "app: command: $stubborn}" "$innocent"
	sed -i 's/100ms/20s/' compose.yml
	slipway up -d
	sed -i 's/sleep 0.1/sleep 0.2/' compose.yml
	ask up up -d
	sleep 1
	limit=6 run slipway stop -t 0 app
	assert_success
	slipway down -t 0
}

@test "a service that ends and comes back while another is changed is nobody's mistake" {
	mkdir d
	printf '#!/bin/sh\nwhile :; do sleep 0.2; done\n' >d/program
	chmod +x d/program
	app="app: restart: always, command: /d/program, volumes: ['./d:/d']}"
	pod_of "$innocent"
	slipway up -d
	pod_of "$innocent" "$app"
	slipway up -d
	pod_of "$innocent" "$app" "slow: command: sleep 1000, healthcheck: {test: [CMD-SHELL, 'sleep 4'], interval: 6s, timeout: 6s}}" \
		'b: command: sleep 1000, depends_on: {slow: {condition: service_healthy}}}'
	ask up up -d
	up=$!
	wait_for 5 is_field slow State running
	mv d/program away
	kill -KILL "$(state_of app pid)"
	wait_for 8 eval '[ "$(state_of app restarts)" -ge 3 ]'
	cp -p away d/program
	slipway start app
	wait $up
	[ "$(cat up.rc)" = 0 ] || cat up.out
	[ "$(cat up.rc)" = 0 ]
	wait_for 8 is_field app State running
	[ "$(slipway top app | grep -c /d/program)" = 1 ]
}

@test "rm waits for who only looks" {
	pod_of 'app: command: "true"}' 'b: command: "true"}'
	slipway up -d
	wait_for 5 eval '! test -S "$SLIPWAY_RUN/pods/$project/control"'
	flock -s "$SLIPWAY_RUN/pods/$project/lock" sleep 0.5 3>&- &
	looks=$!
	sleep 0.1
	run slipway rm -f app
	assert_success
	wait $looks
}

@test "a restart of what is removed meanwhile is told so" {
	pod_of "app: stop_grace_period: 5s, command: $polite}" "$innocent"
	slipway up -d
	ask one down app
	first=$!
	sleep 0.3
	ask two restart app
	wait $first $! || :
	[ "$(cat one.rc)" = 0 ]
	[ "$(cat two.rc)" = 1 ]
	grep -q 'service app was removed' two.out
	[ "$(slipway ps -a --services)" = other ]
}

@test "a pod that is being stopped does not restart what others still need" {
	pod_of "web: depends_on: [db], stop_grace_period: 9s, command: sh -c 'trap \"sleep 4; exit 0\" TERM; while :; do sleep 0.1; done'}" \
		"db: restart: always, command: sh -c 'echo began; sleep 0.1; exit 3'}"
	slipway up -d
	wait_for 15 eval '[ "$(state_of db restarts)" -ge 4 ] && is_field db State restarting'
	before=$(slipway logs --no-log-prefix db | grep -c began)
	slipway stop
	[ "$(slipway logs --no-log-prefix db | grep -c began)" = "$before" ]
}

@test "a dependency that is stopped during the first up takes only its dependants along" {
	pod_of "slow: command: sleep 1000, healthcheck: {test: [CMD-SHELL, 'sleep 2'], interval: 3s, timeout: 5s}}" \
		'b: command: sleep 1000, depends_on: {slow: {condition: service_healthy}}}' 'c: command: sleep 1000, depends_on: [b]}' "$innocent"
	ask up up -d
	up=$!
	wait_for 5 test -S "$SLIPWAY_RUN/pods/$project/control"
	sleep 0.5
	slipway stop b
	wait $up
	[ "$(cat up.rc)" = 0 ] || cat up.out
	[ "$(cat up.rc)" = 0 ]
	[ "$(for s in slow b c other; do field $s State; done | tr '\n' ' ')" = 'running created created running ' ]
}

@test "up tells when its output could not be written" {
	pod_of 'app: command: sh -c "echo one"}'
	run bash -c 'slipway up 2>err.txt >/dev/full'
	assert_failure 1
	grep -q 'standard output: No space left on device' err.txt
}

@test "a stop with less patience counts a pre_stop hook that runs, too" {
	pod_of "app: stop_grace_period: 30s, command: $stubborn, pre_stop: [{command: [sleep, '60']}]}" "$innocent"
	slipway up -d
	ask one stop app
	sleep 0.5
	before=$(date +%s%N)
	slipway stop -t 2 app
	[ $((($(date +%s%N) - before) / 1000000)) -lt 3500 ]
}
