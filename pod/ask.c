/* SPDX-License-Identifier: Apache-2.0 */
/* pod/ask.c - the other end of control.c: a question to a running pod, and its answer. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/mem.h"
#include "pod/internal.h"

/* A path may be longer than sun_path: the directory goes by descriptor. */
struct err *control_address(const struct pod_host *h, const char *name, struct sockaddr_un *ret,
			    int *ret_dir)
{
	auto_free char *path = state_path(h, name, NULL);

	TRY(state_check_name(name));
	TRY(fd_openat(AT_FDCWD, path, O_PATH | O_DIRECTORY, ret_dir));
	*ret = (struct sockaddr_un) { .sun_family = AF_UNIX };
	snprintf(ret->sun_path, sizeof(ret->sun_path), "/proc/self/fd/%d/control", *ret_dir);
	return NULL;
}

static struct err *connect_to(const struct pod_host *h, const char *name, int *ret_fd)
{
	auto_fd int dir = -1, fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un address;

	if (fd < 0)
		return err_errno("socket");
	TRY(control_address(h, name, &address, &dir));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return err_errno("connect");
	*ret_fd = fd_steal(&fd);
	return NULL;
}

bool pod_supervised(const struct pod_host *h, const char *name)
{
	auto_fd int fd = -1;
	auto_err struct err *e = connect_to(h, name, &fd);

	return !e;
}

/* Connects and asks. */
static struct err *put_question(const struct pod_host *h, const char *name, const char *what,
				char *const *services, const char *argument, int *ret_fd)
{
	auto_fd int fd = -1;
	auto_json json_t *j = json_object();
	struct err *e = connect_to(h, name, &fd);

	if (err_code(e) == ENOENT || err_code(e) == ECONNREFUSED) {
		err_free(e);
		return err_new(ENOENT, "pod %s is not running", name);
	}
	TRY(err_wrap(e, "pod %s", name));
	json_put_str(j, "do", what);
	json_put_strv(j, "services", services && *services ? services : NULL);
	json_put_str(j, "argument", argument);
	auto_free char *question = json_text(j, 0);

	e = fd_send(fd, question, strlen(question), -1);
	/* it ended before it took the connection: that no answer comes says the same */
	if (err_code(e) == ECONNRESET || err_code(e) == EPIPE)
		err_free(steal(&e));
	TRY(err_wrap(e, "pod %s", name));
	*ret_fd = fd_steal(&fd);
	return NULL;
}

struct err *pod_events(const struct pod_host *h, const char *name, char *const *services,
		       bool (*on_event)(void *ctx, const json_t *event), void *ctx)
{
	auto_fd int fd = -1;
	char text[CONTROL_MAX];
	ssize_t n;
	bool more = true;

	TRY(put_question(h, name, "events", services, NULL, &fd));
	while (more && (n = fd_recv(fd, text, sizeof(text), NULL)) > 0) {
		auto_json json_t *j = NULL;

		if (*text != '{') { /* an error instead */
			text[n < (ssize_t)sizeof(text) ? n : (ssize_t)sizeof(text) - 1] = '\0';
			return err_parse(text);
		}
		TRY(json_parse(text, (size_t)n, sizeof(text), &j));
		more = on_event(ctx, j);
	}
	return NULL;
}

struct err *pod_attach(const struct pod_host *h, const char *name, const char *service,
		       const struct pod_session *o, struct pod_session_end *ret)
{
	char *const services[] = { (char *)(uintptr_t)service, NULL };
	struct pod_session session = *o;
	auto_fd int fd = -1;

	TRY(put_question(h, name, "attach", services, NULL, &fd));
	session.socket = fd;
	return pod_session(&session, ret);
}

/* EPIPE: none came, since the pod has ended; EAGAIN: none in the time that the socket has. */
static struct err *take_answer(int fd, const char *name)
{
	char text[CONTROL_MAX];
	ssize_t n = fd_recv(fd, text, sizeof(text) - 1, NULL);

	if (n < 0 && errno == EAGAIN)
		return err_new(EAGAIN, "pod %s does not answer", name);
	if (n <= 0) /* its supervisor died: so did the pod */
		return err_new(EPIPE, "pod %s ended while it was asked", name);
	text[n] = '\0';
	return strcmp(text, "ok") == 0 ? NULL : err_parse(text);
}

struct err *pod_ask(const struct pod_host *h, const char *name, const char *what,
		    char *const *services, const char *argument)
{
	bool ends = strcmp(what, "stop") == 0 || strcmp(what, "suspend") == 0;
	auto_fd int fd = -1;

	TRY(put_question(h, name, what, services, argument, &fd));
	struct err *e = take_answer(fd, name);

	if (ends && err_code(e) == EPIPE)
		err_free(steal(&e));
	return e;
}

struct err *pod_wait_up(const struct pod_host *h, const char *name, char *const *services,
			int64_t timeout)
{
	struct timeval most = { .tv_sec = timeout / 1000, .tv_usec = timeout % 1000 * 1000 };
	auto_fd int fd = -1;

	TRY(put_question(h, name, "healthy", services, NULL, &fd));
	if (timeout > 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof(most)) < 0)
		return err_errno("pod %s", name);
	struct err *e = take_answer(fd, name);

	if (err_code(e) != EAGAIN)
		return e;
	err_free(e);
	return err_new(ETIMEDOUT, "the pod is not up after %lld s", (long long)timeout / 1000);
}
