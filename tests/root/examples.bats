#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# tests/root/examples.bats - the projects in examples/, as a reader of them runs them.

# shellcheck disable=SC2154 # the library sets registry and project, bats stderr

load ../lib/slipway
images busybox nginx redis postgres php haproxy

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

# page [CURL'S OPTIONS]: what the example's web server answers.
page() {
	curl -sS --fail --noproxy '*' "$@" "http://$address/"
}

@test "a guestbook: nginx, PHP and PostgreSQL, and its volume" {
	in_example guestbook
	export PORT=0
	local address
	slipway up -d --wait
	address=$(slipway port web 80)
	[[ $(page) == *'<h1>Guestbook</h1>'* ]]
	page -o /dev/null --data-urlencode 'text=was <b>here</b>'
	[[ $(page) == *'<li>was &lt;b&gt;here&lt;/b&gt; '* ]]
	[ "$(slipway exec -T db cat /proc/1/comm)" = postgres ]
	# the password is their owners' alone, and in no environment
	[ "$(slipway exec -T app stat -c '%a %u' /run/secrets/password)" = '400 33' ]
	run slipway exec -T db sh -c "tr '\\0' '\\n' </proc/1/environ"
	[[ $output != *'not a secret'* ]]

	slipway down
	slipway up -d --wait
	address=$(slipway port web 80)
	[[ $(page) == *'<li>was &lt;b&gt;here'* ]] || show 'the entry is gone with the pod'
	run slipway logs --no-log-prefix db
	assert_line 'database system was shut down' # and not: interrupted
	slipway down -v
	[ ! -e "$SLIPWAY_ROOT/volumes/${project}_entries" ]
}

# answers N: which instances answer N requests, each once.
answers() {
	local i
	for ((i = 0; i < $1; i++)); do page; done | sort -u | paste -sd,
}

@test "haproxy before several instances: one may go, and more may come" {
	in_example balanced
	export PORT=0
	local address
	slipway up -d --wait
	address=$(slipway port proxy 8080)
	wait_for 5 eval '[ "$(answers 6)" = "instance 1,instance 2,instance 3" ]'
	slipway stop -t 1 "$project-app-2" # by its name: the others run on
	[ "$(answers 10)" = 'instance 1,instance 3' ]
	slipway start "$project-app-2"
	wait_for 5 eval '[ "$(answers 6)" = "instance 1,instance 2,instance 3" ]'
	slipway up -d --scale app=4
	[ "$(slipway port proxy 8080)" = "$address" ]
	wait_for 5 eval '[ "$(answers 8)" = "instance 1,instance 2,instance 3,instance 4" ]'
	slipway down
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
