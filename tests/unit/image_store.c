/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/image_store.c - the store and the volumes, filled by hand. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "image/internal.h"
#include "tests/check.h"

#define SUM(c) "sha256:" c c c c c c c c
#define AA "aaaaaaaa"
#define BB "bbbbbbbb"
#define CC "cccccccc"
#define DD "dddddddd"
#define EE "eeeeeeee"
#define KEY(c) "sha256-" c c c c c c c c

static const char config[] =
	"{\"architecture\": \"amd64\", \"os\": \"linux\", \"created\": \"2024-01-02T03:04:05Z\", "
	"\"config\": {"
	"\"Env\": [\"A=1\", \"B=\"], \"Entrypoint\": [\"/e\"], \"Cmd\": [\"c\", \"d\"], \"User\": "
	"\"7:8\","
	"\"WorkingDir\": \"/w\", \"StopSignal\": \"SIGQUIT\", \"Volumes\": {\"/v\": {}},"
	"\"ExposedPorts\": {\"80/tcp\": {}}, \"Labels\": {\"k\": \"v\"}, \"Healthcheck\": "
	"{\"Test\": [\"CMD\", \"x\"],"
	"\"Interval\": 5000000000, \"Retries\": 4}}}";

static struct image_store *open_store(void)
{
	struct image_store *s = NULL;

	log_to(-1);
	auto_err struct err *e = image_store_open(check_dir(), &s);

	CHECK_STR(err_text(e), "success");
	return s;
}

static void put(const char *path, const char *text)
{
	auto_free char *full = mem_printf("%s/store/%s", check_dir(), path);

	check_file(full, text);
}

/* An image as slipway-fetch leaves it; @layers as JSON strings. */
static void put_image(const char *file, const char *name, const char *platform, const char *layers)
{
	auto_free char *ref = mem_printf("refs/%s", file);
	auto_free char *text = mem_printf(
		"{\"name\": \"%s\", \"manifest\": \"" SUM(CC) "\", \"config\": \"" SUM(
			DD) "\","
			    "\"platform\": \"%s\", \"size\": 42, \"pulled\": 7, \"layers\": [%s]}",
		name, platform, layers);

	put(ref, text);
	put("blobs/" KEY(CC), "{}");
	put("blobs/" KEY(DD), config);
	put("layers/" KEY(AA) "/fs/a", "");
	put("layers/" KEY(BB) "/fs/b", "");
}

static bool there(const char *path)
{
	auto_free char *full = mem_printf("%s/store/%s", check_dir(), path);

	return access(full, F_OK) == 0;
}

#define HUB "docker.io%library%"
#define LAYER_A "\"" KEY(AA) "\""
#define LAYER_B "\"" KEY(BB) "\""

TEST(the_store_is_made_for_its_owner_alone)
{
	auto_image_store struct image_store *s = open_store();
	struct stat st;

	CHECK(fstat(s->dir, &st) == 0);
	CHECK_INT(st.st_mode & 07777, 0700);
	CHECK(there("refs") && there("ingest") && there("locks"));
	image_store_free(open_store()); /* again is fine */
}

TEST(an_image_is_found_with_all_that_its_configuration_says)
{
	auto_image_store struct image_store *s = open_store();
	auto_image struct image *i = NULL;

	put_image(HUB "a:latest", "a:latest", "linux/amd64", LAYER_A ", " LAYER_B);
	auto_err struct err *e = image_find(s, "a", "linux/amd64", &i);

	CHECK_STR(err_text(e), "success");
	auto_free char *lower = mem_printf("%s/layers/" KEY(AA) "/fs", s->path);
	auto_free char *env = strv_join(i->env, ","), *cmd = strv_join(i->cmd, ",");

	CHECK_STR(i->name, "a:latest");
	CHECK_STR(i->id, SUM(DD));
	CHECK_STR(i->manifest, SUM(CC));
	CHECK_STR(i->layers[0], lower);
	CHECK_INT(strv_len(i->layers), 2);
	CHECK_STR(env, "A=1,B=");
	CHECK_STR(cmd, "c,d");
	CHECK_STR(i->entrypoint[0], "/e");
	CHECK_STR(i->user, "7:8");
	CHECK_STR(i->working_dir, "/w");
	CHECK_STR(i->stop_signal, "SIGQUIT");
	CHECK_STR(i->volumes[0], "/v");
	CHECK_STR(i->exposed[0], "80/tcp");
	CHECK_STR(i->labels[0], "k=v");
	CHECK_STR(i->created, "2024-01-02T03:04:05Z");
	CHECK_STR(i->health.test[1], "x");
	CHECK_INT(i->health.interval, 5000);
	CHECK_INT(i->health.retries, 4);
	CHECK_INT(i->size, 42);
	CHECK_INT(i->pulled, 7);
}

TEST(a_shared_image_lives_until_the_last_has_freed_it)
{
	auto_image_store struct image_store *s = open_store();
	struct image *first = NULL;

	put_image(HUB "a:latest", "a:latest", "linux/amd64", LAYER_A ", " LAYER_B);
	auto_err struct err *e = image_find(s, "a", "linux/amd64", &first);

	CHECK_STR(err_text(e), "success");
	struct image *second = image_share(first);

	image_free(first);
	CHECK_STR(second->name, "a:latest");
	CHECK(second->lease >= 0);
	image_release(second);
	CHECK_INT(second->lease, -1);
	image_free(second);
}

TEST(what_is_not_here_is_said_to_be_not_here)
{
	auto_image_store struct image_store *s = open_store();
	static const struct {
		const char *why, *name, *platform, *want;
		int code;
	} rows[] = {
		{ "a name nobody pulled", "x", NULL, "image x is not here", ENOENT },
		{ "a name that is none", "X", NULL,
		  "'X' is not an image reference: the name must be lower-case letters, digits and "
		  "separators",
		  EINVAL },
		{ "another platform", "a", "linux/s390x", "image a is here only for linux/amd64",
		  ENOENT },
		{ "the host's, when that is another", "r", NULL,
		  "image r is here only for linux/riscv64", ENOENT },
		{ "no platform at all", "a", "windows/amd64",
		  "'windows/amd64' is not a platform; write linux/amd64 or linux/arm/v7", EINVAL },
		{ "a damaged file", "broken", NULL, "image broken is not here", ENOENT },
		{ "an empty one", "empty", NULL, "image empty is not here", ENOENT },
		{ "a lost layer", "lost", NULL, "image lost is not here", ENOENT },
		{ "no layer", "bare", NULL, "image bare is not here", ENOENT },
		{ "a layer somewhere else", "out", NULL, "image out is not here", ENOENT },
		{ "another's file", "other", NULL, "image other is not here", ENOENT },
	};

	put_image(HUB "a:latest", "a:latest", "linux/amd64", LAYER_A);
	put_image(HUB "r:latest", "r:latest", "linux/riscv64", LAYER_A);
	put_image(HUB "lost:latest", "lost:latest", "linux/amd64", "\"" KEY(CC) "\"");
	put_image(HUB "bare:latest", "bare:latest", "linux/amd64", "");
	put_image(HUB "out:latest", "out:latest", "linux/amd64", "\"../layers/" KEY(AA) "\"");
	put_image(HUB "other:latest", "a:latest", "linux/amd64", LAYER_A);
	put("refs/" HUB "broken:latest", "{");
	put("refs/" HUB "empty:latest", "");
	for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
		auto_image struct image *i = NULL;

		check_why(rows[k].why);
		auto_err struct err *e = image_find(s, rows[k].name, rows[k].platform, &i);

		CHECK_STR(err_text(e), rows[k].want);
		CHECK_INT(err_code(e), rows[k].code);
	}
}

TEST(images_are_listed_by_name_without_the_damaged_ones)
{
	auto_image_store struct image_store *s = open_store();
	struct image **list = NULL;
	size_t n = 0;

	put_image("x.y%b:1", "x.y/b:1", "linux/amd64", LAYER_A);
	put_image(HUB "a:latest", "a:latest", "linux/arm64/v8", LAYER_B);
	put("refs/" HUB "broken:latest", "[]");
	auto_err struct err *e = image_list(s, &list, &n);

	CHECK_STR(err_text(e), "success");
	CHECK_INT(n, 2);
	CHECK_STR(list[0]->name, "a:latest");
	CHECK_STR(list[1]->name, "x.y/b:1");
	for (size_t i = 0; i < n; i++)
		image_free(list[i]);
	free(list);
}

TEST(removing_untags_and_leaves_the_rest_to_gc)
{
	auto_image_store struct image_store *s = open_store();

	put_image(HUB "a:latest", "a:latest", "linux/amd64", LAYER_A);
	auto_err struct err *e = image_remove(s, "docker.io/library/a");

	CHECK_STR(err_text(e), "success");
	CHECK(there("layers/" KEY(AA) "/fs/a"));
	e = image_remove(s, "a");
	CHECK_STR(err_text(e), "no such image: a");
	CHECK_INT(err_code(e), ENOENT);
}

static char *collected(const struct image_store *s, char *const *in_use, bool dry_run)
{
	auto_strv char **removed = NULL;
	auto_err struct err *e = image_gc(s, in_use, dry_run, &removed);

	CHECK_STR(err_text(e), "success");
	return strv_join(removed, " ");
}

static void fill_for_gc(void)
{
	put_image(HUB "a:latest", "a:latest", "linux/amd64", LAYER_A);
	put("ingest/" KEY(CC) "/fs/half", "");
	put("blobs/" KEY(EE), "{}");
	put("known/" KEY(AA), SUM(AA));
	put("known/" KEY(BB), SUM(BB));
	put("locks/" KEY(AA), "");
}

TEST(gc_takes_what_no_image_names)
{
	static const char want[] = "ingest/" KEY(CC) " layers/" KEY(BB) " blobs/" KEY(EE);
	auto_image_store struct image_store *s = open_store();

	fill_for_gc();
	auto_free char *would = collected(s, NULL, true);

	CHECK_STR(would, want);
	CHECK(there("layers/" KEY(BB)) && there("ingest/" KEY(CC)) && there("locks/" KEY(AA)));
	auto_free char *did = collected(s, NULL, false), *again = collected(s, NULL, false);

	CHECK_STR(did, want);
	CHECK_STR(again, "");
	CHECK(there("layers/" KEY(AA) "/fs/a") && there("blobs/" KEY(CC)) &&
	      there("blobs/" KEY(DD)));
	CHECK(there("known/" KEY(AA)) && !there("known/" KEY(BB)) && !there("locks/" KEY(AA)));
	CHECK(!there("layers/" KEY(BB)) && !there("ingest/" KEY(BB)) && !there("ingest/" KEY(CC)));
}

TEST(gc_leaves_what_a_pod_stands_on)
{
	auto_image_store struct image_store *s = open_store();
	auto_strv char **in_use = NULL;

	fill_for_gc();
	strv_add(&in_use, mem_printf("%s/layers/" KEY(BB) "/fs", s->path));
	auto_free char *did = collected(s, in_use, false);

	CHECK_STR(did, "ingest/" KEY(CC) " blobs/" KEY(EE));
	CHECK(there("layers/" KEY(BB) "/fs/b") && there("known/" KEY(BB)));
}

TEST(gc_does_nothing_while_somebody_pulls_or_starts)
{
	auto_image_store struct image_store *s = open_store();
	auto_image struct image *i = NULL;

	fill_for_gc();
	auto_err struct err *e = image_find(s, "a", "linux/amd64", &i);

	CHECK(!e);
	auto_free char *did = collected(s, NULL, false);

	CHECK_STR(did, "");
	CHECK(there("layers/" KEY(BB)));
}

TEST(gc_is_not_stopped_by_a_damaged_reference)
{
	auto_image_store struct image_store *s = open_store();

	fill_for_gc();
	put("refs/" HUB "broken:latest", "");
	put("refs/" HUB "odd:latest", "{\"layers\": 7}");
	auto_free char *did = collected(s, NULL, false);

	CHECK_STR(did, "ingest/" KEY(CC) " layers/" KEY(BB) " blobs/" KEY(EE));
	CHECK(there("layers/" KEY(AA)));
}

TEST(the_lowest_layer_is_made_once_and_again_when_it_is_not_whole)
{
	auto_free char *path = NULL, *again = NULL, *last = NULL, *first = NULL;
	auto_err struct err *e = image_base(check_dir(), &path);
	struct stat st;

	CHECK_STR(err_text(e), "success");
	last = mem_printf("%s/etc/resolv.conf", path);
	first = mem_printf("%s/etc/hosts", path);
	CHECK(stat(first, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == 0);
	CHECK_INT(st.st_mode & 07777, 0644);
	CHECK(unlink(first) == 0 && unlink(last) == 0);
	e = image_base(check_dir(), &again);
	CHECK_STR(err_text(e), "success");
	CHECK_STR(again, path);
	CHECK(access(first, F_OK) == 0 && access(last, F_OK) == 0);
}

/* ---- volumes ---- */

TEST(a_volume_is_made_once_and_keeps_its_labels)
{
	auto_strv char **labels = str_split("k=v l=", " "), **other = str_split("x=y", " ");
	auto_free char *path = NULL, *again = NULL;
	auto_err struct err *e = image_volume_ensure(check_dir(), "p_data", labels, &path);
	struct image_volume *v = NULL;
	struct stat st;
	size_t n = 0;

	CHECK_STR(err_text(e), "success");
	auto_free char *want = mem_printf("%s/volumes/p_data/_data", check_dir());

	CHECK_STR(path, want);
	CHECK(stat(path, &st) == 0 && S_ISDIR(st.st_mode));
	CHECK_INT(st.st_mode & 07777, 0755);
	e = image_volume_ensure(check_dir(), "p_data", other, &again);
	CHECK(!e);
	e = image_volume_list(check_dir(), &v, &n);
	CHECK(!e);
	CHECK_INT(n, 1);
	auto_free char *text = strv_join(v[0].labels, " ");

	CHECK_STR(v[0].name, "p_data");
	CHECK_STR(v[0].path, want);
	CHECK_STR(text, "k=v l=");
	image_volume_clear(&v[0]);
	free(v);
}

TEST(volumes_are_listed_by_name_and_removed_with_all_in_them)
{
	static const char *const names[] = { "zz", "aa", "mm" };
	struct image_volume *v = NULL;
	size_t n = 7;
	auto_err struct err *e = image_volume_list(check_dir(), &v, &n);

	CHECK(!e && n == 0 && !v); /* there is no such folder yet */
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		auto_free char *path = NULL;

		e = image_volume_ensure(check_dir(), names[i], NULL, &path);
		CHECK(!e);
		auto_free char *file = mem_printf("%s/d/f", path);

		check_file(file, "x");
	}
	e = image_volume_remove(check_dir(), "mm");
	CHECK(!e);
	CHECK(image_volume_exists(check_dir(), "aa") && !image_volume_exists(check_dir(), "mm"));
	e = image_volume_list(check_dir(), &v, &n);
	CHECK(!e && n == 2);
	CHECK_STR(v[0].name, "aa");
	CHECK_STR(v[1].name, "zz");
	for (size_t i = 0; i < n; i++)
		image_volume_clear(&v[i]);
	free(v);
}

TEST(a_volumes_name_is_no_path)
{
	static const char *const names[] = { "",    "a",   "..",   ".a",  "../x", "a/b",
					     "-ab", "a b", "a\nb", "_ab", "a%b" };

	auto_free char *outside = mem_printf("%s/x/_data", check_dir());

	CHECK(mkdir(check_dir(), 0700) < 0);
	auto_free char *file = mem_printf("%s/f", outside);

	check_file(file, "");
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		auto_free char *path = NULL;

		check_why(names[i]);
		auto_err struct err *e = image_volume_ensure(check_dir(), names[i], NULL, &path);
		auto_err struct err *e2 = image_volume_remove(check_dir(), names[i]);

		CHECK_INT(err_code(e), EINVAL);
		CHECK_INT(err_code(e2), EINVAL);
		CHECK(!image_volume_exists(check_dir(), names[i]));
	}
	CHECK(access(outside, F_OK) == 0);
}
