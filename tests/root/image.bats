#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# tests/root/image.bats - pulling and keeping images.

# shellcheck disable=SC2154 # the library sets registry and project, bats stderr
# shellcheck disable=SC2016 # what is in single quotes is for the shell in the container

load ../lib/slipway
images busybox nginx redis

# fresh_store: an empty one, for this test.
fresh_store() { export SLIPWAY_ROOT=$BATS_TEST_TMPDIR/root; }

# pulls IMAGE...: a project of that many services.
pulls() {
	local image n=0
	{
		echo services:
		for image; do printf '  s%s: {image: "%s"}\n' $((++n)) "$image"; done
	} >compose.yml
}

# stored NAME: does some layer in the store have a file of that name?
stored() { [ -n "$(find "$SLIPWAY_ROOT/store/layers" -name "$1" -print -quit)" ]; }

# ---- registries ----

# secure_registry: one with TLS and a password; sets $secure, and tells slipway of its CA.
secure_registry() {
	local keep=$registry
	start_registry "$BATS_TEST_TMPDIR/secure" --tls --auth captain:s3cret
	secure=$registry registry=$keep
	"$top/scripts/registry" push "$top/build/images" "${secure#*:}" busybox \
		--tls "$BATS_TEST_TMPDIR/secure/ca.crt" --auth captain:s3cret
	mkdir -p "$BATS_TEST_TMPDIR/certs.d/$secure"
	cp "$BATS_TEST_TMPDIR/secure/ca.crt" "$BATS_TEST_TMPDIR/certs.d/$secure/"
	export SLIPWAY_CERTS_D=$BATS_TEST_TMPDIR/certs.d
}

# log_in USER:PASSWORD: what `docker login` writes.
log_in() {
	export DOCKER_CONFIG=$BATS_TEST_TMPDIR/docker
	mkdir -p "$DOCKER_CONFIG"
	jq -n --arg r "$secure" --arg a "$(printf %s "$1" | base64)" '{auths: {($r): {auth: $a}}}' >"$DOCKER_CONFIG/config.json"
}

@test "a registry with TLS and a password" {
	fresh_store
	secure_registry
	log_in captain:s3cret
	pulls "$secure/busybox"
	run slipway pull
	"$top/scripts/registry" stop "$BATS_TEST_TMPDIR/secure"
	assert_success
	run slipway images
	assert_line "$secure/busybox"
}

@test "a wrong password, none, and a certificate nobody vouches for" {
	fresh_store
	secure_registry
	pulls "$secure/busybox"
	log_in captain:wrong
	run --separate-stderr slipway pull -q
	assert_failure 1
	[[ $stderr == *'refuses access'* ]] || show 'no reason'
	[[ $stderr != *wrong* ]] || show 'the password is in the message'
	unset DOCKER_CONFIG
	HOME=/nonexistent run --separate-stderr slipway pull -q
	assert_failure 1
	[[ $stderr == *'wants a user and a password'* ]] || show 'no reason'
	log_in captain:s3cret
	export SLIPWAY_CERTS_D=/nonexistent
	run --separate-stderr slipway pull -q
	"$top/scripts/registry" stop "$BATS_TEST_TMPDIR/secure"
	assert_failure 1
	[[ $stderr == *certificate* ]] || show 'no reason'
	run slipway images -q
	assert_output ''
}

# ---- platforms ----

@test "the host's platform is taken, unless another is asked for" {
	fresh_store
	pulls "$registry/busybox"
	slipway pull -q
	run ! stored NOT-RUNNABLE
	other=arm64
	[ "$(dpkg --print-architecture)" != arm64 ] || other=amd64
	echo "services: {s: {image: $registry/busybox, platform: linux/$other}}" >compose.yml
	slipway pull -q
	stored NOT-RUNNABLE
}

@test "a platform that the image is not for: those that there are" {
	fresh_store
	echo "services: {s: {image: $registry/busybox, platform: linux/s390x}}" >compose.yml
	run --separate-stderr slipway pull -q
	assert_failure 1
	[[ $stderr == *'linux/s390x'*'linux/amd64'*'linux/arm64'* ]] || show 'not all of them'
}

@test "a Docker manifest list, a digest, and several tags of one image" {
	fresh_store
	layout=$top/build/images/nginx
	digest=$(jq -r '.manifests[0].digest' "$layout/index.json")
	pulls "$registry/redis:list" "$registry/nginx@$digest" "$registry/nginx:latest"
	run slipway pull
	assert_success
	run slipway images --format json
	assert_line nginx
	assert_line redis
	pulls "$registry/nginx@sha256:$(printf '0%.0s' {1..64})"
	run slipway pull -q
	assert_failure 1
}

# ---- what is in an image ----

@test "layers in gzip, zstd and plain tar are all there" {
	run in_container 'test -x /bin/busybox && cat /etc/issue && cat /opt/shapes/hard-1'
	assert_output "$(printf '%s\n' 'made by make-images' linked)"
}

@test "whiteouts and opaque directories hide what they should" {
	run in_container 'ls /etc/motd /opt/stale/old /opt/stale/deep 2>&1 | grep -c "No such file"; ls -A /opt/stale; find / -xdev -name ".wh*"'
	assert_output "$(printf '%s\n' 3 new)"
}

@test "odd names, links, pipes and modes" {
	run in_container 'cd /opt/shapes; for f in *; do case $f in absolute|upward|dangling) echo "$f -> $(readlink $f)" ;;' \
		'*) stat -c "%n %F %a %u:%g %h" "$f" ;; esac; done' \
		'p=/opt/long; for i in 1 2 3 4 5 6 7 8; do p=$p/directory-number-$i; done; cat $p/file; cat /opt/shapes/gr*'
	assert_output "$(cat <<-'END'
		absolute -> /etc/passwd
		dangling -> nowhere
		fifo fifo 644 0:0 1
		grün regular file 644 0:0 1
		hard-1 regular file 644 0:0 2
		hard-2 regular file 644 0:0 2
		mode-0400 regular file 400 1000:1000 1
		mode-2755 regular file 2755 0:0 1
		upward -> ../../../../../../../../etc/passwd
		deep
		grün
	END
	)"
}

@test "directories have the modes the image says" {
	run in_container 'stat -c "%n %a" / /root /tmp /var/tmp /home/app'
	assert_output "$(printf '%s\n' '/ 755' '/root 700' '/tmp 1777' '/var/tmp 1777' '/home/app 755')"
}

# ---- pulling ----

# requests HEX: how often the registry has been asked for that blob since the log had $mark lines.
requests() {
	tail -n +"$((mark + 1))" "$BATS_FILE_TMPDIR/registry/registry.log" |
		grep -cE "\"GET /v2/[a-z]+/blobs/sha256:$1 " || :
}

@test "an image that is here is not asked for again; pull --always asks for no layer again" {
	fresh_store
	pulls "$registry/nginx"
	slipway pull -q
	mark=$(wc -l <"$BATS_FILE_TMPDIR/registry/registry.log")
	slipway up -d --pull missing || :
	slipway down -t 1
	[ "$(wc -l <"$BATS_FILE_TMPDIR/registry/registry.log")" -eq "$mark" ]
}

@test "four processes that pull one image fetch each layer once" {
	fresh_store
	pulls "$registry/nginx" "$registry/redis"
	mark=$(wc -l <"$BATS_FILE_TMPDIR/registry/registry.log")
	pids=()
	for _ in 1 2 3 4; do
		slipway pull -q 3>&- &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do wait "$pid"; done
	[ "$(slipway images -q | wc -l)" -eq 2 ]
	for name in nginx redis; do
		layout=$top/build/images/$name/blobs/sha256
		manifest=$(jq -r '.manifests[0].digest' "$top/build/images/$name/index.json")
		while read -r digest; do
			[ "$(requests "${digest#*:}")" -eq 1 ] || {
				echo "$name $digest: $(requests "${digest#*:}") times"
				return 1
			}
		done < <(jq -r '.layers[].digest' "$layout/${manifest#*:}")
	done
}

@test "a pull that is killed at any moment can be done again" {
	for ((n = 0; n < ${SLIPWAY_CRASHES:-20}; n++)); do
		fresh_store
		rm -rf "$SLIPWAY_ROOT"
		pulls "$registry/nginx" "$registry/busybox"
		setsid slipway pull -q >/dev/null 2>&1 3>&- &
		pull=$!
		sleep "0.$(printf %03d $((RANDOM % 250)))"
		kill -KILL -- "-$pull" 2>/dev/null || :
		kill -KILL "$pull" 2>/dev/null || :
		wait "$pull" || :
		# whatever is listed is whole
		slipway images -q >/dev/null
		run slipway pull -q
		assert_success
		[ "$(slipway images -q | wc -l)" -eq 2 ]
		slipway gc >/dev/null
		[ -z "$(ls -A "$SLIPWAY_ROOT/store/ingest")" ]
	done
}

@test "SIGTERM ends a pull and leaves the store good" {
	fresh_store
	pulls "$registry/nginx"
	command slipway pull -q 3>&- &
	pull=$!
	sleep 0.03
	kill -TERM "$pull" 2>/dev/null || :
	wait "$pull" || :
	run slipway pull -q
	assert_success
}

# ---- gc ----

@test "gc removes what no name and no pod needs, and -n only says what that is" {
	fresh_store
	service it <<-END
		command: [sleep, '1000']
		init: true
	END
	slipway up -d
	echo "services: {web: {image: $registry/nginx}}" >other.yml
	slipway -p other -f other.yml pull -q
	run slipway gc
	assert_success
	[ "$(slipway images -q | wc -l)" -eq 2 ]

	slipway rmi "$registry/nginx" "$registry/busybox"
	run slipway gc -n
	assert_success
	assert_line layers/
	stored nginx
	run slipway gc
	assert_success
	run ! stored nginx
	stored busybox # a pod runs from it
	slipway exec -T it true

	slipway down -t 1
	slipway gc
	[ -z "$(ls -A "$SLIPWAY_ROOT/store/layers")" ]
	[ "$(slipway images -q | wc -l)" -eq 0 ]
}

@test "the store is for root alone" {
	[ "$(stat -c %a "$SLIPWAY_ROOT/store")" = 700 ]
	[ "$(stat -c %a "$SLIPWAY_RUN/pods")" = 700 ]
}

# ---- digests ----

@test "config names images by the digests that their tags have now" {
	local digest
	pulls "$registry/busybox" "$registry/nginx:latest"
	digest=$(curl -fsI -H 'Accept: application/vnd.oci.image.index.v1+json' -H 'Accept: application/vnd.oci.image.manifest.v1+json' \
		-H 'Accept: application/vnd.docker.distribution.manifest.v2+json' "http://$registry/v2/busybox/manifests/latest" |
		tr -d '\r' | sed -n 's/^docker-content-digest: //Ip')
	[ -n "$digest" ]
	run --separate-stderr slipway config --resolve-image-digests
	assert_success
	[[ $output == *"image: $registry/busybox"*"@$digest"* ]] || show 'not that digest'
	run --separate-stderr slipway config --lock-image-digests
	assert_success
	[ "$(grep -c '@sha256:' <<<"$output")" = 2 ] || show 'not two'
	[[ $output != *networks* ]] || show 'more than images'
	slipway config --lock-image-digests >lock.yml
	slipway -f compose.yml -f lock.yml config -q
}

@test "a tag that is not there has no digest" {
	pulls "$registry/busybox:nothing"
	run --separate-stderr slipway config --resolve-image-digests
	assert_failure 1
	[[ $stderr == *"$registry/busybox:nothing"* ]] || show 'not named'
}

@test "pull goes on behind a failure when it may, and with dependencies when it is to" {
	compose <<-END
		services:
		  bad: {image: $registry/not-there}
		  good: {image: $registry/busybox, depends_on: [other]}
		  other: {image: $registry/nginx}
	END
	slipway images -q | xargs -r slipway rmi
	run slipway pull --ignore-pull-failures -q bad good
	assert_success
	assert_line not-there
	[ "$(slipway images --format '{{.Repository}}')" = "$registry/busybox" ]
	slipway pull -q --include-deps good
	[ "$(slipway images --format '{{.Repository}}' | sort | tr '\n' ' ')" = "$registry/busybox $registry/nginx " ]
	run slipway pull -q bad
	assert_failure 1
}
