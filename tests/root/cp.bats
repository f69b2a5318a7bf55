#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# tests/root/cp.bats - files into containers and out of them.

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

@test "into every instance of a service, out of the first, or with one" {
	compose <<-END
		services:
		  a: {image: $registry/busybox, command: sleep 100, init: true, deploy: {replicas: 2}}
	END
	slipway up -d
	echo one >file
	slipway cp file a:/tmp/all
	slipway cp --index 2 file a:/tmp/second
	local i
	for i in 1 2; do
		[ "$(slipway exec -T --index $i a cat /tmp/all)" = one ]
	done
	run ! slipway exec -T --index 1 a test -e /tmp/second
	slipway exec -T --index 2 a test -e /tmp/second
	slipway exec -T --index 1 a sh -c 'echo first >/tmp/all'
	slipway cp a:/tmp/all back
	[ "$(cat back)" = first ]
	tar -c file >tar
	run slipway cp - a:/tmp <tar
	assert_failure
	assert_output 'slipway: cp -: a tar is read once, and a has 2 instances: --index N'
	slipway cp --index 2 - a:/tmp <tar
	slipway exec -T --index 2 a test -e /tmp/file
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
	slipway down
	slipway create
	run --separate-stderr slipway cp file a:/tmp
	assert_failure 1
	assert_one_message 'service a does not run, and has no files of its own'
	slipway down
}

# ---- tar streams ----

@test "a tar out of a container: a file, a directory, and only what is in it" {
	a_service
	slipway exec -T a sh -c 'mkdir -p /tmp/t/sub && echo x >/tmp/t/sub/x && ln -s sub/x /tmp/t/link && chown 12:34 /tmp/t/sub/x && chmod 4711 /tmp/t/sub/x'
	slipway cp a:/tmp/t - >t.tar
	[ "$(tar tf t.tar | tr '\n' ' ')" = 't/ t/link t/sub/ t/sub/x ' ]
	tar xpf t.tar
	[ "$(stat -c %a:%u:%g t/sub/x)" = 4711:12:34 ]
	[ "$(readlink t/link)" = sub/x ]
	[ "$(cat t/sub/x)" = x ]
	[ "$(slipway cp a:/tmp/t/sub/x - | tar xO)" = x ]
	[ "$(slipway cp a:/tmp/t/. - | tar t | tr '\n' ' ')" = './ ./link ./sub/ ./sub/x ' ]
	[ "$(slipway cp a:/tmp/t/link - | tar tv | cut -c1)" = l ]
	run --separate-stderr slipway cp a:/tmp/none -
	assert_failure 1
	assert_one_message 'cp a:/tmp/none: none: No such file or directory'
	slipway down
}

@test "a tar into a container: owners, modes, links, gzip; what is there is replaced" {
	a_service
	mkdir -p in/sub && echo new >in/sub/x && ln in/sub/x in/hard && ln -s sub/x in/link && chmod 640 in/sub/x
	tar cf in.tar --owner=12 --group=34 -C in .
	slipway exec -T a sh -c 'mkdir /tmp/to && echo old >/tmp/to/link'
	slipway cp - a:/tmp/to <in.tar
	[ "$(slipway exec -T a cat /tmp/to/sub/x /tmp/to/link /tmp/to/hard | tr '\n' ' ')" = 'new new new ' ]
	[ "$(slipway exec -T a stat -c %a:%u:%g:%h /tmp/to/sub/x)" = 640:12:34:2 ]
	gzip -c in.tar | slipway cp - a:/mnt
	[ "$(slipway exec -T a cat /mnt/sub/x)" = new ]
	slipway cp a:/mnt - | tar tf - | grep -q mnt/sub/x # a mount of the container's
	run --separate-stderr slipway cp - a:/tmp/nowhere <in.tar
	assert_failure 1
	assert_one_message 'cp -: open /tmp/nowhere: No such file or directory'
	slipway down
}

@test "a tar that would lead out, devices, and what is no tar" {
	a_service
	need_command python3
	slipway exec -T a sh -c 'mkdir /tmp/to && ln -s / /tmp/to/root && ln -s ../../../.. /tmp/to/up'
	python3 - <<-'END'
		import io, tarfile
		def make(name, *entries):
		    with tarfile.open(name, "w") as t:
		        for path, kind, link in entries:
		            i = tarfile.TarInfo(path)
		            i.type, i.linkname, i.size = kind, link, 1 if kind == tarfile.REGTYPE else 0
		            t.addfile(i, io.BytesIO(b"x"))
		R, L, S, C = tarfile.REGTYPE, tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE
		make("dots.tar", ("../../../../dots", R, ""), ("/absolute", R, ""))
		make("through.tar", ("root/through", R, ""), ("up/up", R, ""))
		make("link.tar", ("l", S, "/etc"), ("l/inside", R, ""))
		make("hard.tar", ("h", L, "/etc/passwd"))
		make("device.tar", ("d", C, ""))
	END
	slipway cp - a:/tmp/to <dots.tar
	slipway cp - a:/tmp/to <through.tar
	run --separate-stderr slipway cp - a:/tmp/to <link.tar
	assert_failure 1
	assert_one_message 'cp -: l/inside: open l: No such file or directory' # /tmp/to/etc, as seen from there
	run slipway exec -T a find / -xdev -type f \( -name dots -o -name absolute -o -name through -o -name up -o -name inside \)
	[ "$(sort <<<"$output" | tr '\n' ' ')" = '/tmp/to/absolute /tmp/to/dots /tmp/to/through /tmp/to/up ' ] || show 'somewhere else'
	[ ! -e /dots ]
	[ ! -e /absolute ]
	[ ! -e /through ]
	run --separate-stderr slipway cp - a:/tmp/to <hard.tar
	assert_failure 1
	run --separate-stderr slipway cp - a:/tmp/to <device.tar
	assert_failure 1
	assert_one_message 'cp -: d: neither a file, a directory nor a link: it is not copied'
	run --separate-stderr slipway cp - a:/tmp/to </bin/true
	assert_failure 1
	assert_one_message 'cp -: not a valid tar: '
	head -c 700 dots.tar >cut.tar
	run --separate-stderr slipway cp - a:/tmp/to <cut.tar
	assert_failure 1
	slipway down
}

@test "a reader that goes away, and options that are not for tars" {
	a_service
	slipway exec -T a sh -c 'head -c 5000000 /dev/zero >/tmp/zeros'
	run --separate-stderr bash -c 'slipway cp a:/tmp/zeros - | head -c 10 >/dev/null; exit ${PIPESTATUS[0]}'
	assert_failure 1
	assert_line ''
	run --separate-stderr slipway cp -a a:/tmp/zeros -
	assert_failure 1
	assert_one_message 'cp: a tar has links and owners as they are: -L and -a are not for it'
	need_command script
	run script -qec 'slipway cp a:/tmp/zeros -' /dev/null </dev/null
	assert_line 'cp: a tar goes to a file or a pipe, not to a terminal, and comes from there'
	slipway down
}

@test "a container that moves things about while a tar comes in stays in" {
	a_service
	need_command python3
	slipway exec -d a sh -c 'mkdir -p /tmp/to/a && while :; do ln -s / /tmp/to/b; mv -T /tmp/to/a /tmp/c 2>/dev/null; mv -T /tmp/to/b /tmp/to/a; rm -f /tmp/to/a; mv -T /tmp/c /tmp/to/a; done 2>/dev/null'
	python3 - <<-'END'
		import io, tarfile
		with tarfile.open("many.tar", "w") as t:
		    for n in range(3000):
		        i = tarfile.TarInfo("a/escaped%d" % n)
		        t.addfile(i, io.BytesIO(b""))
	END
	local i
	for i in 1 2 3; do slipway cp - a:/tmp/to <many.tar || :; done
	[ -z "$(find / -maxdepth 1 -name 'escaped*')" ]
	[ -z "$(slipway exec -T a find / -maxdepth 1 -name 'escaped*')" ]
	slipway down -t 0
}

@test "a copy onto a pipe or a device is refused, and does not wait" {
	service it <<-END
		command: [sh, -c, 'mkfifo /pipe; exec sleep 1000']
		stop_grace_period: 100ms
	END
	slipway up -d
	wait_for 5 slipway exec -T it test -p /pipe
	for target in /pipe /dev/null; do
		limit=5 run slipway cp compose.yml "it:$target"
		assert_failure 1
		assert_line 'is there and no file'
	done
}

@test "what is in a directory goes into one that is made for it" {
	service it <<-END
		command: sleep 1000
		stop_grace_period: 100ms
	END
	slipway up -d
	mkdir -m 750 d
	echo hi >d/f
	slipway cp d/. it:/new
	slipway cp d/. it:/newer/
	[ "$(slipway exec -T it cat /new/f /newer/f | tr '\n' ' ')" = 'hi hi ' ]
	[ "$(slipway exec -T it stat -c %a /new)" = 750 ]
	run slipway cp d/. it:/no/such
	assert_failure 1
	run slipway cp d/. it:/etc/passwd
	assert_failure 1
	assert_line 'is no directory'
	slipway cp it:/new/. ./out
	[ "$(cat out/f)" = hi ]
}

@test "a service that has ended: its files, its volumes and what it is given there" {
	mkdir bound && echo bound >bound/file
	compose <<-END
		services:
		  a:
		    image: $registry/busybox
		    command: sh -c 'echo result >/result; echo kept >/data/kept; rm /bin/vi; exit 3'
		    volumes: ["data:/data", "./bound:/bound", "./bound:/locked:ro"]
		  b: {image: $registry/busybox, command: sleep 100, init: true}
		volumes: {data: }
	END
	slipway up -d
	wait_for 5 is_field a State exited
	in_out() {
		slipway cp a:/result result
		[ "$(cat result)" = result ]
		slipway cp a:/data/kept - | tar -x -O >kept
		[ "$(cat kept)" = kept ]
		slipway cp a:/bound/file again
		[ "$(cat again)" = bound ]
		run --separate-stderr slipway cp a:/bin/vi vi
		assert_failure 1
		assert_one_message 'vi: No such file'
		echo "$1" >new
		slipway cp new a:/root/new
		slipway cp new a:/data/new
		[ "$(cat "$SLIPWAY_ROOT/volumes/${project}_data/_data/new")" = "$1" ]
		run --separate-stderr slipway cp new a:/locked/new
		assert_failure 1
		assert_one_message 'Read-only'
		[ ! -e bound/new ]
	}
	in_out beside # the other runs
	slipway stop
	in_out alone # the pod has ended
	sed -i 's/exit 3/exit 4/' compose.yml
	slipway up -d # a has changed: what was copied to it is gone
	wait_for 5 is_field a State exited
	run slipway cp a:/root/new back
	assert_failure 1
	in_out third
	slipway cp a:/root/new back
	[ "$(cat back)" = third ]
	slipway start a
	wait_for 5 is_field a State exited
	slipway cp a:/root/new back
	[ "$(cat back)" = third ]
	! findmnt -t overlay | grep "$SLIPWAY_ROOT" || false
}

@test "while a copy goes into a service that has ended it does not start, and the other way round" {
	compose <<-END
		services:
		  a: {image: $registry/busybox, command: 'sh -c "echo x >/x; exec sleep 100"', init: true}
		  b: {image: $registry/busybox, command: sleep 100, init: true}
	END
	slipway up -d
	wait_for 5 slipway exec -T a test -e /x
	slipway stop a
	mkfifo pipe
	slipway cp - a:/root <pipe 3>&- &
	local cp=$!
	exec {hold}>pipe
	wait_for 5 eval 'grep -q "$project/rootfs/a[.]" /proc/[0-9]*/mountinfo 2>/dev/null'
	run --separate-stderr slipway start a
	assert_failure 1
	assert_one_message 'its files are in use'
	run --separate-stderr slipway cp a:/x x
	assert_failure 1
	assert_one_message 'its files are in use'
	mkdir put && echo 1 >put/one
	tar -c -C put one >&"$hold"
	exec {hold}>&-
	wait $cp
	slipway start a
	[ "$(slipway exec -T a cat /root/one)" = 1 ]
	[ "$(slipway exec -T a cat /x)" = x ]
	slipway pause a
	slipway cp a:/x x
	[ "$(cat x)" = x ]
	slipway unpause a
}
