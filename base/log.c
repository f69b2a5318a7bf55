/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

static struct {
	const char *program;
	enum log_level least;
	enum log_format format;
	int fd;
	char *pod;
} logger = { "slipway", LOG_LEVEL_WARN, LOG_TEXT, STDERR_FILENO, NULL };

static const char *const level_names[] = { "debug", "info", "warning", "error" };
static const char *const format_names[] = { "text", "keys", "json" };

void log_setup(const char *program, enum log_level least, enum log_format format)
{
	logger.program = program;
	logger.least = least;
	logger.format = format;
}

void log_to(int fd)
{
	logger.fd = fd;
}

void log_pod(const char *name)
{
	free(logger.pod);
	logger.pod = mem_strdup(name);
}

static struct err *choose(const char *what, const char *text, const char *const *names, size_t n,
			  size_t *ret)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(text, names[i]) == 0 || (strcmp(text, "warn") == 0 && i == 2)) {
			*ret = i;
			return NULL;
		}
	return err_new(EINVAL, "'%s' is not a log %s; there are: %s, %s, %s%s%s", text, what,
		       names[0], names[1], names[2], n > 3 ? ", " : "", n > 3 ? names[3] : "");
}

struct err *log_level_parse(const char *text, enum log_level *ret)
{
	size_t i = 0;

	TRY(choose("level", text, level_names, ARRAY_LEN(level_names), &i));
	*ret = (enum log_level)i;
	return NULL;
}

struct err *log_format_parse(const char *text, enum log_format *ret)
{
	size_t i = 0;

	TRY(choose("format", text, format_names, ARRAY_LEN(format_names), &i));
	*ret = (enum log_format)i;
	return NULL;
}

/* A JSON or key=value string: quotes, backslashes and control characters escaped. */
static void put_quoted(FILE *f, const char *s)
{
	putc('"', f);
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			fprintf(f, "\\%c", c);
		else if (c < 0x20)
			fprintf(f, "\\u%04x", c);
		else
			putc(c, f);
	}
	putc('"', f);
}

static void put_line(FILE *f, enum log_level level, const char *message)
{
	struct timespec now;
	struct tm tm;
	char time[32];

	if (logger.format == LOG_TEXT) {
		fprintf(f, "%s: %s%s%s\n", logger.program,
			level == LOG_LEVEL_INFO	   ? ""
			: level >= LOG_LEVEL_ERROR ? ""
						   : level_names[level],
			level == LOG_LEVEL_INFO || level >= LOG_LEVEL_ERROR ? "" : ": ", message);
		return;
	}

	bool json = logger.format == LOG_JSON;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(time, sizeof(time), "%Y-%m-%dT%H:%M:%S", &tm);
	fprintf(f,
		json ? "{\"time\":\"%s.%03ldZ\",\"level\":\"%s\",\"msg\":"
		     : "time=%s.%03ldZ level=%s msg=",
		time, now.tv_nsec / 1000000, level_names[level]);
	put_quoted(f, message);
	if (logger.pod) {
		fputs(json ? ",\"pod\":" : " pod=", f);
		put_quoted(f, logger.pod);
	}
	fputs(json ? "}\n" : "\n", f);
}

void log_write(enum log_level level, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;
	size_t len;
	char *line = NULL;

	if (level < logger.least || logger.fd < 0)
		return;
	va_start(ap, fmt);
	auto_free char *message = mem_vprintf(fmt, ap);
	va_end(ap);

	FILE *f = open_memstream(&line, &len);

	if (f) {
		put_line(f, level, message);
		fclose(f);
		(void)!write(logger.fd, line, len); /* one write a line: lines never mix */
		free(line);
	}
	errno = saved;
}
