/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

enum { JOINED_MAX = 64 << 10 }; /* bytes of err_join() */
enum { MESSAGE_MAX = 4000 };	/* of err_send(): fits one pipe or socket write */

struct err {
	int code;
	char *text;
};

static struct err *err_make(int code, char *take_text)
{
	struct err *e = mem_alloc(sizeof(*e));

	*e = (struct err) { .code = code, .text = take_text };
	return e;
}

struct err *err_new(int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	char *text = mem_vprintf(fmt, ap);
	va_end(ap);

	return err_make(code, text);
}

struct err *err_errno(const char *fmt, ...)
{
	int code = errno;
	va_list ap;

	va_start(ap, fmt);
	auto_free char *what = mem_vprintf(fmt, ap);
	va_end(ap);

	return err_make(code, mem_printf("%s: %s", what, strerror(code)));
}

struct err *err_wrap(struct err *cause, const char *fmt, ...)
{
	va_list ap;

	if (!cause)
		return NULL;

	va_start(ap, fmt);
	auto_free char *context = mem_vprintf(fmt, ap);
	va_end(ap);

	char *text = mem_printf("%s: %s", context, cause->text);
	free(cause->text);
	cause->text = text;
	return cause;
}

struct err *err_join(struct err *first, struct err *second)
{
	if (!first || !second)
		return first ? first : second;

	size_t n = strlen(first->text);

	/* thousands of lines help nobody, and copying them would take minutes */
	if (n < JOINED_MAX) {
		bool last = n + strlen(second->text) >= JOINED_MAX;
		char *text = mem_printf("%s\n%s%s", first->text, second->text,
					last ? "\n... and more" : "");

		free(first->text);
		first->text = text;
	}
	err_free(second);
	return first;
}

int err_code(const struct err *e)
{
	return e ? e->code : 0;
}

const char *err_text(const struct err *e)
{
	return e ? e->text : "success";
}

void err_free(struct err *e)
{
	if (!e)
		return;
	free(e->text);
	free(e);
}

void err_ignore(struct err *e)
{
	if (e)
		log_debug("ignored: %s", e->text);
	err_free(e);
}

void err_cleanup(struct err **e)
{
	err_free(*e);
}

void err_send(int fd, struct err *take_e)
{
	auto_free char *text =
		mem_printf("%d %.*s", err_code(take_e), MESSAGE_MAX, err_text(take_e));

	/* Nobody is left to tell when the reader is gone. */
	(void)!write(fd, text, strlen(text));
	err_free(take_e);
}

struct err *err_parse(const char *message)
{
	char *rest;
	long code = strtol(message, &rest, 10);

	if (rest == message || *rest != ' ')
		return err_new(EPROTO, "malformed report from child: '%s'", message);
	return err_new((int)code, "%s", rest + 1);
}
