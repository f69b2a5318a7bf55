/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/wire.c - a batch of births as bytes.
 *
 * Each struct has one function for both directions, so that what is written and what is
 * read cannot differ. It is one machine, and two programs of one build: numbers are as
 * they are in memory, texts stay where they were read.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "runtime/birth.h"

struct wire {
	bool reading, broken;
	char *data;
	size_t at, size; /* of data, all of it or what there is room for */
	int *fds;	 /* by the numbers they have there; when reading, the caller's */
	size_t n_fds;
};

/* ---- numbers and texts ---- */

static void bytes(struct wire *w, void *p, size_t n)
{
	if (!n)
		return;
	if (w->reading) {
		w->broken |= n > w->size - w->at;
		if (w->broken) {
			memset(p, 0, n);
			return;
		}
		memcpy(p, w->data + w->at, n);
	} else {
		while (w->size - w->at < n) {
			w->size = w->size ? 2 * w->size : 4096;
			w->data = mem_grow(w->data, w->size, 1);
		}
		memcpy(w->data + w->at, p, n);
	}
	w->at += n;
}

#define NUMBER(w, field) bytes(w, &(field), sizeof(field))

static void flag(struct wire *w, bool *b)
{
	unsigned char byte = !w->reading && *b;

	NUMBER(w, byte);
	w->broken |= byte > 1;
	if (w->reading)
		*b = byte == 1;
}

/* Its place among all that are handed over. */
static void descriptor(struct wire *w, int *fd)
{
	int place = -1;

	for (size_t i = 0; i < w->n_fds && !w->reading; i++)
		if (w->fds[i] == *fd)
			place = (int)i;
	if (!w->reading && *fd >= 0 && place < 0) {
		place = (int)w->n_fds;
		w->fds = mem_grow(w->fds, w->n_fds + 1, sizeof(int));
		w->fds[w->n_fds++] = *fd;
	}
	NUMBER(w, place);
	if (!w->reading)
		return;
	w->broken |= place >= 0 && (size_t)place >= w->n_fds;
	*fd = place >= 0 && !w->broken ? w->fds[place] : -1;
}

/* How many things follow, each of which takes @least bytes. */
static void count(struct wire *w, size_t *n, size_t least)
{
	NUMBER(w, *n);
	if (w->reading && *n > (w->size - w->at) / least) {
		w->broken = true;
		*n = 0;
	}
}

/* With its NUL; the length is 0 for none. */
static void text(struct wire *w, const char **s)
{
	size_t n = !w->reading && *s ? strlen(*s) + 1 : 0;

	count(w, &n, 1);
	if (!w->reading) {
		bytes(w, (void *)(uintptr_t)*s, n);
		return;
	}
	*s = n ? w->data + w->at : NULL;
	w->at += n;
	if (n && (*s)[n - 1]) {
		w->broken = true;
		*s = "";
	}
}

static void texts(struct wire *w, char *const **v)
{
	size_t n = !w->reading && *v ? strv_len(*v) + 1
				     : 0; /* 0 for none, which is not an empty one */

	count(w, &n, sizeof(size_t));
	if (w->reading)
		*v = n ? mem_alloc(n * sizeof(char *)) : NULL;
	for (size_t i = 0; i + 1 < n; i++)
		text(w, (const char **)(uintptr_t) & (*v)[i]);
}

/* An array for @n things of @size bytes: the one that is there, or a new one. */
static void *items(const struct wire *w, const void *there, size_t n, size_t size)
{
	return w->reading ? mem_alloc(n * size) : (void *)(uintptr_t)there;
}

/* ---- the structs of runtime.h ---- */

static void filter(struct wire *w, const struct runtime_filter **f)
{
	size_t n = !w->reading && *f ? (*f)->n : 0;
	bool there = *f;

	flag(w, &there);
	count(w, &n, sizeof(struct sock_filter));
	w->broken |= n > UINT16_MAX;
	if (w->reading && there) {
		struct runtime_filter *made = mem_alloc(sizeof(*made));

		*made = (struct runtime_filter) { mem_alloc(n * sizeof(struct sock_filter)),
						  (unsigned short)n };
		*f = made;
	}
	if (there)
		bytes(w, (*f)->code, n * sizeof(struct sock_filter));
}

static void process(struct wire *w, struct runtime_process *p)
{
	texts(w, &p->argv);
	texts(w, &p->env);
	text(w, &p->cwd);
	text(w, &p->user);
	texts(w, &p->groups);
	NUMBER(w, p->caps);
	count(w, &p->n_rlimits, sizeof(*p->rlimits));
	struct runtime_rlimit *limits = items(w, p->rlimits, p->n_rlimits, sizeof(*limits));

	p->rlimits = limits;
	bytes(w, limits, p->n_rlimits * sizeof(*limits));
	filter(w, &p->filter);
	flag(w, &p->no_new_privs);
	flag(w, &p->tty);
	flag(w, &p->set_oom_score_adj);
	NUMBER(w, p->oom_score_adj);
	NUMBER(w, p->umask);
	for (size_t i = 0; i < ARRAY_LEN(p->stdio); i++)
		descriptor(w, &p->stdio[i]);
}

static void mount(struct wire *w, struct runtime_mount *m)
{
	NUMBER(w, m->kind);
	text(w, &m->type);
	text(w, &m->source);
	text(w, &m->target);
	texts(w, &m->options);
	NUMBER(w, m->attributes);
	NUMBER(w, m->propagation);
	flag(w, &m->recursive);
	flag(w, &m->copy_up);
	flag(w, &m->optional);
	text(w, &m->subpath);
}

static void device(struct wire *w, struct runtime_device *d)
{
	text(w, &d->path);
	NUMBER(w, d->type);
	NUMBER(w, d->major);
	NUMBER(w, d->minor);
	NUMBER(w, d->mode);
	NUMBER(w, d->uid);
	NUMBER(w, d->gid);
	flag(w, &d->optional);
	text(w, &d->source);
}

static void hooks(struct wire *w, struct runtime_hooks *h)
{
	text(w, &h->stage);
	count(w, &h->n, sizeof(size_t));
	struct runtime_hook *list = items(w, h->items, h->n, sizeof(*list));

	h->items = list;
	for (size_t i = 0; i < h->n; i++) {
		text(w, &list[i].path);
		texts(w, &list[i].argv);
		texts(w, &list[i].env);
		NUMBER(w, list[i].timeout);
	}
}

static void mounts(struct wire *w, struct runtime_spec *s)
{
	count(w, &s->n_mounts, sizeof(size_t));
	struct runtime_mount *list = items(w, s->mounts, s->n_mounts, sizeof(*list));

	s->mounts = list;
	for (size_t i = 0; i < s->n_mounts; i++)
		mount(w, &list[i]);
}

static void devices(struct wire *w, struct runtime_spec *s)
{
	count(w, &s->n_devices, sizeof(size_t));
	struct runtime_device *list = items(w, s->devices, s->n_devices, sizeof(*list));

	s->devices = list;
	for (size_t i = 0; i < s->n_devices; i++)
		device(w, &list[i]);
}

static void spec(struct wire *w, struct runtime_spec *s)
{
	text(w, &s->rootfs);
	texts(w, &s->lowers);
	text(w, &s->upper);
	text(w, &s->work);
	flag(w, &s->read_only);
	mounts(w, s);
	texts(w, &s->masked);
	texts(w, &s->readonly_paths);
	flag(w, &s->default_dev);
	devices(w, s);
	flag(w, &s->loopback);
	text(w, &s->hostname);
	text(w, &s->domainname);
	texts(w, &s->sysctls);
	NUMBER(w, s->namespaces);
	for (size_t i = 0; i < ARRAY_LEN(s->join); i++)
		descriptor(w, &s->join[i]);
	NUMBER(w, s->join_types);
	NUMBER(w, s->root_propagation);
	text(w, &s->hook_state);
	hooks(w, &s->before_enter);
	hooks(w, &s->before_start);
}

static void birth(struct wire *w, struct birth *b)
{
	NUMBER(w, b->flags);
	descriptor(w, &b->group);
	NUMBER(w, b->n_attach);
	w->broken |= b->n_attach < 0 || b->n_attach > CGROUPFS_DIRS_MAX;
	for (int i = 0; i < b->n_attach && !w->broken; i++)
		descriptor(w, &b->attach[i]);
	texts(w, &b->views);
	descriptor(w, &b->gate);
	descriptor(w, &b->container);
	flag(w, &b->limits_files);
	NUMBER(w, b->files);
	process(w, &b->spec.process);
	flag(w, &b->spec.init);
	if (b->container < 0)
		spec(w, &b->spec);
}

static void births(struct wire *w, struct births *b)
{
	flag(w, &b->kept);
	count(w, &b->n, sizeof(size_t));
	b->items = items(w, b->items, b->n, sizeof(*b->items));
	for (size_t i = 0; i < b->n; i++)
		birth(w, &b->items[i]);
}

/* ---- all of it ---- */

struct err *births_write(const struct births *b, int *ret_memory, int **ret_fds, size_t *ret_n)
{
	struct births copy = *b;
	struct wire w = { 0 };
	auto_fd int memory = memfd_create("births", MFD_CLOEXEC);
	struct err *e = memory < 0 ? err_errno("memfd") : NULL;

	births(&w, &copy);
	if (!e)
		e = fd_write_all(memory, w.data, w.at);
	mem_cleanup(&w.data);
	if (e) {
		mem_cleanup(&w.fds);
		return e;
	}
	*ret_memory = fd_steal(&memory);
	*ret_fds = w.fds;
	*ret_n = w.n_fds;
	return NULL;
}

struct err *births_read(int memory, int *fds, size_t n_fds, struct births *ret)
{
	struct wire w = { .reading = true, .fds = fds, .n_fds = n_fds };
	struct stat st;

	*ret = (struct births) { 0 };
	if (fstat(memory, &st) < 0 || st.st_size <= 0)
		return err_new(EPROTO, "nothing to make");
	w.size = (size_t)st.st_size;
	w.data = mem_alloc(w.size); /* stays: texts are there */
	if (pread(memory, w.data, w.size, 0) != st.st_size)
		return err_errno("read what to make");
	births(&w, ret);
	return w.broken || w.at != w.size ? err_new(EPROTO, "what to make is not understood")
					  : NULL;
}
