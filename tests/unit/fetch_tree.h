/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/fetch_tree.h - layers and trees as text, for the tests of unpacking.
 *
 * A layer is entries between ";", each a type (d f l h c b p s), a name and what
 * differs from the usual: m1777, u33, g34, t1000.5 (time), >link, =data, 1,3 (device),
 * xNAME=VALUE (attribute). A tree is listed in the same way; "w" is a whiteout,
 * a last "o" an opaque directory, n2 a second name.
 */
#pragma once

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "image/fetch/fetch.h"
#include "tests/check.h"

enum { USUAL_TIME = 1000 };

/* ---- making tars ---- */

struct tar {
	char *data;
	size_t len;
};

static inline void tar_bytes(struct tar *t, const void *data, size_t len)
{
	size_t padded = (len + 511) / 512 * 512;

	t->data = mem_grow(t->data, t->len + padded + 1, 1);
	memset(t->data + t->len, 0, padded + 1);
	if (len)
		memcpy(t->data + t->len, data, len);
	t->len += padded;
}

struct tar_entry {
	char type; /* of ustar: '0' a file, '5' a directory, ... */
	const char *name, *link, *data;
	size_t len;
	unsigned mode, major, minor;
	long long uid, gid, mtime;
};

static inline void tar_header(struct tar *t, const struct tar_entry *e)
{
	char h[512] = "";
	unsigned sum = 8 * ' ';

	snprintf(h, 100, "%s", e->name);
	snprintf(h + 100, 8, "%07o", e->mode);
	snprintf(h + 108, 8, "%07llo", e->uid & 07777777);
	snprintf(h + 116, 8, "%07llo", e->gid & 07777777);
	snprintf(h + 124, 12, "%011zo", e->len);
	snprintf(h + 136, 12, "%011llo", e->mtime & 077777777777);
	h[156] = e->type;
	snprintf(h + 157, 100, "%s", e->link ? e->link : "");
	memcpy(h + 257, "ustar\00000", 8);
	snprintf(h + 329, 8, "%07o", e->major);
	snprintf(h + 337, 8, "%07o", e->minor);
	for (size_t i = 0; i < sizeof(h); i++)
		sum += (unsigned char)h[i];
	snprintf(h + 148, 8, "%06o", sum);
	h[155] = ' ';
	tar_bytes(t, h, sizeof(h));
	tar_bytes(t, e->data, e->len);
}

static inline void tar_pax(struct tar *t, const char *records, size_t len)
{
	if (len)
		tar_header(t, &(struct tar_entry) {
				      .type = 'x', .name = "pax", .data = records, .len = len });
}

/* "LEN KEY=VALUE\n", where LEN counts itself. */
static inline void pax_record(char **text, size_t *text_len, const char *key, const void *value,
			      size_t len)
{
	size_t n = strlen(key) + len + 3, digits = 1;

	for (size_t p = 10; n + digits >= p; p *= 10)
		digits++;
	*text = mem_grow(*text, *text_len + n + digits + 1, 1);
	*text_len += (size_t)sprintf(*text + *text_len, "%zu %s=", n + digits, key);
	memcpy(*text + *text_len, value, len);
	*text_len += len;
	(*text)[(*text_len)++] = '\n';
}

static inline void tar_word(const char *w, struct tar_entry *e, char **pax, size_t *pax_len)
{
	if (*w == 'm')
		e->mode = (unsigned)strtoul(w + 1, NULL, 8);
	else if (*w == 'u' || *w == 'g') {
		*(*w == 'u' ? &e->uid : &e->gid) = strtoll(w + 1, NULL, 10);
		if (strlen(w) > 7 || w[1] == '-')
			pax_record(pax, pax_len, *w == 'u' ? "uid" : "gid", w + 1, strlen(w + 1));
	} else if (*w == 't' && strpbrk(w, ".-")) {
		pax_record(pax, pax_len, "mtime", w + 1, strlen(w + 1));
	} else if (*w == 't') {
		e->mtime = strtoll(w + 1, NULL, 10);
	} else if (*w == '>') {
		e->link = w + 1;
	} else if (*w == '=') {
		e->data = w + 1;
		e->len = strlen(e->data);
	} else if (*w == 'x') {
		const char *value = strchr(w, '=');
		auto_free char *key = mem_printf("SCHILY.xattr.%.*s", (int)(value - w - 1), w + 1);

		pax_record(pax, pax_len, key, value + 1, strlen(value + 1));
	} else {
		CHECK(sscanf(w, "%u,%u", &e->major, &e->minor) == 2);
	}
}

static inline void tar_entry(struct tar *t, const char *line)
{
	static const char letters[] = "fhlcbdps", types[] = "01234560";
	auto_strv char **words = str_split(line, " ");
	struct tar_entry e = { .mtime = USUAL_TIME, .name = words[1] };
	auto_free char *pax = NULL;
	size_t pax_len = 0;

	e.type = types[strchr(letters, **words) - letters];
	e.mode = **words == 'd' ? 0755 : **words == 'l' ? 0777 : 0644;
	for (char **w = words + 2; *w; w++)
		tar_word(*w, &e, &pax, &pax_len);
	if (strlen(e.name) >= 100)
		pax_record(&pax, &pax_len, "path", e.name, strlen(e.name));
	if (e.link && strlen(e.link) >= 100)
		pax_record(&pax, &pax_len, "linkpath", e.link, strlen(e.link));
	tar_pax(t, pax, pax_len);
	tar_header(t, &e);
}

static inline void tar_end(struct tar *t)
{
	tar_bytes(t, (char[1024]) { 0 }, 1024);
}

static inline struct tar tar_of(const char *text)
{
	auto_strv char **lines = str_split(text, ";");
	struct tar t = { 0 };

	for (char **l = lines; l && *l; l++)
		tar_entry(&t, *l);
	tar_end(&t);
	return t;
}

/* ---- reading them ---- */

struct feed {
	const char *data;
	size_t len, piece; /* bytes at a time; 0: all */
};

static inline struct err *feed(void *ctx, const void **data, size_t *len)
{
	struct feed *f = ctx;

	*data = f->data;
	*len = f->piece && f->piece < f->len ? f->piece : f->len;
	f->data += *len;
	f->len -= *len;
	return NULL;
}

static inline struct err *unpack_bytes(const void *data, size_t len, int fs,
				       struct unpack_notes *notes)
{
	struct feed f = { data, len, 0 };

	return unpack(feed, &f, fs, notes);
}

/* ---- listing trees ---- */

static inline char *list_xattrs(const char *path)
{
	char names[4096], value[256];
	ssize_t n = llistxattr(path, names, sizeof(names));
	char *text = mem_strdup("");

	for (const char *name = names; n > 0 && name < names + n; name += strlen(name) + 1) {
		ssize_t len = lgetxattr(path, name, value, sizeof(value) - 1);
		auto_free char *before = text;

		value[len < 0 ? 0 : len] = '\0';
		if (strcmp(name, "user.overlay.opaque") == 0)
			text = mem_printf("%s o", before);
		else
			text = mem_printf("%s x%s=%s", before, name, value);
	}
	return text;
}

static inline char *list_entry(const char *path, const char *name)
{
	struct stat st;
	char link[PATH_MAX] = "", data[64] = "", time[64] = "", owner[64] = "", rest[64] = "";

	CHECK(lstat(path, &st) == 0);
	char type = S_ISDIR(st.st_mode)	   ? 'd'
		    : S_ISREG(st.st_mode)  ? 'f'
		    : S_ISLNK(st.st_mode)  ? 'l'
		    : S_ISCHR(st.st_mode)  ? 'c'
		    : S_ISBLK(st.st_mode)  ? 'b'
		    : S_ISFIFO(st.st_mode) ? 'p'
					   : 's';
	unsigned mode = st.st_mode & 07777, usual = type == 'd' ? 0755 : type == 'l' ? 0777 : 0644;

	if (type == 'c' && st.st_rdev == 0)
		return mem_printf("w %s", name);
	if (type == 'l')
		CHECK(readlink(path, link + 1, sizeof(link) - 2) > 0);
	*link = type == 'l' ? '>' : '\0';
	if (type == 'f' && st.st_size) {
		auto_fd int fd = open(path, O_RDONLY);

		*data = '=';
		CHECK(read(fd, data + 1, sizeof(data) - 2) >= 0);
	}
	if (st.st_mtim.tv_sec != USUAL_TIME || st.st_mtim.tv_nsec)
		snprintf(time, sizeof(time), st.st_mtim.tv_nsec ? " t%lld.%09ld" : " t%lld",
			 (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
	if (mode != usual)
		snprintf(owner, sizeof(owner), " m%o", mode);
	if (st.st_uid || st.st_gid)
		snprintf(owner + strlen(owner), 32, " u%u g%u", st.st_uid, st.st_gid);
	if (type != 'd' && st.st_nlink > 1)
		snprintf(rest, sizeof(rest), " n%u", (unsigned)st.st_nlink);
	if (type == 'c' || type == 'b')
		snprintf(rest, sizeof(rest), " %u,%u", major(st.st_rdev), minor(st.st_rdev));
	auto_free char *xattrs = list_xattrs(path);

	return mem_printf("%c %s%s%s%s%s%s%s%s", type, name, owner, time, *link || *data ? " " : "",
			  link, data, rest, xattrs);
}

static inline void list_below(const char *root, const char *at, char ***lines)
{
	auto_free char *path = mem_printf("%s/%s", root, at);
	struct dirent **entries = NULL;
	int n = scandir(path, &entries, NULL, alphasort);

	CHECK(n >= 0);
	for (int i = 0; i < n; i++) {
		const char *name = entries[i]->d_name;
		auto_free char *below = mem_printf("%s%s%s", at, *at ? "/" : "", name);
		auto_free char *full = mem_printf("%s/%s", root, below);

		if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0) {
			strv_add(lines, list_entry(full, below));
			if (entries[i]->d_type == DT_DIR)
				list_below(root, below, lines);
		}
		free(entries[i]);
	}
	free(entries);
}

static inline char *list_tree(const char *root)
{
	auto_strv char **lines = NULL;

	list_below(root, "", &lines);
	return strv_join(lines, ";");
}

/* ---- layers on disk ---- */

enum { STACK_MAX = 8 };

/* Layers below the test's directory, in "0", "1", ...; as slipway-fetch has them. */
struct layers {
	int fds[STACK_MAX];  /* the nearest first, as unpack_fixup() wants them */
	size_t n, top, from; /* the top's number; the lowest that is not hidden */
};

static inline struct err *layers_add(struct layers *l, const struct tar *t)
{
	size_t number = l->n ? l->top + 1 : 0;
	auto_free char *path = mem_printf("%s/%zu", check_dir(), number);
	struct unpack_notes notes = { 0 };
	auto_fd int fd = -1;

	CHECK(mkdir(path, 0755) == 0);
	CHECK((fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) >= 0);
	struct err *e = unpack_bytes(t->data, t->len, fd, &notes);

	if (notes.opaque_root) {
		l->n = 0;
		l->from = number;
	}
	if (!e)
		e = unpack_fixup(fd, &notes, l->fds, l->n);
	unpack_notes_clear(&notes);
	memmove(l->fds + 1, l->fds, l->n * sizeof(int));
	l->fds[0] = fd_steal(&fd);
	l->n++;
	l->top = number;
	return e;
}

/* Mounts them as slipway does; the path is the caller's. */
static inline char *layers_mount(const struct layers *l)
{
	auto_free char *lower = mem_strdup("");
	char *at = mem_printf("%s/merged", check_dir());

	for (size_t i = l->top + 1; i > l->from; i--) {
		auto_free char *before = lower;

		lower = mem_printf("%s%s%s/%zu", before, *before ? ":" : "", check_dir(), i - 1);
	}
	auto_free char *upper = mem_printf("%s/upper", check_dir());
	auto_free char *work = mem_printf("%s/work", check_dir());
	auto_free char *options =
		mem_printf("lowerdir=%s,upperdir=%s,workdir=%s,userxattr", lower, upper, work);

	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	CHECK(mkdir(at, 0755) == 0 && mkdir(upper, 0755) == 0 && mkdir(work, 0755) == 0);
	CHECK(mount("overlay", at, "overlay", 0, options) == 0);
	return at;
}

static inline void need_root(void)
{
	if (geteuid() != 0)
		SKIP("needs root: owners and devices");
}
