#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# tests/root/run.bats - one container more of a service, and containers of their own.

# shellcheck disable=SC2154 # the library sets registry and project, bats status, output and stderr

load ../lib/slipway
images busybox nginx

at_terminal() { python3 "$top/tests/lib/at_terminal.py" "$@"; }
pods() { ls "$SLIPWAY_RUN/pods"; }
no_pods() { [ -z "$(pods)" ]; }

# ---- containers of their own ---------------------------------------------------------------------

@test "run: an image, its output, its code, and nothing left" {
	run --separate-stderr slipway run --rm "$registry/busybox" sh -c 'echo out; echo err >&2; exit 3'
	[ "$status" -eq 3 ] || show 'wanted 3'
	assert_output out
	[ "$stderr" = err ] || show 'wanted err alone'
	no_pods
}

@test "run: codes of docker run" {
	run -127 slipway run --rm "$registry/busybox" /no/such
	[ "$status" -eq 127 ] || show 'wanted 127'
	run slipway run --rm "$registry/busybox" /etc/passwd
	[ "$status" -eq 126 ] || show 'wanted 126'
	run slipway run --rm --pull never no-such-image
	[ "$status" -eq 125 ] || show 'wanted 125'
	run slipway run --rm "$registry/busybox" sh -c 'kill -9 $$'
	[ "$status" -eq 0 ] || [ "$status" -eq 137 ]
	run slipway run --no-such-option "$registry/busybox"
	[ "$status" -eq 1 ] || [ "$status" -eq 125 ]
}

@test "run SERVICE, up: codes of docker compose" {
	compose <<-END
		services:
		  a: {image: $registry/busybox, command: /no/such}
	END
	local how
	for how in "up" "up -d" "run --rm a" "run --rm a /etc/passwd" "run -d a"; do
		# shellcheck disable=SC2086 # words
		run --separate-stderr slipway $how
		assert_failure 1
		[[ $stderr == *'exec: "/'* ]] || show 'another reason'
	done
	run slipway run --rm a sh -c 'exit 3'
	assert_failure 3
}

@test "run -i: input goes in, its end too, also from a file and from nowhere" {
	run bash -c "printf 'a\nb\n' | slipway run -i --rm $registry/busybox cat"
	assert_output $'a\nb'
	head -c 3000000 /dev/urandom >data
	run bash -c "slipway run -i --rm $registry/busybox sha256sum <data; sha256sum <data"
	[ "${lines[0]}" = "${lines[1]}" ] || show 'not the same'
	run bash -c "slipway run -i --rm $registry/busybox cat </dev/null"
	assert_success
	run bash -c "echo lost | slipway run --rm $registry/busybox cat"
	assert_output ''
}

@test "run: all output comes through, also to a slow reader" {
	run bash -c "slipway run --rm $registry/busybox seq 1 300000 | { sleep 1; md5sum; }; seq 1 300000 | md5sum"
	[ "${lines[0]}" = "${lines[1]}" ] || show 'not the same'
}

@test "run -it: a terminal, its size, ^C, and its modes afterwards" {
	run at_terminal '=/ #' '>stty size\r' '=24 80' '@30x100' '>stty size\r' '=30 100' '>sleep 100\r' '~0.3' '>\x03' '>exit 4\r' -- \
		slipway run -it --rm "$registry/busybox" sh
	assert_line '[exit 4]'
	assert_line '[modes kept]'
	no_pods
}

@test "run -it: keys that leave, and attach again" {
	run at_terminal '=/ #' '>A=kept\r' '=/ #' '>\x10\x11' -- slipway run -it --name box "$registry/busybox" sh
	assert_line '[exit 0]'
	assert_line '[modes kept]'
	run at_terminal '>echo "<$A>"\r' '=<kept>' '>exit 2\r' -- slipway attach box
	assert_line '[exit 2]'
	slipway rm box
	no_pods
}

@test "run: a signal is the container's, and the third ends it" {
	command slipway run --rm "$registry/busybox" sh -c 'trap "echo got; exit 6" TERM; echo ready; while :; do sleep 0.1; done' >out 3>&- &
	local runner=$!
	wait_for 5 grep -q ready out
	kill -TERM "$runner"
	local code=0
	wait "$runner" || code=$?
	[ "$code" -eq 6 ]
	grep -q got out
	command slipway run --rm "$registry/busybox" sleep 100 3>&- &
	runner=$!
	wait_for 5 eval '[ "$(pods)" ]'
	sleep 0.3
	for _ in 1 2 3; do kill -INT "$runner"; sleep 0.1; done
	code=0
	wait "$runner" || code=$?
	[ "$code" -eq 130 ]
	wait_for 5 no_pods
}

@test "run: killed, it takes its container along" {
	command slipway run --rm --name gone "$registry/busybox" sleep 100 3>&- &
	local runner=$!
	wait_for 5 test -e "$SLIPWAY_RUN/pods/gone/state.json"
	kill -9 "$runner"
	wait_for 3 no_pods
}

@test "run -d: what the container says before it is up is for its log" {
	service it <<-END
		command: [sh, -c, 'echo early; sleep 100']
		post_start: [{command: [sleep, '0.3']}]
	END
	run --separate-stderr slipway run -d --name box it
	assert_success
	[[ $output =~ ^[0-9a-f]{64}$ ]] || show 'wanted its id'
	run slipway logs --no-log-prefix box
	assert_output early
}

@test "run -d: it stays, is listed, looked into, stopped, started again and removed" {
	run --separate-stderr slipway run -d --name box -e A=1 "$registry/busybox" sh -c 'echo hello $A; echo aside >&2; sleep 100'
	assert_success
	[[ $output =~ ^[0-9a-f]{64}$ ]] || show 'wanted an id'
	local id=$output
	run slipway ps
	assert_line box
	run --separate-stderr slipway logs --no-log-prefix box
	assert_output 'hello 1'
	[ "$stderr" = aside ] || show 'not apart, as docker has it'
	run slipway exec "${id:0:12}" echo inside
	assert_output inside
	run slipway inspect box
	assert_line "$id"
	slipway stop -t 0 box
	run slipway ps
	refute_line box
	run slipway ps -a
	assert_line 'Exited (137)'
	slipway start box
	run slipway exec box echo again
	assert_output again
	run slipway rm box
	assert_failure 1
	assert_line 'box is running; stop it before, or use -f'
	slipway rm -f box
	no_pods
	run slipway rm box
	assert_failure 1
	assert_line 'no such container: box'
}

@test "run: a name that is in use is refused" {
	slipway run -d --name box "$registry/busybox" sleep 100
	run slipway run -d --name box "$registry/busybox" sleep 100
	[ "$status" -eq 125 ] || show 'wanted 125'
	assert_line "the name 'box' is in use; 'slipway rm box' removes it"
	slipway rm -f box
}

@test "run: options are attributes" {
	mkdir dir
	echo from-host >dir/file
	printf 'F=one two\n#no\n' >vars
	run slipway run --rm -e A=b=c -e 'D=$HOME ${X}' --env-file vars -v "$PWD/dir:/dir:ro" --mount type=tmpfs,dst=/t,tmpfs-size=65536 \
		-u 12:34 -w /tmp -h myhost --cap-drop ALL --read-only --ulimit nofile=100:200 --sysctl net.ipv4.ip_forward=0 --tmpfs /t2:size=64k \
		--add-host other:10.1.2.3 --dns 9.9.9.9 --group-add 77 --shm-size 128k --init --stop-timeout 1 "$registry/busybox" sh -c '
		echo "$A $D $F"; cat /dir/file; id -u; id -g; id -G; pwd; hostname; grep CapEff /proc/self/status; ulimit -Sn; ulimit -Hn
		touch /x 2>&1; touch /dir/y 2>&1; df -k /t /t2 /dev/shm | awk "NR>1{print \$2}"; grep other /etc/hosts; cat /etc/resolv.conf; cat /proc/1/comm'
	assert_success
	assert_line 'b=c $HOME ${X} one two'
	assert_line from-host
	assert_line $'12\n34\n34 77\n/tmp\nmyhost'
	assert_line $'CapEff:\t0000000000000000\n100\n200'
	assert_line 'touch: /x: Read-only file system'
	assert_line 'touch: /dir/y: Read-only file system'
	assert_line $'64\n64\n128'
	assert_line $'10.1.2.3\tother'
	assert_line 'nameserver 9.9.9.9'
}

@test "run: as few files as the way in needs itself" {
	for init in "" --init; do
		# shellcheck disable=SC2086 # nothing, or one option
		run slipway run --rm $init --ulimit nofile=5 "$registry/busybox" sh -c 'ulimit -n'
		assert_success
		assert_output 5
	done
}

@test "run: volumes by name are the same for all, anonymous ones go with --rm" {
	slipway run --rm -v shared:/data "$registry/busybox" sh -c 'echo kept >/data/file'
	run slipway run --rm -v shared:/data "$registry/busybox" cat /data/file
	assert_output kept
	slipway run --rm -v /scratch "$registry/busybox" touch /scratch/x
	run ls "$SLIPWAY_ROOT/volumes"
	assert_output shared
	rm -rf "$SLIPWAY_ROOT/volumes/shared"
}

@test "run: what is refused says why" {
	run slipway run --rm --privileged "$registry/busybox" true
	[ "$status" -eq 125 ] || show 'wanted 125'
	assert_line privileged
	run slipway run --rm --network shop_default "$registry/busybox" true
	[ "$status" -eq 125 ] || show 'wanted 125'
	assert_line "--network: 'shop_default' is not supported; there are bridge, host, none, pod:NAME and container:NAME"
}

@test "run: networks: none, host, and another's" {
	run slipway run --rm --network none "$registry/busybox" ip -o addr
	refute_line eth0
	run slipway run --rm --network host "$registry/busybox" readlink /proc/self/ns/net
	assert_output "$(readlink /proc/self/ns/net)"
	slipway run -d --name web "$registry/nginx"
	run slipway run --rm --network container:web "$registry/busybox" wget -qO- http://127.0.0.1/
	assert_line nginx
	run slipway run --rm --network pod:web "$registry/busybox" wget -qO- http://web/
	assert_line nginx
	slipway rm -f web
}

@test "run -p, -P: ports are published" {
	slipway run -d --name web -p 127.0.0.1:8099:80 "$registry/nginx"
	wait_for 5 curl -sf http://127.0.0.1:8099/ -o out
	grep -q nginx out
	run slipway ps
	assert_line '127.0.0.1:8099->80/tcp'
	slipway rm -f web
}

# ---- one more container of a service -------------------------------------------------------------

shop() {
	compose <<-END
		services:
		  web:
		    image: $registry/nginx
		    ports: ["127.0.0.1:8098:80"]
		  tool:
		    image: $registry/busybox
		    command: [sh, -c, 'echo tool']
		    environment: {A: one, B: 'two \$\$x'}
		    depends_on: [web]
		    volumes: ["stuff:/stuff"]
		    profiles: [tools]
		volumes: {stuff: {}}
	END
}

@test "run SERVICE: in the network of its pod, with names, without its ports" {
	shop
	slipway up -d
	run slipway run --rm -T tool sh -c 'wget -qO- http://web/ | grep -c nginx; echo "$A $B"'
	assert_success
	assert_line 'one two $x'
	run slipway run --rm -T -e A=other tool sh -c 'echo $A'
	assert_output other
	run slipway run --rm -T web sh -c 'echo ok'
	assert_output ok
	run pods
	assert_output "$project"
}

@test "run SERVICE: what it depends on is started before" {
	shop
	run slipway run --rm -T tool wget -qO- http://web/
	assert_success
	assert_line nginx
	is_field web State running
	slipway down
	run slipway run --rm -T --no-deps tool grep -w web /etc/hosts
	assert_failure 1
	no_pods
}

@test "run SERVICE: a one-off goes with its pod, and down takes it along" {
	shop
	slipway up -d
	run --separate-stderr slipway run -d tool sleep 100
	[[ $output =~ ^[0-9a-f]{64}$ ]] || show 'wanted its id'
	local pod
	pod=$(slipway inspect "$output" | jq -r '.[0].Name | ltrimstr("/")')
	[[ $pod =~ ^$project-tool-run-[0-9a-f]+$ ]]
	run slipway ps
	assert_line "$project-web-1"
	run jq -r '.services[0].labels[]' "$SLIPWAY_RUN/pods/$pod/state.json"
	assert_line com.docker.compose.oneoff=True
	assert_line "com.docker.compose.project=$project"
	kill -9 "$(process pause)"
	wait_for 3 eval '! flock -n '"$SLIPWAY_RUN/pods/$pod/lock"' true || true'
	wait_for 3 no_kernel_traces
	slipway down
	no_pods
	slipway up -d
	slipway run -d --rm tool sleep 100
	slipway down
	no_pods
	assert_no_leaks
}

@test "run -P and -p SERVICE: ports of a one-off in its pod's network" {
	compose <<-END
		services:
		  web:
		    image: $registry/nginx
		  tool:
		    image: $registry/busybox
		    command: [sh, -c, 'mkdir /w; echo hello >/w/f; exec httpd -f -p 9000 -h /w']
		    ports: ["127.0.0.1:8097:9000"]
		    profiles: [tools]
	END
	slipway up -d
	slipway run -d --rm -P tool
	wait_for 5 curl -sf http://127.0.0.1:8097/f -o out
	slipway run -d --rm -p 127.0.0.1:8096:80 tool sleep 100
	wait_for 5 curl -sf http://127.0.0.1:8096/ -o out
	slipway down
	assert_no_leaks
}

@test "run SERVICE: waits until what it depends on is healthy, or says that it is not" {
	compose <<-END
		services:
		  slow:
		    image: $registry/busybox
		    command: [sh, -c, 'sleep 1; touch /ready; sleep 100']
		    healthcheck: {test: [CMD, test, -e, /ready], interval: 200ms, retries: 20}
		    stop_grace_period: 100ms
		  job: {image: $registry/busybox, command: [sh, -c, 'exit 3']}
		  tool: {image: $registry/busybox, depends_on: {slow: {condition: service_healthy}}, profiles: [tools]}
		  late: {image: $registry/busybox, depends_on: {job: {condition: service_completed_successfully}}, profiles: [tools]}
	END
	slipway up -d slow
	run slipway run --rm -T tool echo yes
	assert_output yes
	is_field slow Health healthy
	slipway down
	run slipway run --rm -T tool echo yes
	assert_line yes
}

@test "run SERVICE: not when what it depends on has failed" {
	compose <<-END
		services:
		  job: {image: $registry/busybox, command: [sh, -c, 'sleep 0.5; exit 3']}
		  stays: {image: $registry/busybox, command: sleep 100, stop_grace_period: 100ms}
		  late: {image: $registry/busybox, depends_on: {job: {condition: service_completed_successfully}}, profiles: [tools]}
	END
	slipway up -d
	run slipway run --rm -T late true
	assert_failure 1
	assert_line 'services.late.depends_on.job: service job did not complete successfully: exit 3'
}

# ---- pods that are made, started and removed -----------------------------------------------------

@test "create notes a pod, start starts it, also after it has ended; rm removes it" {
	service it <<-END
		command: sleep 100
		stop_grace_period: 100ms
	END
	slipway create
	is_field it State created
	run slipway ls -a
	assert_line created
	slipway start
	is_field it State running
	slipway stop
	is_field it State exited
	slipway start
	is_field it State running
	run slipway rm -f
	assert_success
	assert_line 'the pod runs: it is not removed'
	slipway rm -f -s
	no_pods
}

@test "with -p and -f only containers of that project are meant, by name or by id" {
	local id own option
	slipway run -d --name box "$registry/busybox" sleep 100
	service it <<<'command: sleep 100'
	slipway up -d
	id=$(slipway inspect box | jq -r '.[0].Id')
	own=$(slipway ps -q it)
	for option in "-p $project" '-f compose.yml'; do
		# shellcheck disable=SC2086 # two words
		slipway $option exec -T "${own:0:12}" true
		# shellcheck disable=SC2086
		slipway $option exec -T "$project-it-1" true
		for other in "$id" "${id:0:12}" box; do
			# shellcheck disable=SC2086
			run --separate-stderr slipway $option exec -T "$other" true
			assert_failure 1
			assert_one_message "no such service: $other"
			# shellcheck disable=SC2086
			run --separate-stderr slipway $option stop -t 0 "$other"
			assert_failure 1
			assert_one_message "no such service: $other"
		done
	done
	slipway exec -T "$id" true
	# what was run for one of its services is the project's
	slipway run -d --name one-off it sleep 100
	slipway -p "$project" exec -T one-off true
	slipway down -t 0
	slipway rm -f box
}

@test "run: --cidfile, ps as JSON, and others of one's own" {
	slipway run -d --cidfile id --name box "$registry/busybox" sleep 100
	[ "$(slipway inspect box | jq -r '.[0].Id')" = "$(cat id)" ]
	[ "$(slipway ps --format json | jq -r .Name)" = box ]
	[ "$(slipway ps -q)" = "$(cat id)" ]
	slipway kill box
	run slipway wait box
	[ "$status" -eq 137 ] || show 'wanted 137'
	[ "$(slipway ps -a --format json | jq -r .ExitCode)" = 137 ]
	run slipway run --cidfile other "$registry/busybox" true
	[ "$status" -eq 125 ] || show 'wanted 125'
	assert_line '--cidfile is offered with -d only'
	slipway rm box
}

@test "one-offs that have ended are listed and removed" {
	service it <<-END
		command: sleep 100
		stop_grace_period: 100ms
	END
	slipway up -d
	run slipway run -T --name once it true
	assert_success
	run bash -c 'cd / && slipway ps -a'
	assert_line once
	run slipway ps -a
	assert_line once
	run slipway ps
	refute_line once
	slipway rm -f
	run bash -c 'cd / && slipway ps -a'
	refute_line once
	is_field it State running
}

@test "run -d --restart: it comes back after its host went down" {
	slipway run -d --restart always --name box "$registry/busybox" sleep 100
	kill -9 "$(jq .supervisor "$SLIPWAY_RUN/pods/box/state.json")"
	wait_for 3 eval '! slipway ps | grep -q box'
	slipway resume
	run slipway ps
	assert_line box
	run slipway exec box echo again
	assert_output again
	slipway rm -f box
	run slipway resume
	assert_success
	no_pods
}

@test "run SERVICE: in a pod that runs, what it depends on is started, too" {
	compose <<-END
		services:
		  a: {image: $registry/busybox, command: sleep 100, init: true}
		  db: {image: $registry/busybox, command: sleep 100, init: true}
		  tool: {image: $registry/busybox, command: 'true', profiles: [tools], depends_on: [db]}
	END
	slipway up -d a
	local first
	first=$(jq -r '.services[0].pid' "$SLIPWAY_RUN/pods/$project/state.json")
	run --separate-stderr slipway run --rm -T tool echo here
	assert_success
	assert_output here
	is_field db State running
	[ "$(jq -r '.services[] | select(.service == "a").pid' "$SLIPWAY_RUN/pods/$project/state.json")" = "$first" ] ||
		show 'the others were to go on'
	slipway stop -t 0 db
	slipway run --rm -T tool echo here
	is_field db State running
}

@test "run -it --init: a shell controls jobs, ^C and ^Z are those of the one in the foreground" {
	run at_terminal '=/ #' '>sleep 101\r' '~0.3' '>\x1a' '=Stopped' '>sleep 102\r' '~0.3' '>\x03' '=/ #' '>kill -9 %1\r' '~0.2' '>exit 6\r' '~0.1' '>exit 6\r' -- \
		slipway run -it --init --rm "$registry/busybox" sh
	refute_line 'job control turned off'
	assert_line '[exit 6]'
	assert_line '[modes kept]'
	no_pods
}

@test "standard output that does not wait gets all the same what run prints" {
	cat >unwaiting.py <<-'END'
		import os, subprocess, sys, time
		r, w = os.pipe()
		os.set_blocking(w, False)
		p = subprocess.Popen(sys.argv[1:], stdout=w, stdin=subprocess.DEVNULL)
		os.close(w)
		time.sleep(1)
		n = 0
		while data := os.read(r, 65536):
		    n += len(data)
		print(n, p.wait())
	END
	run python3 unwaiting.py slipway run --rm -T "$registry/busybox" head -c 1000000 /dev/zero
	assert_success
	assert_output '1000000 0'
}

@test "run SERVICE --entrypoint is split as a shell would" {
	service it <<-END
		command: [never]
		entrypoint: [never]
	END
	run --separate-stderr slipway run --rm -T --entrypoint 'echo "a  b" c' it d
	assert_success
	assert_output 'a  b c d'
}
