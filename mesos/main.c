/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mesos/main.c - the program slipway-executor: a Mesos executor that runs Compose projects as pods.
 *
 * It is started by an agent, which tells it everything by environment variables;
 * operands name Compose files of the sandbox.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "mesos/internal.h"

static const char usage[] =
	"usage: slipway-executor [FILE...]\n"
	"\n"
	"Runs the Compose project of a Mesos task as one pod. It is started by a Mesos agent, as\n"
	"the executor of a framework's task; FILE is a Compose file of the sandbox. Where else "
	"the\n"
	"project may be, and which labels it heeds, is in docs/mesos.md.\n"
	"\n"
	"  --help      this text\n"
	"  --version   the version\n";

static struct err *parse(int argc, char **argv, bool *ret_done)
{
	*ret_done = true;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			fputs(usage, stdout);
			return NULL;
		}
		if (strcmp(argv[i], "--version") == 0) {
			printf("slipway-executor %s\n", SLIPWAY_VERSION);
			return NULL;
		}
		if (*argv[i] == '-')
			return err_new(EINVAL, "unknown option '%s'; --help tells how it is used",
				       argv[i]);
	}
	*ret_done = false;
	return NULL;
}

static struct err *run(int argc, char **argv, int *ret_code)
{
	struct session s = { 0 };
	bool done = false;
	struct err *e;

	TRY(parse(argc, argv, &done));
	if (done)
		return NULL;
	s.argv = argv + 1;
	e = env_read(&s.env);
	if (!e)
		e = session_run(&s);
	*ret_code = s.exit_code;
	env_clear(&s.env);
	return e;
}

int main(int argc, char **argv)
{
	int code = EXIT_SUCCESS;

	/* what we were started with goes into no container */
	(void)syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */);
	log_setup("slipway-executor", LOG_LEVEL_INFO, LOG_TEXT);
	umask(022);
	(void)signal(SIGPIPE, SIG_IGN);
	auto_err struct err *e = fd_open_standard();

	if (!e)
		e = run(argc, argv, &code);

	if (e)
		log_error("%s", err_text(e));
	return e ? EXIT_FAILURE : code;
}
