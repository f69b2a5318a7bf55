/* SPDX-License-Identifier: Apache-2.0 */
/* pod/terminal.c - the caller's terminal: raw and back, its size, and keys that mean us. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "pod/internal.h"

static const int passed[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2 };

/* ---- modes ---- */

void terminal_raw(struct terminal *t)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &t->saved) < 0)
		return;
	raw = t->saved;
	cfmakeraw(&raw);
	t->raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

void terminal_restore(struct terminal *t)
{
	if (t->raw)
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &t->saved);
	t->raw = false;
}

bool terminal_size(struct winsize *ret)
{
	return ioctl(STDIN_FILENO, TIOCGWINSZ, ret) == 0;
}

/* ---- signals that are the container's ---- */

static void on_signal(void *arg)
{
	const struct terminal_signal *s = arg;

	s->owner->on_signal(s->owner->arg, s->number);
}

void terminal_watch(struct terminal *t, struct loop *loop, loop_fn *on_resize,
		    void (*on_passed)(void *arg, int signal), void *arg)
{
	t->on_signal = on_passed;
	t->arg = arg;
	t->on_resize = loop_signal(loop, SIGWINCH, on_resize, arg);
	for (size_t i = 0; i < ARRAY_LEN(passed); i++) {
		t->signals[i] = (struct terminal_signal) { .owner = t, .number = passed[i] };
		t->signals[i].watch = loop_signal(loop, passed[i], on_signal, &t->signals[i]);
	}
}

void terminal_unwatch(struct terminal *t)
{
	watch_free(t->on_resize);
	t->on_resize = NULL;
	for (size_t i = 0; i < ARRAY_LEN(passed); i++) {
		watch_free(t->signals[i].watch);
		t->signals[i].watch = NULL;
	}
}

/* ---- keys ---- */

/* "ctrl-X" or one character. */
static bool parse_key(const char *text, unsigned char *ret)
{
	static const char marks[] = "@[\\]^_";
	const char *x = text + strlen("ctrl-");
	const char *mark;

	if (strlen(text) == 1) {
		*ret = (unsigned char)*text;
		return true;
	}
	if (!str_starts(text, "ctrl-") || strlen(x) != 1)
		return false;
	mark = strchr(marks, *x);
	if (*x >= 'a' && *x <= 'z')
		*ret = (unsigned char)(*x - 'a' + 1);
	else if (mark)
		*ret = mark == marks ? 0 : (unsigned char)(27 + (mark - marks) - 1);
	else
		return false;
	return true;
}

struct err *keys_parse(const char *text, struct keys *ret)
{
	auto_strv char **words = str_split(text ? text : "ctrl-p,ctrl-q", ",");

	*ret = (struct keys) { 0 };
	for (char **w = words; w && *w; w++)
		if (ret->n == KEYS_MAX || !parse_key(*w, &ret->key[ret->n++]))
			return err_new(EINVAL,
				       "--detach-keys: '%s' is not a list of at most %d keys; "
				       "write ctrl-p,ctrl-q",
				       text, KEYS_MAX);
	return NULL;
}

/*
 * What could still become the whole sequence is held back; when it does not, it
 * goes on as it was typed.
 */
bool keys_filter(struct keys *k, const char *data, size_t len, char *out, size_t *ret_len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		if (k->n && (unsigned char)data[i] == k->key[k->matched]) {
			if (++k->matched < k->n)
				continue;
			k->matched = 0;
			*ret_len = n;
			return true;
		}
		for (size_t m = 0; m < k->matched; m++)
			out[n++] = (char)k->key[m];
		k->matched = 0;
		if (k->n && (unsigned char)data[i] == k->key[0] && k->n > 1)
			k->matched = 1;
		else
			out[n++] = data[i];
	}
	*ret_len = n;
	return false;
}
