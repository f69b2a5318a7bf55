/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/runtime_bpf.c - the range tree decides as libseccomp's linear program does. */
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "runtime/internal.h"
#include "runtime/seccomp_table.h"
#include "tests/check.h"

#define EPERM_VERDICT (SECCOMP_RET_ERRNO | EPERM)
#define ENOSYS_VERDICT (SECCOMP_RET_ERRNO | ENOSYS)
#define X32 0x40000000U

enum {
	NUMBERS = 1024,
	TREE_NUMBERS = 640,
	ALONE = 3, /* arguments that are tried one by one; no rule asks for a later one */
	PROGRAM_MAX = 1 << 20
};

/* As they are seen by a filter. */
static const struct table {
	const char *name;
	uint32_t arch, base;
} tables[] = {
	{ "x86_64", AUDIT_ARCH_X86_64, 0 },
	{ "i386", AUDIT_ARCH_I386, 0 },
	{ "x32", AUDIT_ARCH_X86_64, X32 },
};

/* Numbers at which some rule of the profile changes its mind, and their neighbours; with high bits. */
static const uint64_t values[] = {
	0,
	1,
	2,
	8,
	9,
	11,
	12,
	13,
	16,
	18,
	19,
	20,
	23,
	37,
	38,
	39,
	40,
	41,
	45,
	46,
	47,
	0x11,
	0x20000,
	0x20008,
	0x20009,
	0x02000000,
	0x04000000,
	0x10000000,
	0x20000000,
	0x40000000,
	0x7e020000,
	0x80000000,
	0xffffffff,
	0x100000000,
	0x100000002,
	0x10000000c,
	0x100000026,
	0x110000000,
	0xffffffff00000000,
	0xffffffff00000002,
	0x7fffffffffffffff,
	0x8000000000000000,
	0xffffffffffffffff,
};

static void add(scmp_filter_ctx ctx, uint32_t action, const char *name,
		const struct scmp_arg_cmp *args, unsigned n)
{
	int nr = seccomp_syscall_resolve_name(name);

	if (nr != __NR_SCMP_ERROR)
		(void)seccomp_rule_add_array(ctx, action, nr, n, args);
}

static void add_arches(scmp_filter_ctx ctx)
{
	CHECK_INT(seccomp_arch_add(ctx, SCMP_ARCH_X86), 0);
	CHECK_INT(seccomp_arch_add(ctx, SCMP_ARCH_X32), 0);
}

static struct runtime_filter export(scmp_filter_ctx ctx)
{
	struct runtime_filter f = { 0 };
	int fd = memfd_create("linear", MFD_CLOEXEC);
	char *data = NULL;
	size_t len = 0;

	CHECK_INT(seccomp_export_bpf(ctx, fd), 0);
	CHECK(lseek(fd, 0, SEEK_SET) == 0);
	auto_err struct err *e = fd_read_all(fd, PROGRAM_MAX, &data, &len);

	CHECK_STR(err_text(e), "success");
	close(fd);
	seccomp_release(ctx);
	f.code = (struct sock_filter *)(void *)data;
	f.n = (unsigned short)(len / sizeof(*f.code));
	return f;
}

static bool held(uint64_t caps, int cap)
{
	return cap < 0 || caps >> cap & 1;
}

static bool here(const char *arch)
{
	return !arch || strcmp(arch, "x86_64") == 0 ||
	       (*arch == '!' && strcmp(arch + 1, "x86_64") != 0);
}

/* Docker's profile as libseccomp alone would load it: from the same table, by other code. */
static struct runtime_filter docker_linear(uint64_t caps, bool x32)
{
	static const enum scmp_compare ops[] = { [ARG_EQ] = SCMP_CMP_EQ,
						 [ARG_NE] = SCMP_CMP_NE,
						 [ARG_LT] = SCMP_CMP_LT,
						 [ARG_MASKED_EQ] = SCMP_CMP_MASKED_EQ };
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));

	if (x32) {
		add_arches(ctx);
	} else { /* as slipway has it */
		CHECK_INT(seccomp_arch_add(ctx, SCMP_ARCH_X86), 0);
		CHECK_INT(seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS)),
			  0);
	}
	for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
		auto_strv char **names = str_split(groups[i].names, " ");

		if (held(caps, groups[i].cap) && here(groups[i].arch))
			for (char **n = names; *n; n++)
				add(ctx, SCMP_ACT_ALLOW, *n, NULL, 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(arg_rules); i++) {
		const struct profile_arg *r = &arg_rules[i];
		struct scmp_arg_cmp c = { r->arg, ops[r->op], r->value, 0 };

		if (r->op == ARG_MASKED_EQ)
			c = (struct scmp_arg_cmp) { r->arg, ops[r->op], r->mask, r->value };
		if (held(caps, r->cap) && here(r->arch) &&
		    (r->cap_absent < 0 || !held(caps, r->cap_absent)))
			add(ctx, SCMP_ACT_ALLOW, r->name, &c, 1);
	}
	for (size_t i = 0; i < ARRAY_LEN(errno_rules); i++)
		if (!held(caps, errno_rules[i].cap_absent))
			add(ctx, SCMP_ACT_ERRNO((uint32_t)errno_rules[i].err), errno_rules[i].name,
			    NULL, 0);
	return export(ctx);
}

/* ---- comparing ---- */

static bool alike(const struct runtime_filter *a, const struct runtime_filter *b, uint32_t arch,
		  uint32_t nr, const uint64_t *args)
{
	uint32_t x = bpf_run(a, arch, nr, args), y = bpf_run(b, arch, nr, args);

	if (x == y)
		return true;
	auto_free char *what =
		mem_printf("arch %x number %#x arguments %llx %llx %llx: %08x, linear %08x", arch,
			   nr, (unsigned long long)args[0], (unsigned long long)args[1],
			   (unsigned long long)args[2], x, y);

	check_why(what);
	return false;
}

/* Above what number of a table the filter knows none: where ENOSYS begins. */
static uint32_t highest_known(const struct runtime_filter *f, const struct table *t)
{
	const uint64_t none[6] = { 0 };
	uint32_t last = 0;

	for (uint32_t nr = 0; nr < TREE_NUMBERS; nr++) {
		bool known = false;

		for (size_t v = 0; v < ARRAY_LEN(values) && !known; v++) {
			const uint64_t args[6] = { values[v], values[v], values[v],
						   values[v], values[v], values[v] };

			known = bpf_run(f, t->arch, t->base + nr, args) !=
				bpf_run(f, t->arch, t->base + TREE_NUMBERS - 1, none);
		}
		if (known)
			last = nr;
	}
	return last;
}

/* Every number with every value in every argument, and pairs of arguments. */
static void check_alike(const struct runtime_filter *tree, const struct runtime_filter *linear,
			bool enosys_beyond)
{
	for (size_t t = 0; t < ARRAY_LEN(tables); t++) {
		uint32_t known = enosys_beyond ? highest_known(linear, &tables[t]) : NUMBERS;

		check_why(tables[t].name);
		for (uint32_t nr = 0; nr < NUMBERS; nr++)
			for (size_t v = 0; v < ARRAY_LEN(values) * (ALONE + 1); v++) {
				uint64_t value = values[v / (ALONE + 1)];
				uint64_t args[6] = { value, value, value, value, value, value };
				uint32_t n = tables[t].base + nr;

				if (v % (ALONE + 1)) { /* that argument alone */
					memset(args, 0, sizeof(args));
					args[v % (ALONE + 1) - 1] = value;
				}
				if (nr > known)
					CHECK_INT(bpf_run(tree, tables[t].arch, n, args),
						  ENOSYS_VERDICT);
				else
					CHECK(alike(tree, linear, tables[t].arch, n, args));
			}
	}
}

static struct runtime_filter tree_of(const struct runtime_filter *linear, bool enosys_beyond)
{
	struct runtime_filter tree = { 0 };
	auto_err struct err *e = bpf_range_tree(linear, enosys_beyond, &tree);

	CHECK_STR(err_text(e), "success");
	return tree;
}

/* ---- tests ---- */

static const uint64_t capability_sets[] = {
	RUNTIME_CAPS_DEFAULT,
	0,
	UINT64_MAX >> 23,
	RUNTIME_CAPS_DEFAULT | 1ULL << CAP_SYS_ADMIN,
	RUNTIME_CAPS_DEFAULT | 1ULL << CAP_SYS_NICE | 1ULL << CAP_BPF | 1ULL << CAP_SYSLOG,
};

TEST(the_tree_decides_as_the_linear_program)
{
	struct runtime_filter linear = docker_linear(RUNTIME_CAPS_DEFAULT, true);
	struct runtime_filter tree = tree_of(&linear, false);

	check_alike(&tree, &linear, false);
	runtime_filter_clear(&tree);
	runtime_filter_clear(&linear);
}

/* Beyond the highest number that the filter knows: ENOSYS. */
TEST(the_default_filter_decides_as_libseccomp_alone_would)
{
	for (size_t i = 0; i < ARRAY_LEN(capability_sets); i++) {
		struct runtime_filter linear = docker_linear(capability_sets[i], false),
				      got = { 0 };
		auto_err struct err *e = runtime_seccomp_default(capability_sets[i], -1, &got);

		CHECK_STR(err_text(e), "success");
		check_alike(&got, &linear, true);
		runtime_filter_clear(&got);
		runtime_filter_clear(&linear);
	}
}

/* How many instructions the kernel runs until @f has decided. */
static unsigned steps(const struct runtime_filter *f, uint32_t arch, uint32_t nr, uint64_t arg)
{
	struct seccomp_data data = { .nr = (int)nr, .arch = arch, .args = { arg, arg, arg } };
	uint32_t a = 0;
	unsigned n = 1;

	for (size_t pc = 0; BPF_CLASS(f->code[pc].code) != BPF_RET; pc++, n++) {
		const struct sock_filter *i = &f->code[pc];
		bool yes = BPF_OP(i->code) == BPF_JEQ	? a == i->k
			   : BPF_OP(i->code) == BPF_JGT ? a > i->k
							: a >= i->k;

		if (BPF_CLASS(i->code) == BPF_LD)
			memcpy(&a, (const char *)&data + i->k, sizeof(a));
		else if (BPF_CLASS(i->code) == BPF_ALU)
			a &= i->k;
		else
			pc += BPF_OP(i->code) == BPF_JA ? i->k : yes ? i->jt : i->jf;
	}
	return n;
}

TEST(the_default_filter_is_small_and_its_ways_are_short)
{
	struct runtime_filter linear = docker_linear(RUNTIME_CAPS_DEFAULT, false), got = { 0 };
	auto_err struct err *e = runtime_seccomp_default(RUNTIME_CAPS_DEFAULT, -1, &got);
	unsigned most[2] = { 0 };

	CHECK_STR(err_text(e), "success");
	for (size_t t = 0; t < ARRAY_LEN(tables); t++)
		for (uint32_t nr = 0; nr < TREE_NUMBERS; nr++) {
			uint32_t n = tables[t].base + nr;
			bool has_arguments = nr == 41 || nr == 56 || nr == 120 || nr == 135 ||
					     nr == 136 || nr == 359;
			unsigned one = steps(&got, tables[t].arch, n, 0);
			unsigned old = steps(&linear, tables[t].arch, n, 0);

			if (!has_arguments && one > most[0])
				most[0] = one;
			if (!has_arguments && old > most[1])
				most[1] = old;
		}
	auto_free char *figures =
		mem_printf("%u instructions, at most %u of them run; linear %u and %u", got.n,
			   most[0], linear.n, most[1]);

	check_why(figures);
	CHECK(got.n < linear.n && got.n <= 320 && most[0] <= 30);
}

static struct scmp_arg_cmp random_condition(void)
{
	static const enum scmp_compare ops[] = { SCMP_CMP_NE,	    SCMP_CMP_LT, SCMP_CMP_LE,
						 SCMP_CMP_EQ,	    SCMP_CMP_GE, SCMP_CMP_GT,
						 SCMP_CMP_MASKED_EQ };

	return (struct scmp_arg_cmp) { (unsigned)rand() % 3, ops[(size_t)rand() % ARRAY_LEN(ops)],
				       values[(size_t)rand() % ARRAY_LEN(values)],
				       values[(size_t)rand() % ARRAY_LEN(values)] };
}

/* Rules of all actions, some with one or two conditions, for a third of all numbers. */
static struct runtime_filter random_linear(uint32_t fallback, bool arches)
{
	static const uint32_t actions[] = { SCMP_ACT_ALLOW,	   SCMP_ACT_ALLOW,
					    SCMP_ACT_ERRNO(EPERM), SCMP_ACT_ERRNO(ENOSYS),
					    SCMP_ACT_KILL_PROCESS, SCMP_ACT_TRAP,
					    SCMP_ACT_LOG };
	scmp_filter_ctx ctx = seccomp_init(fallback);

	if (arches)
		add_arches(ctx);
	for (int nr = 0; nr < 450; nr++) {
		struct scmp_arg_cmp args[2] = { random_condition(), random_condition() };
		uint32_t action = actions[(size_t)rand() % ARRAY_LEN(actions)];
		unsigned n = rand() % 4 ? 0 : 1 + (unsigned)rand() % 2;

		if (rand() % 3 == 0) /* refused: two conditions on one argument, or the default */
			(void)seccomp_rule_add_array(ctx, action, nr, n, args);
	}
	return export(ctx);
}

TEST(the_tree_of_any_profile_decides_as_the_linear_program)
{
	srand(1);
	for (int i = 0; i < 6; i++) {
		struct runtime_filter linear =
			random_linear(i % 2 ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EPERM), i % 3 != 0);
		struct runtime_filter tree = tree_of(&linear, false);

		check_alike(&tree, &linear, false);
		runtime_filter_clear(&tree);
		runtime_filter_clear(&linear);
	}
}

TEST(a_foreign_architecture_is_not_there)
{
	struct runtime_filter f = { 0 };
	auto_err struct err *e = runtime_seccomp_default(RUNTIME_CAPS_DEFAULT, -1, &f);
	const uint64_t none[6] = { 0 };

	CHECK_STR(err_text(e), "success");
	for (uint32_t nr = 0; nr < NUMBERS; nr++) {
		CHECK_INT(bpf_run(&f, AUDIT_ARCH_AARCH64, nr, none), SECCOMP_RET_ERRNO | ENOSYS);
		CHECK_INT(bpf_run(&f, 0, nr, none), SECCOMP_RET_ERRNO | ENOSYS);
	}
}

/* x32 and i386 stay dead in a filter that does not name them: they must not become ENOSYS. */
TEST(an_architecture_the_filter_does_not_know_stays_killed)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));

	add(ctx, SCMP_ACT_ALLOW, "read", NULL, 0);
	struct runtime_filter linear = export(ctx), tree = tree_of(&linear, true);
	const uint64_t none[6] = { 0 };

	for (uint32_t nr = 0; nr < NUMBERS; nr++)
		for (size_t t = 1; t < ARRAY_LEN(tables); t++)
			CHECK(alike(&tree, &linear, tables[t].arch, tables[t].base + nr, none));
}

TEST(a_program_of_another_shape_is_kept_as_it_is)
{
	struct sock_filter strange[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, 1),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};
	struct runtime_filter linear = { strange, ARRAY_LEN(strange) };
	struct runtime_filter tree = tree_of(&linear, true);

	CHECK_INT(tree.n, linear.n);
	CHECK(memcmp(tree.code, strange, sizeof(strange)) == 0);
}

/* Programs that end nowhere, jump out or loop (they cannot) are no reason to read past their end. */
TEST(a_broken_program_decides_to_kill)
{
	struct sock_filter broken[][2] = {
		{ BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		  BPF_JUMP(BPF_JMP | BPF_JA, 0xffffffff, 0, 0) },
		{ BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 64), BPF_STMT(BPF_RET | BPF_K, 0) },
		{ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 255, 255), BPF_STMT(BPF_RET | BPF_K, 0) },
		{ BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 4) },
	};
	const uint64_t none[6] = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
		struct runtime_filter f = { broken[i], 2 };
		struct runtime_filter tree = tree_of(&f, true);

		CHECK_INT(bpf_run(&f, AUDIT_ARCH_X86_64, 0, none), SECCOMP_RET_KILL_PROCESS);
		CHECK_INT(tree.n, 2);
		runtime_filter_clear(&tree);
	}
}

/* ---- what the kernel makes of it ---- */

/* -errno of a system call, or what it returned, under @f; in a process of its own. */
static int64_t under(struct runtime_filter *f, long nr, long a, long b, long c)
{
	int ends[2];

	CHECK(pipe(ends) == 0);
	pid_t child = fork();

	if (child == 0) {
		struct sock_fprog program = { f->n, f->code };
		int64_t got = -1000;

		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
		    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0) {
			got = syscall(nr, a, b, c);
			got = got < 0 ? -errno : got;
		}
		_exit(write(ends[1], &got, sizeof(got)) != sizeof(got));
	}
	int64_t got = -2000;

	close(ends[1]);
	CHECK(read(ends[0], &got, sizeof(got)) == sizeof(got));
	close(ends[0]);
	CHECK(waitpid(child, NULL, 0) == child);
	return got;
}

TEST(the_kernel_decides_like_our_interpreter)
{
	static const struct {
		const char *why;
		long nr, a, b, c;
		int64_t want; /* -errno */
	} rows[] = {
		{ "an AF_ALG socket", SYS_socket, 38, 5, 0, -EPERM },
		{ "an AF_VSOCK socket", SYS_socket, 40, 1, 0, -EPERM },
		{ "a family with high bits", SYS_socket, 0x100000002, 1, 0, -EPERM },
		{ "a user namespace", SYS_unshare, 0x10000000, 0, 0, -EPERM },
		{ "clone3", 435, 0, 0, 0, -ENOSYS },
		{ "a mount", SYS_mount, 0, 0, 0, -EPERM },
		{ "a number nobody has", 999, 0, 0, 0, -ENOSYS },
		{ "a personality that is not allowed", SYS_personality, 0x0040000, 0, 0, -EPERM },
		{ "what is allowed goes on to the kernel", SYS_close, -1, 0, 0, -EBADF },
	};
	struct runtime_filter f = { 0 };
	auto_err struct err *e = runtime_seccomp_default(RUNTIME_CAPS_DEFAULT, -1, &f);

	CHECK_STR(err_text(e), "success");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		check_why(rows[i].why);
		CHECK_INT(under(&f, rows[i].nr, rows[i].a, rows[i].b, rows[i].c), rows[i].want);
	}
	check_why("asking for the personality");
	CHECK(under(&f, SYS_personality, 0xffffffff, 0, 0) >= 0);
	check_why("an ordinary socket");
	CHECK(under(&f, SYS_socket, 1, 1, 0) >= 0);
}
