/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/hook.c - programs that are run at stages of a container's life. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "runtime/runtime.h"

enum { SAID_MAX = 400, MS = 1000 };

/* A file in memory: what a program reads, or what it says. */
static struct err *in_memory(const char *text, int *ret)
{
	auto_fd int fd = memfd_create("hook", MFD_CLOEXEC);

	if (fd < 0)
		return err_errno("memfd");
	TRY(fd_write_all(fd, text, strlen(text)));
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_errno("memfd");
	*ret = fd_steal(&fd);
	return NULL;
}

/* The last line of what was said, behind a colon; "" for none. */
static char *last_words(int fd)
{
	char text[SAID_MAX + 1];
	off_t size = lseek(fd, 0, SEEK_END);
	ssize_t n = pread(fd, text, SAID_MAX, size > SAID_MAX ? size - SAID_MAX : 0);

	while (n > 0 && strchr(" \r\n", text[n - 1]))
		n--;
	text[n > 0 ? n : 0] = '\0';
	const char *line = strrchr(text, '\n');

	return *text ? mem_printf(": %s", line ? line + 1 : text) : mem_strdup("");
}

static struct err *judge(struct proc_exit how, int said)
{
	auto_free char *words = last_words(said);

	if (how.signaled)
		return err_new(EIO, "ended by %s%s", proc_signal_name(how.code), words);
	return how.code ? err_new(EIO, "exited with %d%s", how.code, words) : NULL;
}

static struct err *run(const struct runtime_hook *h, const char *state)
{
	auto_fd int in = -1, said = -1, pidfd = -1;
	struct proc_exit how = { 0 };
	pid_t pid = 0;

	TRY(in_memory(state, &in));
	TRY(in_memory("", &said));
	const int files[] = { in, said, said };
	const struct proc_program p = { .path = h->path,
					.argv = h->argv,
					.env = h->env,
					.files = files,
					.n_files = ARRAY_LEN(files),
					.own_group = true };

	TRY(proc_spawn(&p, &pid, &pidfd));
	if (!proc_wait_for(pidfd, h->timeout ? h->timeout * MS : -1, &how)) {
		(void)kill(-pid, SIGKILL);
		err_ignore(proc_kill(pidfd, SIGKILL));
		TRY(proc_wait(pidfd, &how));
		return err_new(ETIMEDOUT, "took longer than %d s, and was killed", h->timeout);
	}
	return judge(how, said);
}

/* By hand: this is part of slipway-init, too, which has no library for it. */
static char *complete(const char *state, const char *status, pid_t pid)
{
	auto_free char *number = pid ? mem_printf("\"pid\":%d,", pid) : mem_strdup("");

	return mem_printf("{%s\"status\":\"%s\"%s%s", number, status, state[1] == '}' ? "" : ",",
			  state + 1);
}

struct err *runtime_hooks_run(const struct runtime_hooks *h, const char *state, const char *status,
			      pid_t pid)
{
	if (!h->n)
		return NULL;
	auto_free char *text = complete(state, status, pid);

	for (size_t i = 0; i < h->n; i++)
		TRY(err_wrap(run(&h->items[i], text), "hook %s[%zu], %s", h->stage, i,
			     h->items[i].path));
	return NULL;
}
