#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# tests/vm/10-systemd.bats - pods on a host of systemd and pure cgroup v2.
# then: reboot

# shellcheck disable=SC2154 # the library sets registry
# shellcheck disable=SC2016 # what is in single quotes is for the shell in the container

load lib

setup_file() {
	/tree/scripts/registry start /var/tmp/registry 5000 3>&-
	/tree/scripts/registry push /tree/build/images 5000 busybox
	mkdir -p /srv/hand /srv/once /etc/slipway/pods.d
}

teardown_file() { /tree/scripts/registry stop /var/tmp/registry; }

# Who is stopped writes down that it was; `second` depends on `first`.
write_pod() { # DIR-OR-FILE POLICY
	cat >"$1" <<-END
		x-slipway: {ready: healthy}
		x-common: &common
		  image: $registry/busybox
		  restart: "$2"
		  volumes: [data:/data]
		services:
		  first:
		    <<: *common
		    command: [sh, -c, 'trap "sleep 1; echo first >>/data/stopped; exit 0" TERM; echo hello; touch /ready; while :; do sleep 0.2; done']
		    healthcheck: {test: [CMD, test, -e, /ready], interval: 1s, retries: 20}
		    mem_limit: 96m
		    pids_limit: 50
		    cpus: 0.5
		  second:
		    <<: *common
		    command: [sh, -c, 'trap "sleep 1; echo second >>/data/stopped; exit 0" USR1; while :; do sleep 0.2; done']
		    stop_signal: USR1
		    depends_on: {first: {condition: service_healthy}}
		volumes: {data: }
	END
}
stopped_in_order() { [ "$(cat "/var/lib/slipway/volumes/$1_data/_data/stopped")" = $'second\nfirst' ]; }

@test "the host is one of systemd, pure cgroup v2 and every capability" {
	[ "$(cat /proc/1/comm)" = systemd ]
	[ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ]
	[ "$(sed -n 's/^CapEff:\t//p' /proc/self/status)" = "$(printf '%016x' $(((1 << ($(cat /proc/sys/kernel/cap_last_cap) + 1)) - 1)))" ]
	for controller in memory cpu pids cpuset io; do grep -qw $controller /sys/fs/cgroup/cgroup.controllers; done
}

@test "without slipway.service, a pod of a session has a group of slipway's own" {
	write_pod /srv/once/compose.yml no
	cd /srv/once
	slipway up -d
	[[ $(group_of once) == slipway/once/* ]]
	systemctl daemon-reload
	systemctl daemon-reexec
	is_up once 2
	grep -qw memory /sys/fs/cgroup/slipway/cgroup.subtree_control
	slipway down -v
	slipway check --leaks
}

@test "slipway.service gives pods a home" {
	systemctl enable --now slipway.service
	[ "$(property slipway.service ActiveState)" = active ]
	sleep 1
	[ -d /sys/fs/cgroup/slipway.slice/slipway.service ]
}

@test "a pod outlives the session in which it was started" {
	write_pod /srv/hand/compose.yml always
	cd /srv/hand
	systemd-run --scope --unit=session-x slipway up -d
	[[ $(group_of hand) == slipway.slice/slipway.service/pods/hand/* ]] || group_of hand
	at_home() { [[ $(cgroup_of "$(supervisor_of hand)") == /slipway.slice/slipway.service/* ]]; }
	wait_for 5 at_home
	systemctl stop session-x.scope || : # it may have ended by itself
	sleep 1
	is_up hand 2
}

@test "a pod survives what systemd does to itself, and keeps its limits" {
	group=/sys/fs/cgroup/$(group_of hand)
	systemctl daemon-reload
	systemctl daemon-reexec
	systemctl set-property --runtime slipway.service CPUWeight=200
	sleep 1
	is_up hand 2
	[ "$(cat "$group/memory.max")" = $((96 << 20)) ]
	[ "$(cat "$group/pids.max")" = 50 ]
	[ "$(cat "$group/cpu.max")" = '50000 100000' ]
	slipway -p hand exec -T first true
	slipway check --leaks
}

@test "stopping the service stops its pods in their order; starting it brings them back" {
	systemctl stop slipway.service
	stopped_in_order hand
	[ ! -e /sys/fs/cgroup/slipway.slice/slipway.service ]
	[ -z "$(slipway ls -q)" ]
	rm /var/lib/slipway/volumes/hand_data/_data/stopped
	systemctl start slipway.service
	is_up hand 2
	[[ $(group_of hand) == slipway.slice/slipway.service/pods/hand/* ]]
}

@test "the generator makes a service of each file, and passes over what is no project's name" {
	write_pod /etc/slipway/pods.d/web.yml always
	echo 'services: {}' >'/etc/slipway/pods.d/Not a name.yml'
	systemctl daemon-reload
	[ "$(ls /run/systemd/generator/multi-user.target.wants/)" = slipway-pod@web.service ]
	[ "$(systemctl list-dependencies --plain multi-user.target | grep -c slipway-pod@)" -eq 1 ]
	rm '/etc/slipway/pods.d/Not a name.yml'
	systemd-analyze verify slipway.service slipway-pod@web.service
}

@test "a pod's service is started when the pod is up" {
	systemctl start slipway-pod@web
	[ "$(slipway -p web ps --format json first | jq -r .Health)" = healthy ]
	is_up web 2
	[ "$(property slipway-pod@web ActiveState)" = active ]
	[ "$(property slipway-pod@web StatusText)" = 'the pod is up' ]
	[ "$(property slipway-pod@web MainPID)" = "$(supervisor_of web)" ]
	[[ $(group_of web) == slipway.slice/slipway-pod@web.service/web/* ]]
	systemctl status slipway-pod@web | grep -q 'first$'
	journalctl -u slipway-pod@web | grep -q hello
	slipway check --leaks
}

@test "it is another pod after a restart, and the same after daemon-reload" {
	before=$(supervisor_of web)
	systemctl daemon-reload
	[ "$(supervisor_of web)" = "$before" ]
	is_up web 2
	systemctl restart slipway-pod@web
	[ "$(supervisor_of web)" != "$before" ]
	stopped_in_order web
	is_up web 2
}

@test "a killed supervisor's pod is gone, and systemd brings it back" {
	before=$(supervisor_of web)
	kill -KILL "$before"
	back() { is_up web 2 && [ "$(supervisor_of web)" != "$before" ] && is_property slipway-pod@web ActiveState active; }
	wait_for 60 back
	[ "$(property slipway-pod@web NRestarts)" = 1 ]
	slipway check --leaks
}

@test "what runs out of memory in a container ends that alone" {
	main=$(supervisor_of web)
	run -137 slipway -p web exec -T first sh -c 'x=xxxxxxxxxxxxxxxx; while :; do x=$x$x; done'
	sleep 1
	[ "$(property slipway-pod@web MainPID)" = "$main" ]
	wait_for 20 is_up web 2
}

@test "what is stopped or removed by slipway is stopped for systemd" {
	slipway -p web down
	wait_for 10 is_property slipway-pod@web ActiveState inactive
	[ "$(property slipway-pod@web Result)" = success ]
	[ ! -e /sys/fs/cgroup/slipway.slice/slipway-pod@web.service ]
}

@test "a pod that cannot start is a failed service, and says why" {
	echo "services: {a: {image: $registry/busybox, command: [/no/such/program]}}" >/etc/slipway/pods.d/bad.yml
	run ! systemctl start slipway-pod@bad
	[ "$(property slipway-pod@bad ActiveState)" = failed ]
	journalctl -u slipway-pod@bad | grep -q '/no/such/program'
	rm /etc/slipway/pods.d/bad.yml
	systemctl reset-failed
	slipway check --leaks
}

@test "everything is ready for a reboot" {
	rm -f /var/lib/slipway/volumes/{web,hand}_data/_data/stopped
	systemctl start slipway-pod@web
	cd /srv/once
	slipway up -d
	is_up web 2
	is_up hand 2
	is_up once 2
}
