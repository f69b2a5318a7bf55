/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/runtime_wire.c - what slipway-init is told arrives as it was said. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "runtime/birth.h"
#include "tests/check.h"

#define WORDS(...) ((char *const[]) { __VA_ARGS__, NULL })
#define W(s) ((char *)(uintptr_t)(s))

static struct sock_filter code[] = { { 6, 0, 0, 0x7fff0000 }, { 6, 0, 0, 0 } };
static const struct runtime_filter filter = { code, ARRAY_LEN(code) };
static const struct runtime_rlimit limits[] = { { RLIMIT_NOFILE, { 10, 20 } } };
static const struct runtime_mount mounts[] = {
	{ .kind = RUNTIME_MOUNT_BIND,
	  .source = "/a",
	  .target = "/b",
	  .subpath = "c",
	  .recursive = true },
	{ .kind = RUNTIME_MOUNT_FS,
	  .type = "tmpfs",
	  .target = "/t",
	  .options = WORDS(W("size=1m"), W("")) },
};
static const struct runtime_device devices[] = {
	{ .path = "/dev/x", .type = 'c', .major = 1, .minor = 3, .source = "/dev/null" }
};
static const struct runtime_hook hooks[] = { { "/bin/h", WORDS(W("h"), W("x")), NULL, 7 } };

static const struct birth container = {
		.flags = CLONE_NEWNS,
		.group = 11,
		.attach = { 12, 13 },
		.n_attach = 2,
		.views = WORDS(W(""), W("cpu,cpuacct")),
		.gate = 14,
		.container = -1,
		.limits_files = true,
		.files = { 1024, 4096 },
		.spec = {
			.process = { .argv = WORDS(W("sh"), W("-c"), W("")),
				     .env = (char *const[]) { NULL },
				     .cwd = "/w",
				     .user = "",
				     .caps = { .bounding = RUNTIME_CAPS_DEFAULT },
				     .rlimits = limits,
				     .n_rlimits = 1,
				     .filter = &filter,
				     .tty = true,
				     .umask = -1,
				     .stdio = { -1, 15, 15 } },
			.lowers = WORDS(W("/l1"), W("/l2")),
			.upper = "/u",
			.mounts = mounts,
			.n_mounts = ARRAY_LEN(mounts),
			.devices = devices,
			.n_devices = 1,
			.init = true,
			.hostname = "h",
			.join = { 16, -1, -1, -1 },
			.join_types = { CLONE_NEWNET },
			.hook_state = "{}",
			.before_start = { "startContainer", hooks, 1 },
		},
};

static const struct birth beside = {
	.group = -1, .gate = -1, .container = 17, .spec.process = { .argv = WORDS(W("id")) }
};

/* The numbers that descriptors get where they are handed to. */
enum { THERE = 100 };
static int handed[8];

static int written(size_t *ret_n)
{
	struct birth list[] = { container, beside };
	struct births all = { list, ARRAY_LEN(list), true };
	auto_free int *fds = NULL;
	int memory = -1;
	auto_err struct err *e = births_write(&all, &memory, &fds, ret_n);

	CHECK_STR(err_text(e), "success");
	check_why("each that is named, once; 0 is that of three standard streams");
	CHECK_INT((int64_t)*ret_n, ARRAY_LEN(handed));
	for (size_t i = 0; i < *ret_n; i++)
		handed[i] = fds[i] + THERE;
	return memory;
}

TEST(what_is_written_is_read)
{
	size_t n = 0;
	auto_fd int memory = written(&n);
	struct births got;
	auto_err struct err *e = births_read(memory, handed, ARRAY_LEN(handed), &got);

	CHECK_STR(err_text(e), "success");
	CHECK_INT((int64_t)got.n, 2);
	CHECK(got.kept);
	const struct birth *a = &got.items[0], *b = &got.items[1];

	CHECK(a->flags == CLONE_NEWNS && a->group == THERE + 11 && a->n_attach == 2 &&
	      a->attach[1] == THERE + 13);
	CHECK_STR(a->views[0], "");
	CHECK_STR(a->views[1], "cpu,cpuacct");
	CHECK(!a->views[2] && a->gate == THERE + 14 && a->container == -1);
	CHECK(a->limits_files && a->files.rlim_max == 4096);
	const struct runtime_spec *s = &a->spec;
	const struct runtime_process *p = &s->process;

	CHECK_STR(p->argv[2], "");
	CHECK(!p->argv[3]);
	check_why("an empty list is not none");
	CHECK(p->env && !p->env[0] && !p->groups);
	CHECK_STR(p->cwd, "/w");
	CHECK_STR(p->user, "");
	CHECK(p->caps.bounding == RUNTIME_CAPS_DEFAULT && p->n_rlimits == 1);
	CHECK(p->rlimits[0].limit.rlim_max == 20 && p->tty && p->umask == -1);
	CHECK(p->filter->n == 2 && p->filter->code[0].k == 0x7fff0000);
	CHECK(p->stdio[0] == -1 && p->stdio[2] == THERE + 15);
	CHECK(!s->rootfs && s->init && s->join[0] == THERE + 16 &&
	      s->join_types[0] == CLONE_NEWNET);
	CHECK_STR(s->lowers[1], "/l2");
	CHECK_INT((int64_t)s->n_mounts, 2);
	CHECK_STR(s->mounts[0].subpath, "c");
	CHECK(s->mounts[0].recursive && !s->mounts[0].type && !s->mounts[0].options);
	CHECK_STR(s->mounts[1].options[1], "");
	CHECK_STR(s->devices[0].source, "/dev/null");
	CHECK(s->devices[0].minor == 3 && s->devices[0].type == 'c');
	CHECK_STR(s->hostname, "h");
	CHECK_STR(s->hook_state, "{}");
	CHECK(!s->before_enter.n && s->before_start.n == 1);
	CHECK_STR(s->before_start.items[0].argv[1], "x");
	CHECK(!s->before_start.items[0].env && s->before_start.items[0].timeout == 7);
	CHECK(b->container == THERE + 17 && b->spec.process.stdio[2] == THERE && !b->spec.lowers);
	CHECK_STR(b->spec.process.argv[0], "id");
}

TEST(a_part_of_it_is_refused)
{
	size_t n = 0;
	auto_fd int memory = written(&n);
	off_t size = lseek(memory, 0, SEEK_END);

	for (off_t cut = 0; cut < size; cut++) {
		struct births got;

		CHECK(ftruncate(memory, size - 1 - cut) == 0);
		auto_err struct err *e = births_read(memory, handed, ARRAY_LEN(handed), &got);

		CHECK(err_code(e) == EPROTO);
	}
}

TEST(no_count_is_believed)
{
	size_t n = 0;
	auto_fd int memory = written(&n);
	off_t size = lseek(memory, 0, SEEK_END);

	for (off_t at = 0; at + 8 <= size; at++) {
		auto_free char *saved = mem_alloc(8);
		struct births got;

		CHECK(pread(memory, saved, 8, at) == 8);
		CHECK(pwrite(memory, "\xff\xff\xff\xff\xff\xff\xff\x7f", 8, at) == 8);
		err_free(births_read(memory, handed, ARRAY_LEN(handed),
				     &got)); /* it ends, and reads nothing beyond */
		CHECK(pwrite(memory, saved, 8, at) == 8);
	}
}
