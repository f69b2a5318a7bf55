/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pod/logs.c - the output of services: cut into lines, written to files and read back.
 *
 * Files have Docker's json-file format, also those of its driver "local". One object a line: {"log":"text\n","stream":"stdout","time":"..."}. Lines
 * longer than 16 KiB are split; only the last piece ends with a newline.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "pod/internal.h"

enum { PIECE = 16 << 10, LINE_LIMIT = 256 << 10, FOLLOW_MS = 200, FILES_LIMIT = 1000 };

struct log_writer {
	const struct plan_log *plan;
	struct plan_log own;	 /* the same with the container's id in it, where that matters */
	struct journal *journal; /* NULL: files */
	char *path;
	int fd;
	off_t size;
	char *partial[2]; /* of a line without its end, by stream */
	size_t len[2];
	uint64_t lost; /* lines the disk did not take */
};

static const char *const streams[] = { "stdout", "stderr" };

/* ---- writing ---- */

/* What an earlier run with more files has left. */
static void remove_surplus(const struct log_writer *w)
{
	for (int64_t i = w->plan->files;; i++) {
		auto_free char *old = mem_printf("%s.%lld", w->path, (long long)i);

		if (unlink(old) < 0)
			return;
	}
}

/* Of a supervisor that was killed while it wrote; what comes next would be lost with it. */
static void end_half_line(struct log_writer *w)
{
	char last = '\n';

	if (w->size > 0 && pread(w->fd, &last, 1, w->size - 1) == 1 && last != '\n' &&
	    write(w->fd, "\n", 1) == 1)
		w->size++;
}

static struct err *open_file(struct log_writer *w, const struct pod_host *h, const char *pod,
			     const char *service)
{
	auto_free char *dir = state_data(h, pod, "logs");
	struct stat st;

	TRY(fd_mkdirs(AT_FDCWD, dir, 0700));
	w->path = mem_printf("%s/%s.log", dir, service);
	TRY(fd_openat(AT_FDCWD, w->path, O_RDWR | O_CREAT | O_APPEND, &w->fd));
	w->size = fstat(w->fd, &st) == 0 ? st.st_size : 0;
	end_half_line(w);
	remove_surplus(w);
	return NULL;
}

struct err *log_open(const struct pod_host *h, const char *pod, const struct plan_container *c,
		     const char *id, struct loop *loop, struct log_writer **ret)
{
	struct log_writer *w;
	struct err *e = NULL;

	if (c->log.kind == LOG_TO_NOWHERE)
		return NULL;
	w = mem_alloc(sizeof(*w));
	w->fd = -1;
	w->plan = &c->log;
	if (id && (c->log.tag || c->log.fields)) { /* they may name it */
		e = resolve_log(h, c, id, &w->own);
		w->plan = &w->own;
	}
	if (!e && c->log.kind == LOG_TO_JOURNAL)
		e = compose_wrap(&c->service->place,
				 err_wrap(journal_open(pod_config_get(h->config,
								      POD_SETTING_JOURNAL),
						       loop, w->plan, &w->journal),
					  "logging: journald"));
	else if (!e)
		e = open_file(w, h, pod, c->key);
	if (e)
		log_free(w);
	else
		*ret = w;
	return e;
}

static void rotate(struct log_writer *w)
{
	for (int64_t i = w->plan->files - 1; i > 0; i--) {
		auto_free char *older = mem_printf("%s.%lld", w->path, (long long)i);
		auto_free char *newer = i > 1 ? mem_printf("%s.%lld", w->path, (long long)i - 1)
					      : mem_strdup(w->path);

		(void)rename(newer, older);
	}
	if (w->plan->files == 1)
		(void)unlink(w->path);
	fd_close(&w->fd);
	err_ignore(fd_openat(AT_FDCWD, w->path, O_WRONLY | O_CREAT | O_APPEND, &w->fd));
	w->size = 0;
}

/* JSON of any bytes: what is not UTF-8 becomes U+FFFD, as Docker has it. */
static void put_text(FILE *f, const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];
		unsigned char next = i + 1 < len ? (unsigned char)s[i + 1] : 0;
		size_t more = c < 0x80		      ? 0
			      : c >= 0xf0 && c < 0xf5 ? 3
			      : c >= 0xe0 && c < 0xf0 ? 2
			      : c >= 0xc2 && c < 0xe0 ? 1
						      : 9;

		/* overlong forms, surrogates, and what lies beyond Unicode */
		if ((c == 0xe0 && next < 0xa0) || (c == 0xed && next > 0x9f) ||
		    (c == 0xf0 && next < 0x90) || (c == 0xf4 && next > 0x8f))
			more = 9;

		if (c == '"' || c == '\\') {
			fprintf(f, "\\%c", c);
		} else if (c == '\n') {
			fputs("\\n", f);
		} else if (c == '\r') {
			fputs("\\r", f);
		} else if (c == '\t') {
			fputs("\\t", f);
		} else if (c < 0x20 || c == 0x7f) {
			fprintf(f, "\\u%04x", c);
		} else if (more == 0) {
			putc(c, f);
		} else {
			bool whole = more < 4 && i + more < len;

			for (size_t k = 1; whole && k <= more; k++)
				whole = i + k < len && ((unsigned char)s[i + k] & 0xc0) == 0x80;
			if (!whole) {
				fputs("\\ufffd", f);
				continue;
			}
			fwrite(s + i, 1, more + 1, f);
			i += more;
		}
	}
}

/* A full disk loses lines, never the service; and whole ones, or the next would be lost with it. */
static void write_line(struct log_writer *w, const char *text, size_t size)
{
	ssize_t n = w->fd < 0 ? -1 : write(w->fd, text, size);

	if (n == (ssize_t)size)
		return;
	if (n > 0)
		(void)!ftruncate(w->fd, lseek(w->fd, 0, SEEK_END) - n);
	if (w->lost++ == 0)
		log_warn("%s: the disk does not take what is written, lines are lost", w->path);
}

static void write_piece(struct log_writer *w, const struct log_piece *p)
{
	auto_free char *time = proc_now_text();
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	fputs("{\"log\":\"", f);
	put_text(f, p->data, p->len);
	fprintf(f, "%s\",\"stream\":\"%s\",%s\"time\":\"%s\"}\n", p->newline ? "\\n" : "",
		streams[p->stream], w->plan->attrs ? w->plan->attrs : "", time);
	fclose(f);
	if (w->plan->size_max && w->size && w->size + (off_t)size > w->plan->size_max)
		rotate(w);
	write_line(w, text, size);
	w->size += (off_t)size;
	free(text);
}

static void put_piece(struct log_writer *w, enum pod_stream stream, bool newline, bool more)
{
	const struct log_piece piece = { .stream = stream,
					 .data = w->partial[stream],
					 .len = w->len[stream],
					 .newline = newline,
					 .more = more };

	if (w->journal)
		journal_put(w->journal, &piece);
	else
		write_piece(w, &piece);
	w->len[stream] = 0;
}

void log_put(struct log_writer *w, enum pod_stream stream, const char *data, size_t len, bool end)
{
	while (len > 0) {
		const char *newline = memchr(data, '\n', len);
		size_t n = newline ? (size_t)(newline - data) : len;
		size_t room = PIECE - w->len[stream];
		bool split = n > room;

		if (split)
			n = room;
		if (!w->partial[stream])
			w->partial[stream] = mem_alloc(PIECE);
		memcpy(w->partial[stream] + w->len[stream], data, n);
		w->len[stream] += n;
		data += n;
		len -= n;
		if (split || newline) {
			put_piece(w, stream, !split, split);
		}
		if (newline && !split) {
			data++;
			len--;
		}
	}
	if (end && w->len[stream])
		put_piece(w, stream, false, false);
}

void log_free(struct log_writer *w)
{
	if (!w)
		return;
	if (w->lost)
		log_warn("%s: %llu lines were lost: the disk did not take them", w->path,
			 (unsigned long long)w->lost);
	journal_free(w->journal);
	fd_cleanup(&w->fd);
	free(w->partial[0]);
	free(w->partial[1]);
	free(w->path);
	resolve_log_clear(&w->own);
	free(w);
}

/* ---- reading ---- */

struct reader {
	const char *service;
	char *path;
	FILE *file;
	ino_t inode;
	off_t skip_before; /* tail: where to begin */
};

static bool show_line(const struct pod_logs *l, const char *service, const char *text, size_t len)
{
	/* flat, so that depth is no question; a NUL byte is as good as any other */
	auto_json json_t *j = len > LINE_LIMIT || memchr(text, '[', 1)
				      ? NULL
				      : json_loadb(text, len, JSON_ALLOW_NUL, NULL);
	const json_t *log = json_at(j, "log");
	const char *stream = json_string_value(json_at(j, "stream"));
	const char *time = json_string_value(json_at(j, "time"));

	if (!json_is_string(log) || !stream || !time)
		return true; /* half a line of a crash */
	return l->on_line(l->ctx, service, strcmp(stream, "stderr") == 0 ? POD_STDERR : POD_STDOUT,
			  time, json_string_value(log), json_string_length(log));
}

/* All whole lines there are by now. */
static bool drain(struct reader *r, const struct pod_logs *l)
{
	auto_free char *line = NULL;
	size_t room = 0;
	ssize_t n;
	off_t at;

	if (!r->file)
		return true;
	for (;;) {
		at = ftello(r->file);
		n = getline(&line, &room, r->file);
		if (n <= 0 || line[n - 1] != '\n')
			break;
		if (!show_line(l, r->service, line, (size_t)n))
			return false;
	}
	clearerr(r->file);
	(void)fseeko(r->file, at,
		     SEEK_SET); /* a line that is being written is read when it is whole */
	return true;
}

static void open_reader(struct reader *r)
{
	struct stat st;

	if (r->file)
		fclose(r->file);
	r->file = fopen(r->path, "re");
	r->inode = r->file && fstat(fileno(r->file), &st) == 0 ? st.st_ino : 0;
}

static char *older(const struct reader *r, size_t age)
{
	return age ? mem_printf("%s.%zu", r->path, age) : mem_strdup(r->path);
}

/* How many files are newer than the one @r reads, which keeps its inode; all of them when it is gone. */
static size_t newer_files(const struct reader *r)
{
	size_t age = 0;

	for (; age < FILES_LIMIT; age++) {
		auto_free char *path = older(r, age);
		struct stat st;

		bool there = stat(path, &st) == 0;

		if (there ? st.st_ino == r->inode : age > 0) /* the newest may just be being made */
			break;
	}
	return age;
}

/* Goes on to the file after this one. False: there is none yet, or names have changed meanwhile. */
static bool open_next(struct reader *r)
{
	size_t newer = newer_files(r);
	struct reader next = { .path = older(r, newer ? newer - 1 : 0) };

	open_reader(&next);
	free(next.path);
	if (!next.file)
		return false;
	if (newer_files(r) != newer) {
		fclose(next.file);
		return false;
	}
	if (r->file)
		fclose(r->file);
	r->file = next.file;
	r->inode = next.inode;
	return true;
}

/* Moves to the last @lines of the file (-1: its start); how many it lacks. */
static int64_t seek_tail(FILE *f, int64_t lines)
{
	char block[4096];
	off_t end;

	if (!f || lines < 0)
		return lines;
	(void)fseeko(f, 0, SEEK_END);
	end = ftello(f);
	if (lines == 0 || end == 0)
		return lines;
	for (off_t at = end; at > 0;) {
		off_t from = at > (off_t)sizeof(block) ? at - (off_t)sizeof(block) : 0;
		size_t n = (size_t)(at - from);

		(void)fseeko(f, from, SEEK_SET);
		n = fread(block, 1, n, f);
		for (size_t i = n; i > 0; i--)
			if (block[i - 1] == '\n' && from + (off_t)i != end && --lines == 0) {
				(void)fseeko(f, from + (off_t)i, SEEK_SET);
				return 0;
			}
		at = from;
	}
	(void)fseeko(f, 0, SEEK_SET);
	return lines - 1;
}

/* What was rotated away comes first: @lines of it (-1: all). */
static bool read_rotated(const struct pod_logs *l, const struct reader *r, int64_t lines)
{
	struct reader *old = NULL;
	bool go_on = true;
	size_t n = 0;

	while (n < FILES_LIMIT && lines != 0) {
		struct reader one = { .service = r->service, .path = older(r, n + 1) };

		open_reader(&one);
		if (!one.file) {
			free(one.path);
			break;
		}
		lines = seek_tail(one.file, lines);
		old = mem_grow(old, n + 1, sizeof(*old));
		old[n++] = one;
	}
	while (n-- > 0) {
		go_on = go_on && drain(&old[n], l);
		fclose(old[n].file);
		free(old[n].path);
	}
	free(old);
	return go_on;
}

static void follow(const struct pod_host *h, const char *name, const struct pod_logs *l,
		   struct reader *readers, size_t n)
{
	auto_fd int notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	auto_free char *dir = state_data(h, name, "logs");
	bool alive = true, go_on = true;

	(void)inotify_add_watch(notify, dir, IN_MODIFY | IN_CREATE | IN_MOVED_TO);
	while (go_on && alive) {
		struct pollfd wait = { notify, POLLIN, 0 };
		char events[4096];

		alive = state_alive(
			h, name); /* before reading: what was written until then is shown */
		for (size_t i = 0; i < n && go_on; i++) {
			go_on = drain(&readers[i], l);
			while (go_on && newer_files(&readers[i])) {
				go_on = drain(&readers[i], l); /* all of what was its last */
				if (!go_on || !open_next(&readers[i]))
					break;
				go_on = drain(&readers[i], l);
			}
		}
		if (alive && go_on)
			(void)poll(&wait, 1, FOLLOW_MS);
		while (read(notify, events, sizeof(events)) > 0)
			;
	}
}

/* Where else to look, when output is not kept here. */
static struct err *not_kept(const struct pod_service_state *s)
{
	const char *driver = json_string_value(json_at(s->json, "log_driver"));

	if (str_eq(driver, "none"))
		return err_new(ENODATA, "service %s: the logging driver none keeps no output",
			       s->service);
	if (str_eq(driver, "journald"))
		return err_new(ENODATA,
			       "service %s: its output is in the journal: "
			       "journalctl CONTAINER_NAME=%s",
			       s->service, s->container);
	return NULL;
}

/* What there is by now of one service. */
static bool read_service(const struct pod_host *h, const char *name, const struct pod_logs *l,
			 const struct pod_service_state *s, struct reader *ret)
{
	auto_free char *file = mem_printf("logs/%s.log", s->key);

	ret->service = s->key;
	ret->path = state_data(h, name, file);
	open_reader(ret);
	int64_t lacking = seek_tail(ret->file, l->tail);

	return read_rotated(l, ret, lacking) && drain(ret, l);
}

enum { LAST_LINES = 10, LAST_LENGTH = 300 };

static bool keep_line(void *ctx, const char *service, enum pod_stream stream, const char *time,
		      const char *line, size_t len)
{
	char **text = ctx;
	auto_free char *before = *text;
	auto_free char *shown = mem_strndup(line, len < LAST_LENGTH ? len : LAST_LENGTH);

	(void)stream;
	(void)time;
	shown[strcspn(shown, "\n")] = '\0';
	for (char *p = shown; *p;
	     p++) /* it is part of a message, and not a program for a terminal */
		if ((unsigned char)*p < ' ' && *p != '\t')
			*p = '?';
	*text = mem_printf("%s%s  %s | %s", before ? before : "", before ? "\n" : "", service,
			   shown);
	return true;
}

char *log_last_words(const struct pod_host *h, const char *pod, const char *key)
{
	char *text = NULL;
	const struct pod_logs l = { .tail = LAST_LINES, .ctx = &text, .on_line = keep_line };
	const struct pod_service_state who = { .key = (char *)(uintptr_t)key };
	struct reader r = { 0 };

	(void)read_service(h, pod, &l, &who, &r);
	if (r.file)
		fclose(r.file);
	free(r.path);
	return text;
}

struct err *pod_logs(const struct pod_host *h, const char *name, const struct pod_logs *l)
{
	auto_pod_state struct pod_state *s = NULL;
	struct err *elsewhere = NULL;
	size_t n = 0;
	bool go_on = true;

	TRY(pod_state_read(h, name, &s));
	for (char *const *v = l->services; v && *v; v++)
		if (!pod_state_find(s, *v))
			return pod_no_service(*v);
	struct reader *readers = mem_alloc((s->n_services + 1) * sizeof(*readers));

	for (size_t i = 0; i < s->n_services; i++) {
		const struct pod_service_state *one = &s->services[i];

		if (l->services && *l->services && !strv_has(l->services, one->service) &&
		    !strv_has(l->services, one->key))
			continue;
		struct err *e = not_kept(one);

		elsewhere = err_join(elsewhere, e);
		if (!e && go_on)
			go_on = read_service(h, name, l, one, &readers[n++]);
	}
	if (elsewhere && n) { /* some is here: that is what was asked for, as far as it goes */
		log_warn("%s", err_text(elsewhere));
		err_free(steal(&elsewhere));
	}
	if (l->follow && go_on && n)
		follow(h, name, l, readers, n);
	for (size_t i = 0; i < n; i++) {
		if (readers[i].file)
			fclose(readers[i].file);
		free(readers[i].path);
	}
	free(readers);
	return elsewhere;
}
