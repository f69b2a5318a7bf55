/* SPDX-License-Identifier: Apache-2.0 */
/* image/pull.c - running slipway-fetch. */
#include <errno.h>
#include <limits.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "image/internal.h"

/* Beside the running program (a build tree), where `make install` puts it, or the one named. */
static char *find_fetch(void)
{
	const char *named = getenv("SLIPWAY_FETCH");
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (named)
		return mem_strdup(named);
	if (n > 0) {
		self[n] = '\0';
		auto_free char *beside =
			mem_printf("%.*s/slipway-fetch", (int)(strrchr(self, '/') - self), self);

		if (access(beside, X_OK) == 0)
			return steal(&beside);
	}
	return mem_strdup(SLIPWAY_LIBEXECDIR "/slipway-fetch");
}

static struct err *run(const char *program, char **argv)
{
	posix_spawnattr_t attributes;
	sigset_t none, all;
	pid_t pid;
	int status;

	/* the supervisor's blocked and ignored signals are not the program's */
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	errno = posix_spawn(&pid, program, NULL, &attributes, argv, environ);
	posix_spawnattr_destroy(&attributes);
	if (errno)
		return err_errno("run %s", program);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_errno("wait for %s", program);
	if (WIFSIGNALED(status))
		return err_new(EINTR, "pull interrupted: slipway-fetch was ended by %s",
			       proc_signal_name(WTERMSIG(status)));
	if (WEXITSTATUS(status))
		return err_new(EIO, "pull failed");
	return NULL;
}

struct err *image_pull(const struct image_store *s, const struct image_pull *p)
{
	static const char *const progress[] = { "auto", "plain", "quiet" };
	auto_free char *program = find_fetch();
	auto_strv char **argv = NULL;

	strv_add(&argv, mem_strdup("slipway-fetch"));
	strv_add(&argv, mem_strdup("pull"));
	strv_add(&argv, mem_printf("--store=%s", s->path));
	strv_add(&argv, mem_printf("--progress=%s", progress[p->progress]));
	if (p->platform)
		strv_add(&argv, mem_printf("--platform=%s", p->platform));
	if (p->always)
		strv_add(&argv, mem_strdup("--always"));
	strv_add(&argv, mem_strdup("--"));
	for (char *const *r = p->references; *r; r++)
		strv_add(&argv, mem_strdup(*r));
	return run(program, argv);
}
