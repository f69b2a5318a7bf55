#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# --format of what lists: tables, JSON and templates, with docker's names. No pod runs: its state is a file.

load ../lib/slipway

setup() {
	project=t$BATS_TEST_NUMBER
	export SLIPWAY_ROOT=$BATS_TEST_TMPDIR/root SLIPWAY_RUN=$BATS_TEST_TMPDIR/run
	mkdir -p "$BATS_TEST_TMPDIR/$project" "$SLIPWAY_RUN/pods/shop"
	cd "$BATS_TEST_TMPDIR/$project" || return
	cat >"$SLIPWAY_RUN/pods/shop/state.json" <<-'END'
		{"name": "shop", "status": "stopped", "files": ["/srv/compose.yml"], "services": [
		 {"service": "web", "id": "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "container": "shop-web-1", "image": "example/web:1", "command": "httpd -f -p 8080 --log",
		  "image_id": "sha256:0123456789abcdef", "state": "exited", "health": "", "exit_code": 3,
		  "started": "2026-01-02T15:04:05.000000000Z", "finished": "2026-01-02T15:04:06.000000000Z",
		  "labels": ["com.docker.compose.project=shop", "a.b=c"],
		  "publishers": [{"URL": "0.0.0.0", "TargetPort": 80, "PublishedPort": 8080, "Protocol": "tcp"}],
		  "process": {"env": ["A=1"], "user": "", "cwd": "/"}},
		 {"service": "db", "id": "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210", "container": "shop-db-1", "image": "example/db", "command": "db", "state": "exited",
		  "health": "healthy", "exit_code": 0, "started": "2026-01-02T15:04:05.000000000Z",
		  "finished": "2026-01-02T15:04:06.000000000Z", "process": {}}]}
	END
}

in_shop() { slipway -p shop "$@"; }

@test "ps: a template for each container" {
	run --separate-stderr in_shop ps -a --format '{{.Name}} {{.State}} {{.ExitCode}}'
	assert_output $'shop-db-1 exited 0\nshop-web-1 exited 3'
}

@test "ps: a table by a template has headings and columns" {
	TZ=UTC run --separate-stderr in_shop ps -a --format 'table {{.Service}}\t{{.Image}}\t{{.ExitCode}}\t{{.CreatedAt}}'
	assert_success
	[ "$(head -n 1 <<<"$output" | tr -s ' ')" = 'SERVICE IMAGE EXIT CODE CREATED AT' ] || show 'no headings'
	[ "$(sed -n 3p <<<"$output" | tr -s ' ')" = 'web example/web:1 3 2026-01-02 15:04:05 +0000 UTC' ] || show 'no row'
	[ "${#lines[@]}" -eq 3 ]
}

@test "ps: nested members, functions and pipelines" {
	run --separate-stderr in_shop ps -a --format '{{range .Publishers}}{{.PublishedPort}}->{{.TargetPort}}{{else}}none{{end}} {{.Service | upper}} {{if eq .Service "db"}}well{{else}}unknown{{end}} {{json .Name}}'
	assert_output $'none DB well "shop-db-1"\n8080->80 WEB unknown "shop-web-1"'
}

@test "ps: json is one object a line, and {{json .}} the same" {
	[ "$(in_shop ps -a --format json | jq -r .Name | tr '\n' ' ')" = 'shop-db-1 shop-web-1 ' ]
	[ "$(in_shop ps -a --format json)" = "$(in_shop ps -a --format '{{json .}}')" ]
}

@test "ps: quiet wins over a format" {
	run --separate-stderr in_shop ps -a -q --format '{{.State}}'
	assert_output $'fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210\n0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'
}

@test "a member that is not there is named, with those that are" {
	run --separate-stderr in_shop ps -a --format '{{.Nme}}'
	assert_failure 1
	assert_one_message "--format: 1:3: there is no field 'Nme'; there are ID, Name, Names, Service, Project, Image, Command"
}

@test "a template that is none says where" {
	run --separate-stderr in_shop ps --format '{{.Name'
	assert_failure 1
	assert_one_message "--format: 1:8: '{{' has no '}}'"
	run --separate-stderr in_shop ps --format nonsense
	assert_failure 1
	assert_one_message "--format: 'nonsense' is not table, json, a template as '{{.Name}}', or 'table TEMPLATE'"
}

# alter FILTER: the state of the shop, changed by jq.
alter() {
	local file=$SLIPWAY_RUN/pods/shop/state.json
	jq "$1" "$file" >new.json && mv new.json "$file"
}

@test "ps: a long command is cut between letters" {
	alter '.services[0].command = "printf äöüäöüäöüäöüäöü" | .services[1].command = "sleep 1000000000 ä 0"'
	run --separate-stderr in_shop ps -a
	assert_line '"printf äöüäöüäöüäöü…"'
	assert_line '"sleep 1000000000 ä 0"' # 20 letters, 21 bytes
	run --separate-stderr in_shop ps -a --no-trunc
	assert_line '"printf äöüäöüäöüäöüäöü"'
}

@test "ps: health has docker's words" {
	alter '.services[].state = "running" | .services[0].health = "starting"'
	exec {lock}>"$SLIPWAY_RUN/pods/shop/lock" # as its supervisor does
	flock "$lock"
	run --separate-stderr in_shop ps --format '{{.Status}}'
	exec {lock}>&-
	[[ ${lines[1]} == 'Up '*' (health: starting)' ]]
	[[ ${lines[0]} == 'Up '*' (healthy)' ]]
}

@test "images: a digest hides the tag, and is no part of the repository" {
	alter '.services[0].image = "host:5000/example/web:1@sha256:0123" | .services[1].image = "example/db@sha256:0123"'
	run --separate-stderr slipway compose -p shop images --format '{{.Repository}} {{.Tag}}'
	assert_output $'host:5000/example/web <none>\nexample/db <none>'
}

@test "ls: templates, json and quiet" {
	run --separate-stderr slipway ls -a --format '{{.Name}}={{.ConfigFiles}}'
	assert_output shop=/srv/compose.yml
	[ "$(slipway ls -a --format json | jq -r '.[0].Name')" = shop ]
	run --separate-stderr slipway ls -a -q --format json
	assert_output shop
	run --separate-stderr slipway ls --format json
	assert_output '[]'
}

@test "images: of this host, and those of a project" {
	run --separate-stderr slipway images --format json
	assert_output '[]'
	run --separate-stderr slipway compose -p shop images --format '{{.ContainerName}} {{.Repository}} {{.Tag}} {{.ID}}'
	assert_output $'shop-web-1 example/web 1 sha256:0123456789abcdef\nshop-db-1 example/db latest '
	run --separate-stderr slipway compose -p shop images web
	assert_success
	[ "$(sed -n 2p <<<"$output" | tr -s ' ')" = 'shop-web-1 example/web 1 - 0123456789ab - -' ] || show 'not that row'
	run --separate-stderr slipway compose -p shop images -q web
	assert_output 0123456789abcdef
	run --separate-stderr slipway images web
	assert_failure 1
	assert_one_message "images lists those of this host and takes no services; 'slipway compose images' does"
}

@test "inspect: templates as docker's" {
	run --separate-stderr in_shop inspect -f '{{.State.Status}} {{.State.ExitCode}} {{index .Config.Labels "a.b"}} {{with .State.Health}}{{.Status}}{{else}}-{{end}}' web
	assert_output 'exited 3 c -'
	run --separate-stderr in_shop inspect -f '{{range $p, $c := .NetworkSettings.Ports}}{{$p}}={{(index $c 0).HostPort}}{{end}}' web
	assert_output 80/tcp=8080
	run --separate-stderr in_shop inspect --format '{{.Name}}'
	assert_output $'shop-web-1\nshop-db-1'
	[ "$(in_shop inspect --format json | jq length)" = 2 ]
	run --separate-stderr in_shop inspect --format 'table {{.Name}}'
	assert_failure 1
	assert_one_message '--format: inspect has no table'
}

@test "version: templates and json" {
	short=$(slipway version --short)
	run --separate-stderr slipway version --format '{{.Client.Version}} {{.Server.Version}} {{.Version}}'
	assert_output "$short $short $short"
	run --separate-stderr slipway version --format toml
	assert_failure 1
	assert_one_message "--format: 'toml' is not pretty, json or a template"
}

@test "events: what has no table says so" {
	run --separate-stderr in_shop events --format 'table {{.ID}}'
	assert_failure 1
	assert_one_message '--format: events have no table'
}

# ---- colours and what is told on the way ----

# some_logs: output of both services of the shop.
some_logs() {
	mkdir -p "$SLIPWAY_ROOT/pods/shop/logs"
	local service
	for service in web db; do
		echo '{"log":"hello\\n","stream":"stdout","time":"2026-01-02T15:04:05.000000000Z"}' >"$SLIPWAY_ROOT/pods/shop/logs/$service.log"
	done
}

# on_terminal COMMAND...: its output is a terminal's.
on_terminal() { TERM=xterm script -qec "$*" /dev/null </dev/null; }

@test "colours on a terminal alone, not with NO_COLOR, and as --ansi says" {
	need_command script
	unset NO_COLOR COMPOSE_ANSI
	some_logs
	esc=$'\033['
	[[ $(on_terminal slipway -p shop logs) == *"$esc"* ]] || show 'no colours on a terminal'
	[[ $(slipway -p shop logs) != *"$esc"* ]] || show 'colours without a terminal'
	[[ $(NO_COLOR=1 on_terminal slipway -p shop logs) != *"$esc"* ]] || show 'colours with NO_COLOR'
	[[ $(NO_COLOR='' on_terminal slipway -p shop logs) == *"$esc"* ]] || show 'an empty NO_COLOR says nothing'
	[[ $(on_terminal slipway --ansi never -p shop logs) != *"$esc"* ]] || show 'colours with --ansi never'
	[[ $(on_terminal slipway -p shop logs --no-color) != *"$esc"* ]] || show 'colours with --no-color'
	[[ $(slipway --ansi always -p shop logs) == *"$esc"* ]] || show 'no colours with --ansi always'
	[[ $(COMPOSE_ANSI=always slipway -p shop logs) == *"$esc"* ]] || show 'no colours with COMPOSE_ANSI'
	run --separate-stderr slipway --ansi sometimes version
	assert_failure 1
	assert_one_message "--ansi: 'sometimes' is not never, always or auto"
}

@test "a table has no control characters where there is no terminal" {
	[[ $(in_shop ps -a) != *$'\033'* ]]
}

@test "down tells what it does, unless --progress quiet" {
	run --separate-stderr slipway -p shop down
	assert_success
	[[ $stderr == *'Pod shop  Removed'* ]] || show 'nothing told'
	mkdir -p "$SLIPWAY_RUN/pods/shop"
	echo '{"name": "shop", "status": "stopped", "services": []}' >"$SLIPWAY_RUN/pods/shop/state.json"
	run --separate-stderr slipway --progress quiet -p shop down
	assert_success
	[ -z "$stderr" ] || show 'not quiet'
}

@test "ps has docker compose's members and words" {
	alter '.services[1] += {"created": "2026-01-02T15:03:00.000000000Z", "mounts": ["shop_data", "/srv/a/long/path/of/it"], "volumes": 1, "command": "sh -c '"'"'echo \"hi\"'"'"'"}'
	[ "$(TZ=UTC in_shop ps -a --format json | head -1 | jq -r '[.CreatedAt, .Mounts, .LocalVolumes, .Networks, .Size, .Command] | join(" | ")')" = \
		'2026-01-02 15:03:00 +0000 UTC | shop_data,/srv/a/long/pa… | 1 | shop_default | 0B | "sh -c '"'"'echo \"hi\"'"'"'"' ]
}

@test "what a project without a pod has is nothing, and no failure" {
	echo 'services: {a: {image: x}}' >compose.yml
	for command in 'logs' 'logs a' 'top' 'stats --no-stream' 'kill' 'pause' 'unpause' 'stop' 'restart a' 'ps'; do
		# shellcheck disable=SC2086 # words
		run slipway -f compose.yml -p nothing $command
		assert_success
	done
	for command in 'logs b' 'kill b' 'restart b' 'start'; do
		# shellcheck disable=SC2086 # words
		run slipway -f compose.yml -p nothing $command
		assert_failure 1
	done
}
