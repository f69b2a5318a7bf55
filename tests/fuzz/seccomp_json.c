/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/seccomp_json.c - a seccomp profile that somebody else has written. */
#include <linux/audit.h>
#include <linux/filter.h>

#include "runtime/internal.h"
#include "tests/fuzz/fuzz.h"

/* What the kernel would refuse: too long, a jump out of it, or an end that is no verdict. */
static void check_program(const struct runtime_filter *f)
{
	FUZZ_CHECK(f->n > 0 && f->n <= BPF_MAXINSNS && f->code);
	for (size_t i = 0; i < f->n; i++) {
		const struct sock_filter *s = &f->code[i];

		if (BPF_CLASS(s->code) != BPF_JMP)
			continue;
		if (BPF_OP(s->code) == BPF_JA)
			FUZZ_CHECK(s->k < f->n - i - 1);
		else
			FUZZ_CHECK(i + 1 + s->jt < f->n && i + 1 + s->jf < f->n);
	}
	FUZZ_CHECK(BPF_CLASS(f->code[f->n - 1].code) == BPF_RET);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct runtime_filter f = { 0 };
	const uint64_t args[6] = { 1, 2, 3, 4, 5, 6 };
	auto_err struct err *e =
		runtime_seccomp_json((const char *)data, size, RUNTIME_CAPS_DEFAULT, -1, &f);

	FUZZ_CHECK(!e == (f.code != NULL));
	if (!e) {
		check_program(&f);
		for (uint32_t nr = 0; nr < 700; nr += 7)
			(void)bpf_run(&f, AUDIT_ARCH_X86_64, nr, args);
	}
	runtime_filter_clear(&f);
	return 0;
}
