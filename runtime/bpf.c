/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/bpf.c - seccomp filters as trees.
 *
 * libseccomp's programs test one system call after the other; the kernel runs
 * them once for every number when one is loaded, and again at every call. Most
 * verdicts depend on the number alone: runs of equal verdicts become leaves of a
 * binary tree. Where arguments decide, the leaf goes on with just those
 * instructions of the original that can still be reached.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "runtime/internal.h"

enum {
	NUMBERS = 640, /* per table of system calls; the kernel is at 470 */
	NEAR = 120,    /* verdicts whose comparisons and leaves one 8-bit jump surely crosses */
	STEPS_MAX = 100000, /* a program only jumps forward */
	PROGRAM_MAX = BPF_MAXINSNS,
};
#define X32 0x40000000U

static const uint32_t arches[] = {
#if defined(__x86_64__)
	AUDIT_ARCH_X86_64,
	AUDIT_ARCH_I386,
#elif defined(__aarch64__)
	AUDIT_ARCH_AARCH64,
	AUDIT_ARCH_ARM,
#else
#error "name the audit architectures of this machine here"
#endif
};

struct machine {
	uint32_t a;
	size_t pc;
	bool returned, unknown; /* verdict in a; or pc is where an argument is first needed */
};

static bool jump_taken(const struct sock_filter *i, uint32_t a)
{
	switch (BPF_OP(i->code)) {
	case BPF_JEQ:
		return a == i->k;
	case BPF_JGT:
		return a > i->k;
	case BPF_JGE:
		return a >= i->k;
	default: /* BPF_JSET */
		return (a & i->k) != 0;
	}
}

/* One instruction; false when it is one that libseccomp does not write. */
static bool step(const struct sock_filter *i, const struct seccomp_data *data, bool args_known,
		 struct machine *m)
{
	switch (BPF_CLASS(i->code)) {
	case BPF_LD:
		if (i->code != (BPF_LD | BPF_W | BPF_ABS) || i->k > sizeof(*data) - 4)
			return false;
		if (!args_known && i->k >= offsetof(struct seccomp_data, instruction_pointer)) {
			m->unknown = true;
			return true;
		}
		memcpy(&m->a, (const char *)data + i->k, 4);
		break;
	case BPF_ALU:
		if (i->code != (BPF_ALU | BPF_AND | BPF_K))
			return false;
		m->a &= i->k;
		break;
	case BPF_JMP:
		if (BPF_SRC(i->code) != BPF_K)
			return false;
		m->pc += BPF_OP(i->code) == BPF_JA ? i->k : jump_taken(i, m->a) ? i->jt : i->jf;
		break;
	case BPF_RET:
		m->a = i->k;
		m->returned = true;
		return i->code == (BPF_RET | BPF_K);
	default:
		return false;
	}
	m->pc++;
	return true;
}

static bool run(const struct runtime_filter *f, const struct seccomp_data *data, bool args_known,
		struct machine *m)
{
	*m = (struct machine) { 0 };
	for (int steps = 0; steps < STEPS_MAX && m->pc < f->n; steps++) {
		if (!step(&f->code[m->pc], data, args_known, m))
			return false;
		if (m->returned || m->unknown)
			return true;
	}
	return false;
}

uint32_t bpf_run(const struct runtime_filter *f, uint32_t arch, uint32_t nr, const uint64_t *args)
{
	struct seccomp_data data = { .nr = (int)nr, .arch = arch };
	struct machine m;

	memcpy(data.args, args, sizeof(data.args));
	return run(f, &data, true, &m) && m.returned ? m.a : SECCOMP_RET_KILL_PROCESS;
}

/* ---- verdicts by number ---- */

struct verdict {
	uint32_t from; /* first number it holds for */
	bool depends;  /* on arguments: value is the instruction to go on at */
	uint32_t value;
};

struct builder {
	const struct runtime_filter *linear;
	struct sock_filter code[PROGRAM_MAX];
	size_t n;
	struct verdict v[2 * NUMBERS + 2];
	size_t n_v;
	size_t fix[2 * NUMBERS + 2];	  /* leaves that must jump to the copy of... */
	uint32_t fix_to[2 * NUMBERS + 2]; /* ...this instruction */
	size_t n_fix;
	bool full;
};

static void emit(struct builder *b, uint16_t code, uint32_t k, uint8_t jt, uint8_t jf)
{
	if (b->n == PROGRAM_MAX) {
		b->full = true;
		return;
	}
	b->code[b->n++] = (struct sock_filter) { code, jt, jf, k };
}

static bool verdict_of(const struct builder *b, uint32_t arch, uint32_t nr, struct verdict *ret)
{
	struct seccomp_data data = { .nr = (int)nr, .arch = arch };
	struct machine m;

	if (!run(b->linear, &data, false, &m))
		return false;
	*ret = (struct verdict) { nr, m.unknown, m.unknown ? (uint32_t)m.pc : m.a };
	return true;
}

static void add_verdict(struct builder *b, struct verdict v)
{
	const struct verdict *last = b->n_v ? &b->v[b->n_v - 1] : NULL;

	if (!last || last->depends != v.depends || last->value != v.value)
		b->v[b->n_v++] = v;
}

/*
 * The verdicts for one table of numbers at @base. What lies behind the highest
 * number that the filter knows is new to its author: ENOSYS lets libc fall back,
 * where EPERM would make it give up. A table of which the filter knows nothing is
 * one of an architecture it forbids, and that stays so.
 */
static bool collect(struct builder *b, uint32_t arch, uint32_t base, bool enosys_beyond)
{
	struct verdict all[NUMBERS];
	size_t known = NUMBERS;

	for (uint32_t nr = 0; nr < NUMBERS; nr++)
		if (!verdict_of(b, arch, base + nr, &all[nr]))
			return false;
	while (known > 1 && !all[known - 2].depends &&
	       all[known - 2].value == all[NUMBERS - 1].value)
		known--;
	for (uint32_t nr = 0; nr < NUMBERS; nr++) {
		if (enosys_beyond && known > 1 && nr >= known - 1)
			all[nr] = (struct verdict) { base + nr, false, SECCOMP_RET_ERRNO | ENOSYS };
		add_verdict(b, all[nr]);
	}
	return true;
}

/* ---- writing the tree ---- */

static void emit_leaf(struct builder *b, const struct verdict *v)
{
	if (!v->depends) {
		emit(b, BPF_RET | BPF_K, v->value, 0, 0);
		return;
	}
	b->fix[b->n_fix] = b->n;
	b->fix_to[b->n_fix++] = v->value;
	emit(b, BPF_JMP | BPF_JA, 0, 0, 0);
}

/* A comparison whose jump, taken or not, goes to the leaf of a verdict. */
struct twig {
	size_t at, verdict;
	bool taken;
};
struct twigs {
	struct twig items[2 * NEAR];
	size_t n;
};

static void emit_comparisons(struct builder *b, size_t from, size_t to, struct twigs *t)
{
	size_t middle = (from + to) / 2, at = b->n;

	emit(b, BPF_JMP | BPF_JGE | BPF_K, b->v[middle].from, 0, 0);
	if (middle - from == 1)
		t->items[t->n++] = (struct twig) { at, from, false };
	else
		emit_comparisons(b, from, middle, t);
	if (b->full)
		return;
	b->code[at].jt = (uint8_t)(b->n - at - 1);
	if (to - middle == 1)
		t->items[t->n++] = (struct twig) { at, middle, true };
	else
		emit_comparisons(b, middle, to, t);
}

/* There are many verdicts and few different ones: each is a leaf once, behind the comparisons. */
static void emit_leaves(struct builder *b, const struct twigs *t)
{
	size_t place[2 * NEAR];

	for (size_t i = 0; i < t->n && !b->full; i++) {
		const struct verdict *v = &b->v[t->items[i].verdict];
		struct sock_filter *from = &b->code[t->items[i].at];
		size_t k = 0;

		while (b->v[t->items[k].verdict].depends != v->depends ||
		       b->v[t->items[k].verdict].value != v->value)
			k++;
		place[i] = k < i ? place[k] : b->n;
		if (k == i)
			emit_leaf(b, v);
		*(t->items[i].taken ? &from->jt : &from->jf) =
			(uint8_t)(place[i] - t->items[i].at - 1);
	}
}

static void emit_tree(struct builder *b, size_t from, size_t to)
{
	size_t middle = (from + to) / 2, at = b->n;
	struct twigs twigs = { .n = 0 };

	if (to - from == 1) {
		emit_leaf(b, &b->v[from]);
		return;
	}
	if (to - from <= NEAR) {
		emit_comparisons(b, from, to, &twigs);
		emit_leaves(b, &twigs);
		return;
	}
	emit(b, BPF_JMP | BPF_JGE | BPF_K, b->v[middle].from, 0, 1);
	emit(b, BPF_JMP | BPF_JA, 0, 0, 0);
	emit_tree(b, from, middle);
	if (b->full)
		return;
	b->code[at + 1].k = (uint32_t)(b->n - at - 2);
	emit_tree(b, middle, to);
}

/* Which instructions can be reached from @start: jumps only go forward. */
static bool reachable(const struct builder *b, size_t start, bool *mark)
{
	memset(mark, 0, b->linear->n * sizeof(*mark));
	mark[start] = true;
	for (size_t pc = start; pc < b->linear->n; pc++) {
		const struct sock_filter *i = &b->linear->code[pc];
		size_t next[2] = { pc + 1, pc + 1 };

		if (!mark[pc] || BPF_CLASS(i->code) == BPF_RET)
			continue;
		if (BPF_CLASS(i->code) == BPF_JMP) {
			next[0] += BPF_OP(i->code) == BPF_JA ? i->k : i->jt;
			next[1] += BPF_OP(i->code) == BPF_JA ? i->k : i->jf;
		}
		if (next[0] >= b->linear->n || next[1] >= b->linear->n)
			return false;
		mark[next[0]] = mark[next[1]] = true;
	}
	return true;
}

/* Copies what can be reached from @start; distances shrink with what is left out. */
static bool emit_rest(struct builder *b, size_t start)
{
	auto_free bool *mark = mem_alloc(b->linear->n * sizeof(*mark));
	auto_free size_t *place = mem_alloc(b->linear->n * sizeof(*place));
	size_t n = b->n;

	if (!reachable(b, start, mark))
		return false;
	for (size_t pc = 0; pc < b->linear->n; pc++)
		if (mark[pc])
			place[pc] = n++;
	for (size_t pc = 0; pc < b->linear->n && !b->full; pc++) {
		struct sock_filter i = b->linear->code[pc];

		if (!mark[pc])
			continue;
		if (BPF_CLASS(i.code) == BPF_JMP && BPF_OP(i.code) == BPF_JA) {
			i.k = (uint32_t)(place[pc + 1 + i.k] - place[pc] - 1);
		} else if (BPF_CLASS(i.code) == BPF_JMP) {
			i.jt = (uint8_t)(place[pc + 1 + i.jt] - place[pc] - 1);
			i.jf = (uint8_t)(place[pc + 1 + i.jf] - place[pc] - 1);
		}
		emit(b, i.code, i.k, i.jt, i.jf);
	}
	return true;
}

static bool emit_rests(struct builder *b)
{
	for (size_t i = 0; i < b->n_fix && !b->full; i++) {
		size_t same = 0, at = b->n;

		while (b->fix_to[same] != b->fix_to[i])
			same++;
		if (same < i) { /* its copy is there already, behind that leaf's jump */
			size_t to = b->fix[same] + 1 + b->code[b->fix[same]].k;

			b->code[b->fix[i]].k = (uint32_t)(to - b->fix[i] - 1);
			continue;
		}
		if (!emit_rest(b, b->fix_to[i]))
			return false;
		b->code[b->fix[i]].k = (uint32_t)(at - b->fix[i] - 1);
	}
	return true;
}

static bool emit_arch(struct builder *b, uint32_t arch, bool enosys_beyond)
{
	b->n_v = b->n_fix = 0;
	if (!collect(b, arch, 0, enosys_beyond))
		return false;
	if (arch == AUDIT_ARCH_X86_64 && !collect(b, arch, X32, enosys_beyond))
		return false;
	emit(b, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
	emit_tree(b, 0, b->n_v);
	return emit_rests(b) && !b->full;
}

static bool build(struct builder *b, bool enosys_beyond)
{
	uint32_t bad = bpf_run(b->linear, 0, 0, (const uint64_t[6]) { 0 });

	emit(b, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0, 0);
	for (size_t i = 0; i < ARRAY_LEN(arches); i++) {
		size_t at = b->n;

		emit(b, BPF_JMP | BPF_JEQ | BPF_K, arches[i], 1, 0);
		emit(b, BPF_JMP | BPF_JA, 0, 0, 0);
		if (!emit_arch(b, arches[i], enosys_beyond))
			return false;
		b->code[at + 1].k = (uint32_t)(b->n - at - 2);
	}
	emit(b, BPF_RET | BPF_K, bad, 0, 0);
	return !b->full;
}

struct err *bpf_range_tree(const struct runtime_filter *linear, bool enosys_beyond,
			   struct runtime_filter *ret)
{
	auto_free struct builder *b = mem_alloc(sizeof(*b));
	bool ok;

	b->linear = linear;
	ok = build(b, enosys_beyond);
	/* a program of another shape than libseccomp's is used as it is */
	ret->n = ok ? (unsigned short)b->n : linear->n;
	ret->code = mem_dup(ok ? b->code : linear->code, ret->n * sizeof(*ret->code));
	return NULL;
}
