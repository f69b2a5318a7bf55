/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroupfs/devices.c - which device nodes a group's processes may open and make.
 *
 * In cgroup2 a program decides (BPF_PROG_TYPE_CGROUP_DEVICE, Linux 4.15), attached
 * to the group's directory, whatever controllers that hierarchy has; in v1 the
 * devices controller has a list. Both are written from one form: all or nothing,
 * and the exceptions from that, as the v1 controller keeps it
 * (Documentation/admin-guide/cgroup-v1/devices.rst).
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "cgroupfs/internal.h"

static const char access_letters[] = "mrw"; /* CGROUPFS_DEVICE_MKNOD, _READ, _WRITE */

bool cgroupfs_device_access(const char *letters, unsigned *ret)
{
	*ret = 0;
	for (; *letters; letters++) {
		const char *letter = strchr(access_letters, *letters);

		if (!letter)
			return false;
		*ret |= 1U << (letter - access_letters);
	}
	return true;
}

/* ---- all or nothing, and exceptions ---- */

static bool is_same(const struct cgroupfs_device *a, const struct cgroupfs_device *b)
{
	return a->type == b->type && a->major == b->major && a->minor == b->minor;
}

static bool covers(const struct cgroupfs_device *wide, const struct cgroupfs_device *d)
{
	return wide->type == d->type && (wide->major < 0 || wide->major == d->major) &&
	       (wide->minor < 0 || wide->minor == d->minor) && wide->access & d->access;
}

static void add_exception(struct device_rules *r, const struct cgroupfs_device *d)
{
	for (size_t i = 0; i < r->n; i++)
		if (is_same(&r->list[i], d)) {
			r->list[i].access |= d->access;
			return;
		}
	r->list = mem_grow(r->list, r->n + 1, sizeof(*r->list));
	r->list[r->n++] = *d;
}

/* The kernel takes back exactly what was given: a part of a wider exception would silently stay. */
static struct err *remove_exception(struct device_rules *r, const struct cgroupfs_device *d)
{
	for (size_t i = r->n; i > 0; i--) {
		struct cgroupfs_device *one = &r->list[i - 1];

		if (!is_same(one, d)) {
			if (covers(one, d))
				return err_new(EINVAL,
					       "a rule for %c %" PRId64 ":%" PRId64
					       " takes back a part of an earlier, wider one",
					       d->type, d->major, d->minor);
			continue;
		}
		one->access &= ~d->access;
		if (!one->access)
			*one = r->list[--r->n];
	}
	return NULL;
}

static struct err *add_rule(struct device_rules *r, struct cgroupfs_device d)
{
	if (d.type == 'a') {
		if (d.major < 0 && d.minor < 0 && d.access == CGROUPFS_DEVICE_ALL) {
			r->all = d.allow;
			r->n = 0;
			return NULL;
		}
		d.type = 'b';
		TRY(add_rule(r, d));
		d.type = 'c';
	}
	if (!d.access)
		return NULL;
	if (d.allow == r->all)
		return remove_exception(r, &d);
	add_exception(r, &d);
	return NULL;
}

struct err *devices_normalise(const struct cgroupfs_device *rules, size_t n,
			      struct device_rules *ret)
{
	struct err *e = NULL;

	*ret = (struct device_rules) { 0 };
	for (size_t i = 0; i < n && !e; i++)
		e = add_rule(ret, rules[i]);
	if (e)
		devices_clear(ret);
	return e;
}

void devices_clear(struct device_rules *r)
{
	free(r->list);
	*r = (struct device_rules) { 0 };
}

/* ---- cgroup2: a program ---- */

/* The answer; the context, later spare; type, access, major, minor. */
enum { R0, R1, R2, R3, R4, R5 };
enum { PER_EXCEPTION = 7, FRAME = 8 };

struct program {
	struct bpf_insn *code;
	size_t n;
};

static void emit(struct program *p, unsigned code, unsigned to, unsigned from, int off, int32_t imm)
{
	p->code[p->n++] = (struct bpf_insn) { .code = (uint8_t)code,
					      .dst_reg = to & 15,
					      .src_reg = from & 15,
					      .off = (int16_t)off,
					      .imm = imm };
}

static void emit_answer(struct program *p, bool yes)
{
	emit(p, BPF_ALU64 | BPF_MOV | BPF_K, R0, 0, 0, yes);
	emit(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

/* Of an exception from "nothing" all that is asked for must be in it; from "all", anything. */
static void emit_exception(struct program *p, const struct cgroupfs_device *d, bool all)
{
	size_t first = p->n;

	emit(p, BPF_JMP | BPF_JNE | BPF_K, R2, 0, 0,
	     d->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
	if (d->access != CGROUPFS_DEVICE_ALL) {
		emit(p, BPF_ALU64 | BPF_MOV | BPF_X, R1, R3, 0, 0);
		emit(p, BPF_ALU64 | BPF_AND | BPF_K, R1, 0, 0,
		     (int32_t)(all ? d->access : CGROUPFS_DEVICE_ALL & ~d->access));
		emit(p, BPF_JMP | (all ? BPF_JEQ : BPF_JNE) | BPF_K, R1, 0, 0, 0);
	}
	if (d->major >= 0)
		emit(p, BPF_JMP | BPF_JNE | BPF_K, R4, 0, 0, (int32_t)d->major);
	if (d->minor >= 0)
		emit(p, BPF_JMP | BPF_JNE | BPF_K, R5, 0, 0, (int32_t)d->minor);
	for (size_t i = first; i < p->n; i++) /* whatever does not fit: to the next exception */
		if (BPF_CLASS(p->code[i].code) == BPF_JMP)
			p->code[i].off = (int16_t)(p->n + 2 - i - 1);
	emit_answer(p, !all);
}

static void write_program(const struct device_rules *r, struct program *p)
{
	static const int type = offsetof(struct bpf_cgroup_dev_ctx, access_type),
			 major = offsetof(struct bpf_cgroup_dev_ctx, major),
			 minor = offsetof(struct bpf_cgroup_dev_ctx, minor);

	emit(p, BPF_LDX | BPF_MEM | BPF_W, R2, R1, type, 0);
	emit(p, BPF_ALU64 | BPF_MOV | BPF_X, R3, R2, 0, 0);
	emit(p, BPF_ALU64 | BPF_AND | BPF_K, R2, 0, 0, 0xffff);
	emit(p, BPF_ALU64 | BPF_RSH | BPF_K, R3, 0, 0, 16);
	emit(p, BPF_LDX | BPF_MEM | BPF_W, R4, R1, major, 0);
	emit(p, BPF_LDX | BPF_MEM | BPF_W, R5, R1, minor, 0);
	for (size_t i = 0; i < r->n; i++)
		emit_exception(p, &r->list[i], r->all);
	emit_answer(p, r->all);
}

static int sys_bpf(int command, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
}

static struct err *load(const struct device_rules *r, int *ret)
{
	auto_free struct bpf_insn *code =
		mem_alloc((r->n * (PER_EXCEPTION + 2) + FRAME) * sizeof(*code));
	struct program p = { code, 0 };
	union bpf_attr attr;

	write_program(r, &p);
	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	attr.insns = (uintptr_t)p.code;
	attr.insn_cnt = (uint32_t)p.n;
	attr.license = (uintptr_t) "Apache-2.0";
	*ret = sys_bpf(BPF_PROG_LOAD, &attr);
	return *ret < 0 ? err_errno("load a program about devices") : NULL;
}

static struct err *attach(const struct device_rules *r, int group)
{
	auto_fd int program = -1;
	union bpf_attr attr;

	TRY(load(r, &program));
	memset(&attr, 0, sizeof(attr));
	attr.target_fd = (uint32_t)group;
	attr.attach_bpf_fd = (uint32_t)program;
	attr.attach_type = BPF_CGROUP_DEVICE;
	attr.attach_flags = BPF_F_ALLOW_MULTI; /* what is above decides as well */
	return sys_bpf(BPF_PROG_ATTACH, &attr) < 0 ? err_errno("attach a program about devices")
						   : NULL;
}

/* Not where the kernel was built without it, or a host keeps bpf() from us. */
static bool can_load(void)
{
	static int known = -1;

	if (known < 0) {
		const struct device_rules none = { 0 };
		auto_fd int program = -1;
		auto_err struct err *e = load(&none, &program);

		known = !e;
	}
	return known;
}

static bool has_v2(const struct cgroupfs_host *h)
{
	for (size_t i = 0; i < h->n; i++)
		if (h->h[i].v2)
			return true;
	return false;
}

static bool by_program(const struct cgroupfs_host *h)
{
	return has_v2(h) && can_load();
}

bool cgroupfs_controls_devices(const struct cgroupfs_host *h)
{
	return by_program(h) || host_find(h, "devices");
}

bool devices_want(const struct cgroupfs_host *host, const struct hierarchy *h,
		  const struct cgroupfs_limits *limits)
{
	return limits->n_devices && !h->v2 && hierarchy_has(h, "devices") && !by_program(host);
}

/* ---- v1: a list ---- */

static char *number(int64_t n)
{
	return n < 0 ? mem_strdup("*") : mem_printf("%" PRId64, n);
}

static struct err *write_list(const struct device_rules *r, int group)
{
	TRY(fd_write_knob(group, r->all ? "devices.allow" : "devices.deny", "a"));
	for (size_t i = 0; i < r->n; i++) {
		const struct cgroupfs_device *d = &r->list[i];
		auto_free char *major = number(d->major), *minor = number(d->minor);
		auto_free char *text = mem_printf("%c %s:%s %s%s%s", d->type, major, minor,
						  d->access & CGROUPFS_DEVICE_READ ? "r" : "",
						  d->access & CGROUPFS_DEVICE_WRITE ? "w" : "",
						  d->access & CGROUPFS_DEVICE_MKNOD ? "m" : "");

		TRY(err_wrap(fd_write_knob(group, r->all ? "devices.deny" : "devices.allow", text),
			     "%s", text));
	}
	return NULL;
}

struct err *devices_write(const struct cgroupfs *g, const struct cgroupfs_limits *limits)
{
	const struct hierarchy *v1 = host_find(g->host, "devices");
	int v2 = cgroupfs_clone_fd(g);
	struct device_rules r;

	if (!limits->n_devices)
		return NULL;
	TRY(devices_normalise(limits->devices, limits->n_devices, &r));
	struct err *e =
		v2 >= 0 && can_load() ? attach(&r, v2)
		: v1 && g->dirs[v1 - g->host->h] >= 0
			? write_list(&r, g->dirs[v1 - g->host->h])
			: err_new(ENOTSUP, "this host lets nobody control devices: neither a "
					   "program in cgroup2 nor the devices controller of v1");

	devices_clear(&r);
	return err_wrap(e, "devices");
}

const struct cgroupfs_device cgroupfs_devices_default[] = {
#define NODE(type, major, minor, access)         \
	{                                        \
		type, true, access, major, minor \
	}
#define ALL CGROUPFS_DEVICE_ALL
	NODE('c', -1, -1, CGROUPFS_DEVICE_MKNOD), /* to make a node is not to open it */
	NODE('b', -1, -1, CGROUPFS_DEVICE_MKNOD),
	NODE('c', 1, 3, ALL),	 /* null */
	NODE('c', 1, 5, ALL),	 /* zero */
	NODE('c', 1, 7, ALL),	 /* full */
	NODE('c', 1, 8, ALL),	 /* random */
	NODE('c', 1, 9, ALL),	 /* urandom */
	NODE('c', 5, 0, ALL),	 /* tty */
	NODE('c', 5, 2, ALL),	 /* ptmx */
	NODE('c', 136, -1, ALL), /* pts/ */
#undef NODE
#undef ALL
};
const size_t cgroupfs_n_devices_default =
	sizeof(cgroupfs_devices_default) / sizeof(*cgroupfs_devices_default);
