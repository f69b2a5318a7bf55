#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# tests/cli/completion.bats - command lines completed by bash, and scripts that other shells take.

load ../lib/slipway

# completes WORD...: what bash offers for the last of them.
completes() {
	eval "$(slipway completion bash)"
	COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
	_slipway
	printf '%s\n' "${COMPREPLY[@]}"
}

@test "commands, options and services" {
	compose <<-END
		services: {web: {image: i}, worker: {image: i}, db: {image: i}}
	END
	[ "$(completes slipway pau)" = pause ]
	[ "$(completes slipway up --abort-on-container-f)" = --abort-on-container-failure ]
	[ "$(completes slipway -f compose.yml logs w | tr '\n' ' ')" = 'web worker ' ]
	[ "$(completes slipway --proj | tr '\n' ' ')" = '--project-name --project-directory ' ]
}

@test "values of options that are known, commands and shells" {
	[ "$(completes slipway ps --format '' | tr '\n' ' ')" = 'table json ' ]
	[ "$(completes slipway ps --format = j)" = json ]
	[ "$(completes slipway ps --format = | tr '\n' ' ')" = 'table json ' ]
	[ "$(completes slipway config --format y)" = yaml ]
	[ "$(completes slipway up --pull n)" = never ]
	[ "$(completes slipway --progress q)" = quiet ]
	[ "$(completes slipway ps --status e)" = exited ]
	[ "$(completes slipway kill -s TE)" = TERM ]
	[ "$(completes slipway kill --signal US | tr '\n' ' ')" = 'USR1 USR2 ' ]
	[ "$(completes slipway help pau)" = pause ]
	[ "$(completes slipway completion z)" = zsh ]
}

@test "every command has its options" {
	slipway completion bash >script
	bash -n script
	for command in $(slipway --help | sed -n '/^commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'); do
		grep -q "^	$command) " script || show "$command is missing"
	done
}

@test "what fish and zsh are given" {
	run slipway completion fish
	assert_success
	[[ $output == *'complete -c slipway -n __fish_use_subcommand -a up '* ]] || show 'no command'
	if command -v fish; then fish -n <<<"$output"; fi
	run slipway completion zsh
	assert_success
	[[ $output == '#compdef slipway'* ]] || show 'no zsh'
	if command -v zsh; then zsh -n <<<"$output"; fi
	run slipway completion csh
	assert_failure 1
}
