#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# tests/root/runtime.bats - what a process in a container sees, may and may not.

# shellcheck disable=SC2154 # the library sets registry and project
# shellcheck disable=SC2016 # what is in single quotes is for the shell in the container

load ../lib/slipway
images busybox

# ---- the root file system ----

@test "a start writes nothing into a container's layer" {
	service it <<-END
		command: [sleep, '1000']
	END
	slipway up -d
	run slipway exec -T it cat /etc/hostname
	assert_output it
	run find "$SLIPWAY_ROOT/pods/$project/rootfs"/it.*/upper -mindepth 1
	assert_output ''
}

# ---- privileges ----

@test "capabilities are Docker's fourteen" {
	run in_container 'grep Cap /proc/self/status'
	assert_success
	assert_output "$(printf '%s\n' 'CapInh:	0000000000000000' 'CapPrm:	00000000a00425fb' \
		'CapEff:	00000000a00425fb' 'CapBnd:	00000000a00425fb' 'CapAmb:	0000000000000000')"
}

@test "an ordinary user has none of them" {
	run in_container -a 'user: app' 'grep -E "Cap(Prm|Eff|Amb)" /proc/self/status'
	assert_output "$(printf '%s:	0000000000000000\n' CapPrm CapEff CapAmb)"
}

@test "cap_drop and cap_add" {
	run in_container -a 'cap_drop: [ALL]' -a 'cap_add: [NET_BIND_SERVICE]' 'grep -E "Cap(Eff|Bnd)" /proc/self/status'
	assert_output "$(printf '%s:	0000000000000400\n' CapEff CapBnd)"
	slipway down
	run in_container -a 'cap_drop: [MKNOD]' 'mknod /tmp/null c 1 3'
	assert_failure 1
	assert_line 'Operation not permitted'
}

@test "no_new_privs only on request" {
	run in_container 'grep NoNewPrivs /proc/self/status'
	assert_output 'NoNewPrivs:	0'
	slipway down
	run in_container -a 'security_opt: ["no-new-privileges:true"]' 'grep NoNewPrivs /proc/self/status'
	assert_output 'NoNewPrivs:	1'
}

@test "seccomp is on, and forbids" {
	run in_container 'grep Seccomp: /proc/self/status' 'unshare -U true' 'unshare -m true'
	assert_failure
	assert_line 'Seccomp:	2'
	[ "$(grep -c 'Operation not permitted' <<<"$output")" -eq 2 ] || show 'not both refused'
}

@test "seccomp=unconfined takes it away" {
	run in_container -a 'security_opt: ["seccomp=unconfined"]' 'grep Seccomp: /proc/self/status'
	assert_output 'Seccomp:	0'
}

@test "a seccomp profile of one's own" {
	cat >profile.json <<-END
		{"defaultAction": "SCMP_ACT_ALLOW",
		 "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]}
	END
	run in_container -a 'security_opt: ["seccomp=profile.json"]' 'mkdir /tmp/x'
	assert_failure 1
	assert_line 'No space left on device'
}

@test "a device that was not given cannot be opened, even when made" {
	disk=$(awk '$3 !~ /^0:/ { print $3; exit }' /proc/self/mountinfo)
	[ "$disk" ] || skip 'this host has no disk'
	run in_container "mknod /tmp/disk b ${disk/:/ } && head -c 1 /tmp/disk >/dev/null && echo opened"
	refute_line opened
	assert_failure
}

# ---- file systems ----

@test "masked paths are empty" {
	run in_container 'for f in kcore keys timer_list; do [ ! -e /proc/$f ] || wc -c </proc/$f; done' \
		'for d in /proc/acpi /proc/scsi /sys/firmware; do [ ! -e $d ] || ls -A $d; done'
	assert_success
	[ -z "$(tr -d '0\n' <<<"$output")" ] || show 'something can be read'
}

@test "/proc/sys and the like are read-only" {
	# `: >>FILE` only opens it for writing.
	run in_container 'for f in sys/kernel/hostname sysrq-trigger irq/default_smp_affinity; do' \
		'if [ -e /proc/$f ] && (: >>/proc/$f); then echo "$f was opened"; fi; done; mkdir /sys/x; mkdir /sys/fs/cgroup/x; true'
	refute_line 'was opened'
	[ "$(grep -c 'Read-only file system' <<<"$output")" -ge 3 ] || show 'not all of them'
}

@test "systempaths=unconfined takes that away" {
	run in_container -a 'security_opt: ["systempaths=unconfined"]' 'head -c 4 /proc/keys >/dev/null; (: >>/proc/sys/kernel/domainname) && echo opened'
	assert_output opened
}

@test "/dev has the usual nodes and links" {
	run in_container 'for n in null zero full random urandom tty; do stat -c "%n %t:%T %a" /dev/$n; done' \
		'for l in fd stdin stdout stderr ptmx; do echo "$l $(readlink /dev/$l)"; done' \
		'ls -d /dev/shm /dev/mqueue /dev/pts' 'echo x >/dev/null; head -c 2 /dev/zero | wc -c'
	assert_success
	assert_output "$(cat <<-END
		/dev/null 1:3 666
		/dev/zero 1:5 666
		/dev/full 1:7 666
		/dev/random 1:8 666
		/dev/urandom 1:9 666
		/dev/tty 5:0 666
		fd /proc/self/fd
		stdin /proc/self/fd/0
		stdout /proc/self/fd/1
		stderr /proc/self/fd/2
		ptmx pts/ptmx
		/dev/mqueue
		/dev/pts
		/dev/shm
		2
	END
	)"
}

@test "only descriptors 0, 1 and 2 are open" {
	service it <<-END
		command: [ls, /proc/self/fd]
	END
	exec 9</dev/null # one of the caller's, which must not get in
	run up_and_logs
	exec 9<&-
	assert_output "$(printf '%s\n' 0 1 2 3)" # 3 is the directory that ls reads
}

@test "standard input is empty" {
	run in_container 'wc -c </dev/stdin'
	assert_output 0
}

@test "read_only: nothing can be written, but what is mounted" {
	run in_container -a 'read_only: true' -a 'tmpfs: [/run]' 'touch /x /etc/x; touch /run/x /dev/shm/x && echo fine'
	assert_line fine
	[ "$(grep -c 'Read-only file system' <<<"$output")" -eq 2 ] || show 'not both'
}

@test "a root file system is new each time" {
	run in_container '[ ! -e /left ] && echo new; touch /left'
	assert_output new
	slipway down
	run in_container '[ ! -e /left ] && echo new; touch /left'
	assert_output new
}

@test "tmpfs: size, mode, flags" {
	run in_container -a 'tmpfs: ["/a:size=1m,mode=700", "/b:exec"]' 'stat -c %a /a; df -k /a | tail -n 1 | awk "{ print \$2 }"' \
		'cp /bin/busybox /b/echo && /b/echo runs' 'dd if=/dev/zero of=/a/x bs=1M count=2'
	assert_line $'700\n1024\nruns'
	assert_line 'No space left on device'
	slipway down
	run in_container -a 'tmpfs: [/a]' 'cp /bin/busybox /a/echo; /a/echo runs'
	assert_line 'Permission denied' # noexec
}

@test "a new volume is filled from the image, with owners and modes" {
	echo 'volumes: {stale: , home: , empty: }' >volumes.yml
	run in_container -v stale:/opt/stale -v home:/home/app -v empty:/opt/stale2 \
		'cat /opt/stale/new; stat -c "%u:%g" /home/app /home/app/.profile; ls -A /opt/stale2'
	assert_output "$(printf '%s\n' 'only this is left' 1000:1000 1000:1000)"
}

@test "nocopy leaves it empty" {
	echo 'volumes: {stale: }' >volumes.yml
	run in_container -v '{type: volume, source: stale, target: /opt/stale, volume: {nocopy: true}}' 'ls -A /opt/stale'
	assert_success
	assert_output ''
}

@test "a volume stays as it was left" {
	echo 'volumes: {data: }' >volumes.yml
	run in_container -v data:/opt/stale 'echo mine >/opt/stale/new; rm -f /opt/stale/old'
	assert_success
	slipway down
	run in_container -v data:/opt/stale 'cat /opt/stale/new'
	assert_output mine
}

@test "a bind mount is the host's directory; :ro cannot be written" {
	mkdir dir
	echo host >dir/file
	run in_container -v ./dir:/rw -v ./dir:/ro:ro 'cat /ro/file; touch /rw/new; touch /ro/new2'
	assert_failure 1
	assert_line host
	assert_line 'Read-only file system'
	[ -e dir/new ]
	[ ! -e dir/new2 ]
}

@test ":ro holds for what is mounted below, too" {
	mkdir -p dir/below
	mount -t tmpfs slipway-test dir/below
	run in_container -v ./dir:/ro:ro 'touch /ro/below/x'
	umount dir/below
	assert_failure 1
	assert_line 'Read-only file system'
}

@test "a missing bind source is made, a file is bound as a file" {
	echo content >file
	run in_container -v ./made/here:/dir -v ./file:/new/file 'ls -A /dir; cat /new/file'
	assert_output content
	[ -d made/here ]
}

@test "a link of the image does not lead a mount out of it" {
	echo ours >file
	before=$(stat -c %i:%s /etc/passwd)
	# /opt/shapes/upward is ../../../../../../../../etc/passwd
	run in_container -v ./file:/opt/shapes/upward 'cat /etc/passwd'
	assert_output ours
	[ "$(stat -c %i:%s /etc/passwd)" = "$before" ]
}

@test "/dev/shm has 64 MiB, or shm_size" {
	run in_container 'df -m /dev/shm | tail -n 1 | awk "{ print \$2 }"'
	assert_output 64
	slipway down
	run in_container -a 'shm_size: 8m' 'df -m /dev/shm | tail -n 1 | awk "{ print \$2 }"'
	assert_output 8
}

# ---- identity and surroundings ----

@test "the host name is the service's, or the one asked for" {
	run in_container 'hostname; cat /etc/hostname'
	assert_output "$(printf '%s\n' it it)"
	slipway down
	run in_container -a 'hostname: ship' 'hostname; cat /etc/hostname; grep -c "ship" /etc/hosts'
	assert_output "$(printf '%s\n' ship ship 1)"
}

@test "the environment is the image's and the service's, and nothing of ours" {
	export SECRET_OF_THE_CALLER=1
	run in_container -a 'environment: {A: "1", EMPTY: ""}' 'env | grep -vE "^(PWD|SHLVL|OLDPWD|_)=" | sort'
	assert_output "$(printf '%s\n' A=1 EMPTY= HOME=/root HOSTNAME=it PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)"
}

@test "users are looked up in the image" {
	for row in 'app 1000:1000 /home/app' '1000 1000:1000 /home/app' '4242 4242:0 /' 'app:nogroup 1000:65534 /home/app' '7:8 7:8 /'; do
		read -r user ids home <<<"$row"
		run in_container -a "user: '$user'" 'echo $(id -u):$(id -g) $HOME'
		assert_output "$ids $home"
		slipway down
	done
}

@test "group_add, by name and by number" {
	run in_container -a 'user: app' -a 'group_add: [tty, "77"]' 'id -G'
	[ "$(tr ' ' '\n' <<<"$output" | sort -n | paste -sd' ')" = '5 77 1000' ] || show 'not those'
}

@test "the working directory is made when it is missing" {
	run in_container -a 'working_dir: /made/for/it' pwd
	assert_output /made/for/it
}

@test "ulimits" {
	run in_container -a 'ulimits: {nofile: {soft: 123, hard: 456}, core: 0}' 'ulimit -Sn; ulimit -Hn; ulimit -c'
	assert_output "$(printf '%s\n' 123 456 0)"
}

@test "sysctls of its own namespaces" {
	run in_container -a 'sysctls: {net.core.somaxconn: 321, kernel.msgmax: 4321}' 'cat /proc/sys/net/core/somaxconn /proc/sys/kernel/msgmax'
	assert_output "$(printf '%s\n' 321 4321)"
}

@test "oom_score_adj" {
	run in_container -a 'oom_score_adj: 500' 'cat /proc/self/oom_score_adj'
	assert_output 500
}

@test "extra_hosts and dns" {
	run in_container -a 'extra_hosts: ["other=203.0.113.7"]' -a 'dns: [203.0.113.53]' -a 'dns_search: [example.test]' \
		'grep other /etc/hosts; cat /etc/resolv.conf'
	assert_line '203.0.113.7'
	assert_line 'nameserver 203.0.113.53'
	assert_line 'search example.test'
}

@test "a terminal" {
	run in_container -a 'tty: true' 'tty; test -t 0 && test -t 1 && test -t 2 && echo all three'
	assert_line /dev/
	assert_line 'all three'
}

@test "network_mode none is loopback only, host is the host's" {
	run in_container -a 'network_mode: none' 'ls /sys/class/net; ping -c 1 -W 1 127.0.0.1 >/dev/null && echo pong'
	assert_output "$(printf '%s\n' lo pong)"
	slipway down
	ip link add hostlink type veth peer name hostlink2
	run in_container -a 'network_mode: host' 'cat /proc/net/dev'
	ip link del hostlink
	assert_line hostlink
}

# ---- processes ----

@test "a container sees only its own processes, the first is number 1" {
	run in_container 'echo $$; ls /proc | grep -c "^[0-9]"'
	[ "${lines[0]}" = 1 ] || show 'not number 1'
	[ "${lines[1]}" -le 4 ] || show 'too many'
}

@test "init reaps what was left to it, and passes signals on" {
	service it <<-END
		init: true
		command:
		  - sh
		  - -c
		  - |
		    trap 'echo got TERM; exit 9' TERM
		    sh -c 'sleep 0.2 & exit 0'
		    sleep 1
		    ps -o pid,stat,comm
		    while :; do sleep 0.1; done
	END
	slipway up -d
	has_listed() { slipway logs --no-log-prefix it 2>&1 | grep -q 'ps$'; }
	wait_for 10 has_listed
	run slipway logs --no-log-prefix it
	[[ $output != *' Z'* ]] || show 'a zombie'
	slipway stop -t 10
	wait_for 5 is_field it State exited
	[ "$(field it ExitCode)" = 9 ]
	run slipway logs --no-log-prefix it
	assert_line 'got TERM'
}

@test "an exit by a signal is 128 and its number" {
	run in_container -a 'init: true' 'kill -KILL $$'
	assert_failure || [ "$status" -eq 137 ]
	[ "$(field it ExitCode)" = 137 ]
}

@test "who does not end within the grace period is killed" {
	service it <<-END
		stop_grace_period: 1s
		command: [sh, -c, "trap '' TERM; while :; do sleep 0.1; done"]
	END
	slipway up -d
	before=$SECONDS
	slipway down
	[ $((SECONDS - before)) -le 5 ]
}

# ---- limits ----

# knob V1-CONTROLLER V1-FILE V2-FILE: of the container's group, as the host has it.
knob() {
	local group
	for group in /sys/fs/cgroup{,/unified}/"$SLIPWAY_CGROUP_PARENT"/*/it; do
		[ ! -e "$group/$3" ] || { cat "$group/$3"; return; }
	done
	cat "/sys/fs/cgroup/$1/$SLIPWAY_CGROUP_PARENT"/*/it/"$2"
}

@test "limits are what the host's control groups have" {
	service it <<-END
		command: [sleep, '1000']
		init: true
		mem_limit: 32m
		cpus: 0.5
		cpu_shares: 512
		pids_limit: 20
		cpuset: "0"
	END
	slipway up -d
	[ "$(knob memory memory.limit_in_bytes memory.max)" = $((32 << 20)) ]
	[[ "$(knob cpu cpu.cfs_quota_us cpu.max)" = 50000* ]]
	[ "$(knob pids pids.max pids.max)" = 20 ]
	[ "$(knob cpuset cpuset.cpus cpuset.cpus)" = 0 ]
	[ "$(knob memory cgroup.procs cgroup.procs | wc -l)" -ge 2 ] # init and sleep
	[ "$(knob pids cgroup.procs cgroup.procs | wc -l)" -ge 2 ]
	run slipway exec -T it sh -c 'grep Cpus_allowed_list /proc/self/status'
	assert_line $'\t0' # who joins later is limited as well
}

@test "too many processes" {
	run in_container -a 'pids_limit: 10' 'for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 2 & done; wait'
	assert_line 'fork'
}

@test "too much memory" {
	run in_container -a 'mem_limit: 16m' -a 'memswap_limit: 16m' 'tail /dev/zero; echo $?'
	assert_line 137
}
