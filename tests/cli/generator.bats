#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# tests/cli/generator.bats - scripts/slipway-generator, which systemd runs at boot.

# shellcheck disable=SC2154 # the library sets top

load ../lib/slipway

generate() { SLIPWAY_PODS_D=$PWD/pods.d run "$top/scripts/slipway-generator" "$PWD/normal" "$PWD/early" "$PWD/late"; }

@test "a service for each file" {
	mkdir pods.d
	touch pods.d/shop.yml pods.d/a_b-2.yml pods.d/README pods.d/notes.yml.bak
	generate
	assert_success
	[ "$(ls normal)" = multi-user.target.wants ]
	[ "$(ls normal/multi-user.target.wants)" = $'slipway-pod@a_b-2.service\nslipway-pod@shop.service' ]
	[[ $(readlink normal/multi-user.target.wants/slipway-pod@shop.service) == */slipway-pod@.service ]]
}

@test "names that are no project's, and what is no file, are passed over" {
	mkdir -p pods.d/dir.yml
	touch 'pods.d/Big.yml' 'pods.d/two words.yml' 'pods.d/-x.yml' 'pods.d/a@b.yml' 'pods.d/.yml' pods.d/$'a\nb.yml'
	ln -s /nonexistent pods.d/dangling.yml
	generate
	assert_success
	[ ! -e normal ]
}

@test "no folder is no failure, nor is one that cannot be written" {
	generate
	assert_success
	assert_output ''
	mkdir pods.d
	touch pods.d/a.yml normal
	generate
	assert_success
}
