#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# tests/root/examples.bats - the projects in examples/, as a reader of them runs them.

# shellcheck disable=SC2154 # the library sets registry and project, bats stderr

load ../lib/slipway
images busybox nginx redis

# in_example NAME: its folder, with images of this registry and a pod of this test.
in_example() {
	cd "$top/examples/$1" || return
	export REGISTRY=$registry COMPOSE_PROJECT_NAME=$project
}

@test "a web server, a cache and a job that fills it" {
	in_example web-and-cache
	export PORT=0 GREETING='with care'
	slipway up --wait
	local address
	address=$(slipway port web 80)
	[ "$(curl -sS --fail --noproxy '*' "http://$address/")" = 'served by slipway, with care' ]
	wait_for 5 eval 'slipway logs --no-log-prefix reader | grep -q "from the cache"'
	[ "$(slipway exec -T web cat /run/secrets/token)" = 'not a secret' ]
	[ "$(slipway exec -T web stat -c %a /run/secrets/token)" = 400 ]
	[ "$(field cache Health)" = healthy ]
	slipway down -v
}

@test "tests with what they need beside them" {
	in_example job
	run slipway up
	assert_success
	[[ $output == *'all tests passed'* ]] || show 'they did not'
	EXPECT=other run slipway up
	assert_failure 42
}

@test "a Marathon app, unmodified but for where its image is" {
	sed "s|\"image\": \"nginx\"|\"image\": \"$registry/nginx\"|" "$top/examples/marathon/nginx.json" >nginx.json
	export COMPOSE_PROJECT_NAME=$project
	slipway up -f nginx.json -d --wait
	local address
	address=$(slipway -f nginx.json port nginx 80)
	[[ $(curl -sS --fail --noproxy '*' "http://$address/") == *nginx* ]]
	run slipway -f nginx.json ps
	assert_line '(healthy)'
	slipway convert marathon nginx.json >compose.yml
	run slipway config --services
	assert_output nginx
	run slipway convert marathon compose.yml
	assert_failure 1
	slipway down -v
}
