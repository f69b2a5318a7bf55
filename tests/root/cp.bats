#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# tests/root/cp.bats - files into running containers and out of them.

# shellcheck disable=SC2154 # the library sets registry and project, bats stderr

load ../lib/slipway
images busybox

# a_service: one to copy into and out of.
a_service() {
	compose <<-END
		services:
		  a: {image: $registry/busybox, command: sleep 100, init: true, tmpfs: [/mnt]}
	END
	slipway up -d
}

@test "a file, under a new name, into a directory, over an old one" {
	a_service
	echo one >file && chmod 640 file
	slipway cp file a:/tmp/new
	[ "$(slipway exec -T a cat /tmp/new)" = one ]
	[ "$(slipway exec -T a stat -c %a:%u /tmp/new)" = 640:0 ]
	slipway cp file a:tmp
	[ "$(slipway exec -T a cat /tmp/file)" = one ]
	echo two >file
	slipway cp file a:/tmp/new
	[ "$(slipway exec -T a cat /tmp/new)" = two ]
	slipway cp a:/tmp/new back
	[ "$(cat back)" = two ]
	mkdir into && slipway cp a:/tmp/new into
	[ "$(cat into/new)" = two ]
	slipway cp file a:/mnt/there # a mount of the container's
	[ "$(slipway exec -T a cat /mnt/there)" = two ]
	slipway down
}

@test "directories, with links, and only what is in them" {
	a_service
	mkdir -p tree/sub && echo x >tree/sub/x && ln -s sub/x tree/link
	slipway cp tree a:/tmp
	[ "$(slipway exec -T a cat /tmp/tree/link)" = x ]
	slipway cp tree a:/tmp/other
	[ "$(slipway exec -T a readlink /tmp/other/link)" = sub/x ]
	slipway exec -T a mkdir /tmp/inner
	slipway cp tree/. a:/tmp/inner
	[ "$(slipway exec -T a cat /tmp/inner/sub/x)" = x ]
	slipway cp a:/tmp/tree got
	[ "$(readlink got/link)" = sub/x ]
	[ "$(cat got/sub/x)" = x ]
	ln -s tree/sub/x alias
	slipway cp -L alias a:/tmp/plain
	[ "$(slipway exec -T a stat -c %F /tmp/plain)" = 'regular file' ]
	slipway down
}

@test "owners, when they are wanted" {
	a_service
	echo x >file && chown 123:456 file
	slipway cp file a:/tmp/mine
	slipway cp -a file a:/tmp/theirs
	[ "$(slipway exec -T a stat -c %u:%g /tmp/mine /tmp/theirs | tr '\n' ' ')" = '0:0 123:456 ' ]
	slipway down
}

@test "a link in the container leads nowhere but into it" {
	a_service
	echo outside >/tmp/slipway-cp-outside
	slipway exec -T a sh -c 'ln -s / /tmp/root; ln -s /tmp/slipway-cp-outside /tmp/leak; ln -s ../../../../../../tmp /up'
	echo x >file
	slipway cp file a:/tmp/root/inside
	[ "$(slipway exec -T a cat /inside)" = x ]
	[ ! -e /inside ]
	run slipway cp a:/tmp/root/tmp/slipway-cp-outside got
	assert_failure 1
	slipway cp file a:/up/escaped
	[ ! -e /tmp/escaped ]
	slipway cp a:/tmp/leak got
	[ -L got ] # the link itself
	rm -f /tmp/slipway-cp-outside
	slipway down
}

@test "what is refused" {
	a_service
	echo x >file
	run slipway cp file file2
	assert_failure 1
	run slipway cp a:/x a:/y
	assert_failure 1
	run --separate-stderr slipway cp missing a:/tmp
	assert_failure 1
	[[ $stderr == *missing*'No such file'* ]] || show 'not named'
	run slipway cp file a:/no/such/dir/file
	assert_failure 1
	run slipway cp file a:/tmp/none/
	assert_failure 1
	run slipway cp a:/dev/null got
	assert_failure 1
	slipway stop a
	run --separate-stderr slipway cp file a:/tmp
	assert_failure 1
	[[ $stderr == *'not running'* ]] || show 'another reason'
	slipway down
}
