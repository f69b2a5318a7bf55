/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/user.c - who a process is, by the files of a stranger's root file system.
 *
 * libc's lookups would run what the image names (NSS); these read two files,
 * bounded, and never a pipe or a device (R6). A number is never looked up as a
 * name: an image cannot make "1000" mean root.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "runtime/internal.h"

/* The file's lines; none when it is missing. */
static struct err *read_lines(int root, const char *path, char ***ret)
{
	auto_fd int fd = -1;
	auto_free char *text = NULL;
	struct stat st;
	struct err *e = fd_open_in_root(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, &fd);

	if (err_code(e) == ENOENT || err_code(e) == ENOTDIR) {
		err_free(e);
		return NULL;
	}
	TRY(e);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_new(EINVAL, "%s in the image is not a file", path);
	TRY(err_wrap(fd_read_all(fd, PASSWD_MAX, &text, NULL), "%s", path));
	*ret = str_split(text, "\n");
	return NULL;
}

/* Field @n of a line of passwd(5) or group(5), or NULL. The caller's. */
static char *field(const char *line, unsigned n)
{
	for (; n > 0; n--) {
		line = strchr(line, ':');
		if (!line)
			return NULL;
		line++;
	}
	return mem_strndup(line, strcspn(line, ":"));
}

static bool is_number(const char *s)
{
	return *s && strspn(s, "0123456789") == strlen(s);
}

static struct err *parse_id(const char *text, const char *what, uint32_t *ret)
{
	int64_t id = 0;
	auto_err struct err *e = str_number(text, 0, INT32_MAX, &id);

	if (e)
		return err_new(EINVAL, "%s '%s' is not between 0 and %d", what, text, INT32_MAX);
	*ret = (uint32_t)id;
	return NULL;
}

/* The line whose field @n is @key, or NULL. Borrowed. */
static const char *find_line(char *const *lines, unsigned n, const char *key)
{
	for (; lines && *lines; lines++) {
		auto_free char *value = field(*lines, n);

		if (value && strcmp(value, key) == 0)
			return *lines;
	}
	return NULL;
}

static struct err *find_group(char *const *groups, const char *name, gid_t *ret)
{
	if (is_number(name))
		return parse_id(name, "group", ret);
	const char *line = find_line(groups, 0, name);
	auto_free char *gid = line ? field(line, 2) : NULL;

	if (!gid || !is_number(gid))
		return err_new(ENOENT, "no group '%s' in /etc/group of the image", name);
	return parse_id(gid, "group", ret);
}

static void add_group(struct identity *id, gid_t gid)
{
	for (size_t i = 0; i < id->n_groups && i < GROUPS_LIMIT; i++)
		if (id->groups[i] == gid)
			return;
	if (id->n_groups < GROUPS_LIMIT)
		id->groups[id->n_groups] = gid;
	id->n_groups++; /* beyond the limit only counted: user_find() refuses it */
}

/* The groups that list @name as a member. */
static void add_memberships(struct identity *id, char *const *groups, const char *name)
{
	for (; groups && *groups; groups++) {
		auto_free char *members = field(*groups, 3), *gid = field(*groups, 2);
		auto_strv char **list = members ? str_split(members, ",") : NULL;
		gid_t number = 0;

		if (!strv_has(list, name) || !gid || !is_number(gid))
			continue;
		auto_err struct err *e = parse_id(gid, "group", &number);

		if (!e)
			add_group(id, number);
	}
}

static struct err *find_user(char *const *users, const char *name, struct identity *id,
			     char **ret_name)
{
	bool number = is_number(name);
	const char *line = find_line(users, number ? 2 : 0, name);
	auto_free char *uid = line ? field(line, 2) : NULL, *gid = line ? field(line, 3) : NULL;
	auto_free char *home = line ? field(line, 5) : NULL;

	if (!number && (!uid || !is_number(uid)))
		return err_new(ENOENT, "no user '%s' in /etc/passwd of the image", name);
	TRY(parse_id(number ? name : uid, "user", &id->uid));
	if (gid && is_number(gid))
		TRY(parse_id(gid, "group", &id->gid));
	if (home && *home == '/' && strlen(home) < sizeof(id->home))
		strcpy(id->home, home);
	if (line)
		*ret_name = field(line, 0);
	return NULL;
}

struct err *user_find(int root, const char *user, char *const *groups, struct identity *ret)
{
	auto_strv char **users = NULL, **all_groups = NULL;
	const char *colon = user ? strchr(user, ':') : NULL;
	auto_free char *name = mem_strndup(user ? user : "", colon ? (size_t)(colon - user)
								   : strlen(user ? user : ""));
	auto_free char *login = NULL;

	*ret = (struct identity) { .home = "/" };
	if (colon && (!colon[1] || strchr(colon + 1, ':')))
		return err_new(EINVAL, "user '%s' is not USER[:GROUP]", user);
	if (colon && !*name)
		return err_new(EINVAL, "user '%s' names no user", user);
	TRY(read_lines(root, "/etc/passwd", &users));
	TRY(find_user(users, *name ? name : "0", ret, &login));
	bool lookup = login || (groups && *groups) || (colon && !is_number(colon + 1));

	if (lookup)
		TRY(read_lines(root, "/etc/group", &all_groups));
	if (colon)
		TRY(find_group(all_groups, colon + 1, &ret->gid));
	/* the primary group is one of the supplementary ones: a negative group entry must not be dodged */
	add_group(ret, ret->gid);
	if (login && !colon)
		add_memberships(ret, all_groups, login);
	for (; groups && *groups; groups++) {
		gid_t gid = 0;

		TRY(find_group(all_groups, *groups, &gid));
		add_group(ret, gid);
	}
	return ret->n_groups > GROUPS_LIMIT ? err_new(E2BIG, "user '%s' is in more than %d groups",
						      user ? user : "", GROUPS_LIMIT)
					    : NULL;
}
