#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# tests/root/bad.bats - what goes wrong is said in one clear message, and leaves nothing behind.

# shellcheck disable=SC2154 # the library sets registry and project, bats stderr

load ../lib/slipway
images busybox nginx

# refused TEXT COMMAND...: it fails, with one line of error that contains the text, and nothing is
# left. (Other lines are progress; an error begins with the program's name.)
refused() {
	local text=$1 errors
	shift
	run --separate-stderr "$@"
	assert_failure
	[ "$status" -ne 124 ] || show 'took too long'
	errors=$(grep '^slipway' <<<"$stderr") || show 'no error message'
	[ "$(wc -l <<<"$errors")" -eq 1 ] || show 'not one error message'
	[[ $errors == *"$text"* ]] || show "not in the message: $text"
	assert_no_leaks
}

# An empty store, and the registry's copies of two layers of busybox: by the manifest of this machine.
fresh_store() { export SLIPWAY_ROOT=$BATS_TEST_TMPDIR/root; }
blob_file() { # blob_file MEDIATYPE: where the registry keeps the layer of busybox that has it
	local layout=$top/build/images/busybox/blobs/sha256 arch index manifest hex
	arch=$(dpkg --print-architecture)
	index=$(jq -r '.manifests[0].digest' "$top/build/images/busybox/index.json")
	manifest=$(jq -r --arg a "$arch" '.manifests[] | select(.platform.architecture == $a).digest' "$layout/${index#*:}")
	hex=$(jq -r --arg t "$1" '.layers[] | select(.mediaType | endswith($t)).digest' "$layout/${manifest#*:}")
	hex=${hex#*:}
	echo "$BATS_FILE_TMPDIR/registry/storage/docker/registry/v2/blobs/sha256/${hex:0:2}/$hex/data"
}

# damage FILE, repair: the file is put back, at the latest after the test, for the other tests.
damage() {
	damaged=$1
	cp "$damaged" "$BATS_TEST_TMPDIR/good"
}
repair() { cp "$BATS_TEST_TMPDIR/good" "$damaged"; }
teardown() {
	[ -z "${damaged-}" ] || repair
	umount "$BATS_TEST_TMPDIR/root" 2>/dev/null || :
	after_test
}

# The busybox service whose further lines are on standard input.
up_is_refused() {
	service it
	refused "$1" slipway up
}

# ---- images ----

@test "an image that is not there" {
	echo "services: {it: {image: $registry/nothing}}" >compose.yml
	refused "$registry/nothing" slipway up
	[[ $stderr == *404* || $stderr == *'not found'* || $stderr == *unknown* ]] || show 'no reason'
}

@test "a tag that is not there" {
	echo "services: {it: {image: '$registry/busybox:none'}}" >compose.yml
	refused "$registry/busybox:none" slipway up
}

@test "an image that may not be pulled" {
	fresh_store
	echo "services: {it: {image: $registry/busybox}}" >compose.yml
	refused "$registry/busybox" slipway up --pull never
}

@test "a reference that is none" {
	echo 'services: {it: {image: "Not/A/Reference:::"}}' >compose.yml
	refused 'Not/A/Reference:::' slipway up
}

@test "a layer with one wrong byte" {
	fresh_store
	echo "services: {it: {image: $registry/busybox}}" >compose.yml
	damage "$(blob_file .tar)"
	perl -pi -e 's/\0secret$/\0sEcret/' "$damaged" # a file's content: still a good tar, of the same size
	run ! cmp -s "$damaged" "$BATS_TEST_TMPDIR/good"
	refused 'digest mismatch' slipway pull
	repair
	slipway pull # and what was good of it is still good
}

@test "a compressed layer with one wrong byte" {
	fresh_store
	echo "services: {it: {image: $registry/busybox}}" >compose.yml
	damage "$(blob_file +gzip)"
	printf '\xff\x00\xff' | dd of="$damaged" bs=1 seek=100000 conv=notrunc status=none
	refused 'layer sha256:' slipway pull
	repair
	slipway pull
}

@test "a layer that is cut short" {
	fresh_store
	echo "services: {it: {image: $registry/busybox}}" >compose.yml
	damage "$(blob_file +gzip)"
	truncate -s 100000 "$damaged"
	refused 'layer sha256:' slipway pull
	repair
	slipway pull
}

@test "a registry that is not there" {
	echo 'services: {it: {image: "127.0.0.1:9/busybox"}}' >compose.yml
	refused '127.0.0.1:9' slipway up
}

@test "a disk that is full" {
	fresh_store
	mkdir "$SLIPWAY_ROOT"
	mount -t tmpfs -o size=2m slipway-test "$SLIPWAY_ROOT"
	echo "services: {it: {image: $registry/nginx}}" >compose.yml
	refused 'No space left on device' slipway pull
	[ "$(find "$SLIPWAY_ROOT/store/ingest" "$SLIPWAY_ROOT/store/refs" -mindepth 1 | wc -l)" -eq 0 ]
}

# ---- the host ----

@test "a port that is in use is named" {
	python3 -m http.server --bind 127.0.0.1 18080 >/dev/null 2>&1 3>&- &
	server=$!
	wait_for 10 curl -sS --noproxy '*' -o /dev/null http://127.0.0.1:18080/ 2>/dev/null
	service it <<-END
		ports: ["18080:80"]
	END
	refused 18080 slipway up
	refused 'in use' slipway up -d
	kill "$server"
	wait "$server" || :
}

@test "a port whose last connections are still fading away is free" {
	# Who closes first keeps a trace of the connection, in state TIME_WAIT, for a minute.
	python3 -c 'import socket
s = socket.create_server(("127.0.0.1", 18070)); c = socket.create_connection(("127.0.0.1", 18070))
p, _ = s.accept(); p.close(); c.recv(1); c.close()'
	service it <<-END
		ports: ["18070:80"]
	END
	run slipway up
	assert_success
}

@test "a port that another pod has is named" {
	service it <<-END
		ports: ["18090:80"]
		command: [sleep, '1000']
		init: true
	END
	slipway -p "$project-first" up -d
	run --separate-stderr slipway up
	assert_failure
	[[ $stderr == *18090* ]] || show 'not named'
	slipway -p "$project-first" down
}

@test "a processor that this host does not have" {
	up_is_refused cpuset <<-END
		cpuset: "99"
	END
}

@test "a bind mount without a source" {
	up_is_refused "$PWD/not/here" <<-END
		volumes: [{type: bind, source: ./not/here, target: /mnt, bind: {create_host_path: false}}]
	END
	[ ! -e not ]
}

@test "an external volume that is not there" {
	service it <<-END
		volumes: ["outside:/mnt"]
	END
	echo 'volumes: {outside: {external: true}}' >>compose.yml
	refused outside slipway up
}

# ---- the service ----

@test "a user that the image does not have" {
	up_is_refused nosuchuser <<-END
		user: nosuchuser
	END
}

@test "a group that the image does not have" {
	up_is_refused nosuchgroup <<-END
		user: root:nosuchgroup
	END
}

@test "a command that is not there" {
	up_is_refused no-such-command <<-END
		command: [no-such-command, argument]
	END
}

@test "a command that cannot be run" {
	up_is_refused /etc/passwd <<-END
		command: [/etc/passwd]
	END
}

@test "a capability that does not exist" {
	up_is_refused NO_SUCH_CAP <<-END
		cap_add: [NO_SUCH_CAP]
	END
}

@test "a kernel parameter that is not the container's" {
	up_is_refused kernel.panic <<-END
		sysctls: {kernel.panic: 1}
	END
}

@test "a seccomp profile that is not there" {
	up_is_refused missing.json <<-END
		security_opt: ["seccomp=missing.json"]
	END
}

@test "a working directory that is a file" {
	up_is_refused /etc/passwd <<-END
		working_dir: /etc/passwd
	END
}

@test "a mount onto the root" {
	up_is_refused / <<-END
		volumes: ["./x:/"]
	END
}

@test "one container that cannot start takes the others down" {
	compose <<-END
		services:
		  good: {image: $registry/busybox, command: [sleep, '1000'], init: true}
		  bad: {image: $registry/busybox, command: [no-such-command]}
	END
	refused no-such-command slipway up -d
}

@test "up -d reports what happens after it has gone into the background" {
	service it <<-END
		command: [no-such-command]
	END
	refused no-such-command slipway up -d
}
