#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# How this host is set up: files, the environment, options; and info, which tells what came out.

load ../lib/slipway

setup() {
	project=t$BATS_TEST_NUMBER
	conf=$BATS_TEST_TMPDIR/etc
	unset COMPOSE_PROGRESS SLIPWAY_LOG_LEVEL SLIPWAY_LOG_DRIVER SLIPWAY_PULL SLIPWAY_CGROUP_PARENT SLIPWAY_PROGRESS
	export SLIPWAY_CONFIG_DIR=$conf
	export SLIPWAY_ROOT=$BATS_TEST_TMPDIR/root SLIPWAY_RUN=$BATS_TEST_TMPDIR/run
	mkdir -p "$BATS_TEST_TMPDIR/$project" "$conf/conf.d"
	cd "$BATS_TEST_TMPDIR/$project" || return
}

# setting NAME [OPTION...]: its value and where it is from.
setting() {
	local name=$1
	shift
	slipway "$@" info --format "{{.Settings.$name.Value}} {{.Settings.$name.Source}}"
}

@test "without files everything is as it is by default" {
	rm -r "$conf"
	[ "$(setting log_driver)" = 'json-file default' ]
	[ "$(setting stop_timeout)" = '10s default' ]
	[ "$(setting root)" = "$SLIPWAY_ROOT SLIPWAY_ROOT" ]
}

@test "slipway.yaml, then conf.d by name, then the environment, then --set, then an option of its own" {
	printf '# of this host\n\nprogress: plain\n' >"$conf/slipway.yaml"
	[ "$(setting progress)" = "plain $conf/slipway.yaml:3" ]
	echo 'progress: quiet' >"$conf/conf.d/20.yaml"
	echo 'progress: auto' >"$conf/conf.d/10.yaml"
	echo 'progress: auto' >"$conf/conf.d/30.yaml.off"
	[ "$(setting progress)" = "quiet $conf/conf.d/20.yaml:1" ]
	[ "$(COMPOSE_PROGRESS=tty setting progress)" = 'tty COMPOSE_PROGRESS' ]
	[ "$(COMPOSE_PROGRESS=tty SLIPWAY_PROGRESS=plain setting progress)" = 'plain SLIPWAY_PROGRESS' ]
	[ "$(SLIPWAY_PROGRESS=plain setting progress --set progress=auto)" = 'auto --set' ]
	[ "$(SLIPWAY_PROGRESS=plain setting progress --set progress=auto --progress quiet)" = 'quiet --progress' ]
}

@test "root, run and the group of a file are used" {
	unset SLIPWAY_ROOT SLIPWAY_RUN
	printf 'root: %s/a\nrun: %s/b\ncgroup_parent: pods\n' "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR" >"$conf/slipway.yaml"
	[ "$(setting root)" = "$BATS_TEST_TMPDIR/a $conf/slipway.yaml:1" ]
	[ "$(setting cgroup_parent)" = "pods $conf/slipway.yaml:3" ]
	[ -d "$BATS_TEST_TMPDIR/a" ] && [ -d "$BATS_TEST_TMPDIR/b/pods" ]
}

@test "log_level and log_format are slipway's own" {
	printf 'log_format: json\n' >"$conf/slipway.yaml"
	run --separate-stderr slipway nonsense
	assert_failure 1
	[ "$(jq -r .level <<<"$stderr")" = error ] || show 'not JSON'
}

@test "a key that is none is refused with its place, in all files at once" {
	printf 'pull: never\nrot: /x\n' >"$conf/slipway.yaml"
	echo 'log_driver: syslog' >"$conf/conf.d/a.yaml"
	run --separate-stderr slipway version
	assert_failure 1
	[[ $stderr == *"$conf/slipway.yaml:2:6: rot: there is no setting 'rot'; there are root, run, cgroup_parent, "* ]] || show 'not the key'
	[[ $stderr == *"$conf/conf.d/a.yaml:1:13: log_driver: the driver 'syslog' is not offered"* ]] || show 'not the value'
}

@test "values are checked, wherever they are from" {
	local row
	for row in "root=x|'x' is not an absolute path" "cgroup_parent=../x|'../x' must not contain .." \
		"log_max_size=10q|'10q' has an unknown unit; there are b, k, m, g, t and p" \
		"log_max_file=0|'0' is not between 1 and 1000" "stop_timeout=5 parrots|'5 parrots'" \
		"pull=sometimes|'sometimes' is not a pull policy; there are always, missing and never" \
		"progress=loud|'loud' is not a progress; there are auto, tty, plain and quiet"; do
		run --separate-stderr slipway --set "${row%%|*}" version
		assert_failure 1
		assert_one_message "--set: ${row%%=*}: ${row#*|}"
	done
	run --separate-stderr slipway --set root version
	assert_failure 1
	assert_one_message "--set: 'root' is not KEY=VALUE"
	SLIPWAY_PULL=sometimes run --separate-stderr slipway version
	assert_failure 1
	assert_one_message "SLIPWAY_PULL: 'sometimes' is not a pull policy"
	run --separate-stderr slipway --progress loud version
	assert_failure 1
	assert_one_message "--progress: 'loud' is not a progress; there are auto, tty, plain and quiet"
}

@test "what is no mapping, no YAML, or cannot be read is refused" {
	echo '- pull' >"$conf/slipway.yaml"
	run --separate-stderr slipway version
	assert_failure 1
	assert_one_message "$conf/slipway.yaml:1:1: must be a mapping of settings"
	echo 'pull: [never]' >"$conf/slipway.yaml"
	run --separate-stderr slipway version
	assert_failure 1
	assert_one_message "$conf/slipway.yaml:1:1: pull: must be a single value"
	echo 'pull: "never' >"$conf/slipway.yaml"
	run --separate-stderr slipway version
	assert_failure 1
	[[ $stderr == *"$conf/slipway.yaml:"* ]] || show 'not that file'
	rm "$conf/slipway.yaml"
	mkdir "$conf/slipway.yaml"
	run --separate-stderr slipway version
	assert_failure 1
	assert_one_message "$conf/slipway.yaml: "
}

@test "an empty file, and one of comments alone, say nothing" {
	: >"$conf/slipway.yaml"
	echo '# nothing' >"$conf/conf.d/a.yaml"
	[ "$(setting pull)" = 'missing default' ]
}

@test "info: a text, JSON with docker's members, and templates" {
	run --separate-stderr slipway info
	assert_success
	assert_line 'Kernel Version: '
	assert_line 'Cgroup Layout: '
	assert_line "root            $SLIPWAY_ROOT"
	slipway info --format json >info.json
	[ "$(jq -r '.Images, .Containers, .PodsRunning' info.json | tr '\n' ' ')" = '0 0 0 ' ]
	[ "$(jq -r .KernelVersion info.json)" = "$(uname -r)" ]
	[ "$(jq -r .NCPU info.json)" = "$(nproc)" ]
	[ "$(jq -r .Settings.pull.Variable info.json)" = SLIPWAY_PULL ]
	run --separate-stderr slipway info -f '{{range $name, $s := .Settings}}{{if ne $s.Source "default"}}{{$name}} {{end}}{{end}}'
	assert_output 'root run '
	run --separate-stderr slipway info x
	assert_failure 1
	assert_one_message 'info takes no operands'
}
