#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# tests/vm/20-reboot.bats - after the host went down in order.
# then: power cut

# shellcheck disable=SC2154 # the library sets registry
# shellcheck disable=SC2016 # what is in single quotes is for the shell in the container

load lib
stopped_in_order() { [ "$(cat "/var/lib/slipway/volumes/$1_data/_data/stopped")" = $'second\nfirst' ]; }

@test "all pods were stopped in their order, by their signals" {
	stopped_in_order hand
	stopped_in_order web
	stopped_in_order once
}

@test "pods that are restarted always came back" {
	[ "$(property slipway.service ActiveState)" = active ]
	is_up hand 2
	[[ $(group_of hand) == slipway.slice/slipway.service/pods/hand/* ]]
	[[ $(cgroup_of "$(supervisor_of hand)") == /slipway.slice/slipway.service/* ]]
}

@test "so did those of pods.d, and no others" {
	[ "$(property slipway-pod@web ActiveState)" = active ]
	is_up web 2
	[ "$(slipway ls -q | sort | xargs)" = 'hand web' ]
}

@test "everything is ready for a power cut" {
	slipway -p hand exec -T first sh -c 'echo important >/data/kept && sync'
	cd /srv/once
	slipway up -d
	find /var/lib/slipway/store -type f -exec sha256sum {} + | sort | keep /var/lib/slipway-vm/store
	# a pull that it comes in the middle of
	/tree/scripts/registry start /var/tmp/registry 5000 3>&-
	/tree/scripts/registry push /tree/build/images 5000 nginx
	mkdir -p /srv/nginx
	echo "services: {web: {image: $registry/nginx}}" | keep /srv/nginx/compose.yml
	sync /srv /srv/once/compose.yml
	cd /srv/nginx
	(slipway pull >/dev/null 2>&1 3>&- &)
	sleep 1.5
}
