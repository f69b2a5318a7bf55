#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# tests/vm/30-power-cut.bats - after the host went down in the midst of everything.
# then: next

load lib

@test "pods came back by themselves" {
	is_up hand 2
	is_up web 2
	[ "$(property slipway.service ActiveState)" = active ]
	[ "$(property slipway-pod@web ActiveState)" = active ]
	[ "$(slipway -p hand exec -T first cat /data/kept)" = important ]
}

@test "no image that was there has changed" {
	sha256sum --quiet -c /var/lib/slipway-vm/store
	slipway images | grep -q busybox
}

@test "a pod that does not come back by itself is not there, and up starts it" {
	[ "$(slipway ls -q | sort | xargs)" = 'hand web' ]
	cd /srv/once
	slipway up -d
	is_up once 2
	slipway down
}

@test "the pull that was cut off is made good" {
	/tree/scripts/registry start /var/tmp/registry 5000 3>&-
	cd /srv/nginx
	slipway pull -q
	slipway up -d
	slipway exec -T web nginx -t
	slipway down
	/tree/scripts/registry stop /var/tmp/registry
}

@test "nothing is left when they are gone" {
	systemctl stop slipway-pod@web slipway.service
	systemctl disable slipway.service
	rm /etc/slipway/pods.d/web.yml
	systemctl daemon-reload
	[ ! -e /sys/fs/cgroup/slipway.slice/slipway.service ]
	slipway gc
	slipway check --leaks
}
