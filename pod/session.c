/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pod/session.c - being attached to a container: the far end of what attach.c has.
 *
 * Standard input goes to the container and its output comes back; signals are the
 * container's. A terminal is raw meanwhile, and is what it was before when this
 * returns, however it ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "pod/internal.h"

enum { WINDOW = 32 << 10, PATIENCE = 3 /* signals */ };

struct session {
	const struct pod_session *o;
	struct pod_session_end *end;
	struct loop *loop;
	struct terminal terminal;
	struct keys keys;
	struct watch *on_socket, *on_input;
	size_t sent; /* input that is not yet taken */
	bool polled; /* standard input can be waited for */
	bool input_ended;
	unsigned asked_to_end;
	struct err *failure;
};

static void tell(struct session *s, char type, const char *data, size_t len)
{
	char text[WINDOW + KEYS_MAX + 1];

	text[0] = type;
	if (len)
		memcpy(text + 1, data, len);
	/* its end is told by the socket itself */
	err_ignore(fd_send(s->o->socket, text, len + 1, -1));
}

/* ---- input ---- */

static void on_input(void *arg);

/* Files and /dev/null are always ready, and epoll refuses them. */
static bool can_be_polled(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return false;
	return S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode) || (S_ISCHR(st.st_mode) && isatty(fd));
}

static void stop_input(struct session *s)
{
	watch_free(s->on_input);
	s->on_input = NULL;
}

static void await_input(struct session *s)
{
	if (s->on_input || s->input_ended || !s->o->interactive)
		return;
	s->on_input = s->polled ? loop_readable(s->loop, STDIN_FILENO, on_input, s)
				: loop_timer(s->loop, 0, on_input, s);
}

static void detach(struct session *s)
{
	tell(s, 'd', NULL, 0);
	s->end->detached = true;
	loop_stop(s->loop);
}

static void on_input(void *arg)
{
	struct session *s = arg;
	char data[WINDOW], out[WINDOW + KEYS_MAX];
	ssize_t n = read(STDIN_FILENO, data, sizeof(data) - s->sent);
	size_t len = n > 0 ? (size_t)n : 0;
	bool leave = false;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		stop_input(s);
		s->input_ended = true;
		tell(s, 'c', NULL, 0);
		return;
	}
	if (s->o->tty)
		leave = keys_filter(&s->keys, data, len, out, &len);
	else
		memcpy(out, data, len);
	if (len)
		tell(s, 'i', out, len);
	s->sent += len;
	if (leave)
		detach(s);
	else if (s->sent >= WINDOW || !s->polled)
		stop_input(s); /* goes on when it has been taken */
	if (!s->polled && s->sent == 0)
		await_input(s);
}

/* ---- output ---- */

static void show(struct session *s, int fd, const char *data, size_t len)
{
	struct err *e = fd_write_all(fd, data, len);

	if (!e)
		return;
	if (err_code(e) != EPIPE && !s->failure)
		s->failure = err_wrap(steal(&e), "%s",
				      fd == STDOUT_FILENO ? "standard output" : "standard error");
	err_free(e);
	s->end->code = 128 + SIGPIPE; /* nobody reads it any more */
	loop_stop(s->loop);
}

static void take(struct session *s, const char *text, size_t len)
{
	switch (*text) {
	case 'o':
	case 'r': /* who only waits until it is up has not come for this: it is in the log */
		if (!s->o->until_up)
			show(s, *text == 'o' ? STDOUT_FILENO : STDERR_FILENO, text + 1, len - 1);
		break;
	case 'k':
		s->sent = 0;
		await_input(s);
		break;
	case 'u':
		s->end->up = true;
		if (s->o->until_up)
			detach(s);
		break;
	case 'x':
		s->end->exited = true;
		s->input_ended = true;
		s->end->code = (int)strtol(text + 1, NULL, 10);
		stop_input(s);
		if (!s->o->owner)
			loop_stop(s->loop);
		break;
	default: /* an error, as err_send() has it */
		err_free(s->failure);
		s->failure = err_parse(text);
	}
}

static void on_message(void *arg)
{
	struct session *s = arg;
	char text[ATTACH_MESSAGE + 2];
	ssize_t n = fd_recv(s->o->socket, text, ATTACH_MESSAGE + 1, NULL);

	/* reset: not all that we said was heard; what was said to us is still to be read */
	if (n < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNRESET))
		return;
	if (n <= 0) {
		loop_stop(s->loop);
		return;
	}
	text[n] = '\0';
	take(s, text, (size_t)n);
}

/* ---- signals ---- */

static void on_resize(void *arg)
{
	struct session *s = arg;
	struct winsize size;

	if (!s->o->tty || !terminal_size(&size))
		return;
	auto_free char *text = mem_printf("%hux%hu", size.ws_row, size.ws_col);

	tell(s, 'w', text, strlen(text));
}

static void on_signal(void *arg, int signal)
{
	struct session *s = arg;
	auto_free char *text = mem_printf("%d", signal);
	bool ends = signal == SIGINT || signal == SIGTERM;

	if (!s->o->no_proxy)
		tell(s, 's', text, strlen(text));
	/* a container that does not hear must not keep us: when we go, it goes */
	if (!ends || (++s->asked_to_end < PATIENCE && !s->o->no_proxy && !s->o->until_up))
		return;
	s->end->code = 128 + signal;
	loop_stop(s->loop);
}

struct err *pod_session(const struct pod_session *o, struct pod_session_end *ret)
{
	auto_loop struct loop *loop = NULL;
	struct session s = { .o = o, .end = ret, .polled = can_be_polled(STDIN_FILENO) };

	*ret = (struct pod_session_end) { 0 };
	TRY(keys_parse(o->detach_keys, &s.keys));
	TRY(loop_new(&loop));
	s.loop = loop;
	(void)signal(SIGPIPE, SIG_IGN);
	terminal_watch(&s.terminal, loop, on_resize, on_signal, &s);
	s.on_socket = loop_readable(loop, o->socket, on_message, &s);
	if (o->tty && o->interactive)
		terminal_raw(&s.terminal);
	on_resize(&s);
	await_input(&s);
	struct err *e = loop_run(loop);

	terminal_restore(&s.terminal);
	terminal_unwatch(&s.terminal);
	watch_free(s.on_socket);
	stop_input(&s);
	return err_join(e, s.failure);
}
