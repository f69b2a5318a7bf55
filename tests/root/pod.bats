#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# tests/root/pod.bats - a pod of three services, from up to down, through the command line.

# shellcheck disable=SC2154 # the library sets registry and project, bats stderr
# shellcheck disable=SC2016 # what is in single quotes is for the shell in the container

load ../lib/slipway
images busybox nginx redis

# A web server on port 18080 (of the host), a cache that says when it is well, and one that waits
# for both and then talks to them.
write_pod() {
	mkdir html
	echo 'hello from the pod' >html/index.html
	compose <<-END
		services:
		  web:
		    image: $registry/nginx
		    ports: ["18080:80"]
		    volumes: ["./html:/var/www/html:ro"]
		  cache:
		    image: $registry/redis
		    stop_grace_period: 2s
		    healthcheck: {test: [CMD, redis-cli, ping], interval: 500ms}
		  sidecar:
		    image: $registry/busybox
		    init: true
		    stop_grace_period: 2s
		    depends_on:
		      web: {condition: service_started}
		      cache: {condition: service_healthy}
		    command:
		      - sh
		      - -c
		      - |
		        echo "cache: \$\$(printf 'PING\\r\\nQUIT\\r\\n' | nc cache 6379 | head -n 1 | tr -d '\\r')"
		        echo "web: \$\$(wget -q -O - http://web/)"
		        echo 'to standard error' >&2
		        exec sleep 1000
	END
}

page() { curl -sS --fail --max-time 5 --noproxy '*' "$@"; }
is_page() { [ "$(page "$1" 2>/dev/null)" = 'hello from the pod' ]; }

@test "up -d: the pod runs, and what depends on others found them" {
	write_pod
	run slipway up -d
	assert_success
	wait_for 10 is_page http://127.0.0.1:18080/
	sidecar_says() { slipway logs --no-log-prefix sidecar 2>&1 | grep -qxF "$1"; }
	wait_for 10 sidecar_says 'cache: +PONG'
	wait_for 10 sidecar_says 'web: hello from the pod'
	run slipway down
	assert_success
	run page http://127.0.0.1:18080/
	assert_failure 7 # nobody listens
}

@test "while one waits at its gate for another, the supervisor sleeps" {
	compose <<-END
		services:
		  slow:
		    image: $registry/busybox
		    init: true
		    command: [sleep, '1000']
		    healthcheck: {test: sleep 1, interval: 5s}
		  waits:
		    image: $registry/busybox
		    init: true
		    command: [sleep, '1000']
		    depends_on: {slow: {condition: service_healthy}}
	END
	slipway up -d
	supervisor=$(jq .supervisor "$SLIPWAY_RUN/pods/$project/state.json")
	# ticks of 10 ms, in user mode and in the kernel
	ticks=$(awk '{ print $14 + $15 }' "/proc/$supervisor/stat")
	[ "$ticks" -lt 30 ]
}

@test "the page is there on every address of the host, and for another host" {
	write_pod
	ip addr add 192.0.2.1/32 dev lo
	slipway up -d
	wait_for 10 is_page http://127.0.0.1:18080/
	wait_for 10 is_page http://192.0.2.1:18080/
	wait_for 10 is_page http://localhost:18080/

	# Another host is another network namespace and a cable to it.
	unshare -n sleep 60 3>&- &
	other=$!
	is_another() { [ "$(readlink "/proc/$other/ns/net")" != "$(readlink /proc/self/ns/net)" ]; }
	wait_for 5 is_another
	ip link add cable0 type veth peer name cable1 netns "$other"
	ip addr add 198.51.100.1/24 dev cable0
	ip link set cable0 up
	nsenter -t "$other" -n sh -c 'ip addr add 198.51.100.2/24 dev cable1 && ip link set cable1 up'
	run nsenter -t "$other" -n curl -sS --max-time 10 --noproxy '*' http://198.51.100.1:18080/
	ip link del cable0
	kill "$other"
	ip addr del 192.0.2.1/32 dev lo
	assert_success
	assert_output 'hello from the pod'
}

@test "a port of one address is published there only" {
	write_pod
	sed -i 's/"18080:80"/"127.0.0.1:18080:80"/' compose.yml
	ip addr add 192.0.2.1/32 dev lo
	slipway up -d
	wait_for 10 is_page http://127.0.0.1:18080/
	run page http://192.0.2.1:18080/
	ip addr del 192.0.2.1/32 dev lo
	assert_failure
}

@test "a port that is left to the host is shown by ps" {
	write_pod
	sed -i 's/"18080:80"/"80"/' compose.yml
	slipway up -d
	port=$(slipway ps --format json | jq -r 'select(.Service == "web").Publishers[0].PublishedPort')
	[ "$port" -gt 0 ]
	wait_for 10 is_page "http://127.0.0.1:$port/"
}

@test "up --wait returns when all is well" {
	write_pod
	slipway up -d --wait
	[ "$(field cache Health)" = healthy ]
	[ "$(field sidecar State)" = running ]
	[ "$(field web State)" = running ]
}

@test "exec passes input, output and exit codes" {
	write_pod
	slipway up -d
	run slipway exec -T cache redis-cli ping
	assert_success
	assert_output PONG
	run slipway exec -T sidecar sh -c 'exit 3'
	assert_failure 3
	run slipway exec -T sidecar /etc/passwd
	assert_failure 126
	run -127 slipway exec -T sidecar no-such-command
	run slipway exec -T sidecar sh -c 'kill -9 $$'
	[ "$status" -eq 137 ] || show 'should be 128 and the signal'
	run env OURS=ours slipway exec -T -e OURS -e NOT_SET sidecar sh -c 'echo "$OURS ${NOT_SET-none}"'
	assert_output 'ours none'
	run slipway exec -T -e A=1 -e 'B=two words' -w /etc -u app sidecar sh -c 'echo "$A $B $(pwd) $(id -un)"'
	assert_output '1 two words /etc app'
	run --separate-stderr slipway exec -T sidecar sh -c 'echo out; echo err >&2'
	[ "$output $stderr" = 'out err' ] || show 'streams are mixed'
	run slipway exec -T sidecar wc -c < <(head -c 100000 /dev/zero)
	assert_output 100000
	run slipway exec -d sidecar touch /tmp/detached
	assert_success
	wait_for 5 slipway exec -T sidecar test -e /tmp/detached
	run --separate-stderr slipway exec -T nobody true
	assert_failure 1
	assert_one_message nobody
}

@test "exec with a terminal" {
	need_command script
	write_pod
	slipway up -d
	run script -qec 'slipway exec sidecar sh -c "tty; stty size; exit 4"' /dev/null </dev/null
	assert_failure 4
	assert_line /dev/pts/
}

@test "logs: prefixes, choice, tail, time stamps, both streams" {
	write_pod
	slipway up -d
	sidecar_is_done() { slipway logs sidecar 2>&1 | grep -q 'to standard error'; }
	wait_for 10 sidecar_is_done
	run slipway logs
	assert_success
	assert_line 'sidecar-1  | cache: +PONG'
	assert_line 'cache-1'
	# one stream, as docker compose has it: who looks for something in a pipe finds it
	run --separate-stderr slipway logs --no-log-prefix sidecar
	[ "$(head -n 1 <<<"$output")" = 'cache: +PONG' ] || show 'not the first line'
	assert_line 'to standard error'
	[ -z "$stderr" ] || show 'not one stream'
	refute_line 'Ready to accept'
	run slipway logs --no-log-prefix --tail 1 sidecar
	assert_output 'to standard error'
	run slipway logs --no-log-prefix --timestamps --tail 1 sidecar
	[[ $output =~ ^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z\ to\ standard\ error$ ]] || show 'not a time'
	run --separate-stderr slipway logs nobody
	assert_failure 1
	assert_one_message nobody
}

@test "logs -f goes on until the pod ends" {
	write_pod
	slipway up -d
	command slipway logs -f >follow.txt 2>&1 3>&- &
	follower=$!
	wait_for 10 grep -q 'cache: +PONG' follow.txt
	wait_for 10 is_page http://127.0.0.1:18080/
	wait_for 5 grep -q 'GET / ' follow.txt # what came later
	slipway down
	is_gone() { ! kill -0 "$follower" 2>/dev/null; }
	wait_for 5 is_gone || kill "$follower"
	wait "$follower"
}

@test "ps: a table, names, numbers, JSON" {
	write_pod
	run slipway ps
	assert_success
	slipway up -d --wait
	run slipway ps
	assert_success
	[[ ${lines[0]} == NAME*IMAGE*COMMAND*SERVICE*STATUS*PORTS* ]] || show 'not the columns of docker compose'
	assert_line "$project-web-1"
	assert_line '0.0.0.0:18080->80/tcp'
	run slipway ps --services
	[ "$(sort <<<"$output" | paste -sd' ')" = 'cache sidecar web' ] || show 'not the services'
	run slipway ps -q
	[ "${#lines[@]}" -eq 3 ] || show 'not three'
	[[ ${lines[0]} =~ ^[0-9a-f]{64}$ ]] || show 'not an id'
	[ "$(slipway inspect web | jq -r '.[0].Id')" = "$(slipway ps -q web)" ]
	[ "$(slipway ps --no-trunc --format '{{.ID}}')" = "$output" ]
	[ "$(slipway ps --format '{{.ID}}')" = "$(cut -c 1-12 <<<"$output")" ]
	[ "$(slipway stats --no-stream --format '{{.ID}}' web)" = "$(slipway ps --format '{{.ID}}' web)" ]
	# what was printed names the container, too
	[ "$(slipway exec -T "$(slipway ps -q web)" cat /proc/1/comm)" = "$(slipway exec -T web cat /proc/1/comm)" ]
	[ "$(slipway logs "$(slipway ps --format '{{.ID}}' cache)")" = "$(slipway logs cache)" ]
	run slipway ps --format json
	[ "$(jq -c '[.Service, .Name, .Project, .State, .ExitCode]' <<<"$output" | sort)" = \
		"$(printf '["%s","'"$project"'-%s-1","'"$project"'","running",0]\n' cache cache sidecar sidecar web web)" ] || show 'not that'
	[ "$(jq -c 'select(.Service == "web").Publishers' <<<"$output")" = \
		'[{"URL":"0.0.0.0","TargetPort":80,"PublishedPort":18080,"Protocol":"tcp"}]' ] || show 'not those ports'
	[ "$(jq -r 'select(.Service == "cache").Health' <<<"$output")" = healthy ] || show 'not healthy'
	jq -s 'all(.ID and .Image and .Command)' <<<"$output" | holds .
}

@test "stop ends services, ps -a still has them" {
	write_pod
	slipway up -d
	run slipway stop -t 2 sidecar
	assert_success
	wait_for 5 is_field sidecar State exited
	[ "$(field web State)" = running ]
	run slipway ps --services
	refute_line sidecar
	run slipway stop
	assert_success
	wait_for 5 is_field web State exited
	run slipway ps -q
	assert_output ''
}

@test "kill sends a signal" {
	write_pod
	slipway up -d
	run slipway kill -s KILL sidecar
	assert_success
	wait_for 5 is_field sidecar ExitCode 137
	run --separate-stderr slipway kill -s NONSENSE web
	assert_failure 1
	assert_one_message NONSENSE
}

@test "down removes it all; down twice is fine; then up again" {
	write_pod
	for _ in 1 2; do
		slipway up -d
		run slipway down
		assert_success
		assert_no_leaks
		run slipway down
		assert_success
		run slipway ps -a -q
		assert_output ''
	done
}

@test "down keeps named volumes, down -v does not" {
	service it <<-END
		command: [sh, -c, 'cat /data/kept || { echo first; echo second >/data/kept; }']
		volumes: ["data:/data"]
	END
	printf 'volumes: {data: }\n' >>compose.yml
	run up_and_logs
	assert_line first
	slipway down
	run up_and_logs
	assert_line second
	slipway down -v
	run up_and_logs
	assert_line first
}

@test "up shows the output and ends with the pod, with its exit code" {
	service it <<-END
		command: [sh, -c, 'echo it works; exit 5']
	END
	run slipway up
	assert_failure 5
	assert_line 'it works'
}

@test "SIGINT stops the pod in the foreground" {
	write_pod
	# (A background job of a shell is deaf to INT; env gives it its ears back.)
	env --default-signal=INT slipway up >up.txt 2>&1 3>&- &
	up=$!
	wait_for 20 grep -q 'cache: +PONG' up.txt
	kill -INT "$up"
	code=0
	wait "$up" || code=$?
	[ "$code" -eq 130 ]
	run slipway ps -q
	assert_output ''
}

@test "up of a running pod does no harm" {
	write_pod
	slipway up -d
	before=$(slipway ps --format json | jq -r .ID | sort)
	run slipway up -d
	[ "$status" -eq 0 ] || [ "$status" -eq 1 ]
	[ "$(slipway ps --format json | jq -r .ID | sort)" = "$before" ]
	is_page http://127.0.0.1:18080/
}

@test "two pods do not disturb each other" {
	write_pod
	slipway up -d
	sed 's/18080/18081/' compose.yml >second.yml
	slipway -p "$project-second" -f second.yml up -d
	wait_for 10 is_page http://127.0.0.1:18081/
	slipway -p "$project-second" down
	is_page http://127.0.0.1:18080/
}

@test "only the chosen service and what it depends on" {
	write_pod
	slipway up -d web
	[ "$(slipway ps --services)" = web ]
}

@test "a service that fails is started again" {
	service it <<-END
		command: [sh, -c, 'echo try; exit 1']
		restart: on-failure:2
	END
	run up_and_logs
	assert_failure 1
	[ "$(grep -cx try <<<"$output")" -eq 3 ] || show 'not three tries'
}

@test "a dependency that fails stops the start" {
	compose <<-END
		services:
		  first: {image: $registry/busybox, command: [sh, -c, exit 7]}
		  second:
		    image: $registry/busybox
		    command: [echo, never]
		    depends_on: {first: {condition: service_completed_successfully}}
	END
	run slipway up
	assert_failure
	refute_line never
	assert_line first
}

@test "plan prints what would be done, and does nothing" {
	write_pod
	run slipway plan
	assert_success
	assert_line "pod $project"
	assert_line 'sidecar waits until cache is healthy'
	run slipway plan --format json
	assert_success
	holds .steps <<<"$output"
	run slipway ps -a -q
	assert_output ''
}

@test "images lists what is here" {
	write_pod
	run slipway images
	assert_success
	assert_line "$registry/nginx"
	run slipway images --format json
	assert_success
	holds 'type == "array"' <<<"$output"
	run slipway images -q
	[ "${#lines[@]}" -eq 3 ] || show 'not three'
}

@test "doctor finds nothing wrong with this host" {
	run slipway doctor
	assert_success
	run slipway doctor --format json
	holds 'type == "array"' <<<"$output"
}

@test "what is detached holds nothing of who started it" {
	service it <<-END
		command: [sleep, '1000']
		init: true
	END
	mkfifo pipe
	# Descriptor 9 is a pipe; whoever reads it waits until the last writer is gone.
	timeout 10 cat pipe >read.txt 3>&- &
	reader=$!
	exec 9>pipe
	command slipway up -d 3>&-
	exec 9>&-
	wait "$reader" # 0: the end of the pipe; 124: someone holds it still
}

@test "what start and restart have started runs when they return, and post_start has run" {
	local i
	compose <<-END
		services:
		  a: {image: $registry/busybox, command: sleep 100, init: true, stop_grace_period: 0s}
		  b: {image: $registry/busybox, command: sleep 100, init: true, stop_grace_period: 0s}
		  h:
		    image: $registry/busybox
		    command: sleep 100
		    init: true
		    stop_grace_period: 0s
		    post_start: [{command: [sh, -c, 'sleep 0.3; touch /hooked']}]
	END
	slipway up -d
	for i in {1..20}; do
		slipway restart a b
		slipway exec -T a true
		slipway stop b
		slipway start b
		slipway exec -T b true
	done
	slipway exec -T h rm /hooked
	slipway restart h
	slipway exec -T h ls /hooked
	slipway restart
	slipway exec -T h ls /hooked
	slipway down
}

@test "the host's root, bound into a container, is the host's, also beside another, and for cp" {
	echo host >mark
	compose <<-END
		services:
		  a:
		    image: $registry/busybox
		    command: sleep 1000
		    init: true
		    volumes: ["/:/host:ro", "/:/again", "$PWD:/here"]
	END
	slipway up -d
	[ "$(slipway exec -T a cat "/host$PWD/mark" "/again$PWD/mark" /here/mark | tr '\n' ' ')" = 'host host host ' ]
	run slipway exec -T a touch "/host$PWD/new"
	assert_failure
	slipway exec -T a touch "/again$PWD/new"
	[ -e new ]
	slipway exec -T a test -e /host/proc/1/stat
	slipway stop
	slipway cp "a:/host$PWD/mark" copy
	[ "$(cat copy)" = host ]
}
