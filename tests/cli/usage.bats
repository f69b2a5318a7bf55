#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# tests/cli/usage.bats - the command line itself: help, versions, and what a typing error gets.

# shellcheck disable=SC2154,SC2209,SC2030,SC2031 # the library and bats set variables; "env" is a name

load ../lib/slipway

@test "without a command it says how it is used, and fails" {
	run --separate-stderr slipway
	assert_failure 1
	[[ $stderr == *[Uu]sage:* ]] || show 'no usage'
}

@test "it starts with no more shared objects than it needs for every command" {
	need_command readelf
	[[ $(readelf -s "$(command -v slipway)") != *__asan_init* ]] || skip 'a sanitizer brings its own'
	run bash -c 'readelf -d "$(command -v slipway)" | sed -n "s/.*(NEEDED).*\[\(.*\)\]/\1/p" | grep -vE "^(libc|ld-linux)"'
	assert_output libmnl.so.0
}

@test "--help goes to standard output, and names every command" {
	run --separate-stderr slipway --help
	assert_success
	[ -z "$stderr" ] || show 'nothing belongs on standard error'
	for command in up down ps logs exec stop kill config plan images pull gc check doctor version; do
		[[ $output =~ (^|$'\n')" "*${command}[[:space:]] ]] || show "not named: $command"
	done
}

@test "each command has a --help of its own" {
	for command in up down ps logs exec stop kill config plan images pull gc check doctor version; do
		run --separate-stderr slipway "$command" --help
		assert_success
		assert_line "slipway $command"
		[ -z "$stderr" ] || show "$command: nothing belongs on standard error"
	done
}

@test "an unknown command is named in one line" {
	run --separate-stderr slipway frobnicate
	assert_failure 1
	[ -z "$output" ] || show 'nothing belongs on standard output'
	assert_one_message "'frobnicate'"
}

@test "an unknown global option is named in one line" {
	run --separate-stderr slipway --frobnicate ps
	assert_failure 1
	assert_one_message --frobnicate
}

@test "an unknown option of a command is named in one line" {
	compose <<-END
		services: {web: {image: i}}
	END
	for command in up down ps logs stop kill config plan images pull gc check doctor version; do
		run --separate-stderr slipway "$command" --frobnicate
		assert_failure 1
		assert_one_message --frobnicate
	done
}

@test "an option without its argument is named in one line" {
	run --separate-stderr slipway -f
	assert_failure 1
	assert_one_message f
	run --separate-stderr slipway down -t
	assert_failure 1
	assert_one_message t
}

@test "an argument that makes no sense is named in one line" {
	compose <<-END
		services: {web: {image: i}}
	END
	run --separate-stderr slipway config --format toml
	assert_failure 1
	assert_one_message toml
	run --separate-stderr slipway down -t soon
	assert_failure 1
	assert_one_message soon
	run --separate-stderr slipway up --pull sometimes
	assert_failure 1
	assert_one_message sometimes
	run --separate-stderr slipway logs --tail some
	assert_failure 1
	assert_one_message some
}

@test "exec needs a service and a command" {
	compose <<-END
		services: {web: {image: i}}
	END
	run --separate-stderr slipway exec
	assert_failure 1
	[ -n "$stderr" ] || show 'no message'
	run --separate-stderr slipway exec web
	assert_failure 1
	[ -n "$stderr" ] || show 'no message'
}

@test "version prints one line" {
	run --separate-stderr slipway version
	assert_success
	[ "${#lines[@]}" -eq 1 ] || show 'not one line'
	assert_line 'slipway'
	run slipway --version
	assert_success
	assert_line 'slipway'
}

@test "version --short prints the number alone" {
	run --separate-stderr slipway version --short
	assert_success
	[[ $output =~ ^[^[:space:]]+$ ]] || show 'not one word'
	short=$output
	run slipway version
	assert_line "$short"
}

@test "version --format json is JSON with that number" {
	short=$(slipway version --short)
	run --separate-stderr slipway version --format json
	assert_success
	[ "$(jq -r .version <<<"$output")" = "$short" ] || show "wanted: $short"
}

@test "output that cannot be written is an error" {
	[ -c /dev/full ] || skip 'needs /dev/full'
	run --separate-stderr bash -c 'slipway version >/dev/full'
	assert_failure 1
}

@test "operands of a command that has none are refused" {
	for command in ls gc doctor info version; do
		run --separate-stderr slipway "$command" x
		assert_failure 1
		assert_one_message "$command takes no operands"
	done
}

@test "services that options of up name must be there" {
	echo 'services: {web: {image: nowhere.invalid/web}}' >compose.yml
	for option in --exit-code-from --attach --no-attach; do
		run --separate-stderr slipway up "$option" nobody
		assert_failure 1
		assert_one_message 'no such service: nobody'
	done
}

@test "a name that is none is refused by commands that need no file, too" {
	# (Not "..": if that were taken, everything around the pods would be removed. crash.bats has it.)
	for name in ../x a/b 'Bad Name' -x; do
		for command in down stop logs 'exec a true' ps top; do
			# shellcheck disable=SC2086 # words
			SLIPWAY_RUN=$PWD/run SLIPWAY_ROOT=$PWD/root run --separate-stderr slipway --project-name="$name" $command
			assert_failure 1
			assert_one_message "project name '$name' must be lower-case letters"
		done
	done
}

@test "what could not be written is told, whatever the command" {
	echo 'services: {web: {image: nowhere.invalid/web}}' >compose.yml
	for command in config '--help' 'config --help' version 'completion bash' 'plan --help'; do
		# shellcheck disable=SC2086 # words
		run --separate-stderr bash -c "slipway $command >/dev/full"
		assert_failure 1
		assert_one_message 'standard output: '
	done
}

@test "help is --help" {
	run slipway help
	assert_success
	[ "$output" = "$(slipway --help)" ] || show 'another text'
	run slipway help logs
	assert_success
	[ "$output" = "$(slipway logs --help)" ] || show 'another text'
	run --separate-stderr slipway help frobnicate
	assert_failure 1
	assert_one_message "'frobnicate'"
}

@test "options of down, up and create that exclude each other, or have a wrong value" {
	echo 'services: {web: {image: nowhere.invalid/web}}' >compose.yml
	run --separate-stderr slipway down --rmi some
	assert_failure 1
	assert_one_message "--rmi: 'some' is not all or local"
	run --separate-stderr slipway up --no-start -d
	assert_failure 1
	assert_one_message '--no-start goes with no option about what is running'
	run --separate-stderr slipway create --force-recreate --no-recreate
	assert_failure 1
	assert_one_message 'exclude each other'
}

@test "a project directory that is not there, and services that nobody knows, are told" {
	export SLIPWAY_ROOT=$BATS_TEST_TMPDIR/root SLIPWAY_RUN=$BATS_TEST_TMPDIR/run
	run --separate-stderr slipway --project-directory nosuch ps
	assert_failure 1
	assert_one_message '--project-directory: nosuch: No such file or directory'
	touch file
	compose <<<'services: {a: {image: i, volumes: ["./x:/x"]}}'
	run --separate-stderr slipway -f compose.yml --project-directory /nosuch config
	assert_success
	[[ $output == *'source: /nosuch/x'* ]] || show 'another source'
	rm compose.yml
	run --separate-stderr slipway --project-directory file config
	assert_failure 1
	assert_one_message '--project-directory: file: Not a directory'
	run --separate-stderr slipway ports nosuch
	assert_failure 1
	assert_one_message 'no such service: nosuch'
}

@test "doctor tells a user what can be told, and which of it only root can try" {
	[ "$(id -u)" = 0 ] || skip 'needs root to become a user'
	need_command setpriv
	run --separate-stderr setpriv --reuid 65534 --regid 65534 --clear-groups "$(command -v slipway)" doctor
	assert_success
	[[ $output == *'not root: pods cannot be started'* ]] || show 'not told'
	[[ $output == *'overlay'*'unknown'*'only root can tell'* ]] || show 'not told'
	[[ $output == *'cgroups'*'layout'* ]] || show 'no cgroups'
	[ -z "$stderr" ] || show 'complaints'
}

@test "exec -w takes absolute paths alone" {
	run --separate-stderr slipway exec -w rel a true
	assert_failure 1
	assert_one_message "exec: --workdir: 'rel' is not an absolute path"
}

@test "a flag may be given as true or false" {
	echo 'services: {a: {image: x, volumes: [v]}}' >compose.yml
	run slipway config --quiet=false
	assert_success
	assert_line 'services:'
	run slipway config --quiet=1
	assert_output ''
	run --separate-stderr slipway config --quiet=maybe
	assert_failure 1
	assert_one_message "--quiet: 'maybe' is neither true nor false"
}
