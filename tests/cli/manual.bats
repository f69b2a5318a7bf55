#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Manual pages: one for each command, of the same tables as the help, and scdoc takes them.

load ../lib/slipway

pages() { slipway completion man; }
commands() { slipway --help | sed -n '/^commands:/,/^$/s/^  \([a-z-]*\) .*/\1/p'; }

@test "each command has a page, and there are no others" {
	[ "$(pages | sed -n 's/^slipway-\(.*\)\.1$/\1/p' | sort)" = "$(commands | sort)" ]
	[ "$(pages | grep -vc '^slipway-')" -eq 2 ]
}

@test "scdoc takes every page, and each option is in it" {
	need_command scdoc
	local page command option
	while read -r page; do
		slipway completion man "$page" >page.scd
		scdoc <page.scd >page.roff || show "scdoc refuses $page"
		grep -q '^\.SH NAME' page.roff || show "$page has no name"
		grep -q '^\.TH "slipway' page.roff || show "$page has no head"
		command=${page#slipway-}
		command=${command%.1}
		[[ $page == slipway-* ]] || continue
		for option in $(slipway "$command" --help | grep -oE -- '^ +(-[A-Za-z], )?--[A-Za-z-]+' | grep -oE -- '--[A-Za-z-]+'); do
			grep -qF -- "\\fB$option\\fR" page.roff || show "$option is not in $page"
		done
	done < <(pages)
}

@test "the page of the program has commands, options, variables and codes" {
	need_command scdoc
	slipway completion man slipway.1 | scdoc >page.roff
	local word
	for word in 'slipway-up' '\-\-set' COMPOSE_FILE SLIPWAY_CONFIG_DIR '^\.SH EXIT STATUS' '^\.SH FILES'; do
		grep -q -- "$word" page.roff || show "$word is not there"
	done
	slipway completion man slipway.yaml.5 | scdoc | grep -q 'cgroup_parent'
}

@test "a page that is none" {
	run --separate-stderr slipway completion man slipway-nothing.1
	assert_failure 1
	assert_one_message "completion man: there is no page 'slipway-nothing.1'"
}
