#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# tests/root/fetch.bats - slipway-fetch against registries that misbehave.

# shellcheck disable=SC2154 # bats sets stderr

load ../lib/slipway

command -v slipway-fetch >/dev/null || PATH=$PATH:$top/build/gcc

setup_file() {
	python3 "$top/tests/lib/mock_registry.py" >"$BATS_FILE_TMPDIR/address" 3>&- &
	echo $! >"$BATS_FILE_TMPDIR/pid"
	wait_for 5 test -s "$BATS_FILE_TMPDIR/address"
}

teardown_file() {
	kill "$(cat "$BATS_FILE_TMPDIR/pid")"
}

setup() {
	need_root
	need_command python3
	mock=$(cat "$BATS_FILE_TMPDIR/address")
	store=$BATS_TEST_TMPDIR/store
	mkdir -m 700 "$store"
	mkdir "$store"/{blobs,layers,known,refs,ingest,locks}
	export HOME=$BATS_TEST_TMPDIR # no credentials but the test's own
}

# What the mock registry has been asked for by this test: its names begin with the test's number.
asked() { python3 -c 'import sys, urllib.request as u; print(u.urlopen("http://" + sys.argv[1] + "/log").read().decode())' "$mock" | grep -a "/v2/$1/" || :; }

# pull NAME...: from the mock; nothing may be left half-way, whatever comes of it.
pull() {
	local name references=()
	for name; do references+=("$mock/$name"); done
	run --separate-stderr slipway-fetch pull --store="$store" --progress=quiet "${options[@]}" "${references[@]}"
	[ -z "$(ls -A "$store/ingest")" ] || show "left in ingest: $(ls -A "$store/ingest")"
}

options=()

# fails NAME MESSAGE: in these words, and with nothing to show for it.
fails() {
	pull "$1"
	assert_failure 1
	[ "$stderr" = "slipway-fetch: $mock/$1: $2" ] || [ "$stderr" = "slipway-fetch: $2" ] || show "wanted: $2"
	[ -z "$(ls -A "$store/refs")" ]
}

# works NAME: the image is there, and is what the mock has.
works() {
	pull "$1"
	assert_success
	[ -z "$stderr" ] || show 'says something'
	whole "$1"
}

whole() {
	local ref key
	ref=$store/refs/$mock%${1//\//%}:latest
	[ "$(jq -r .name "$ref")" = "$mock/$1:latest" ]
	for key in $(jq -r '.layers[]' "$ref"); do [ -d "$store/layers/$key/fs" ]; done
	[ "$(cat "$store"/layers/*/fs/etc/who)" = mock ]
	[ "$(cat "$store"/layers/*/fs/big | wc -c)" -eq $((3 << 20)) ]
	[ "$(cat "$store"/layers/*/fs/etc/more)" = implied ]
	[ -e "$store/blobs/$(jq -r .config "$ref" | tr : -)" ]
	[ -e "$store/blobs/$(jq -r .manifest "$ref" | tr : -)" ]
}

@test "an image, an index, and one layer twice" {
	works ok
	works index
	works twice
	# the upper one of the two is enough
	[ "$(jq '.layers | length' "$store/refs/$mock%twice:latest")" -eq 3 ]
	[ "$(jq -r '.layers[2]' "$store/refs/$mock%twice:latest")" = "$(jq -r '.layers[0]' "$store/refs/$mock%ok:latest")" ]
}

@test "a directory nobody described looks like the one below" {
	works ok
	[ "$(stat -c %Y "$store"/layers/*/fs/etc | sort -u)" = 1000 ]
}

@test "what is here is not asked for again; --always asks for the manifest alone" {
	works again/ok
	local n
	n=$(asked again/ok | wc -l)
	works again/ok
	[ "$(asked again/ok | wc -l)" -eq "$n" ]
	options=(--always)
	works again/ok
	[ "$(asked again/ok | tail -n +"$((n + 1))" | cut -d' ' -f2 | cut -d/ -f5)" = $'manifests\nblobs' ]
}

@test "several at once; what two have in common is fetched once" {
	pull one/ok two/ok three/index
	assert_success
	whole one/ok
	whole two/ok
	whole three/index
	[ "$(asked '[a-z]*/[a-z]*' | grep -E '/v2/(one|two|three)/' | grep -c /blobs/)" -eq 6 ] # three configurations, three layers
}

@test "one of several fails: the others are there" {
	pull four/ok five/wrong-diff
	assert_failure 1
	whole four/ok
	[ ! -e "$store/refs/$mock%five%wrong-diff:latest" ]
}

@test "four processes that pull the same layers at once: all of them get through, each layer is kept once" {
	local n pids=()
	for n in 1 2 3 4; do
		timeout 30 slipway-fetch pull --store="$store" --progress=quiet "$mock/p$n/ok/slow" 3>&- &
		pids+=($!)
	done
	for n in "${pids[@]}"; do wait "$n"; done
	whole p1/ok/slow
	whole p4/ok/slow
	[ "$(find "$store/layers" -mindepth 1 -maxdepth 1 | wc -l)" -eq 3 ]
}

@test "a token is fetched when it is asked for, and again when it has run out" {
	works token
	[ "$(asked token | grep -c ' Bearer_t0ken-')" -ge 4 ]
	works expiring
}

@test "a token server that gives none, or refuses" {
	fails broken-token "http://$mock/v2/broken-token/manifests/latest: no token in the answer of http://$mock/token/broken-token"
	fails refused-token "http://$mock/v2/refused-token/manifests/latest: token: the registry refuses access (HTTP 403): go away; is the name right, and are there credentials for $mock?"
}

@test "a realm that only looks like this machine gets nothing" {
	fails evil-realm "http://$mock/v2/evil-realm/manifests/latest: the registry names no https realm for tokens"
}

@test "a password: given, wrong, missing" {
	local hint="http://$mock/v2/basic/manifests/latest"
	fails basic "$hint: the registry $mock wants a user and a password; there are none in ~/.docker/config.json (docker login writes it)"
	mkdir "$HOME/.docker"
	jq -n --arg r "$mock" --arg a "$(printf captain:wrong | base64)" '{auths: {($r): {auth: $a}}}' >"$HOME/.docker/config.json"
	fails basic "$hint: login: the registry refuses access (HTTP 401); is the name right, and are there credentials for $mock?"
	jq -n --arg r "$mock" --arg a "$(printf captain:s3cret | base64)" '{auths: {($r): {auth: $a}}}' >"$HOME/.docker/config.json"
	works basic
}

@test "credentials do not follow a redirect to another port" {
	works redirect/token
	# what went to the first port had the token, what went to the second had not
	run ! grep -q 'signature.* Bearer' <(asked redirect/token)
	[ "$(asked redirect/token | grep -c signature)" -ge 1 ]
}

@test "429 with Retry-After: as long as it says, then on" {
	local start=$SECONDS
	works busy
	[ $((SECONDS - start)) -ge 2 ] # manifest and configuration; the layers at the same time
}

@test "500 twice, then well again" {
	works sick
}

@test "always 429, always 503, never this name" {
	fails always-busy "http://$mock/v2/always-busy/manifests/latest: the registry answered HTTP 429 TOOMANYREQUESTS: slowly"
	fails always-sick "http://$mock/v2/always-sick/manifests/latest: the registry answered HTTP 503 UNAVAILABLE: gone home"
	fails forbidden "http://$mock/v2/forbidden/manifests/latest: the registry refuses access (HTTP 403): not you; is the name right, and are there credentials for $mock?"
	fails missing "http://$mock/v2/missing/manifests/latest: the registry answered HTTP 404 MANIFEST_UNKNOWN: manifest unknown"
	[ "$(asked always-busy | wc -l)" -eq 5 ]
	[ "$(asked missing | wc -l)" -eq 1 ]
}

@test "nobody there" {
	run --separate-stderr slipway-fetch pull --store="$store" --progress=quiet 127.0.0.1:1/x
	assert_failure 1
	[ "$stderr" = 'slipway-fetch: 127.0.0.1:1/x: http://127.0.0.1:1/v2/x/manifests/latest: Failed to connect to 127.0.0.1 port 1: Connection refused' ] ||
		[[ $stderr == *"127.0.0.1:1/x: http://127.0.0.1:1/v2/x/manifests/latest: Failed to connect to 127.0.0.1 port 1"* ]] || show 'no reason'
}

@test "a connection that breaks off is taken up where it ended" {
	works short
	asked short | grep -q 'bytes=1048576-'
	asked short | grep -q 'bytes=2097152-'
}

@test "also where the server knows no ranges, or forgets the proper end" {
	works no-range
	works at-the-end
}

@test "one that always breaks off is given up" {
	pull always-short
	assert_failure 1
	[[ $stderr =~ ^'slipway-fetch: layer sha256:'[0-9a-f]{12}': broken off at 5000 of '[0-9]+' bytes after 5 tries: ' ]] || show 'other words'
	[ "$(asked always-short | grep -c 'bytes=')" -eq 4 ]
}

# The second layer of the mock's images, as messages name it.
big() { python3 - "$mock" "$1" <<-'END'
	import json, sys, urllib.request as u
	m = json.load(u.urlopen("http://%s/v2/%s/manifests/latest" % (sys.argv[1], sys.argv[2])))
	print(m["layers"][1]["digest"][:19], m["layers"][1]["size"], m["layers"][2]["digest"][:19], m["layers"][1]["digest"])
END
}

@test "bytes that are not the ones asked for" {
	local layer size last full
	read -r layer size last full < <(big wrong-digest)
	pull wrong-digest
	assert_failure 1
	[[ $stderr == "slipway-fetch: layer $layer: "* ]] || show 'other words'
	[ -z "$(ls -A "$store/refs")" ]
	! grep -rq "$full" "$store/layers" || show 'it is there'
	read -r layer size last full < <(big too-many)
	fails too-many "layer $layer: the registry sends more than the $size bytes the manifest names"
	read -r layer size last full < <(big small-size)
	fails small-size "layer $layer: the registry sends more than the $size bytes the manifest names"
	pull loop
	assert_failure 1
	[[ $stderr == *'Maximum (10) redirects followed'* ]] || show 'other words'
	# (from here on the big layer is there: what was good is kept)
	fails lost-layer "layer $layer: blob: the registry answered HTTP 404"
	pull wrong-diff
	assert_failure 1
	[[ $stderr =~ ^'slipway-fetch: layer sha256:'[0-9a-f]{12}': digest mismatch: unpacked it is sha256:'[0-9a-f]{64}', the configuration says sha256:'[0-9a-f]{64}$ ]] || show 'other words'
	read -r layer size last full < <(big bad-tar)
	fails bad-tar "layer $last: not a valid tar: Unrecognized archive format"
	read -r layer size last full < <(big escape)
	fails escape "layer $last: /d/.wh.: a whiteout of nothing"
}

@test "a manifest that is none, or another's, or too much of one" {
	local layer size last full
	fails schema1 'the registry has only a schema 1 manifest, which is no longer supported; push the image again with a current tool'
	fails mismatch 'the manifest says it is application/vnd.oci.image.manifest.v1+json, the registry application/vnd.docker.distribution.manifest.v2+json'
	fails both 'the manifest is an index and an image at the same time'
	fails not-json "manifest: JSON line 1 column 1: '[' or '{' expected near '<'"
	fails deep 'manifest: JSON nested deeper than 64 levels'
	fails large "http://$mock/v2/large/manifests/latest: the answer is larger than 4194304 bytes"
	fails nested 'indexes nested too deep'
	fails no-layers '0 layers: must be 1 to 500'
	fails no-digest 'a descriptor without a valid digest'
	fails artifact 'not an image but an artifact (application/vnd.cncf.helm.config.v1+json)'
	read -r layer size last full < <(big foreign)
	fails foreign "the layer $full is not to be distributed; it must be fetched elsewhere"
	fails few-diffs 'the configuration names 2 layers, the manifest 3'
	fails bad-config "configuration: JSON line 1 column 1: string or '}' expected near end of file"
}

@test "an index without our platform, an image for another" {
	local us=amd64
	[ "$(uname -m)" = x86_64 ] || us=arm64
	fails no-platform "no image for linux/$us; there are: linux/s390x"
	fails other-arch "the image is for linux/s390x, not for linux/$us"
	options=(--platform=linux/s390x)
	works other-arch
}

@test "by digest: the document must be that one" {
	local sum
	sum=$(python3 -c 'import hashlib, sys, urllib.request as u; print(hashlib.sha256(u.urlopen("http://" + sys.argv[1] + "/v2/wrong-manifest/manifests/latest").read()).hexdigest())' "$mock")
	pull "ok@sha256:$(printf '0%.0s' {1..64})"
	assert_failure 1
	[[ $stderr == *'HTTP 404 MANIFEST_UNKNOWN: manifest unknown' ]] || show 'other words'
	pull "wrong-manifest@sha256:$sum"
	assert_failure 1
	[[ $stderr == *"digest mismatch: the manifest sha256:$sum is sha256:"* ]] || show 'other words'
}

@test "a broken reference file is mended by the next pull" {
	works ok
	: >"$store/refs/$mock%ok:latest"
	works ok
}

@test "names longer than a file's" {
	local long
	long=$(printf 'a%.0s' {1..200})
	pull "$long:$(printf 't%.0s' {1..127})a" "$long:$(printf 't%.0s' {1..127})b"
	assert_success
	[ "$(cat "$store"/refs/* | jq -r .name | sort -u | wc -l)" -eq 2 ]
}

@test "^C in a pull: 130, nothing half is left, and the next pull works" {
	local pid code=0
	export SLIPWAY_ROOT=$BATS_TEST_TMPDIR/root SLIPWAY_RUN=$BATS_TEST_TMPDIR/run
	store=$SLIPWAY_ROOT/store
	echo "services: {a: {image: $mock/ctrl-c/stall}}" >"$BATS_TEST_TMPDIR/compose.yml"
	# in a group of its own, as a terminal does it, which sends ^C to all of them
	setsid env --default-signal=INT slipway -f "$BATS_TEST_TMPDIR/compose.yml" pull >"$BATS_TEST_TMPDIR/said" 2>&1 3>&- &
	pid=$!
	half() { [ "$(find "$store/ingest" -name big 2>/dev/null)" ]; }
	wait_for 5 half
	kill -INT -- "-$pid"
	wait "$pid" || code=$?
	[ "$code" -eq 130 ] || show "$code: $(cat "$BATS_TEST_TMPDIR/said")"
	[ -z "$(pgrep -g "$pid")" ]
	[ -z "$(ls -A "$store/refs")" ]
	[ -z "$(ls -A "$store/ingest")" ] || show "left in ingest: $(ls -A "$store/ingest")"
	slipway -f "$BATS_TEST_TMPDIR/compose.yml" pull
	[ -z "$(ls -A "$store/ingest")" ]
	whole ctrl-c/stall
}
