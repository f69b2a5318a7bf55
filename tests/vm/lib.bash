# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2317 # the files use it, bats calls teardown
#
# tests/vm/lib.bash - what the files of tests/vm share: the host's own slipway, in its usual places.

bats_require_minimum_version 1.5.0
registry=127.0.0.1:5000

wait_for() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ "$SECONDS" -le "$end" ] || { echo "still not so: $*"; return 1; }
		sleep 0.2
	done
}

# group_of NAME: the group of the pod's first service.
group_of() { jq -r '.services[0].cgroup' "/run/slipway/pods/$1/state.json"; }
supervisor_of() { jq -r .supervisor "/run/slipway/pods/$1/state.json"; }
cgroup_of() { cut -d: -f3 "/proc/$1/cgroup"; }
is_up() { [ "$(slipway -p "$1" ps --status running -q 2>/dev/null | wc -l)" -ge "${2:-1}" ]; }
property() { systemctl show -P "$2" "$1"; }
is_property() { [ "$(property "$1" "$2")" = "$3" ]; }

# a file that survives a power cut
keep() { cat >"$1" && sync "$1"; }

# When a test fails, what slipway has said to the journal.
teardown() {
	[ "${BATS_TEST_COMPLETED-}" ] || {
		journalctl -b --no-pager -o cat -u slipway.service -u 'slipway-pod@*' -n 30
		slipway ls -a
		ls -la /var/lib/slipway/resume /etc/slipway/pods.d
	}
}
