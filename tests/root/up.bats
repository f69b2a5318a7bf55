#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# tests/root/up.bats - what up does about ends of containers, changed files and running pods.

# shellcheck disable=SC2154 # the library sets registry and project, bats stderr

load ../lib/slipway
images busybox

@test "any container's exit ends the pod when that was asked for" {
	compose <<-END
		services:
		  stays: {image: $registry/busybox, command: sleep 100, stop_grace_period: 100ms}
		  goes: {image: $registry/busybox, command: [sh, -c, exit 3]}
	END
	run slipway up --abort-on-container-exit
	assert_failure 3
	[[ $output == *"goes-1  ended, and the pod with it"* ]] || show 'no word about why'
}

@test "a failure ends the pod, a success does not" {
	compose <<-END
		services:
		  fails: {image: $registry/busybox, command: [sh, -c, 'sleep 0.3; exit 4']}
		  stays: {image: $registry/busybox, command: sleep 100, stop_grace_period: 100ms}
		  done: {image: $registry/busybox, command: 'true'}
	END
	run slipway up --abort-on-container-failure
	assert_failure 4
	[[ $output == *"fails-1  ended, and the pod"* ]] || show 'another one'
}

@test "the exit code of one service is the command's" {
	compose <<-END
		services:
		  tests: {image: $registry/busybox, command: [sh, -c, 'sleep 0.2; exit 7']}
		  db: {image: $registry/busybox, command: [sh, -c, 'trap "exit 1" TERM; while :; do sleep 0.1; done']}
	END
	run slipway up --exit-code-from tests
	assert_failure 7
}

@test "x-slipway: the main service's end is the pod's" {
	compose <<-END
		x-slipway: {main: job}
		services:
		  job: {image: $registry/busybox, command: [sh, -c, 'sleep 0.2; exit 5']}
		  side: {image: $registry/busybox, command: sleep 100, stop_grace_period: 100ms}
		  helper: {image: $registry/busybox, command: 'false'}
	END
	run slipway up
	assert_failure 5
}

@test "x-slipway: a service that fails ends the pod" {
	compose <<-END
		x-slipway: {on_failure: kill}
		services:
		  a: {image: $registry/busybox, command: [sh, -c, 'sleep 0.2; exit 6']}
		  b: {image: $registry/busybox, command: sleep 100, stop_grace_period: 100ms}
	END
	run slipway up
	assert_failure 6
}

@test "x-slipway: a main service that is not there" {
	compose <<-END
		x-slipway: {main: nobody}
		services: {a: {image: $registry/busybox, command: 'true'}}
	END
	run --separate-stderr slipway up
	assert_failure 1
	[[ $stderr == *"x-slipway.main: there is no service 'nobody'"* ]] || show 'not named'
}

# began SERVICE: when its container was started.
began() { slipway ps -a --format json | jq -r "select(.Service == \"$1\") | .Name + .Status" >/dev/null && jq -r ".services[] | select(.service == \"$1\") | .started" "$SLIPWAY_RUN/pods/$project/state.json"; }

@test "up of a pod that runs: nothing changed, changed, forced, and left alone" {
	local first second
	compose <<-END
		services:
		  a: {image: $registry/busybox, command: sleep 100, init: true}
	END
	slipway up -d
	first=$(began a)
	run slipway up -d
	assert_success
	[[ $output == *'already running'* ]] || show 'it says nothing'
	[ "$(began a)" = "$first" ]
	sed -i 's/sleep 100/sleep 200/' compose.yml
	run slipway up -d --no-recreate
	assert_success
	[ "$(began a)" = "$first" ]
	run slipway up -d
	assert_success
	[[ $output == *'Updated'* ]] || show 'it says nothing'
	second=$(began a)
	[ "$second" != "$first" ]
	[[ $(slipway ps --no-trunc) == *'sleep 200'* ]] || show 'the old command'
	run slipway up -d --force-recreate
	assert_success
	[ "$(began a)" != "$second" ]
	slipway down
}

@test "up of one more service keeps those that run" {
	compose <<-END
		services:
		  a: {image: $registry/busybox, command: sleep 100, init: true}
		  b: {image: $registry/busybox, command: sleep 100, init: true}
	END
	slipway up -d a
	[ "$(slipway ps --services)" = a ]
	slipway up -d b
	[ "$(slipway ps --services | sort | tr '\n' ' ')" = 'a b ' ]
	run slipway up -d a
	assert_success
	[[ $output == *'already running'* ]] || show 'a part of what runs is no change'
	slipway down
}

@test "a service alone, without what it depends on" {
	compose <<-END
		services:
		  a: {image: $registry/busybox, command: 'true', depends_on: [b]}
		  b: {image: $registry/busybox, command: sleep 100}
	END
	run slipway up --no-deps a
	assert_success
	[[ $output != *'b-1'* ]] || show 'the other one was started'
}

@test "up -d: who fails says why, before its log is gone" {
	cat >compose.yml <<-'END'
		services:
		  good: {image: "${REGISTRY}/busybox", command: [sh, -c, 'echo fine; sleep 100']}
		  bad:
		    image: ${REGISTRY}/busybox
		    command:
		      - sh
		      - -c
		      - |
		        for i in 1 2 3 4 5 6 7 8 9 10 11; do echo line $$i; done
		        printf "\033[31mno \007configuration\n" >&2
		        exit 3
		  needs:
		    image: ${REGISTRY}/busybox
		    command: [sleep, '100']
		    depends_on: {bad: {condition: service_completed_successfully}}
	END
	export REGISTRY=$registry
	run slipway up -d
	assert_failure 1
	assert_line 'service bad did not complete successfully: exit 3'
	assert_line $'\n  bad | line 3\n'
	assert_line '  bad | ?[31mno ?configuration'
	[[ $output != *'line 2'$'\n'* && $output != *fine* ]]
	assert_no_leaks
}

@test "output of some services only, with times" {
	compose <<-END
		services:
		  a: {image: $registry/busybox, command: echo from-a}
		  b: {image: $registry/busybox, command: echo from-b}
		  c: {image: $registry/busybox, command: echo from-c, attach: false}
	END
	run --separate-stderr slipway up --attach a --timestamps --no-color
	assert_success
	[[ $output =~ ^a-1\ +\|\ 20[0-9-]+T[0-9:.]+Z\ from-a$ ]] || show 'not that line alone'
	run --separate-stderr slipway up --no-attach b
	assert_success
	[[ $output == *from-a* && $output != *from-b* && $output != *from-c* ]] || show 'others'
}

@test "waiting has an end" {
	compose <<-END
		services:
		  a:
		    image: $registry/busybox
		    command: sleep 100
		    stop_grace_period: 100ms
		    healthcheck: {test: 'false', interval: 100ms, retries: 1000}
	END
	run --separate-stderr slipway up --wait --wait-timeout 1
	assert_failure 1
	[[ $stderr == *'not up after 1 s'* ]] || show 'another reason'
}

@test "waiting does not end between two runs of a service that has never been healthy" {
	compose <<-END
		services:
		  a:
		    image: $registry/busybox
		    command: sh -c 'sleep 0.05; exit 1'
		    restart: always
		    healthcheck: {test: 'false', interval: 100ms, retries: 1000}
	END
	run --separate-stderr slipway up -d --wait --wait-timeout 2
	assert_failure 1
	[[ $stderr == *'not up after 2 s'* ]] || show 'another reason'
}

@test "up -d runs again what has ended, and what that depends on" {
	compose <<-END
		services:
		  a: {image: $registry/busybox, command: sleep 100, stop_signal: SIGKILL}
		  b: {image: $registry/busybox, command: sleep 100, stop_signal: SIGKILL, depends_on: [a]}
		  c: {image: $registry/busybox, command: [sh, -c, "echo once; exit 3"]}
	END
	slipway up -d
	wait_for 5 is_field c State exited
	local before
	before=$(field b ID)
	slipway stop a
	slipway up -d b
	[ "$(field a State)" = running ] || show "a is $(field a State)"
	[ "$(slipway logs c | grep -c once)" = 1 ]
	slipway kill -s KILL b
	wait_for 5 is_field b State exited
	slipway up -d
	[ "$(field b State)" = running ]
	wait_for 5 eval '[ "$(slipway logs c | grep -c once)" = 2 ]'
	[ "$(field b ID)" = "$before" ]
	# and restart starts what has been stopped as a whole
	slipway stop
	slipway restart
	[ "$(field a State)" = running ]
	[ "$(field b State)" = running ]
}

@test "up --wait of a pod that runs waits for it, and leaves it running" {
	compose <<-END
		services:
		  a:
		    image: $registry/busybox
		    command: sleep 100
		    stop_signal: SIGKILL
		    healthcheck: {test: test -e /ok, interval: 100ms, retries: 2, start_period: 1h}
		  b:
		    image: $registry/busybox
		    command: sleep 100
		    stop_signal: SIGKILL
	END
	slipway up -d
	run --separate-stderr slipway up -d --wait --wait-timeout 1
	assert_failure 1
	[[ $stderr == *'not up after 1 s'* ]] || show 'another reason'
	slipway up -d --wait b
	{ sleep 0.3; slipway exec a touch /ok; } &
	slipway up -d --wait
	[ "$(field a Health)" = healthy ]
	wait $!
	slipway exec a rm /ok
	wait_for 5 is_field a Health unhealthy
	run --separate-stderr slipway up -d --wait
	assert_failure 1
	[[ $stderr == *'service a is unhealthy'* ]] || show 'another reason'
	[ "$(slipway ps -q | wc -l)" -eq 2 ]
	slipway stop a # what has ended is neither healthy nor not
	[ "$(slipway ps -a --format '{{.State}} {{.Health}}.' a)" = 'exited .' ]
	slipway start a
	sed -i 's/sleep 100/sleep 200/' compose.yml # both are made anew, and a is not healthy then
	run --separate-stderr slipway up -d --wait --wait-timeout 1
	assert_failure 1
	[[ $stderr == *'not up after 1 s'* ]] || show 'another reason'
}

@test "what is refused" {
	compose <<-END
		services: {a: {image: $registry/busybox, command: 'true', build: .}}
	END
	run slipway up --build
	assert_failure 1
	run slipway up --scale a=101
	assert_failure 1
	run slipway up -d --exit-code-from a
	assert_failure 1
	run slipway up --force-recreate --no-recreate
	assert_failure 1
	run slipway up --scale a=1
	assert_success
}

@test "who depends on what is restarted is restarted, when it asks for it" {
	compose <<-END
		services:
		  db: {image: $registry/busybox, command: sleep 100, init: true}
		  web: {image: $registry/busybox, command: sleep 100, init: true, depends_on: {db: {condition: service_started, restart: true}}}
		  far: {image: $registry/busybox, command: sleep 100, init: true, depends_on: [db]}
	END
	slipway up -d
	local web far
	web=$(began web) far=$(began far)
	slipway restart db
	wait_for 5 eval '[ "$(began web)" != "$web" ]'
	[ "$(began far)" = "$far" ]
	slipway down
}

# ---- hooks ----

@test "post_start runs in the container, and dependants wait for it" {
	compose <<-END
		services:
		  db:
		    image: $registry/busybox
		    command: sleep 100
		    init: true
		    environment: {FROM: service}
		    post_start:
		      - command: [sh, -c, 'sleep 0.3; echo hook says \$\$FROM \$\$MORE in \$\$PWD; touch /tmp/ready']
		        environment: {MORE: hook}
		        working_dir: /tmp
		      - command: test -e /tmp/ready
		  web:
		    image: $registry/busybox
		    command: sleep 100
		    init: true
		    depends_on: [db]
	END
	slipway up -d
	[[ $(slipway logs db) == *'hook says service hook in /tmp'* ]] || show "$(slipway logs)"
	slipway exec db test -e /tmp/ready
	[[ $(began web) > $(began db) ]]
	local gap
	gap=$(($(date -d "$(began web)" +%s%N) - $(date -d "$(began db)" +%s%N)))
	[ "$gap" -gt 300000000 ] || show "web came $gap ns after db"
	slipway down
}

@test "a post_start hook that fails is the pod's failure" {
	compose <<-END
		services:
		  db:
		    image: $registry/busybox
		    command: sleep 100
		    init: true
		    post_start: [{command: [sh, -c, exit 3]}]
	END
	run --separate-stderr slipway up -d
	assert_failure 1
	[[ $stderr == *'service db: post_start[0] exited with 3'* ]] || show 'not named'
	[ "$(slipway ls -q)" = '' ]
}

# (As below, of a probe: a closed descriptor that is still in epoll cannot be taken out of it.)
@test "what a hook leaves is no longer watched when it is closed" {
	need_command strace
	compose <<-EOF
		services:
		  web:
		    image: $registry/busybox
		    command: sleep 100
		    init: true
		    pre_stop: [{command: sleep 1}, {command: "true"}]
	EOF
	slipway up -d
	(sleep 0.5; slipway stop) &
	local stopping=$!
	run timeout 5 strace -e trace=epoll_ctl -p "$(jq .supervisor "$SLIPWAY_RUN/pods/$project/state.json")"
	wait "$stopping"
	assert_line EPOLL_CTL_DEL
	refute_line EBADF
}

@test "pre_stop runs before the signal, by its own user, and has an end" {
	compose <<-END
		services:
		  db:
		    image: $registry/busybox
		    command: [sh, -c, 'trap "echo signal; exit 0" TERM; while :; do sleep 0.05; done']
		    user: '1000'
		    stop_grace_period: 1s
		    pre_stop:
		      - {command: [sh, -c, 'echo hook by \$\$(id -u); sleep 0.1'], user: root}
		  slow:
		    image: $registry/busybox
		    command: sleep 100
		    init: true
		    stop_grace_period: 300ms
		    pre_stop: [{command: sleep 50}]
	END
	slipway up -d
	slipway stop
	run slipway logs --no-log-prefix db
	[ "$output" = $'hook by 0\nsignal' ] || show 'another order'
	slipway down
}

@test "a pod of more services than a process has descriptors by custom" {
	local i
	echo 'services:' >compose.yml
	for i in {1..40}; do
		echo "  s$i: {image: $registry/busybox, command: [sh, -c, 'ulimit -Sn; exec sleep 100']}" >>compose.yml
	done
	(ulimit -Sn 100 && slipway up -d)
	[ "$(slipway ps -q | wc -l)" = 40 ]
	wait_for 3 test "$(slipway logs --no-log-prefix | sort -u)" = 100 # not what we need ourselves
	slipway down -t 0
}

@test "--trace tells where the time went, until the pod is up" {
	compose <<-EOF
		services:
		  db: {image: $registry/busybox, command: [sleep, "1000"], init: true}
		  web: {image: $registry/busybox, command: [sleep, "1000"], init: true, depends_on: [db]}
	EOF
	slipway up -d --trace trace.json
	run jq -r '.traceEvents[] | select(.ph == "X") | "\(.tid) \(.name)"' trace.json
	assert_success
	for span in 'load the project' 'plan' "start the pod's init" 'connect the network' 'from the gate to its program'; do
		assert_line "$span"
	done
	# each service is a track of its own, and no span ends before it began
	[ "$(jq -r '[.traceEvents[] | select(.ph == "M").args.name] | sort | join(" ")' trace.json)" = 'db supervisor web' ]
	[ "$(jq '[.traceEvents[] | select(.ph == "X" and (.dur < 0 or .ts <= 0))] | length' trace.json)" = 0 ]
	slipway down -t 1
	run --separate-stderr slipway up -d --trace /nowhere/trace.json
	assert_failure 1
	assert_one_message '--trace: '
	run slipway ps -q
	assert_output ''
	# also where it ends early
	printf 'services: {app: {image: %s/none}}' "$registry" >compose.yml
	run slipway up -d --trace trace.json
	assert_failure
	[ "$(jq '.traceEvents | any(.name == "find the images")' trace.json)" = true ]
	run --separate-stderr slipway up --no-start --trace trace.json
	assert_failure 1
	assert_one_message '--trace '
}

# pid SERVICE: of its first process; another one after it was replaced.
pid() { jq -r --arg s "$1" '.services[] | select(.service == $s).pid' "$SLIPWAY_RUN/pods/$project/state.json"; }

@test "only what has changed is replaced: the others run on" {
	three() { # WORD [LINE...]
		printf 'services:\n'
		printf '  %s: {image: %s/busybox, command: [sleep, "1000"], init: true, environment: {WORD: %s}}\n' \
			same "$registry" 1 changes "$registry" "$1"
		shift
		printf '%s\n' "$@"
	}
	three one "  goes: {image: $registry/busybox, command: [sleep, '1000'], init: true}" | compose
	slipway up -d
	same=$(pid same) changes=$(pid changes)
	slipway exec -T changes sh -c 'echo x >/written'
	three two "  comes: {image: $registry/busybox, command: [sleep, '1000'], init: true, depends_on: [same]}" | compose
	run --separate-stderr slipway up -d
	assert_success
	[[ $stderr == *"Pod $project  Updated"* ]] || show 'it says nothing'
	[ "$(pid same)" = "$same" ]
	[ "$(pid changes)" != "$changes" ]
	[ "$(slipway exec -T changes sh -c 'echo $WORD; ls /written 2>&1 | wc -l')" = $'two\n1' ] # the ls complains
	[ "$(slipway ps --services | sort | xargs)" = 'changes comes same' ]
	# the new one is known by its name to who was there before
	slipway exec -T same grep -qw comes /etc/hosts
	# its groups and files went with the one that is gone
	run find /sys/fs/cgroup -path "*/$SLIPWAY_CGROUP_PARENT/$project/goes"
	assert_output ''
	run slipway up -d
	assert_line 'already running'
	[ "$(pid same)" = "$same" ]
}

@test "a change that cannot be made is told, and the rest of the pod runs on" {
	compose <<-EOF
		services:
		  same: {image: $registry/busybox, command: [sleep, "1000"], init: true}
		  other: {image: $registry/busybox, command: [sleep, "1000"], init: true}
	EOF
	slipway up -d
	same=$(pid same)
	compose <<-EOF
		services:
		  same: {image: $registry/busybox, command: [sleep, "1000"], init: true}
		  other: {image: $registry/busybox, command: [/no/such/program], init: true}
		  third: {image: $registry/busybox, command: [sleep, "1000"], init: true}
	EOF
	run --separate-stderr slipway up -d
	assert_failure
	[[ $stderr == *'service other: exec: "/no/such/program"'* ]] || show 'not named'
	[ "$(pid same)" = "$same" ]
	is_field third State running
	is_field other State exited
	# and put right
	sed -i 's|\[/no/such/program\]|[sleep, "1000"]|' compose.yml
	slipway up -d
	is_field other State running
	[ "$(pid same)" = "$same" ]
}

@test "ports are the pod's: with another one it is started anew; with the same it is not" {
	both() {
		compose <<-EOF
			services:
			  web: {image: $registry/busybox, command: [httpd, -f, -p, "80"], init: true, ports: ["$1:80"]}
			  other: {image: $registry/busybox, command: [sleep, "1000"], init: true, environment: {WORD: $2}}
		EOF
	}
	both 8081 one
	slipway up -d
	web=$(pid web)
	both 8081 two
	slipway up -d
	[ "$(pid web)" = "$web" ]
	[ "$(slipway port web 80)" = 0.0.0.0:8081 ]
	both 8082 two
	slipway up -d
	[ "$(pid web)" != "$web" ]
	[ "$(slipway port web 80)" = 0.0.0.0:8082 ]
}

@test "depends_on.restart: who depends on what is replaced is started anew" {
	pair() {
		compose <<-EOF
			services:
			  db: {image: $registry/busybox, command: [sleep, "1000"], init: true, environment: {WORD: $1}}
			  web:
			    image: $registry/busybox
			    command: [sleep, "1000"]
			    init: true
			    depends_on: {db: {condition: service_started, restart: true}}
		EOF
	}
	pair one
	slipway up -d
	web=$(pid web)
	pair two
	slipway up -d
	[ "$(pid web)" != "$web" ]
}

@test "a pod that is stopped while it changes ends, and whoever changed it is told" {
	slow() {
		compose <<-EOF
			services:
			  same: {image: $registry/busybox, command: [sleep, "1000"], init: true}
			  slow:
			    image: $registry/busybox
			    command: [sh, -c, "trap : TERM; while :; do sleep 0.1; done"]
			    stop_grace_period: 20s
			    environment: {WORD: $1}
		EOF
	}
	slow one
	slipway up -d
	slow two
	command slipway up -d 2>changing.txt &
	changing=$!
	wait_for 5 grep -q . <(sleep 1; echo x)
	slipway down -t 1
	run wait "$changing"
	[ "$status" -ne 0 ]
	grep -q 'is being stopped' changing.txt
}

@test "several instances of a service: scale, deploy.replicas, --index, and one of them alone" {
	compose <<-EOF
		services:
		  worker:
		    image: $registry/busybox
		    command: [sh, -c, 'echo I am \$\$(hostname); exec sleep 1000']
		    init: true
		    deploy: {replicas: 2}
		    volumes: [/data]
		  after: {image: $registry/busybox, command: [sleep, "1000"], init: true, depends_on: [worker]}
	EOF
	run slipway plan
	assert_line 'after waits until worker is started'
	assert_line 'after waits until worker@2 is started'
	slipway up -d
	[ "$(slipway ps --format '{{.Name}}' | sort | xargs)" = "$project-after-1 $project-worker-1 $project-worker-2" ]
	[ "$(slipway exec -T worker hostname)" = worker ]
	[ "$(slipway exec -T --index 2 worker hostname)" = worker-2 ]
	[ "$(slipway exec -T worker sh -c 'echo $SLIPWAY_INSTANCE')" = 1 ]
	[ "$(slipway exec -T --index 2 worker sh -c 'echo $SLIPWAY_INSTANCE')" = 2 ]
	run slipway exec -T --index 3 worker hostname
	assert_failure
	slipway exec -T worker touch /data/first
	run slipway exec -T --index 2 worker ls /data
	assert_output ''
	wait_for 5 eval 'slipway logs worker | grep -q "worker-2  *| I am worker-2"'
	# more of them, and fewer: the others run on
	first=$(pid worker | head -n 1)
	slipway scale worker=3
	[ "$(slipway ps --services | grep -c worker)" -ge 1 ]
	wait_for 5 eval '[ "$(slipway ps --services | grep -c worker)" = 3 ]'
	[ "$(pid worker | head -n 1)" = "$first" ]
	slipway up -d --scale worker=1
	wait_for 5 eval '[ "$(slipway ps --services | grep -c worker)" = 1 ]'
	[ "$(pid worker | head -n 1)" = "$first" ]
	slipway up -d
	wait_for 5 eval '[ "$(slipway ps --services | grep -c worker)" = 2 ]'
	# by its name, one alone
	slipway stop -t 0 "$project-worker-2"
	wait_for 5 eval '[ "$(slipway ps --services | grep -c worker)" = 1 ]'
	slipway start "$project-worker-2"
	wait_for 5 eval '[ "$(slipway ps --services | grep -c worker)" = 2 ]'
	slipway kill worker
	wait_for 5 eval '[ "$(slipway ps --services | grep -c worker)" = 0 ]'
}

@test "instances that cannot be are refused" {
	compose <<-EOF
		services:
		  web: {image: $registry/busybox, ports: ["80"], scale: 2}
	EOF
	run slipway up -d
	assert_failure 1
	assert_line 'scale: 2 instances of web cannot all listen on port 80 of one pod'
	run slipway up -d --scale web=1 --scale nobody=2
	assert_failure 1
	assert_line 'scale: no such service: nobody'
	run slipway scale web
	assert_failure 1
	assert_line "scale: 'web' is not SERVICE=N"
}

@test "what the file says of a config or a secret is part of the services that have it" {
	compose <<-EOF
		services:
		  has: {image: $registry/busybox, command: sleep 100, stop_grace_period: 100ms, configs: [c]}
		  has_not: {image: $registry/busybox, command: sleep 100, stop_grace_period: 100ms}
		configs: {c: {content: one}}
	EOF
	slipway up -d
	before=$(field has_not ID)
	sed -i 's/content: one/content: two/' compose.yml
	run slipway up -d
	assert_success
	assert_line "Pod $project  Updated"
	run slipway exec -T has cat /c
	assert_output two
	[ "$(field has_not ID)" = "$before" ] || show 'the other one was replaced, too'
	run slipway up -d
	assert_line 'already running'
}

# rss: of the supervisor, in kB
rss() { sed -n 's/^VmRSS:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$(jq .supervisor "$SLIPWAY_RUN/pods/$project/state.json")/status"; }

@test "who has started or restarted a service may exec in it at once" {
	local i
	service it <<-END
		command: sleep 1000
		init: true
		stop_grace_period: 0s
	END
	slipway up -d
	for i in {1..10}; do
		slipway restart it
		slipway exec -T it true
		slipway stop it
		slipway start it
		slipway exec -T it true
	done
}

@test "a container_name stands before its output" {
	compose <<-END
		services:
		  a: {image: $registry/busybox, container_name: chosen, command: [echo, one]}
		  b: {image: $registry/busybox, command: [echo, two]}
		  c: {image: $registry/busybox, container_name: $project-c-1, command: [echo, three]}
	END
	run slipway up
	assert_success
	[ "$(grep ' | ' <<<"$output" | sort)" = $'b-1     | two\nc-1     | three\nchosen  | one' ] || show 'not so'
	[ "$(slipway logs | sort)" = $'b-1     | two\nc-1     | three\nchosen  | one' ] || slipway logs
	slipway down
}

@test "start and restart of a service whose program is gone tell so, and fail" {
	printf '#!/bin/sh\nexec sleep 1000\n' >program
	chmod +x program
	compose <<-END
		services:
		  it: {image: $registry/busybox, command: [/bin/own/program], volumes: ['.:/bin/own'], stop_grace_period: 0s}
		  other: {image: $registry/busybox, command: sleep 1000, init: true, stop_grace_period: 0s}
	END
	slipway up -d
	rm program
	run --separate-stderr slipway restart it
	assert_failure 1
	assert_one_message 'service it: exec: "/bin/own/program": executable file not found: no such file or directory'
	is_field it ExitCode 127
	run --separate-stderr slipway start
	assert_failure 1
	assert_one_message 'service it: exec: "/bin/own/program": executable file not found: no such file or directory'
	echo nothing >program
	run --separate-stderr slipway start it
	assert_failure 1
	assert_one_message 'service it: exec: "/bin/own/program": permission denied'
	is_field it ExitCode 126
	slipway restart other
	printf '#!/bin/sh\nexec sleep 1000\n' >program
	chmod +x program
	slipway start
	is_field it State running
}

@test "a pod that is changed again and again does not remember all of it; what did not change goes on" {
	local large i first
	large=$(head -c 50000 /dev/zero | tr '\0' x)
	change() {
		cat >compose.yml <<-EOF
			services:
			  web: {image: $registry/busybox, command: [sh, -c, 'sleep $1; sleep 1000'], init: true, stop_grace_period: 0s, environment: {LARGE: $large}}
			  old: {image: $registry/busybox, command: sleep 1000, init: true, stop_grace_period: 0s, environment: {LARGE: $large}}
		EOF
		[ "$1" -lt 5 ] || echo '  new: {image: '"$registry"'/busybox, command: sleep 1000, init: true, stop_grace_period: 0s, environment: {SINCE: five}}' >>compose.yml
		slipway up -d
	}
	for i in {1..10}; do change "$i"; done
	first=$(rss)
	for i in {11..30}; do change "$i"; done
	[ "$(rss)" -lt $((first + 1000)) ] || show "$first kB, then $(rss) kB"
	# those of earlier versions, with what they were born with
	slipway restart old new
	[ "$(slipway exec old sh -c 'echo ${#LARGE}')" = 50000 ]
	[ "$(slipway exec new sh -c 'echo $SINCE')" = five ]
	slipway down
}

# A descriptor that is closed before its watch stays in epoll as long as a container that is not yet at
# its program has a copy: the supervisor would be called for it again and again.
@test "what a probe leaves is no longer watched when it is closed" {
	need_command strace
	compose <<-EOF
		services:
		  web:
		    image: $registry/busybox
		    command: sleep 100
		    stop_grace_period: 100ms
		    healthcheck: {test: "true", interval: 100ms}
	EOF
	slipway up -d --wait
	run timeout 2 strace -e trace=epoll_ctl -p "$(jq .supervisor "$SLIPWAY_RUN/pods/$project/state.json")"
	assert_line EPOLL_CTL_DEL
	refute_line EBADF
}

@test "up ends when nobody reads its output any more, but goes on for a service manager and on a full disk" {
	compose <<-END
		services:
		  a: {image: $registry/busybox, command: [sh, -c, 'while :; do echo line; sleep 0.1; done'], init: true}
	END
	slipway up 2>up.err | head -n 1
	grep -q 'Exited (143)' up.err || { cat up.err; false; }
	[ -z "$(slipway ps -q)" ]
	command slipway up >/dev/full 2>&1 3>&- &
	wait_for 5 is_field a State running
	sleep 0.5
	is_field a State running
	slipway down
	(trap '' PIPE; exec slipway up 2>/dev/null) 3>&- | head -n 1 &
	wait_for 5 is_field a State running
	sleep 0.5
	is_field a State running
	slipway down
}

@test "run: what cannot be written is told" {
	service a <<<'command: sleep 100'
	run --separate-stderr bash -c 'slipway run --rm a echo hi >/dev/full'
	assert_failure 1
	assert_one_message 'standard output: write: No space left on device'
	run --separate-stderr bash -c 'slipway run --rm a echo hi >&-'
	assert_failure 1
	assert_one_message 'standard output: write: Bad file descriptor'
	run --separate-stderr bash -c 'set -o pipefail; slipway run --rm a yes | head -n 1'
	[ "$status" -eq 141 ]
	[ -z "$stderr" ] || show "a pipe that is closed is no error"
}

@test "--progress quiet tells nothing of what goes on" {
	service a <<<'command: [sh, -c, "echo said; sleep 100"]'
	run --separate-stderr slipway --progress quiet up -d
	assert_success
	[ -z "$output$stderr" ] || show 'it tells'
	sed -i 's/100/101/' compose.yml
	COMPOSE_PROGRESS=quiet run --separate-stderr slipway up -d
	assert_success
	[ -z "$output$stderr" ] || show 'it tells'
	run --separate-stderr slipway --progress quiet down -t 0
	[ -z "$output$stderr" ] || show 'it tells'
	sed -i 's/; sleep 101//' compose.yml
	run --separate-stderr slipway --progress quiet up
	assert_output 'a-1  | said'
	[ -z "$stderr" ] || show 'it tells'
}

@test "up --no-start notes the pod, and down --rmi takes its images along" {
	compose <<-END
		services:
		  a: {image: $registry/busybox, command: sleep 100, init: true}
	END
	run slipway up --no-start --scale a=2
	assert_success
	[[ $output == *"Pod $project  Created"* ]] || show 'it does not say so'
	[ "$(slipway ps -a --status created -q | wc -l)" -eq 2 ]
	slipway start
	[ "$(slipway ps -q | wc -l)" -eq 2 ]
	slipway -p other run -d --name other "$registry/busybox" sleep 100
	run slipway down --remove-orphans --rmi all
	assert_success
	[[ $output == *"image $registry/busybox stays: pod other"* ]] || show 'it does not say so'
	slipway rm -f other
	run slipway down --rmi local
	assert_success
	[[ $(slipway images) == *busybox* ]] || show 'they have names'
	run slipway down --rmi all
	assert_success
	[[ $output == *"Image $registry/busybox  Removed"* ]] || show 'it does not say so'
	[[ $(slipway images) != *busybox* ]]
	run slipway down --rmi all
	assert_success
	pull_images
}

@test "volumes: those of the project, or of a service" {
	compose <<-END
		services:
		  a: {image: $registry/busybox, command: sleep 100, init: true, volumes: [one:/one, two:/two]}
		  b: {image: $registry/busybox, command: sleep 100, init: true, volumes: [two:/two]}
		volumes: {one: {}, two: {name: own}}
	END
	run slipway volumes -q
	assert_output ''
	slipway up -d
	run slipway volumes
	assert_success
	assert_output "DRIVER   VOLUME NAME
local    own
local    ${project}_one"
	run slipway volumes -q b
	assert_output own
	[ "$(slipway volumes --format json | jq -r '.Name + " " + .Driver')" = "own local
${project}_one local" ]
	[ "$(slipway volumes --format '{{.Mountpoint}}' b)" = "$SLIPWAY_ROOT/volumes/own/_data" ]
	run --separate-stderr slipway volumes nobody
	assert_failure 1
	assert_one_message 'no such service: nobody'
	run slipway -p another volumes -q
	assert_output ''
	slipway down -v -t 0
	run slipway volumes -q
	assert_output ''
}

@test "what is not there is told in words of the command line" {
	service a <<<'command: sleep 100'
	slipway up -d
	for command in 'exec --index 2 a true' 'attach --index 2 a' 'cp --index 2 a:/etc/passwd -'; do
		# shellcheck disable=SC2086 # words
		run --separate-stderr slipway $command
		assert_failure 1
		assert_one_message 'service a has no instance 2'
	done
	chmod 700 "$SLIPWAY_RUN"
	run --separate-stderr setpriv --reuid 65534 --regid 65534 --clear-groups "$(command -v slipway)" ls
	assert_failure 1
	assert_one_message 'Permission denied; slipway is to be run as root'
}

@test "ext4 is told to put what containers write apart from other files" {
	need_command lsattr
	[ "$(stat -f -c %T "$SLIPWAY_ROOT")" = ext2/ext3 ] || skip 'SLIPWAY_ROOT is on another file system'
	compose <<-END
		services:
		  a: {image: $registry/busybox, command: sleep 100, init: true}
	END
	slipway up -d
	run lsattr -d "$SLIPWAY_ROOT/pods/$project"
	[[ ${output%% *} == *T* ]] || show 'no top directory'
}

@test "devices: nodes with their permissions, by links and directories, and rules for others" {
	mkdir -p hw/deep
	mknod -m 640 hw/port c 1 4
	mknod hw/deep/other c 1 10
	mknod hw/zero c 1 5
	ln -s hw/zero link
	chown 3:4 hw/port
	# There is no driver for 1:4 and 1:10. What counts is whether opening is refused by permission.
	compose <<-END
		services:
		  a:
		    image: $registry/busybox
		    command: sleep 100
		    init: true
		    devices: ["$PWD/hw/port:/dev/port:r", "$PWD/link:/opt/zero", "$PWD/hw/deep:/dev/hw"]
		    volumes: ["$PWD/hw:/mnt:ro"]
		  b:
		    image: $registry/busybox
		    command: sleep 100
		    init: true
		    volumes: ["$PWD/hw:/mnt"]
		  c:
		    image: $registry/busybox
		    command: sleep 100
		    init: true
		    device_cgroup_rules: ["c 1:10 rw"]
		    volumes: ["$PWD/hw:/mnt"]
	END
	slipway up -d
	local no=': Operation not permitted' none=': No such device or address'
	check_devices() {
		run slipway exec -T a sh -c 'ls -ln /dev/port /opt/zero /dev/hw/other | sed "s/ [A-Z][a-z][a-z] .* \// \//; s/  */ /g"; head -c 3 /opt/zero | wc -c; : </dev/hw/other'
		[ "$output" = "crw-r--r-- 1 0 0 1, 10 /dev/hw/other
crw-r----- 1 3 4 1, 4 /dev/port
crw-r--r-- 1 0 0 1, 5 /opt/zero
3
sh: can't open /dev/hw/other$none" ] || show 'not the nodes'
		run slipway exec -T a sh -c ': </mnt/deep/other'
		assert_line "sh: can't open /mnt/deep/other$none"
		run slipway exec -T -u 3:4 a sh -c ': </dev/port; :'
		assert_line "sh: can't open /dev/port$none"
		run slipway exec -T -u 3:4 a sh -c ': >/dev/port'
		assert_line "sh: can't create /dev/port$no"
	}
	check_devices
	slipway restart -t 0 a
	check_devices
	# who names none opens no node but his own
	run slipway exec -T b sh -c ': </mnt/zero'
	assert_line "sh: can't open /mnt/zero: Permission denied"
	run slipway exec -T c sh -c ': </mnt/zero && echo zero; : </mnt/deep/other'
	assert_line zero
	assert_line "sh: can't open /mnt/deep/other$none"
	run slipway exec -T c sh -c ': </mnt/port'
	assert_line "sh: can't open /mnt/port$no"
	run slipway run --rm --device "$PWD/hw/deep/other:/dev/x" "$registry/busybox" sh -c ': </dev/x'
	assert_line "sh: can't open /dev/x$none"
	run slipway run --rm --device "$PWD/hw/port:r" "$registry/busybox" sh -c ": >$PWD/hw/port"
	assert_line "port$no"
	run slipway run --rm --device-cgroup-rule 'c 1:4 r' -v "$PWD/hw:/mnt" "$registry/busybox" sh -c ': </mnt/port'
	assert_line "port$none"
}

@test "devices: what is wrong with one is told, and nothing is left" {
	local lines message
	# a directory of its own: a sandbox may have hidden files of /etc behind /dev/null
	mkdir -p none/deeper
	ln -s /dev/null none/deeper/null
	while IFS='|' read -r lines message; do
		printf 'services:\n  a:\n    image: %s/busybox\n    command: "true"\n    %s\n' "$registry" "${lines/@/$PWD}" >compose.yml
		run --separate-stderr slipway up -d
		assert_failure
		[[ $stderr == *"$message"* ]] || show "$lines: $stderr"
		[ -z "$(slipway ps -aq)" ]
	done <<-'END'
		devices: [/dev/nosuch]|devices: /dev/nosuch: No such file or directory
		devices: [/etc/passwd:/dev/x]|devices: /etc/passwd is no device, nor a directory of any
		devices: [@/none:/dev/x]|/none is no device, nor a directory of any
		devices: [fuse]|devices: 'fuse' is not an absolute path
		devices: ["/dev/null:x"]|devices: 'x' is not an absolute path
		devices: ["/dev/null:/dev/x:rr"]|devices: 'rr' are not permissions of r, w and m
		devices: ["vendor.example/class=name"]|is the name of a CDI device
		devices: ["/dev/null:/dev/zero"]|device /dev/zero: there is something else
		device_cgroup_rules: ["c 1:3"]|device_cgroup_rules: 'c 1:3' is not a rule
		device_cgroup_rules: ["d 1:3 r"]|device_cgroup_rules: 'd 1:3 r' is not a rule
		device_cgroup_rules: ["c 1 r"]|device_cgroup_rules: 'c 1 r' is not a rule
	END
}

@test "what a pod has written is freed when it is down, attached or not" {
	compose <<-END
		services:
		  a: {image: $registry/busybox, command: [sh, -c, "dd if=/dev/zero of=/big bs=1M count=20; echo written; exec sleep 100"], init: true}
	END
	slipway up -d
	wait_for 10 eval 'slipway logs | grep -q written'
	slipway down -t 0
	wait_for 5 eval '[ -z "$(find "$SLIPWAY_ROOT/trash" "$SLIPWAY_ROOT/pods" -name big)" ]'
	slipway up >out.txt 2>&1 3>&- &
	local up=$!
	wait_for 10 grep -q written out.txt
	slipway down -t 0
	wait $up || :
	wait_for 5 eval '[ -z "$(find "$SLIPWAY_ROOT/trash" "$SLIPWAY_ROOT/pods" -name big)" ]'
}

@test "a host that makes memory not executable runs pods all the same" {
	[ -e /proc/sys/vm/memfd_noexec ] || skip 'this kernel has no vm.memfd_noexec'
	compose <<-END
		services:
		  a: {image: $registry/busybox, command: sleep 100, init: true}
	END
	# the setting is the PID namespace's
	unshare --pid --fork --mount-proc bash -c 'echo 1 >/proc/sys/vm/memfd_noexec && slipway up -d && slipway exec -T a true && slipway down -t 0'
}

@test "a pod in the host's network keeps no other, begun early or not" {
	compose <<-END
		services:
		  a: {image: $registry/busybox, command: sleep 100, init: true, network_mode: host}
	END
	slipway up -d
	# its control socket, and what waits at the containers' gate: none with a network in it
	local pid
	pid=$(pgrep -xo slipway)
	[ "$(find "/proc/$pid/fd" -lname 'socket:*' | wc -l)" -le 2 ] || show "$(ls -l "/proc/$pid/fd")"
}

@test "up whose output is not read looks after its pod, and its containers go on" {
	service app <<-END
		command: [sh, -c, 'while :; do echo 0123456789012345678901234567890123456789; done']
		stop_grace_period: 100ms
	END
	mkfifo pipe
	sleep 60 <pipe 3>&- &
	reader=$!
	command slipway up >pipe 2>err.txt 3>&- &
	up=$!
	wait_for 5 is_field app State running
	sleep 3
	first=$(slipway logs --tail 1 -t app)
	sleep 1
	[ "$(slipway logs --tail 1 -t app)" != "$first" ]
	limit=5 run slipway down -t 0
	kill $reader
	wait $up || :
	assert_success
}

@test "up whose output is read slowly loses nothing of it" {
	service app <<-END
		command: [sh, -c, 'i=0; while [ \$\$i -lt 60000 ]; do echo 01234567890123456789012345678901234567890123456789; i=\$\$((i+1)); done']
	END
	cat >slowly.py <<-'END'
		import sys, time
		n = 0
		while data := sys.stdin.buffer.read1(1 << 16):
		    n += data.count(b"\n")
		    time.sleep(0.03)
		print(n)
	END
	slipway up 2>err.txt | python3 slowly.py >lines
	[ "$(cat lines)" = 60000 ]
}

@test "a descriptor that up -d was started with is not kept open" {
	service app <<-END
		command: sleep 1000
		stop_grace_period: 100ms
	END
	exec 70>marker
	slipway up -d
	exec 70>&-
	[ -z "$(find "/proc/$(process supervisor)/fd" "/proc/$(process pause)/fd" -lname '*marker')" ]
}

@test "two who look at a dead pod at once do not take each other for it" {
	service app <<-END
		command: sleep 1000
	END
	slipway up -d
	kill -KILL "$(process supervisor)"
	wait_for 5 is_field app State dead
	for k in 1 2 3 4; do
		(for i in $(seq 30); do command slipway ps -a --format '{{.State}}'; done >"states.$k") 3>&- &
		eval "p$k=\$!"
	done
	wait $p1 $p2 $p3 $p4
	sort states.? | uniq -c
	[ "$(sort -u states.?)" = dead ]
}

# ids SERVICE...: what `ps -a` has as their ids
ids() { for s; do field "$s" ID; done; }

@test "who starts one service of a pod leaves the others what they are" {
	compose <<-END
		services:
		  a: {image: $registry/busybox, command: sleep 1000, stop_grace_period: 100ms}
		  b: {image: $registry/busybox, command: sleep 1000, stop_grace_period: 100ms, depends_on: [db]}
		  c: {image: $registry/busybox, command: sh -c 'exit 3'}
		  db: {image: $registry/busybox, command: sleep 1000, stop_grace_period: 100ms}
	END
	slipway create
	slipway start b
	[ "$(for s in a b c db; do field $s State; done | tr '\n' ' ')" = 'created running created running ' ]
	slipway up -d
	wait_for 5 is_field c State exited
	slipway stop
	before=$(ids a c)
	slipway start b
	[ "$(for s in a b c db; do field $s State; done | tr '\n' ' ')" = 'exited running exited running ' ]
	is_field c ExitCode 3
	is_field a ExitCode 137
	[ "$(ids a c)" = "$before" ]
	slipway up -d a
	is_field a State running
	is_field c State exited
	is_field c ExitCode 3
	slipway up -d
	is_field a State running
	wait_for 5 is_field c State exited
	[ "$(ids a c)" = "$before" ]
}

@test "up of one service touches no other, changed or ended" {
	compose <<-END
		services:
		  b: {image: $registry/busybox, command: sleep 1000, stop_grace_period: 100ms}
		  c: {image: $registry/busybox, command: sh -c 'exit 3'}
		  d: {image: $registry/busybox, command: sleep 1000, stop_grace_period: 100ms}
	END
	slipway up -d --scale d=2
	wait_for 5 is_field c State exited
	before=$(ids b c d)
	sed -i 's/exit 3/exit 4/; s/d: {/d: {working_dir: \/tmp, /' compose.yml
	slipway up -d b
	[ "$(ids b c d)" = "$before" ]
	slipway up -d --force-recreate b
	[ "$(ids c d)" = "${before#*$'\n'}" ]
	[ "$(ids b)" != "${before%%$'\n'*}" ]
	is_field b State running
	slipway up -d
	wait_for 5 is_field c ExitCode 4
	[ "$(slipway exec -T d pwd)" = /tmp ]
}

# A pod of a and b, each with a file in an anonymous volume.
two_with_volumes() {
	compose <<-END
		services:
		  a: {image: $registry/busybox, command: sleep 1000, stop_grace_period: 100ms, volumes: [/anon]}
		  b: {image: $registry/busybox, command: sleep 1000, stop_grace_period: 100ms, volumes: [/anon]}
	END
	slipway up -d
	slipway exec -T a touch /anon/a
	slipway exec -T b touch /anon/b
}

@test "up -V starts anew what runs, with other anonymous volumes" {
	two_with_volumes
	slipway up -d -V a
	run ! slipway exec -T a test -e /anon/a
	slipway exec -T b test -e /anon/b
	slipway exec -T a touch /anon/a
	slipway up -d --force-recreate
	slipway exec -T a test -e /anon/a
	slipway up -d -V
	run ! slipway exec -T a test -e /anon/a
	run ! slipway exec -T b test -e /anon/b
}

@test "up -V of one service of a pod that has ended leaves the volumes of the others" {
	two_with_volumes
	slipway stop
	slipway up -d -V b
	run ! slipway exec -T b test -e /anon/b
	slipway start a
	slipway exec -T a test -e /anon/a
}

@test "down and rm of one service take it out of the pod, running or ended" {
	compose <<-END
		services:
		  a: {image: $registry/busybox, command: sleep 1000, stop_grace_period: 100ms, volumes: [/anon]}
		  b: {image: $registry/busybox, command: sleep 1000, stop_grace_period: 100ms}
		  c: {image: $registry/busybox, command: sh -c 'echo once; exit 3'}
	END
	slipway up -d
	wait_for 5 is_field c State exited
	before=$(ids b)
	slipway exec -T a touch /anon/x
	slipway down a
	[ "$(slipway ps -a --format '{{.Service}}' | tr '\n' ' ')" = 'b c ' ]
	[ "$(ids b)" = "$before" ]
	run slipway exec -T a true
	assert_failure
	run slipway rm -f c
	assert_success
	[ "$(slipway ps -a --format '{{.Service}}')" = b ]
	run slipway rm b
	assert_failure 1
	assert_line 'b is running'
	slipway up -d
	[ "$(ids b)" = "$before" ]
	slipway exec -T a test -e /anon/x
	wait_for 5 is_field c State exited
	slipway down -v a
	slipway up -d
	run ! slipway exec -T a test -e /anon/x
	wait_for 5 is_field c State exited
	[ "$(slipway logs --no-log-prefix c | grep -c once)" = 2 ] # of the two runs since it was removed
	slipway stop
	slipway rm -f -v a
	[ "$(slipway ps -a --format '{{.Service}}' | tr '\n' ' ')" = 'b c ' ]
	slipway start # what is there
	[ "$(slipway ps --format '{{.Service}}')" = b ]
	slipway up -d
	[ "$(for s in a b; do field $s State; done | tr '\n' ' ')" = 'running running ' ]
	slipway down a b c
	[ -z "$(slipway ps -a -q)" ]
}

@test "options of up that have nothing to do are taken, and --always-recreate-deps does what it says" {
	compose <<-END
		services:
		  db: {image: $registry/busybox, command: sleep 1000, stop_grace_period: 100ms}
		  web: {image: $registry/busybox, command: sleep 1000, stop_grace_period: 100ms, depends_on: [db]}
	END
	slipway up -d -y --build --quiet-build --remove-orphans=false
	before=$(ids db web)
	slipway up -d --always-recreate-deps
	[ "$(ids db web)" = "$before" ]
	slipway up -d --always-recreate-deps web
	[ "$(ids web)" = "${before#*$'\n'}" ]
	[ "$(ids db)" != "${before%%$'\n'*}" ]
	sed -i 's/web: {/web: {build: ., /' compose.yml
	run slipway up -d --build
	assert_failure 1
	assert_line '--build: slipway does not build images'
}

@test "create puts what is missing or has changed into a pod that runs, and starts nothing" {
	compose <<-END
		services:
		  a: {image: $registry/busybox, command: sleep 1000, stop_grace_period: 100ms}
		  c: {image: $registry/busybox, command: sh -c 'exit 3'}
	END
	slipway up -d
	wait_for 5 is_field c State exited
	before=$(ids a c)
	slipway create
	[ "$(ids a c)" = "$before" ]
	cat >>compose.yml <<-END
		  d: {image: $registry/busybox, command: sleep 1000, stop_grace_period: 100ms}
	END
	sed -i 's/exit 3/exit 4/' compose.yml
	slipway create d
	[ "$(ids a c)" = "$before" ]
	is_field d State created
	slipway up --no-start
	[ "$(ids a)" = "${before%%$'\n'*}" ]
	is_field c State created
	slipway start d
	is_field d State running
	slipway up -d
	wait_for 5 is_field c ExitCode 4
	[ "$(ids a)" = "${before%%$'\n'*}" ]
}

@test "a service that was taken out does not come back after a reboot" {
	compose <<-END
		services:
		  a: {image: $registry/busybox, command: sleep 1000, stop_grace_period: 100ms, restart: always}
		  b: {image: $registry/busybox, command: sleep 1000, stop_grace_period: 100ms, restart: always, depends_on: [a]}
	END
	slipway up -d
	slipway down a
	slipway -f "$SLIPWAY_ROOT/resume/$project.yml" config --services >left
	[ "$(cat left)" = b ]
	slipway up -d
	[ "$(slipway -f "$SLIPWAY_ROOT/resume/$project.yml" config --services | sort | tr '\n' ' ')" = 'a b ' ]
	slipway down
	slipway up -d --no-deps b
	[ "$(slipway -f "$SLIPWAY_ROOT/resume/$project.yml" config --services)" = b ]
}

@test "services that are not to start are not the result of up" {
	compose <<-END
		services:
		  a: {image: $registry/busybox, command: sleep 1000, stop_grace_period: 100ms}
		  b: {image: $registry/busybox, command: 'true'}
	END
	slipway up -d
	slipway stop
	is_field a ExitCode 137
	run slipway up b
	assert_success
	is_field a ExitCode 137
}

@test "options that have nothing to be about are refused, and down --rmi is about the services that are named" {
	compose <<-END
		services:
		  a: {image: $registry/busybox, command: sleep 1000, stop_grace_period: 100ms}
		  b: {image: $registry/busybox, build: ., command: sleep 1000, stop_grace_period: 100ms}
	END
	for options in 'up --no-start --build' 'create --build' 'up --no-start -V' 'up --no-start --always-recreate-deps'; do
		# shellcheck disable=SC2086 # words
		run slipway $options
		assert_failure 1
	done
	slipway create --build a
	slipway up -d
	run slipway down --rmi all b
	assert_success
	assert_line "image $registry/busybox stays: pod $project uses it"
	[ "$(slipway ps -a --services)" = a ]
}
