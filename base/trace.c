/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spans are kept in memory and written in the end, in the JSON of the Trace Event
 * Format: complete events ("ph": "X") with a name for each thread, which is a track.
 */
#include "base/trace.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

enum { SPANS_MAX = 100000 };

struct span {
	char *name;
	size_t track;
	uint64_t from, to;
};

struct trace {
	char *path; /* as it was given, for messages */
	int fd;
	char **tracks;
	struct span *spans;
	size_t n;
};

static struct trace *trace;

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

struct err *trace_open(const char *path)
{
	/* written to and not replaced: it may be a device, a pipe or a link */
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0644);

	if (fd < 0)
		return err_errno("%s", path);
	trace_drop();
	trace = mem_alloc(sizeof(*trace));
	trace->path = mem_strdup(path);
	trace->fd = fd;
	return NULL;
}

uint64_t trace_begin(void)
{
	return trace ? now_us() : 0;
}

static size_t track_of(const char *name)
{
	size_t i = 0;

	while (trace->tracks && trace->tracks[i] && strcmp(trace->tracks[i], name) != 0)
		i++;
	if (!trace->tracks || !trace->tracks[i])
		strv_add(&trace->tracks, mem_strdup(name));
	return i;
}

void trace_end(const char *track, uint64_t since, const char *fmt, ...)
{
	va_list ap;

	if (!trace || !since || trace->n == SPANS_MAX)
		return;
	uint64_t to = now_us();

	va_start(ap, fmt);
	trace->spans = mem_grow(trace->spans, trace->n + 1, sizeof(*trace->spans));
	trace->spans[trace->n++] = (struct span) {
		.name = mem_vprintf(fmt, ap), .track = track_of(track), .from = since, .to = to
	};
	va_end(ap);
}

static json_t *to_json(void)
{
	json_t *events = json_array();

	for (size_t i = 0; trace->tracks && trace->tracks[i]; i++)
		json_array_append_new(events, json_pack("{s:s, s:s, s:i, s:I, s:{s:s}}", "name",
							"thread_name", "ph", "M", "pid", 1, "tid",
							(json_int_t)i + 1, "args", "name",
							trace->tracks[i]));
	for (size_t i = 0; i < trace->n; i++) {
		const struct span *s = &trace->spans[i];

		json_array_append_new(events,
				      json_pack("{s:s, s:s, s:i, s:I, s:I, s:I}", "name", s->name,
						"ph", "X", "pid", 1, "tid",
						(json_int_t)s->track + 1, "ts", (json_int_t)s->from,
						"dur", (json_int_t)(s->to - s->from)));
	}
	return json_pack("{s:s, s:o}", "displayTimeUnit", "ms", "traceEvents", events);
}

struct err *trace_close(void)
{
	struct err *e;

	if (!trace)
		return NULL;
	auto_json json_t *j = to_json();
	auto_free char *text = json_text(j, 0);

	e = err_wrap(fd_write_all(trace->fd, text, strlen(text)), "%s", trace->path);
	trace_drop();
	return e;
}

void trace_drop(void)
{
	if (!trace)
		return;
	for (size_t i = 0; i < trace->n; i++)
		free(trace->spans[i].name);
	free(trace->spans);
	strv_free(trace->tracks);
	free(trace->path);
	fd_close(&trace->fd);
	free(trace);
	trace = NULL;
}
