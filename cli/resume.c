/* SPDX-License-Identifier: Apache-2.0 */
/* cli/resume.c - the pods that should run and do not: after a reboot, or a supervisor's death. */
#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"

/* 'up' is a process of its own for each, which becomes nothing of the others. */
static struct err *bring_back(const struct pod_record *r)
{
	char *const argv[] = { (char *)(uintptr_t) "slipway",
			       (char *)(uintptr_t) "-f",
			       r->file,
			       (char *)(uintptr_t) "-p",
			       r->name,
			       (char *)(uintptr_t) "--project-directory",
			       r->dir,
			       (char *)(uintptr_t) "--profile",
			       (char *)(uintptr_t) "*",
			       (char *)(uintptr_t) "up",
			       (char *)(uintptr_t) "-d",
			       NULL };
	int status = 0;
	pid_t pid;

	errno = posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ);
	if (errno)
		return err_errno("start slipway");
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_errno("wait for slipway");
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return err_new(EIO, "pod %s does not come back", r->name);
	fprintf(stderr, " Pod %s  Resumed\n", r->name);
	return NULL;
}

struct err *cmd_resume(struct cli *c, const void *values, char **operands, int *ret_code)
{
	struct pod_record *records = NULL;
	struct err *errors = NULL;
	size_t n = 0;

	(void)values;
	(void)ret_code;
	TRY(cli_host(c));
	TRY(pod_records(c->host, &records, &n));
	for (size_t i = 0; i < n; i++)
		if (!records[i].alive && (!*operands || strv_has(operands, records[i].name)))
			errors = err_join(errors, bring_back(&records[i]));
	pod_records_free(records, n);
	return errors;
}
