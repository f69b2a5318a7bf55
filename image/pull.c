/* SPDX-License-Identifier: Apache-2.0 */
/* image/pull.c - running slipway-fetch. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "image/internal.h"

/* Beside the running program (a build tree), below its prefix, where the build was told, or as named. */
static char *find_fetch(void)
{
	static const char *const places[] = { "slipway-fetch", "../libexec/slipway/slipway-fetch" };
	const char *named = getenv("SLIPWAY_FETCH");
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (named)
		return mem_strdup(named);
	self[n > 0 ? n : 0] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(places) && n > 0; i++) {
		auto_free char *path =
			mem_printf("%.*s/%s", (int)(strrchr(self, '/') - self), self, places[i]);

		if (access(path, X_OK) == 0)
			return steal(&path);
	}
	return mem_strdup(SLIPWAY_LIBEXECDIR "/slipway-fetch");
}

enum { ERROR_FD = 3, DIR_FD = 4, ABOVE = 10, ERROR_MAX = 64 << 10 };

/* What becomes of descriptors: its standard output, and DIR_FD; -1: nothing. */
struct inherit {
	int out, dir;
};

struct image_fetch {
	pid_t pid;
	int pidfd;
	int error; /* where it tells what went wrong */
};

static struct err *start(const char *program, char **argv, const struct inherit *i,
			 struct image_fetch *ret)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_errno("pipe");
	auto_fd int error = ends[0], told = ends[1];
	const int files[] = { -1, i->out, -1, [ERROR_FD] = told, [DIR_FD] = i->dir };
	const struct proc_program p = { .path = program,
					.argv = argv,
					.env = environ,
					.files = files,
					.n_files = ARRAY_LEN(files) };

	TRY(proc_spawn(&p, &ret->pid, &ret->pidfd));
	ret->error = fd_steal(&error);
	return NULL;
}

/* How it ended, and what it said. */
static struct err *finish(struct image_fetch *f)
{
	auto_fd int pidfd = fd_steal(&f->pidfd), error = fd_steal(&f->error);
	auto_free char *text = NULL;
	struct proc_exit how = { 0 };
	auto_err struct err *unread = fd_read_all(error, ERROR_MAX, &text, NULL);

	TRY(proc_wait(pidfd, &how));
	TRY(steal(&unread));
	if (how.signaled)
		return err_new(EINTR, "interrupted: slipway-fetch was ended by %s",
			       proc_signal_name(how.code));
	if (how.code == 0)
		return NULL;
	return *text ? err_parse(text) : err_new(EIO, "slipway-fetch failed");
}

static struct err *run(const char *program, char **argv, const struct inherit *i)
{
	struct image_fetch f;

	TRY(start(program, argv, i, &f));
	return finish(&f);
}

static char **pull_arguments(const struct image_store *s, const struct image_pull *p)
{
	static const char *const progress[] = { "auto", "tty", "plain", "quiet" };
	char **argv = NULL;

	strv_add(&argv, mem_strdup("slipway-fetch"));
	strv_add(&argv, mem_strdup("pull"));
	strv_add(&argv, mem_printf("--store=%s", s->path));
	strv_add(&argv, mem_printf("--error-fd=%d", ERROR_FD));
	strv_add(&argv, mem_printf("--progress=%s", progress[p->progress]));
	if (p->platform)
		strv_add(&argv, mem_printf("--platform=%s", p->platform));
	if (p->always)
		strv_add(&argv, mem_strdup("--always"));
	strv_add(&argv, mem_strdup("--"));
	for (char *const *r = p->references; *r; r++)
		strv_add(&argv, mem_strdup(*r));
	return argv;
}

struct err *image_pull(const struct image_store *s, const struct image_pull *p)
{
	struct image_fetch *f = NULL;

	TRY(image_pull_start(s, p, &f));
	return image_pull_finish(f);
}

struct err *image_pull_start(const struct image_store *s, const struct image_pull *p,
			     struct image_fetch **ret)
{
	auto_free char *program = find_fetch();
	auto_strv char **argv = pull_arguments(s, p);
	struct image_fetch f;

	TRY(start(program, argv, &(const struct inherit) { -1, -1 }, &f));
	*ret = mem_dup(&f, sizeof(f));
	return NULL;
}

int image_pull_fd(const struct image_fetch *f)
{
	return f->error;
}

pid_t image_pull_pid(const struct image_fetch *f)
{
	return f->pid;
}

struct err *image_pull_finish(struct image_fetch *take_f)
{
	struct err *e = finish(take_f);

	free(take_f);
	return e;
}

void image_pull_cancel(struct image_fetch *take_f)
{
	if (!take_f)
		return;
	err_ignore(proc_kill(take_f->pidfd, SIGKILL));
	err_ignore(image_pull_finish(take_f));
}

struct err *image_resolve(const struct image_store *s, char *const *references, char ***ret)
{
	auto_free char *program = find_fetch(), *text = NULL;
	auto_strv char **argv = NULL;
	auto_fd int out = memfd_create("digests", MFD_CLOEXEC);

	if (out < 0)
		return err_errno("memfd");
	strv_add(&argv, mem_strdup("slipway-fetch"));
	strv_add(&argv, mem_strdup("resolve"));
	strv_add(&argv, mem_printf("--store=%s", s->path));
	strv_add(&argv, mem_printf("--error-fd=%d", ERROR_FD));
	strv_add(&argv, mem_strdup("--"));
	for (char *const *r = references; *r; r++)
		strv_add(&argv, mem_strdup(*r));
	TRY(run(program, argv, &(const struct inherit) { out, -1 }));
	if (lseek(out, 0, SEEK_SET) < 0)
		return err_errno("memfd");
	TRY(fd_read_all(out, ERROR_MAX, &text, NULL));
	auto_strv char **digests = str_split(text, "\n");

	if (strv_len(digests) != strv_len(references))
		return err_new(EPROTO, "slipway-fetch gave %zu digests for %zu references",
			       strv_len(digests), strv_len(references));
	*ret = steal(&digests);
	return NULL;
}

static struct err *run_tar(const char *what, int dir, const char *name)
{
	auto_free char *program = find_fetch();
	auto_strv char **argv = NULL;
	/* out of the way of the numbers that it gets there */
	auto_fd int high = fcntl(dir, F_DUPFD_CLOEXEC, ABOVE);

	if (high < 0)
		return err_errno("dup");
	strv_add(&argv, mem_strdup("slipway-fetch"));
	strv_add(&argv, mem_strdup(what));
	strv_add(&argv, mem_printf("--dir-fd=%d", DIR_FD));
	strv_add(&argv, mem_printf("--error-fd=%d", ERROR_FD));
	strv_add(&argv, mem_strdup("--"));
	if (name)
		strv_add(&argv, mem_strdup(name));
	return run(program, argv, &(const struct inherit) { -1, high });
}

struct err *image_tar_in(int dir)
{
	return run_tar("tar-in", dir, NULL);
}

struct err *image_tar_out(int dir, const char *name)
{
	return run_tar("tar-out", dir, name);
}
