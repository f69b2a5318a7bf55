# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2317 # bats calls setup, teardown and the rest
#
# tests/lib/slipway.bash - what the bats files share.
#
#   load ../lib/slipway       first line of every file
#
# A file in tests/root says `images busybox nginx` next: then, before its first test, a registry of
# its own is started, filled from build/images, and the images are pulled into a store of its own.
# Each test starts in an empty project directory, and after it nothing may be left of its pods, in
# slipway's eyes and in ours (assert_no_leaks). Such a file needs root and scripts/in-test-host; it
# skips itself without them.
#
# In tests:
#
#   $registry                 HOST:PORT of the registry
#   compose <<END             writes compose.yml
#   service NAME <<END        writes a compose.yml of one busybox service; what is read goes into it
#   in_container LINE...      what a shell in a container says to these lines
#   wait_for SECONDS CMD...   until CMD succeeds; fails after that time
#   assert_success, assert_failure [CODE], assert_line, assert_output: look at $status and $output
#   holds FILTER              is true of the JSON that is read
#   field SERVICE NAME        one value out of `slipway ps -a --format json`
#   assert_no_leaks           nothing is left; also run after each test

bats_require_minimum_version 1.5.0

top=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd)
export BATS_TEST_TIMEOUT=${BATS_TEST_TIMEOUT:-120}
wanted_images=()

# `make check` puts the build into PATH; so that a single file can be run by hand as well:
command -v slipway >/dev/null || PATH=$PATH:$top/build/gcc

# Tests must not depend on who runs them.
unset COMPOSE_FILE COMPOSE_PROJECT_NAME COMPOSE_PROFILES COMPOSE_ENV_FILES DOCKER_CONFIG REGISTRY_AUTH_FILE
export SLIPWAY_CONFIG_DIR=/nonexistent # nor on how this host is set up
export LC_ALL=C.UTF-8 no_proxy='*' NO_PROXY='*'

# slipway ARGUMENT...: the program, which has $limit seconds, SLIPWAY_TEST_SLOW times as many on a
# slow machine, as has everything else. (To kill it, or to wait for it in the
# background, a test starts it as `command slipway`: then $! is its process.)
limit=$((30 * ${SLIPWAY_TEST_SLOW:-1}))
slipway() { timeout --foreground --kill-after=5 "$limit" slipway "$@"; }

# ---- what a test may need ------------------------------------------------------------------------

need_root() { [ "$(id -u)" = 0 ] || skip 'needs root'; }
need_host() { [ "${SLIPWAY_TEST_HOST-}" ] || skip 'needs scripts/in-test-host'; }
need_command() { command -v "$1" >/dev/null || skip "needs $1"; }

# images NAME...: this file runs pods, from these images.
images() { wanted_images=("$@"); }

# ---- around a file and around a test -------------------------------------------------------------

setup_file() {
	[ ${#wanted_images[@]} -gt 0 ] || return 0
	# (Whoever must skip does so in setup, test by test: that is what gets counted.)
	[ "$(id -u)" = 0 ] && [ "${SLIPWAY_TEST_HOST-}" ] || return 0
	# overlayfs does not stack on itself: where this is on one (as in many containers), use memory.
	[ "$(stat -f -c %T "$BATS_FILE_TMPDIR")" != overlayfs ] || mount -t tmpfs slipway-test "$BATS_FILE_TMPDIR"
	export SLIPWAY_ROOT=$BATS_FILE_TMPDIR/root SLIPWAY_RUN=$BATS_FILE_TMPDIR/run
	export SLIPWAY_DEBS=${SLIPWAY_DEBS:-$top/build/debs}
	"$top/scripts/make-images" "$top/build/images" "${wanted_images[@]}"
	start_registry "$BATS_FILE_TMPDIR/registry"
	"$top/scripts/registry" push "$top/build/images" "${registry#*:}" "${wanted_images[@]}"
	pull_images
	traces >"$BATS_FILE_TMPDIR/traces"
}

# start_registry DIR [OPTION...]: sets $registry. Port 5000 if it is free (as it is on a host of
# one's own), else one by chance.
start_registry() {
	local dir=$1 port try
	shift
	for ((try = 0; try < 10; try++)); do
		port=$((try ? 20000 + RANDOM % 10000 : 5000))
		if "$top/scripts/registry" start "$dir" "$port" "$@" 2>"$BATS_FILE_TMPDIR/registry.err" 3>&-; then
			export registry=127.0.0.1:$port
			return
		fi
	done
	cat "$BATS_FILE_TMPDIR/registry.err" >&2
	return 1
}

# pull_images: into the store, by a project that names all of them.
pull_images() {
	local image
	mkdir -p "$BATS_FILE_TMPDIR/pull"
	{
		echo services:
		for image in "${wanted_images[@]}"; do printf '  %s: {image: %s}\n' "$image" "$registry/$image"; done
	} >"$BATS_FILE_TMPDIR/pull/compose.yml"
	slipway -f "$BATS_FILE_TMPDIR/pull/compose.yml" pull -q
}

teardown_file() {
	[ ! -d "$BATS_FILE_TMPDIR/registry" ] || "$top/scripts/registry" stop "$BATS_FILE_TMPDIR/registry"
	umount "$BATS_FILE_TMPDIR" 2>/dev/null || :
}

setup() {
	if [ ${#wanted_images[@]} -gt 0 ]; then
		need_root
		need_host
	fi
	# The directory's name is the project's, so that no test meets another's pod.
	project=t$BATS_TEST_NUMBER
	mkdir "$BATS_TEST_TMPDIR/$project"
	cd "$BATS_TEST_TMPDIR/$project" || return
}

teardown() { after_test; }

after_test() {
	local leaks=0
	[ ${#wanted_images[@]} -gt 0 ] && [ "${registry-}" ] && [ "${project-}" ] || return 0
	down_all
	assert_no_leaks || leaks=$?
	[ "$leaks" -eq 0 ] || start_over
	return "$leaks"
}

# down_all: every pod there is; each is a directory in $SLIPWAY_RUN/pods.
down_all() {
	local pod
	for pod in "$SLIPWAY_RUN"/pods/*/; do
		[ -d "$pod" ] || continue
		pod=$(basename "$pod")
		slipway -p "$pod" down -v -t 1 >/dev/null 2>&1 || :
	done
}

# start_over: a test has left something, and its teardown has failed for it. The next tests are not
# to fail for the same: what is in the pods' groups is killed, and what is there now is the new
# normal.
start_over() {
	find /sys/fs/cgroup -path "*/${SLIPWAY_CGROUP_PARENT:?}/*" -name cgroup.procs -exec cat {} + 2>/dev/null |
		sort -u | grep -vx 0 | xargs -r kill -KILL 2>/dev/null
	sleep 0.5
	find /sys/fs/cgroup -depth -mindepth 2 -path "*/$SLIPWAY_CGROUP_PARENT/*" -type d -exec rmdir {} + 2>/dev/null
	rm -rf "$SLIPWAY_ROOT/pods"
	rm -rf "$SLIPWAY_RUN"
	traces >"$BATS_FILE_TMPDIR/traces"
}

# ---- writing projects ----------------------------------------------------------------------------

# compose: standard input is the project.
compose() { cat >compose.yml; }

# service NAME: a project of one service, from busybox. Standard input is what else there is to say
# about it, as in a file, but without the indentation.
service() {
	{
		printf 'services:\n  %s:\n    image: %s/busybox\n' "$1" "$registry"
		sed 's/^/    /'
	} >compose.yml
}

# in_container [-a ATTRIBUTE]... [-v VOLUME]... LINE...: what a shell in a busybox container prints
# for these lines; the exit code is the shell's. ATTRIBUTE is a line of the service, VOLUME one of
# its volumes. Errors of slipway itself are printed as well.
in_container() {
	local attributes=() volumes=() option code=0
	OPTIND=1
	while getopts a:v: option; do
		case $option in
		a) attributes+=("$OPTARG") ;;
		v) volumes+=("$OPTARG") ;;
		*) return 2 ;;
		esac
	done
	shift $((OPTIND - 1))
	printf '%s\n' "$@" >"$BATS_TEST_TMPDIR/script"
	{
		printf '%s\n' 'command: [sh, /script]' ${attributes[@]+"${attributes[@]}"} 'volumes:' "- $BATS_TEST_TMPDIR/script:/script:ro"
		[ ${#volumes[@]} -eq 0 ] || printf -- '- %s\n' "${volumes[@]}"
	} | service it
	[ ! -e volumes.yml ] || cat volumes.yml >>compose.yml
	up_and_logs || code=$?
	return "$code"
}

# up_and_logs: runs the project in the foreground, then prints what service `it` has printed.
up_and_logs() {
	local code=0
	slipway up >"$BATS_TEST_TMPDIR/up.txt" 2>&1 || code=$?
	slipway logs --no-log-prefix it 2>&1 || cat "$BATS_TEST_TMPDIR/up.txt"
	grep '^slipway' "$BATS_TEST_TMPDIR/up.txt" || :
	return "$code"
}

# process FIELD: the number of one of the processes of this test's pod, "supervisor" or "pause".
# (Whatever is wrong with the state file: we shall never kill what is not slipway's.)
process() {
	local pid comm
	pid=$(jq -r ".$1" "$SLIPWAY_RUN/pods/$project/state.json") && [[ $pid =~ ^[1-9][0-9]+$ ]] &&
		comm=$(cat "/proc/$pid/comm") && [[ $comm == slipway* ]] && echo "$pid"
}

# ---- looking -------------------------------------------------------------------------------------

# wait_for SECONDS CMD...: looks ten times a second.
wait_for() {
	local end=$((SECONDS + $1 * ${SLIPWAY_TEST_SLOW:-1}))
	shift
	until "$@"; do
		if [ "$SECONDS" -gt "$end" ]; then
			echo "still not so: $*"
			return 1
		fi
		sleep 0.1
	done
}

# field SERVICE NAME: one value of one service, as `slipway ps` has it.
field() { slipway ps -a --format json | jq -r --arg s "$1" --arg f "$2" 'select(.Service == $s)[$f]'; }

is_field() { [ "$(field "$1" "$2")" = "$3" ]; }

# show: for a failed assertion, what the last `run` gave.
show() {
	printf '%s\n' "$1" "status: $status" "output:" "$output"
	[ -z "${stderr-}" ] || printf '%s\n' 'stderr:' "$stderr"
	return 1
}

assert_success() { [ "$status" -eq 0 ] || show 'should have succeeded'; }

# assert_failure [CODE]: not a code by which a shell tells of a signal, for a crash is no answer.
assert_failure() {
	if [ "$status" -eq 0 ] || [ "$status" -ge 128 ]; then
		show 'should have failed'
		return
	fi
	[ $# -eq 0 ] || [ "$status" -eq "$1" ] || show "should have failed with $1"
}

assert_output() { [ "$output" = "$1" ] || show "wanted: $1"; }

# assert_line TEXT: some line of the output contains the text.
assert_line() { [[ $output == *"$1"* ]] || show "nowhere in the output: $1"; }
refute_line() { [[ $output != *"$1"* ]] || show "should not be in the output: $1"; }

# holds FILTER: whether it is true of the JSON on standard input. (`jq -e` is content with no input at all.)
holds() { [ "$(jq "($1) | not | not")" = true ]; }

# assert_one_message TEXT: the standard error of `run --separate-stderr` has a single line, which
# begins with the program's name and contains the text.
assert_one_message() {
	# shellcheck disable=SC2154 # bats sets stderr
	[ "$(grep -c . <<<"$stderr")" -eq 1 ] || { show 'should have been one line'; return; }
	[[ $stderr == slipway*": "* ]] || { show 'should begin with who says it'; return; }
	[[ $stderr == *"$1"* ]] || show "not in the message: $1"
}

# ---- is anything left? ---------------------------------------------------------------------------

# kernel_traces: what a pod puts onto a host, as the host itself has it: we do not take slipway's word.
kernel_traces() {
	find /sys/fs/cgroup -mindepth 1 -type d -path "*/${SLIPWAY_CGROUP_PARENT:?}/*" 2>/dev/null || :
	ip -o link show | sed -nE '/^[0-9]+: lo:/!s/^[0-9]+: ([^:@]*).*/link \1/p'
	nft list tables
	awk -v root="$BATS_FILE_TMPDIR/" 'index($5, root) == 1 { print "mount " $5 }' /proc/self/mountinfo
}

# traces: that, and what is on the disk: state, logs, upper directories, half a download.
traces() {
	kernel_traces
	find "$SLIPWAY_ROOT" "$SLIPWAY_RUN" -mindepth 2 \( -path '*/pods/*' -o -path '*/ingest/*' \) -prune -print 2>/dev/null || :
}

# new_traces: those that were not there before the first test.
new_traces() { traces | sort | comm -13 <(sort "$BATS_FILE_TMPDIR/traces") -; }
no_new_traces() { [ -z "$(new_traces)" ]; }
no_kernel_traces() { [ -z "$(kernel_traces | sort | comm -13 <(sort "$BATS_FILE_TMPDIR/traces") -)" ]; }

# assert_no_leaks: waits for what the kernel still takes down (namespaces go in the background).
assert_no_leaks() {
	local output status=0
	output=$(slipway check --leaks 2>&1) || status=$?
	if [ "$status" -ne 0 ]; then
		printf 'slipway check --leaks (%s):\n%s\n' "$status" "$output"
		return 1
	fi
	wait_for 3 no_new_traces >/dev/null || {
		printf 'left on the host:\n%s\n' "$(new_traces)"
		return 1
	}
}
