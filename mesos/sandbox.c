/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mesos/sandbox.c - output of services as files of the sandbox, and what else we write there.
 *
 * SERVICE/stdout and SERVICE/stderr, rotated to stdout.1 and so on. What the
 * sandbox holds came from strangers: no path leads out of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "mesos/internal.h"

enum {
	FILE_MAX = 10 << 20,
	FILES = 3,
	TAIL_LINES = 5,
	TAIL_LINE_MAX = 256,
	LINE_MAX_SHOWN =
		3500 /* with a name less than PIPE_BUF: it fits when there is room at all */
};

static const char *const streams[] = { "stdout", "stderr" };

struct service {
	struct service *next;
	char *name;
	int dir;
	int files[2];
	size_t sizes[2];
	char *tail[TAIL_LINES]; /* the oldest first */
	char *joined;
};

struct sandbox {
	int root;
	bool prefix; /* output also goes to our own, with the service's name */
	struct service *services;
};

struct sandbox *sandbox_new(const char *dir, bool prefix)
{
	struct sandbox *s = mem_alloc(sizeof(*s));

	s->prefix = prefix;
	s->root = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return s;
}

static struct service *service_of(struct sandbox *s, const char *name)
{
	struct service *v = s->services;

	while (v && strcmp(v->name, name) != 0)
		v = v->next;
	if (v)
		return v;
	v = mem_alloc(sizeof(*v));
	*v = (struct service) {
		.next = s->services, .name = mem_strdup(name), .dir = -1, .files = { -1, -1 }
	};
	s->services = v;
	auto_err struct err *e = fd_mkdirs_in_root(s->root, name, 0755, &v->dir);

	if (e)
		log_warn("output of service %s: %s", name, err_text(e));
	return v;
}

static void open_file(struct service *v, enum pod_stream stream)
{
	struct stat st;

	if (v->dir < 0)
		return;
	v->files[stream] =
		openat(v->dir, streams[stream],
		       O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);
	if (v->files[stream] >= 0 && fstat(v->files[stream], &st) == 0 && !S_ISREG(st.st_mode))
		fd_close(&v->files[stream]);
	v->sizes[stream] = v->files[stream] >= 0 ? (size_t)st.st_size : 0;
}

static void rotate(struct service *v, enum pod_stream stream)
{
	for (int i = FILES - 1; i > 0; i--) {
		auto_free char *older = mem_printf("%s.%d", streams[stream], i);
		auto_free char *newer = i > 1 ? mem_printf("%s.%d", streams[stream], i - 1)
					      : mem_strdup(streams[stream]);

		(void)renameat(v->dir, newer, v->dir, older);
	}
	fd_close(&v->files[stream]);
}

static void remember(struct service *v, const char *line, size_t len)
{
	while (len && (line[len - 1] == '\n' || line[len - 1] == '\r'))
		len--;
	if (!len)
		return;
	free(v->tail[0]);
	memmove(v->tail, v->tail + 1, (TAIL_LINES - 1) * sizeof(*v->tail));
	v->tail[TAIL_LINES - 1] = mem_strndup(line, len < TAIL_LINE_MAX ? len : TAIL_LINE_MAX);
}

/* To our own output, where an agent's logger may read from a pipe: one that does not keep up misses lines. */
static void pass_on(const char *service, enum pod_stream stream, const char *line, size_t len)
{
	struct pollfd out = { stream == POD_STDERR ? STDERR_FILENO : STDOUT_FILENO, POLLOUT, 0 };
	bool whole = len && line[len - 1] == '\n';
	int shown = len > LINE_MAX_SHOWN ? LINE_MAX_SHOWN : (int)len - whole;

	if (poll(&out, 1, 0) == 1 && out.revents & POLLOUT)
		dprintf(out.fd, "%s | %.*s\n", service, shown, line);
}

/* A disk that is full costs lines, and never the pod. */
void sandbox_put(struct sandbox *s, const char *service, enum pod_stream stream, const char *line,
		 size_t len)
{
	struct service *v = service_of(s, service);

	remember(v, line, len);
	if (v->sizes[stream] + len > FILE_MAX && v->files[stream] >= 0)
		rotate(v, stream);
	if (v->files[stream] < 0)
		open_file(v, stream);
	if (v->files[stream] >= 0 && write(v->files[stream], line, len) > 0)
		v->sizes[stream] += len;
	if (s->prefix)
		pass_on(service, stream, line, len);
}

const char *sandbox_tail(struct sandbox *s, const char *service)
{
	struct service *v = service_of(s, service);
	auto_strv char **lines = NULL;

	for (size_t i = 0; i < TAIL_LINES; i++)
		if (v->tail[i])
			strv_add(&lines, mem_strdup(v->tail[i]));
	free(v->joined);
	v->joined = lines ? strv_join(lines, "\n") : mem_strdup("");
	return v->joined;
}

void sandbox_free(struct sandbox *s)
{
	if (!s)
		return;
	while (s->services) {
		struct service *v = s->services;

		s->services = v->next;
		for (size_t i = 0; i < TAIL_LINES; i++)
			free(v->tail[i]);
		fd_close(&v->files[0]);
		fd_close(&v->files[1]);
		fd_close(&v->dir);
		free(v->joined);
		free(v->name);
		free(v);
	}
	fd_close(&s->root);
	free(s);
}

struct err *sandbox_write(const char *dir, const char *name, const char *text)
{
	auto_fd int root = -1, folder = -1;

	TRY(fd_openat(AT_FDCWD, dir, O_PATH | O_DIRECTORY, &root));
	TRY(err_wrap(fd_mkdirs_in_root(root, "slipway", 0755, &folder), "%s/slipway", dir));
	return err_wrap(fd_replace_file(folder, name, text, 0644), "%s/slipway/%s", dir, name);
}
