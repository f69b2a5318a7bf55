#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# corpus.bats - recorded answers of docker compose, where they lie beside the checkout.

load ../lib/slipway

setup() {
	corpus=$(cd "$BATS_TEST_DIRNAME/../../../shared/corpus/compose" 2>/dev/null && pwd) ||
		skip 'needs ../shared/corpus/compose beside the checkout'
	command -v python3 >/dev/null || skip 'needs python3'
}

# The one case that is not as recorded is an alias bomb, which is refused on purpose.
@test "config answers as docker compose does" {
	run python3 -B "$corpus/tools/run_corpus.py" "$corpus/visible" -- slipway compose
	[ "$(grep -c '^FAIL' <<<"$output")" = 1 ] || show 'more than one is not as recorded'
	[[ $output == *'FAIL tags-reset-override/cg-reset-aliasbombprevented'* ]] || show 'another one'
	[[ ${lines[-1]} == *' passed, 1 failed' ]] || show 'it did not get to the end'
	[ "${lines[-1]%% *}" -gt 800 ] || show 'too few'
}
