#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# tests/root/escape.bats - the ways out of a container that others have had to close, tried on this one.
#
# Each test is named after the class of it (CVE numbers are of other runtimes) and does the deed: an
# image or a bundle as an enemy would make it (evil/image.bash), a program to run in it (evil/evil.c,
# evil/ld.c, built here with gcc -static).
#
# A test that says `hole TEXT` first is of a defence that is not there yet. It is skipped, unless
# SLIPWAY_HOLES=1; who closes the hole takes the line out.

# shellcheck disable=SC2154 # the library sets registry and project, bats stderr
# shellcheck disable=SC2016 # what is in single quotes is for the shell in the container
# shellcheck disable=SC2317 # wait_for and bats call them

load ../lib/slipway
images busybox

# shellcheck source=tests/root/evil/image.bash
. "${BATS_TEST_FILENAME%/*}/evil/image.bash"

hole() { [ "${SLIPWAY_HOLES-}" ] || skip "known hole: $1"; }

# ---- around the file -----------------------------------------------------------------------------

eval "$(declare -f setup_file | sed '1s/setup_file/setup_busybox/')"

setup_file() {
	[ "$(id -u)" = 0 ] && [ "${SLIPWAY_TEST_HOST-}" ] && command -v gcc >/dev/null || return 0
	setup_busybox
	local dir=$BATS_FILE_TMPDIR layout=$top/build/images/busybox index manifest layer
	export rootfs=$dir/rootfs
	index=$(jq -r '.manifests[0].digest' "$layout/index.json")
	manifest=$(jq -r --arg a "$(dpkg --print-architecture)" '.manifests[] | select(.platform.architecture == $a).digest' \
		"$layout/blobs/sha256/${index#*:}")
	layer=$(jq -r '.layers[0].digest' "$layout/blobs/sha256/${manifest#*:}")
	mkdir "$rootfs"
	tar -xzf "$layout/blobs/sha256/${layer#*:}" -C "$rootfs"
	gcc -O1 -static -o "$rootfs/evil" "${BATS_TEST_FILENAME%/*}/evil/evil.c"
	mkdir -p "$rootfs/lib64"
	if [ "$(uname -m)" = x86_64 ]; then
		gcc -O1 -nostdlib -ffreestanding -fno-stack-protector -static-pie -fPIE \
			-o "$rootfs/lib64/ld-linux-x86-64.so.2" "${BATS_TEST_FILENAME%/*}/evil/ld.c"
	fi
	# what must not change, and must not be run: a file, an empty directory, a program of the host
	mkdir -p "$dir/victim/empty"
	echo precious >"$dir/victim/file"
	echo 'int puts(const char *); int main(void) { puts("host program: was run"); return 0; }' >"$dir/program.c"
	gcc -O1 -static -o "$dir/program" "$dir/program.c"
	cp "$dir/program" "$dir/victim/program"
	push_image evil '{"Cmd": ["sh"]}'
	traces >"$dir/traces"
}

setup_lib() { :; }
eval "$(declare -f setup | sed '1s/setup/setup_lib/')"
setup() {
	need_command gcc
	setup_lib
	victim=$BATS_FILE_TMPDIR/victim
}

# push_image NAME CONFIG [ROOTFS]: into the registry.
push_image() {
	evil_image "$BATS_FILE_TMPDIR/images/$1" "${3:-$rootfs}" "$2"
	"$top/scripts/registry" push "$BATS_FILE_TMPDIR/images" "${registry#*:}" "$1"
}

# poisoned: a copy of the root file system for a test to spoil, in $poison.
poisoned() {
	poison=$BATS_TEST_TMPDIR/poison
	cp -a "$rootfs" "$poison"
}

# evil_service LINE...: a compose.yml of service `it` from the image evil.
evil_service() { { printf 'services:\n  it:\n    image: %s/%s\n' "$registry" "${image:-evil}"; [ $# -eq 0 ] || printf '    %s\n' "$@"; } >compose.yml; }

# attempt: what the service says, with the errors of slipway; never longer than 20 seconds.
attempt() { timeout -k 2 20 slipway up --no-log-prefix 2>&1 | grep -v ': pull'; }

untouched() {
	if [ "$(cat "$victim/file")" != precious ] || [ "$(ls -A "$victim/empty")" ] || ! cmp "$victim/program" "$victim/../program" ||
		[ "$(stat -c %u:%g:%a "$victim/empty" "$victim/file" | paste -sd' ')" != '0:0:755 0:0:644' ]; then
		ls -lanR "$victim"
		return 1
	fi
}

up_way=../../../../../../../../../../../../../../../.. # from anywhere to the host's root

# ---- bundles -------------------------------------------------------------------------------------

oci() { slipway-oci --root "$BATS_TEST_TMPDIR/state" "$@"; }

# run_bundle ARGS [FILTER]: what a bundle over $poison does; FILTER changes config.json, in jq.
run_bundle() {
	local bundle=$BATS_TEST_TMPDIR/bundle id=escape-$BATS_TEST_NUMBER
	mkdir -p "$bundle" "$BATS_TEST_TMPDIR/state"
	jq -n --argjson args "$1" --arg rootfs "$poison" --arg group "/${SLIPWAY_CGROUP_PARENT:?}/$id" '{
		ociVersion: "1.0.2",
		process: {args: $args, env: ["PATH=/bin"], cwd: "/", user: {uid: 0, gid: 0},
			capabilities: {bounding: ["CAP_MKNOD"], effective: ["CAP_MKNOD"], permitted: ["CAP_MKNOD"]}},
		root: {path: $rootfs}, hostname: "escape",
		mounts: [{destination: "/proc", type: "proc", source: "proc"},
			{destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "mode=755"]}],
		linux: {cgroupsPath: $group, namespaces: (["pid", "mount", "ipc", "uts", "network", "cgroup"] | map({type: .}))}}' |
		jq "${2:-.}" >"$bundle/config.json"
	run timeout -k 2 20 slipway-oci --root "$BATS_TEST_TMPDIR/state" run --bundle "$bundle" "$id" </dev/null
	oci delete --force "$id" >/dev/null 2>&1 || :
	if [ "$status" -ge 128 ] || [ "$status" -eq 124 ]; then show 'hung or crashed'; fi
}

@test "/dev of the root file system leads to the host, and nothing is mounted there (CVE-2026-41579, -47766)" {
	poisoned
	rm -rf "${poison:?}/dev"
	ln -s "$victim/empty" "$poison/dev"
	run_bundle '["/bin/true"]' '.mounts |= map(select(.destination != "/dev"))'
	assert_failure
	untouched
}

@test "/dev or /proc of the root file system is a link (CVE-2019-19921, -16884)" {
	for place in dev proc; do
		poisoned
		rm -rf "${poison:?}/$place"
		mkdir "$poison/elsewhere"
		for to in elsewhere "$victim/empty"; do
			ln -sfn "$to" "$poison/$place"
			run_bundle '["/bin/ls", "/elsewhere"]'
			assert_failure
			assert_line "/$place in the image is not a directory"
		done
		rm -rf "$poison"
	done
	untouched
}

@test "device nodes of the root file system are links (CVE-2025-31133, 2026-88265)" {
	poisoned
	for n in null zero tty console ptmx; do ln -s "$victim/file" "$poison/dev/$n"; done
	run_bundle '["/bin/sh", "-c", "echo x >/dev/full; wc -c </proc/version"]' \
		'.mounts |= map(select(.destination != "/dev")) | .linux.maskedPaths = ["/proc/version"]'
	assert_line 0 # masked by the real null device
	untouched
}

@test "a mount point that leads out is made inside (CVE-2024-45310)" {
	poisoned
	ln -s "$victim/empty" "$poison/out"
	ln -s "$up_way$victim/empty" "$poison/up"
	mkdir -p "$poison$victim/empty" "$BATS_TEST_TMPDIR/source"
	for target in /out/new /up/new "/$up_way$victim/empty/new"; do
		run_bundle '["/bin/true"]' ".mounts += [{destination: \"$target\", type: \"bind\", source: \"$BATS_TEST_TMPDIR/source\", options: [\"bind\"]}]"
		assert_success
		untouched
	done
}

@test "/etc/passwd is a pipe, or has no end (CVE-2024-9676)" {
	for type in pipe endless; do
		poisoned
		rm "$poison/etc/passwd"
		if [ "$type" = pipe ]; then mkfifo "$poison/etc/passwd"; else ln -s /dev/zero "$poison/etc/passwd"; fi
		SECONDS=0
		run_bundle '["/bin/true"]'
		assert_failure
		[ "$SECONDS" -lt 5 ]
		rm -rf "$poison"
	done
}

@test "a working directory that is a descriptor of ours (CVE-2024-21626)" {
	poisoned
	for fd in {3..30}; do
		run_bundle '["/bin/ls", "-la"]' ".process.cwd = \"/proc/self/fd/$fd\""
		assert_failure
	done
}

@test "a program below a descriptor of ours (CVE-2024-21626)" {
	poisoned
	for fd in {3..30}; do
		run_bundle "[\"/proc/self/fd/$fd/$up_way$victim/program\"]"
		assert_failure
		refute_line 'host program'
	done
}

@test "what slipway-oci runs as cannot be written to (CVE-2019-5736)" {
	[ "$(uname -m)" = x86_64 ] || skip 'evil/ld.c is for x86_64'
	poisoned
	printf '#!/proc/self/exe\n' >"$poison/script"
	chmod 755 "$poison/script"
	for program in /proc/self/exe /script; do
		run_bundle "[\"$program\"]"
		# either it was refused, or it is the sealed copy in memory
		[ "$status" -ne 66 ] || assert_line 'host program: /memfd:'
	done
}

@test "sysctls of the host (CVE-2022-0811, -0532)" {
	poisoned
	for pair in 'kernel.core_pattern=x' 'kernel.shm_rmid_forced=1\nkernel.core_pattern=x' 'net/../kernel/core_pattern=x' \
		'net.../kernel/core_pattern=x' 'kernel.shm_rmid_forced/../core_pattern=x' 'vm.swappiness=1' 'kernel.msgmax =1'; do
		run_bundle '["/bin/true"]' ".linux.sysctl = {\"${pair%%=*}\": \"${pair#*=}\"}"
		assert_failure
	done
}

@test "sysctls of a namespace that is the host's" {
	poisoned
	before=$(cat /proc/sys/net/ipv4/ip_forward)
	run_bundle '["/bin/true"]' '.linux.sysctl = {"net.ipv4.ip_forward": "'$((1 - before))'"} | .linux.namespaces |= map(select(.type != "network"))'
	assert_failure
	[ "$(cat /proc/sys/net/ipv4/ip_forward)" = "$before" ]
	evil_service 'command: ["true"]' 'network_mode: host' "sysctls: {net.ipv4.ip_forward: $((1 - before))}"
	run attempt
	[ "$(cat /proc/sys/net/ipv4/ip_forward)" = "$before" ]
}

@test "user numbers that are none (CVE-2026-46680)" {
	poisoned
	echo '4294967296:x:0:0::/:' >>"$poison/etc/passwd"
	for uid in 4294967296 2147483648 99999999999; do
		run_bundle '["/bin/true"]' ".process.user.uid = $uid"
		assert_failure
	done
}

@test "user -1 is no name either (CVE-2026-30892)" {
	poisoned
	echo '-1:x:0:0::/:' >>"$poison/etc/passwd"
	run_bundle '["/bin/true"]' '.process.user.uid = -1'
	assert_failure
}

@test "a path to a namespace of another kind" {
	poisoned
	run_bundle '["/bin/true"]' '.linux.namespaces |= map(if .type == "ipc" then .path = "/proc/1/ns/uts" else . end)'
	assert_failure
}

@test "devices that a bundle forbids" {
	poisoned
	run_bundle '["/bin/sh", "-c", "mknod /tun c 10 200; : </tun && echo opened; mknod /zram b 253 0; : </zram && echo opened"]' \
		'.linux.resources.devices = [{allow: false, access: "rwm"}]'
	refute_line opened
}

@test "the caller's session keyring (a bundle has no filter of ours)" {
	poisoned
	run "$rootfs/evil" newkey slipway-test true
	assert_success
	mkdir -p "$BATS_TEST_TMPDIR/bin"
	printf '#!/bin/sh\nexec %s newkey slipway-test %s "$@"\n' "$rootfs/evil" "$(command -v slipway-oci)" >"$BATS_TEST_TMPDIR/bin/slipway-oci"
	chmod 755 "$BATS_TEST_TMPDIR/bin/slipway-oci"
	PATH=$BATS_TEST_TMPDIR/bin:$PATH run_bundle '["/evil", "keys", "slipway-test"]'
	assert_line key:
	refute_line yes
}

# ---- images --------------------------------------------------------------------------------------

@test "an image whose program is the one it is started by (CVE-2019-5736)" {
	[ "$(uname -m)" = x86_64 ] || skip 'evil/ld.c is for x86_64'
	poisoned
	printf '#!/proc/self/exe\n' >"$poison/script"
	chmod 755 "$poison/script"
	for program in /proc/self/exe /script; do
		push_image self "{\"Entrypoint\": [\"$program\"]}" "$poison"
		image=self evil_service
		run attempt
		[[ $output != *'host program'* || $output == *'host program: /memfd:'* ]] || show 'a file of the host is held'
	done
}

@test "an image whose program is below a descriptor of ours (CVE-2024-21626)" {
	for fd in 3 {5..30}; do
		evil_service "entrypoint: [/proc/self/fd/$fd/$up_way$victim/program]"
		run attempt
		refute_line 'host program'
		refute_line 'Exited (0)'
		timeout 10 slipway down
	done
}

@test "a health check below a descriptor of ours" {
	for fd in {3..20}; do
		evil_service 'command: [sleep, "100"]' \
			"healthcheck: {test: [CMD, /proc/self/fd/$fd/$up_way$victim/program], interval: 100ms, retries: 1}"
		timeout -k 2 20 slipway up -d
		wait_for 5 is_field it Health unhealthy
		slipway down -t 0
	done
}

@test "links of an image do not lead its working directory and volumes out (CVE-2022-23648, 2020-1726)" {
	poisoned
	ln -s "$victim/empty" "$poison/job"
	ln -s "$up_way$victim" "$poison/vol"
	mkdir -p "$poison$victim/empty"
	echo inside >"$poison$victim/file"
	push_image links '{"Cmd": ["sh", "-c", "pwd; echo evil >x; echo evil >/vol/new; ls /vol"], "WorkingDir": "/job/sub"}' "$poison"
	image=links evil_service 'volumes: [{type: tmpfs, target: /vol/t}]'
	run attempt
	assert_line "$victim/empty/sub"
	assert_line new
	untouched
	[ ! -e "$victim/new" ]
}

@test "compose: devices that nobody gave" {
	evil_service 'command: [sh, -c, "for d in \"c 10 200\" \"c 10 229\" \"b 253 0\" \"c 1 1\"; do rm -f /d; mknod /d $$d; : </d && echo opened $$d; done"]'
	run attempt
	refute_line opened
}

# ---- from inside ---------------------------------------------------------------------------------

@test "system calls that lead into the kernel are refused (CVE-2022-0185, -0492, 2024-1086)" {
	evil_service 'command: [/evil, calls]'
	run attempt
	assert_line 'unshare(NEWUSER): refused'
	assert_line 'clone3: refused'
	refute_line 'not refused'
}

@test "address families: no AF_ALG, no AF_VSOCK (CVE-2026-31431)" {
	evil_service 'command: [/evil, sockets]'
	run attempt
	assert_line 'socket 38: refused'
	assert_line 'socket 40: refused'
}

@test "nor by socketcall, whose arguments a filter cannot see" {
	hole "Docker's list allows socketcall"
	evil_service 'command: [/evil, sockets]'
	run attempt
	refute_line 'not refused'
}

@test "exec and health checks come in with nothing to take (CVE-2016-9962)" {
	evil_service 'command: [/evil, watch, "6"]' 'healthcheck: {test: [CMD, "true"], interval: 100ms}'
	timeout -k 2 20 slipway up -d
	for _ in {1..30}; do timeout 5 slipway exec -T it true; done
	run slipway exec -T it /evil fds
	[ "$(grep -c . <<<"$output")" -eq 3 ] || show 'not 0, 1 and 2 alone'
	wait_for 15 grep -q looked <(timeout 10 slipway logs -f --no-log-prefix it)
	run slipway logs --no-log-prefix it
	assert_line 'looked often'
	refute_line got
}

@test "nor can the way in be spoiled for who comes later" {
	evil_service 'command: [/evil, watch, "6"]' 'cap_add: [SYS_PTRACE]' 'healthcheck: {test: [CMD, "true"], interval: 10ms}'
	timeout -k 2 20 slipway up -d
	wait_for 10 grep -q spoiling <(timeout 10 slipway logs -f --no-log-prefix it)
	sleep 0.5
	run slipway exec -T it true
	assert_success
	is_field it Health healthy
}

@test "neither where the container may trace" {
	hole 'a process on its way in has the descriptors of who started it'
	evil_service 'command: [/evil, watch, "6"]' 'cap_add: [SYS_PTRACE]'
	timeout -k 2 20 slipway up -d
	for _ in {1..30}; do timeout 5 slipway exec -T it true; done
	sleep 5
	run slipway logs --no-log-prefix it
	refute_line got
}

@test "init: true does not put more power into the container than it has" {
	evil_service 'init: true' 'cap_add: [SYS_PTRACE]' 'command: [sh, -c, "grep -E ^CapEff /proc/1/status; grep Seccomp: /proc/1/status; /evil takeover 1"]'
	run attempt
	assert_line 'CapEff:	00000000a00c25fb'
	assert_line 'Seccomp:	2'
	refute_line 'another: yes'
}

@test "a terminal of the host is not handed in (CVE-2016-10124: TIOCSTI)" {
	need_command script
	evil_service 'command: [sleep, "1000"]'
	timeout -k 2 20 slipway up -d
	run script -qec "slipway exec -T it sh -c 'for f in 0 1 2; do test -t \$f && echo terminal \$f; done; (: </dev/tty) && echo terminal; echo end'" /dev/null
	assert_line end
	refute_line terminal
}

@test "nor are its files" {
	hole 'what is no terminal is handed in as it is, and can be opened again for writing'
	evil_service 'command: [sleep, "1000"]'
	timeout -k 2 20 slipway up -d
	echo precious >read-only
	slipway exec -i -T it /evil reopen 0 <read-only
	[ "$(cat read-only)" = precious ]
}

@test "exec -u takes no doubtful users, -w no descriptors" {
	evil_service 'command: [sleep, "1000"]'
	timeout -k 2 20 slipway up -d
	for user in 1: :1 1x 1:1:1 4294967296 2147483648 -1; do
		run slipway exec -T -u "$user" it id
		assert_failure
	done
	for fd in {3..30}; do
		run slipway exec -T -w "/proc/self/fd/$fd" it pwd
		[ "$output" = / ] || assert_failure # one of them is the container's own root
	done
}

@test "exec is held to the limits of its container" {
	evil_service 'command: [sleep, "1000"]' 'pids_limit: 20'
	timeout -k 2 20 slipway up -d
	run slipway exec -T it sh -c 'i=0; while [ $i -lt 40 ]; do sleep 5 & i=$((i+1)); done; echo forty'
	refute_line forty
}

@test "control groups cannot be written to (CVE-2022-0492: release_agent)" {
	evil_service 'command: [sh, -c, "find /sys/fs/cgroup -type f | while read -r f; do (: >>$$f) 2>/dev/null && echo opened $$f; done; mkdir /sys/fs/cgroup/x; echo end"]' 'pids_limit: 20'
	run attempt
	assert_line end
	assert_line 'Read-only file system'
	refute_line opened
}

# ---- what others on the host can see -------------------------------------------------------------

@test "other users of the host get into none of our directories (CVE-2021-41091, -41103)" {
	need_command setpriv
	evil_service 'command: [sh, -c, "cp /bin/busybox /suid; chmod 4755 /suid; sleep 1000"]' 'volumes: ["data:/data"]'
	echo 'volumes: {data: }' >>compose.yml
	timeout -k 2 20 slipway up -d
	local upper
	upper=$(echo "$SLIPWAY_ROOT/pods/$project/rootfs"/it.*/upper)
	wait_for 5 test -u "$upper/suid"
	chmod 711 "$BATS_FILE_TMPDIR" "$(dirname "$BATS_FILE_TMPDIR")" "$(dirname "$(dirname "$BATS_FILE_TMPDIR")")"
	nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
	run nobody stat "$SLIPWAY_ROOT" # so far one can see
	assert_success
	for path in "$upper/suid" "$SLIPWAY_ROOT/store/layers" "$SLIPWAY_RUN/pods/$project/state.json" \
		"$SLIPWAY_RUN/pods/$project/control" "$SLIPWAY_ROOT/pods/$project/logs/it.log"; do
		[ -e "$path" ]
		run nobody stat "$path"
		assert_failure
	done
}

@test "nothing listens: no port, no abstract socket (CVE-2020-15257)" {
	before=$(ss -Hlntu)
	evil_service 'command: [sleep, "1000"]'
	timeout -k 2 20 slipway up -d
	[ "$(ss -Hlntu)" = "$before" ]
	run ! grep -iE '@.*slipway' /proc/net/unix
	evil_service 'network_mode: host' 'command: [sleep, "1000"]'
}

@test "names in a file are no paths" {
	for name in ../../../evil .. a/b; do
		printf 'services: {it: {image: %s/evil, command: ["true"], volumes: ["v:/v"]}}\nvolumes: {v: {name: "%s"}}\n' "$registry" "$name" >compose.yml
		run timeout -k 2 20 slipway up
		assert_failure
	done
	for name in ../x .. /x; do
		run timeout -k 2 20 slipway -p "$name" up
		assert_failure
	done
}

@test "nor are names of services" {
	for name in .. . ../../x a/b; do
		printf 'services: {"%s": {image: %s/evil, command: ["true"]}}\n' "$name" "$registry" >compose.yml
		run timeout -k 2 20 slipway up
		assert_failure
	done
	[ ! -e "$SLIPWAY_ROOT/pods/x.log" ]
}

# ---- network -------------------------------------------------------------------------------------

# udp_on ADDRESS PORT: listens there for a while; heard prints what came.
udp_on() {
	need_command python3
	python3 - "$1" "$2" >"$BATS_TEST_TMPDIR/heard" 3>&- <<-END &
		import socket, sys
		s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		s.bind((sys.argv[1], int(sys.argv[2])))
		s.settimeout(3)
		print("listening", flush=True)
		try:
		    while True: print("heard", s.recvfrom(100)[1][0], flush=True)
		except TimeoutError: print("end", flush=True)
	END
	listener=$!
	wait_for 5 grep -q listening "$BATS_TEST_TMPDIR/heard"
}
heard() {
	wait "$listener" || :
	grep ^heard "$BATS_TEST_TMPDIR/heard" || :
}
link() { jq -r .link "$SLIPWAY_RUN/pods/$project/state.json"; }
mac() { ip -o link show "$(link)" | grep -o 'link/ether [^ ]*' | cut -d' ' -f2; }

@test "what listens on the host's 127.0.0.1 cannot be reached from a pod (CVE-2020-8558)" {
	evil_service 'command: [sleep, "1000"]'
	timeout -k 2 20 slipway up -d
	udp_on 127.0.0.1 7004
	own=$(slipway exec -T it ip addr show eth0 | grep -o 'inet [0-9.]*' | cut -d' ' -f2)
	for from in "$own" 127.0.0.1 127.0.0.2 169.254.1.1; do
		run slipway exec -T it /evil frame "$from" 127.0.0.1 7004 "$(mac)"
		assert_line 'sent: yes'
	done
	run heard
	assert_output ''
}

@test "a pod sends from no address but its own" {
	evil_service 'command: [sleep, "1000"]'
	timeout -k 2 20 slipway up -d
	udp_on 0.0.0.0 7003
	own=$(slipway exec -T it ip addr show eth0 | grep -o 'inet [0-9.]*' | cut -d' ' -f2)
	for from in "$own" 127.0.0.2 8.8.8.8 10.213.0.9; do slipway exec -T it /evil frame "$from" 169.254.1.1 7003 "$(mac)"; done
	run heard
	assert_output "heard $own"
}

@test "a pod's router advertisements are not listened to (CVE-2020-13401)" {
	[ -e /proc/net/if_inet6 ] || skip 'no IPv6'
	evil_service 'command: [sleep, "1000"]'
	timeout -k 2 20 slipway up -d
	run slipway exec -T it /evil advert
	assert_line 'sent: yes'
	run ip -6 route show default
	assert_output ''
	run ip -6 addr show scope global
	refute_line 2001:db8:bad
}

# ---- and the end ---------------------------------------------------------------------------------

@test "a command that cannot be run ends up, and in time" {
	for entrypoint in /nope /etc/passwd; do
		evil_service "entrypoint: [$entrypoint]"
		run timeout -k 1 10 slipway up
		assert_failure
		[ "$status" -ne 124 ] || show 'hung'
	done
}

@test "a deep tree of directories does not stand in the way of cleaning up" {
	evil_service 'command: [sh, -c, "/evil deep 3000; sleep 1000"]'
	timeout -k 2 20 slipway up -d
	wait_for 5 grep -q 'deep enough' <(timeout 10 slipway logs -f --no-log-prefix it)
	kill -KILL "$(process supervisor)"
	run bash -c 'ulimit -n 1024; timeout 20 slipway check --leaks && timeout 20 slipway gc'
	assert_success
	run slipway down
	assert_success
}

@test "standard streams that are closed are not the host's files inside" {
	# shellcheck disable=SC2016 # the container's shell expands it
	local look='for fd in 0 1 2; do [ -d /proc/self/fd/$fd/ ] && echo "a directory at $fd: $(ls /proc/self/fd/$fd/)" >/seen; done; cat >/dev/null && echo end >>/seen'
	service a <<<'command: sleep 100'
	slipway up -d
	slipway exec -T a sh -c "$look" <&- >&- 2>&-
	[ "$(slipway exec -T a cat /seen)" = end ] || { slipway exec -T a cat /seen; false; }
	slipway exec -d a sh -c "rm /seen; $look" <&- >&- 2>&-
	wait_for 3 eval '[ "$(slipway exec -T a cat /seen 2>&1)" = end ]'
	slipway down
	mkdir out
	slipway run -T --rm -v "$PWD/out:/out" a sh -c "${look//\/seen//out/seen}" <&- >&- 2>&-
	[ "$(cat out/seen)" = end ]
	slipway up -d <&- >&- 2>&-
	[ "$(slipway exec -T a sh -c 'ls -d /proc/1/fd/[012]/ 2>/dev/null; echo none')" = none ]
}
