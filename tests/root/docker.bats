#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# tests/root/docker.bats - slipway-docker, called as a Mesos agent and its docker executor call Docker.

# shellcheck disable=SC2154 # the library sets registry, bats status, output and stderr

load ../lib/slipway
images busybox nginx

cid=11111111-2222-3333-4444-555555555555
name=mesos-$cid

docker() { timeout --foreground --kill-after=5 "$limit" slipway-docker -H unix:///var/run/docker.sock "$@"; }

# run_task OPTION... IMAGE...: docker run as the executor starts it, in a sandbox; sets $shim.
run_task() {
	mkdir -p sandbox
	(cd sandbox && exec slipway-docker -H unix:///var/run/docker.sock run --cpu-shares 102 --memory 67108864 \
		-e MARATHON_APP_ID=/nginx -e MESOS_SANDBOX=/mnt/mesos/sandbox -e "MESOS_CONTAINER_NAME=$name" \
		-v "$PWD:/mnt/mesos/sandbox" --net bridge --label=MESOS_TASK_ID=nginx.1 --name "$name" "$@") \
		>sandbox/stdout 2>sandbox/stderr </dev/null 3>&- &
	shim=$!
}

# As the executor: inspect, every 500 ms, until it was started.
is_started() {
	docker inspect --type=container "$name" 2>/dev/null |
		holds '.[0] | .State.Pid > 0 and .State.StartedAt != "0001-01-01T00:00:00Z"'
}
wait_started() { wait_for 10 is_started; }
inspect() { docker inspect --type=container "$name" | jq -r ".[0]$1"; }
no_pods() { [ -z "$(ls "$SLIPWAY_RUN/pods")" ]; }

@test "docker: the version an agent asks for" {
	run docker --version
	assert_success
	# as the agent: the last word before the first comma
	[[ ${output%%,*} =~ ([0-9]+)\.([0-9]+)\.[0-9]+$ ]] || show 'no version'
	((BASH_REMATCH[1] >= 2)) || show 'too old'
	run docker version
	assert_line Server
	run docker info
	assert_line 'Server Version'
}

@test "docker: an image is looked for, pulled, looked into" {
	run docker inspect no-such-image:latest
	assert_failure 1
	assert_line 'no such object: no-such-image:latest'
	run docker pull "$registry/nginx"
	assert_success
	docker inspect "$registry/nginx" | holds '.[0].ContainerConfig |
		(.Entrypoint == null or (.Entrypoint | type) == "array") and (.Env | type) == "array" and (.Env[0] | test("="))' ||
		show 'not what an agent reads'
	run docker images
	assert_line nginx
}

@test "docker: the nginx task, from run to rm" {
	run_task -p 31005:80/tcp "$registry/nginx"
	wait_started
	[ "$(inspect .Name)" = "/$name" ]
	[[ $(inspect .Id) =~ ^[0-9a-f]{64}$ ]]
	[ "$(inspect .HostConfig.NetworkMode)" = bridge ]
	[[ $(inspect .NetworkSettings.IPAddress) == 10.213.* ]]
	[ "$(inspect .NetworkSettings.IPAddress)" = "$(inspect .NetworkSettings.Networks.bridge.IPAddress)" ]
	[ "$(inspect '.NetworkSettings.Ports["80/tcp"][0].HostPort')" = 31005 ]
	[ "$(inspect .Config.Labels.MESOS_TASK_ID)" = nginx.1 ]
	docker inspect --type=container "$name" | holds '.[0].HostConfig | .Devices == [] and .Dns == [] and .DnsOptions == [] and .DnsSearch == []'
	wait_for 5 curl -sf http://127.0.0.1:31005/ -o page
	grep -q nginx page
	run docker ps
	assert_line "$name"
	[[ ${lines[0]} == *NAMES ]] || show 'no header'
	[ "${lines[1]##* }" = "$name" ] || show 'the name is not the last word'
	docker stop -t 2 "$name"
	local code=0
	wait "$shim" || code=$?
	[ "$code" -eq 0 ] || [ "$code" -eq 143 ]
	run docker ps
	refute_line "$name"
	run docker ps -a
	assert_line "$name"
	[ "$(inspect .State.Running)" = false ]
	[ "$(inspect .State.Pid)" = 0 ]
	docker rm -v "$name"
	run docker inspect --type=container "$name"
	assert_failure 1
	no_pods
}

@test "docker: groups that an agent finds and writes to" {
	run_task "$registry/busybox" sleep 100
	wait_started
	local pid controller group
	pid=$(inspect .State.Pid)
	[ "$(cat "/proc/$pid/comm")" = sleep ]
	for controller in cpu memory; do
		[ -d "/sys/fs/cgroup/$controller" ] || skip "no v1 hierarchy of $controller"
		group=$(awk -F: -v c="$controller" '{ n = split($2, k, ","); for (i = 1; i <= n; i++) if (k[i] == c) print $3 }' "/proc/$pid/cgroup")
		[ "$group" ]
		[ "$group" != / ]
	done
	[ "$(cat "/sys/fs/cgroup/memory$group/memory.limit_in_bytes")" = 67108864 ]
	group=$(awk -F: '$2 ~ /(^|,)cpu(,|$)/ { print $3 }' "/proc/$pid/cgroup")
	[ "$(cat "/sys/fs/cgroup/cpu$group/cpu.shares")" = 102 ]
	echo 204 >"/sys/fs/cgroup/cpu$group/cpu.shares"
	docker rm -f -v "$name"
	local code=0
	wait "$shim" || code=$?
	[ "$code" -eq 137 ]
}

@test "docker: groups also without limits" {
	slipway-docker run --name free "$registry/busybox" sleep 100 3>&- &
	shim=$!
	wait_for 5 eval 'slipway-docker inspect free >/dev/null 2>&1'
	local pid
	pid=$(slipway-docker inspect free | jq '.[0].State.Pid')
	run grep -E '^[0-9]+:([^:]*,)?(cpu|memory)(,[^:]*)?:/$' "/proc/$pid/cgroup"
	assert_output ''
	slipway-docker rm -f free
	wait "$shim" || :
}

@test "docker: output, exit code, sandbox, environment, entrypoint" {
	run_task --entrypoint sh "$registry/busybox" -c 'echo out; echo err >&2; echo "$MARATHON_APP_ID" >/mnt/mesos/sandbox/made; exit 9'
	local code=0
	wait "$shim" || code=$?
	[ "$code" -eq 9 ]
	[ "$(cat sandbox/stdout)" = out ]
	[ "$(cat sandbox/stderr)" = err ]
	[ "$(cat sandbox/made)" = /nginx ]
	[ "$(inspect .State.ExitCode)" = 9 ]
	run docker logs "$name"
	assert_line out
	run docker wait "$name"
	assert_output 9
	docker rm "$name"
	run docker run --name bad --net other "$registry/busybox"
	[ "$status" -eq 125 ] || show 'wanted 125'
	run docker run --name bad --privileged "$registry/busybox" true
	[ "$status" -eq 125 ] || show 'wanted 125'
	run -127 docker run --rm "$registry/busybox" /no/such
	[ "$status" -eq 127 ] || show 'wanted 127'
}

@test "docker: one of several instances of a service, also one that goes while it is waited for" {
	compose <<-EOF
		services:
		  web: {image: $registry/busybox, command: sleep 100, init: true, scale: 2, stop_grace_period: 0s}
	EOF
	slipway up -d
	local waiter
	docker wait "$project-web-2" >waited 2>&1 &
	waiter=$!
	docker exec "$project-web-2" touch /second
	run docker exec "$project-web-1" test -e /second
	assert_failure 1
	docker kill --signal=KILL "$project-web-2"
	wait_for 5 eval '[ "$(docker inspect "$project-web-2" | jq -r ".[0].State.Status")" = exited ]'
	[ "$(docker inspect "$project-web-1" | jq -r '.[0].State.Status')" = running ]
	wait "$waiter"
	[ "$(cat waited)" = 137 ] || show "$(cat waited)"
	slipway start web
	docker wait "$project-web-2" >waited 2>&1 &
	waiter=$!
	sleep 0.3
	slipway scale web=1
	wait "$waiter" || : # it saw the end, or that there is none of that name any more
	[[ $(cat waited) == 1[34][37] || $(cat waited) == *"no such container: $project-web-2"* ]] || show "$(cat waited)"
}

@test "docker: exec, for health checks" {
	run_task "$registry/busybox" sleep 100
	wait_started
	run docker exec "$name" sh -c ' test -d /mnt/mesos/sandbox && echo well '
	assert_output well
	run docker exec "$name" sh -c ' exit 3 '
	assert_failure 3
	docker kill --signal=9 "$name"
	local code=0
	wait "$shim" || code=$?
	[ "$code" -eq 137 ]
	run docker kill --signal=9 "$name"
	assert_failure 1
	docker rm -v "$name"
}

@test "docker: stop gives SIGTERM, waits so long, then kills" {
	run_task "$registry/busybox" sh -c 'trap "echo asked" TERM; while :; do sleep 0.1; done'
	wait_started
	local before=$SECONDS
	docker stop -t 1 "$name"
	((SECONDS - before <= 3))
	local code=0
	wait "$shim" || code=$?
	[ "$code" -eq 137 ]
	grep -q asked sandbox/stdout
	docker rm -f -v "$name"
	run docker stop -t 1 "$name"
	assert_failure 1
	assert_line "no such container: $name"
}

@test "docker: a shim that is killed leaves no process, and the next one says so" {
	run_task "$registry/busybox" sleep 1234
	wait_started
	local pid
	pid=$(inspect .State.Pid)
	kill -9 "$shim"
	wait_for 3 eval '[ ! -e /proc/'"$pid"' ]'
	wait_for 3 no_kernel_traces
	run docker ps
	refute_line "$name"
	run docker ps -a
	assert_line "$name"
	[ "$(inspect .State.Running)" = false ]
	[ "$(inspect .State.Pid)" = 0 ]
	docker rm -f -v "$name"
	no_pods
}

@test "docker: the shim and the supervisor are killed: the kernel has it all back" {
	run_task "$registry/busybox" sleep 1234
	wait_started
	local pid
	pid=$(inspect .State.Pid)
	kill -9 "$(jq .supervisor "$SLIPWAY_RUN/pods/$name/state.json")" "$shim"
	wait_for 3 eval '[ ! -e /proc/'"$pid"' ]'
	run docker ps -a
	assert_line Dead
	[ "$(inspect .State.Dead)" = true ]
	docker rm -f -v "$name"
}

@test "docker: networks host and none" {
	run docker run --rm --net host "$registry/busybox" readlink /proc/self/ns/net
	assert_output "$(readlink /proc/self/ns/net)"
	run docker run --rm --net none "$registry/busybox" ip -o addr
	refute_line eth0
}

@test "docker: a name is given once" {
	run_task "$registry/busybox" sleep 100
	wait_started
	run docker run --name "$name" "$registry/busybox" true
	[ "$status" -eq 125 ] || show 'wanted 125'
	run docker rm "$name"
	assert_failure 1
	assert_line 'is running'
	docker rm -f "$name"
	wait "$shim" || :
}
