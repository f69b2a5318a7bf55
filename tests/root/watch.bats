#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# tests/root/watch.bats - looking at what runs, and freezing it.

# shellcheck disable=SC2154 # the library sets registry and project, bats stderr
# shellcheck disable=SC2016 # what is in single quotes is for the shell in the container

load ../lib/slipway
images busybox

# two_services: one that counts, one that sleeps and publishes a port.
two_services() {
	compose <<-END
		services:
		  counts:
		    image: $registry/busybox
		    command: [sh, -c, 'i=0; while :; do i=$((i + 1)); echo $i; sleep 0.1; done']
		    stop_grace_period: 100ms
		    mem_limit: 64m
		  sleeps:
		    image: $registry/busybox
		    command: sleep 100
		    init: true
		    labels: {mine: yes}
		    ports: ["127.0.0.1:0:80", "127.0.0.1:0:53/udp"]
	END
	slipway up -d
}

@test "a frozen service does nothing, and goes on where it was" {
	local before
	two_services
	slipway pause counts
	[[ $(slipway ps) == *'(Paused)'* ]] || show 'not paused'
	before=$(slipway logs counts | wc -l)
	sleep 0.5
	[ "$(slipway logs counts | wc -l)" = "$before" ]
	run slipway exec counts true
	assert_failure
	slipway unpause
	wait_for 5 eval '[ "$(slipway logs counts | wc -l)" -gt "$before" ]'
	slipway down
}

@test "a frozen service can be stopped and killed" {
	two_services
	slipway pause
	slipway kill counts
	wait_for 5 eval '[ "$(field counts State)" = exited ]'
	slipway stop -t 1 sleeps
	slipway down
}

@test "only services in some state" {
	two_services
	slipway pause counts
	[ "$(slipway ps --status paused --services)" = counts ]
	[ "$(slipway ps --filter status=running --services)" = sleeps ]
	slipway stop counts
	[ "$(slipway ps --status exited --status running --services | sort | tr '\n' ' ')" = 'counts sleeps ' ]
	run slipway ps --status well
	assert_failure 1
	run slipway ps --filter name=x
	assert_failure 1
	slipway down
}

@test "pausing what does not run" {
	two_services
	slipway stop counts
	run --separate-stderr slipway pause counts
	assert_failure 1
	[[ $stderr == *'counts is not running'* ]] || show 'not named'
	slipway pause
	slipway down
}

@test "processes, with their commands" {
	two_services
	run slipway top sleeps
	assert_success
	[[ $output == *'UID'*'PID'*'CMD'*'sleeps'*'sleep 100'* ]] || show 'not that process'
	[[ $output != *counts* ]] || show 'the other service'
	run slipway top
	[[ $output == *counts*sleeps* ]] || show 'not both'
	run slipway top nobody
	assert_failure 1
	slipway down
}

@test "what services use" {
	two_services
	run slipway stats --no-stream
	assert_success
	[[ $output == *'CPU %'*'MEM USAGE / LIMIT'*'counts'*'/ 64MiB'* ]] || show 'not the limit'
	run slipway stats --no-stream --format json sleeps
	assert_success
	[ "$(jq -r .Service <<<"$output")" = sleeps ]
	[ "$(jq -r '.PIDs | tonumber > 0' <<<"$output")" = true ]
	run slipway stats --no-stream --format 'table {{.Service}}\t{{.CPUPerc}}'
	[[ $output == *SERVICE*'CPU %'*counts*% ]] || show 'not that table'
	run slipway stats --no-stream --format '{{.Service}}' sleeps
	assert_output sleeps
	slipway down
}

@test "events as they happen, until the pod ends" {
	two_services
	slipway events --json >events &
	local listener=$!
	slipway events --format '{{.Type}} {{.Action}} {{.Service}} {{index .Actor.Attributes "name"}}' >lines &
	local second=$! id
	id=$(slipway ps -q counts)
	[ "${#id}" -eq 64 ]
	(cd / && exec slipway events "${id:0:10}" >"$BATS_TEST_TMPDIR/by-id") &
	local third=$!
	wait_for 5 eval '[ -e /proc/$listener ]'
	sleep 0.2
	slipway pause counts
	slipway unpause counts
	slipway down
	wait "$listener"
	wait "$second"
	wait "$third"
	grep -q " container pause $id " "$BATS_TEST_TMPDIR/by-id" || show "$(cat "$BATS_TEST_TMPDIR/by-id")"
	grep -qx "container pause counts $project-counts-1" lines || show "$(cat lines)"
	[ "$(jq -r 'select(.service == "counts") | .action' events | head -n 2 | tr '\n' ' ')" = 'pause unpause ' ] || show "$(cat events)"
	[ "$(jq -r 'select(.service == "sleeps" and .action == "die") | .attributes.exitCode' events)" = 143 ] || show "$(cat events)"
	[ "$(jq -r .type events | sort -u)" = container ]
	[ "$(jq -r 'select(.service == "counts") | .id' events | sort -u)" = "$id" ] || show "$(cat events)"
}

@test "ls counts the containers by their states, and has whole paths of files" {
	two_services
	slipway down
	mkdir sub
	slipway -f sub/../compose.yml up -d
	[ "$(slipway ls --format '{{.Status}} {{.ConfigFiles}}')" = "running(2) $PWD/compose.yml" ]
	slipway pause counts
	[ "$(slipway ls --format '{{.Status}}')" = 'paused(1), running(1)' ]
	slipway unpause counts
	slipway stop -t 0 sleeps
	[ "$(slipway ls --format '{{.Status}}')" = 'running(1)' ]
	[ "$(slipway ls -a --format '{{.Status}}')" = 'exited(1), running(1)' ]
	[ "$(slipway inspect counts | jq -r '.[0].Config.Labels["com.docker.compose.project.config_files"]')" = "$PWD/compose.yml" ]
	slipway stop -t 0
	[ "$(slipway ls -a --format '{{.Status}}')" = 'exited(2)' ]
	slipway down
}

@test "a listener that does not read holds nobody up" {
	two_services
	slipway events >/dev/full 2>/dev/null &
	local listener=$!
	sleep 0.2
	slipway pause
	slipway unpause
	slipway down
	wait "$listener" || true
}

@test "waiting for a service" {
	compose <<-END
		services:
		  job: {image: $registry/busybox, command: [sh, -c, 'sleep 0.5; exit 9']}
		  other: {image: $registry/busybox, command: sleep 100, init: true}
	END
	slipway up -d
	run slipway wait job
	assert_failure 9
	assert_line "container \"$project-job-1\" exited with status code 9"
	run slipway wait job
	assert_failure 9
	run slipway wait --down-project job
	assert_failure 9
	[ "$(slipway ls -q)" = '' ]
}

@test "where a port is published" {
	two_services
	run slipway port sleeps 80
	assert_success
	[[ $output =~ ^127.0.0.1:[0-9]+$ ]] || show 'no address'
	run slipway port sleeps 53 --protocol udp
	assert_success
	run --separate-stderr slipway port sleeps 81
	assert_failure 1
	[[ $stderr == *'no port 81/tcp of service sleeps is published'* ]] || show 'another reason'
	run slipway port sleeps
	assert_failure 1
	slipway down
}

@test "all that is known of a service" {
	two_services
	run slipway inspect sleeps
	assert_success
	[ "$(jq -r '.[0].State.Status' <<<"$output")" = running ]
	[ "$(jq -r '.[0].Config.Labels.mine' <<<"$output")" = yes ]
	[ "$(jq -r '.[0].Config.Labels["com.docker.compose.service"]' <<<"$output")" = sleeps ]
	[ "$(jq -r '.[0].Config.Labels["com.docker.compose.project.working_dir"]' <<<"$output")" = "$PWD" ]
	[ "$(jq -r '.[0].NetworkSettings.Ports["80/tcp"][0].HostIp' <<<"$output")" = 127.0.0.1 ]
	slipway down
}

@test "logs of a time" {
	compose <<-END
		services:
		  a:
		    image: $registry/busybox
		    command: [sh, -c, 'echo early; sleep 2.2; echo late; sleep 100']
		    init: true
	END
	slipway up -d
	wait_for 5 eval 'slipway logs | grep -q late'
	run slipway logs --no-log-prefix --since 1s
	[ "$output" = late ] || show 'not the last one alone'
	run slipway logs --no-log-prefix --until 1s
	[ "$output" = early ] || show 'not the first one alone'
	run slipway logs --no-log-prefix --since "$(date -u -d '-1 hour' +%Y-%m-%dT%H:%M:%SZ)"
	[ "$output" = $'early\nlate' ] || show 'not both'
	run --separate-stderr slipway logs --since yesterday
	assert_failure 1
	[[ $stderr == *"--since: 'yesterday' is no time"* ]] || show 'another reason'
	slipway down
}

@test "top lists processes of all services in one table, as docker compose does" {
	compose <<-END
		services:
		  a: {image: $registry/busybox, command: sleep 1000, stop_grace_period: 100ms}
		  b: {image: $registry/busybox, command: sleep 2000, user: '4321', stop_grace_period: 100ms}
	END
	slipway up -d
	run slipway top
	assert_success
	[ "$(tr -s ' ' <<<"${lines[0]}" | sed 's/ $//')" = 'SERVICE # UID PID PPID C STIME TTY TIME CMD' ]
	[[ ${lines[1]} =~ ^a\ +1\ +root\ +[0-9]+\ +[0-9]+\ +0\ +[0-9:]+\ +\?\ +00:00:00\ +sleep\ 1000$ ]]
	[[ ${lines[2]} =~ ^b\ +1\ +4321\ .*sleep\ 2000$ ]]
	run slipway stats --no-stream --format '{{.Service}} {{.MemUsage}}'
	[[ ${lines[0]} =~ ^a\ [0-9.]+[KMi]*B\ /\ [0-9.]+GiB ]] || show 'not the memory of the host'
	slipway stop b
	[ "$(slipway stats --no-stream --format '{{.Service}}')" = a ]
	[ "$(slipway stats --no-stream -a --format '{{.Service}} {{.PIDs}}' | sed -n 2p)" = 'b 0' ]
}

@test "freezing what is frozen is an error, of the others it is done" {
	compose <<-END
		services:
		  a: {image: $registry/busybox, command: sleep 1000, stop_grace_period: 100ms}
		  b: {image: $registry/busybox, command: sleep 1000, stop_grace_period: 100ms}
	END
	slipway up -d
	slipway pause a
	run slipway pause a b
	assert_failure 1
	assert_line 'service a is already paused'
	is_field b State paused
	slipway unpause b
	run slipway unpause a b
	assert_failure 1
	assert_line 'service b is not paused'
	is_field a State running
	slipway unpause
	slipway pause
	is_field a State paused
}

@test "exec --privileged has all that the host gives" {
	service it <<-END
		command: sleep 1000
		cap_drop: [ALL]
		stop_grace_period: 100ms
	END
	slipway up -d
	status() { slipway exec -T "$@" it grep -E 'CapEff|Seccomp:' /proc/self/status | tr -s '\t\n' ' '; }
	[ "$(status)" = 'CapEff: 0000000000000000 Seccomp: 2 ' ]
	[[ $(status --privileged) =~ ^CapEff:\ 0000[0-9a-f]*[1-9a-f][0-9a-f]*\ Seccomp:\ 0\ $ ]]
}

@test "restart --no-deps leaves alone what is to be restarted with it" {
	compose <<-END
		services:
		  db: {image: $registry/busybox, command: sleep 1000, stop_grace_period: 100ms}
		  web:
		    image: $registry/busybox
		    command: sleep 1000
		    stop_grace_period: 100ms
		    depends_on: {db: {condition: service_started, restart: true}}
	END
	slipway up -d
	pid() { slipway inspect "$1" | jq '.[0].State.Pid'; }
	before=$(pid web)
	slipway restart --no-deps db
	[ "$(pid web)" = "$before" ]
	slipway restart db
	[ "$(pid web)" != "$before" ]
}

@test "events have docker's words, in docker's order" {
	compose <<-END
		services:
		  a: {image: $registry/busybox, command: sh -c 'trap "exit 3" TERM; while :; do sleep 0.1; done', stop_grace_period: 5s}
		  b: {image: $registry/busybox, command: sleep 1000, stop_grace_period: 100ms}
	END
	slipway up -d
	command slipway events --json >events 3>&- &
	listener=$!
	sleep 0.3
	slipway restart a
	slipway kill -s HUP b
	slipway kill b
	slipway down
	wait "$listener"
	[ "$(jq -r 'select(.service == "a") | .action' events | tr '\n' ' ')" = 'kill die stop start restart kill die stop ' ]
	[ "$(jq -r 'select(.service == "b") | "\(.action) \(.attributes.signal // .attributes.exitCode)"' events | tr '\n' ,)" = 'kill 1,kill 9,die 137,' ]
}

@test "ls --filter name=" {
	compose <<-END
		services: {a: {image: $registry/busybox, command: sleep 1000, stop_grace_period: 100ms}}
	END
	slipway -p shop-one up -d
	slipway -p shop-two up -d
	[ "$(slipway ls -q --filter name=shop | sort | paste -sd' ')" = 'shop-one shop-two' ]
	[ "$(slipway ls -q --filter 'name=-two$' --filter name=^nothing)" = shop-two ]
	[ "$(slipway ls --filter name=shop-one --format json | jq -r '.[].Name')" = shop-one ]
	[ -z "$(slipway ls -q --filter name=other)" ]
	slipway -p shop-one down
	slipway -p shop-two down
	run slipway ls --filter status=running
	assert_failure
	assert_output "slipway: --filter: 'status=running' is not name=PATTERN"
}

@test "stats: what went over the network, and to disks" {
	compose <<-END
		services:
		  a:
		    image: $registry/busybox
		    command: sh -c 'dd if=/dev/zero of=/www bs=1000 count=300; exec httpd -f -p 8080 -h /'
		    init: true
		    ports: ["127.0.0.1:18088:8080"]
		    mem_limit: 64m
	END
	slipway up -d
	wait_for 5 curl -sS -o got http://127.0.0.1:18088/www
	[ "$(stat -c %s got)" = 300000 ]
	run slipway stats --no-stream
	assert_success
	[[ ${lines[0]} == 'CONTAINER ID'*NAME*'CPU %'*'MEM USAGE / LIMIT'*'MEM %'*'NET I/O'*'BLOCK I/O'*PIDS* ]] || show 'other columns'
	[ "$(awk '{print $1}' <<<"${lines[1]}")" = "$(slipway ps -q a | cut -c1-12)" ]
	run slipway stats --no-stream --format '{{.NetIO}}' a
	[[ $output =~ ^[0-9.]+k?B\ /\ 3[0-9]+kB$ ]] || show 'not 300 kB'
	run slipway stats --no-stream --format '{{.BlockIO}}' a
	[[ $output =~ ^[0-9.]+[kMG]?B\ /\ [0-9.]+[kMG]?B$ ]] || show 'no figures'
}
