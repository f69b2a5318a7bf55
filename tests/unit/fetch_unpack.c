/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/fetch_unpack.c - what a layer's tar leaves on disk, and what it must not touch. */
#include <locale.h>

#include "tests/unit/fetch_tree.h"

#define NAME50 "a234567890a234567890a234567890a234567890a234567890"
#define LONG NAME50 NAME50 "/" NAME50 "/" NAME50 NAME50 NAME50

/* ---- one layer ---- */

static const struct {
	const char *why, *tar, *want;
} alone[] = {
	{ "nothing at all", "", "" },
	{ "a file and a directory", "d d/;f d/a =A", "d d;f d/a =A" },
	{ "files of no bytes", "f a", "f a" },
	{ "names with ./, //, / and a trailing slash", "d ./;d ./d//;f /d/./a =A;f ./b",
	  "f b;d d;f d/a =A" },
	{ "dots stop at the root", "d d/;f d/../x;f ../../y", "d d;f x;f y" },
	{ "a long name, a long link", "f " LONG " =A;l l >" LONG,
	  "d " NAME50 NAME50 " t0;d " NAME50 NAME50 "/" NAME50 " t0;f " LONG " =A;l l >" LONG },
	{ "directories nobody described", "f a/b/c =C", "d a t0;d a/b t0;f a/b/c =C" },
	{ "and then described after all", "f a/c =C;d a/ m700", "d a m700;f a/c =C" },
	{ "times of directories, set last", "d d/ t5;d d/e t6;f d/e/a t7;f d/b t8",
	  "d d t5;f d/b t8;d d/e t6;f d/e/a t7" },
	{ "times before 1970, and parts of a second", "f a t-100.5;f b t7.000000001;d d/ t-3.25",
	  "f a t-101.500000000;f b t7.000000001;d d t-4.750000000" },
	{ "owners and the bits that chown clears",
	  "f s m4755 u1000 g7;f t m2755 u5 g5;d d/ m3777 u1 g2",
	  "d d m3777 u1 g2;f s m4755 u1000 g7;f t m2755 u5 g5" },
	{ "the largest owner", "f a u4294967294 g4294967294", "f a u4294967294 g4294967294" },
	{ "modes without any bit", "f a m0 =A;d d/ m0;f d/b", "f a m0 =A;d d m0;f d/b" },
	{ "links", "l l >../../etc/passwd;l m >/;l n >nowhere",
	  "l l >../../etc/passwd;l m >/;l n >nowhere" },
	{ "a link with an owner and a time", "l l >x u7 g8 t9", "l l u7 g8 t9 >x" },
	{ "hard links", "f a =A;h b >a;h d/c >./a", "f a =A n3;f b =A n3;d d t0;f d/c =A n3" },
	{ "a hard link to a symbolic one", "l l >x;h m >l", "l l >x n2;l m >x n2" },
	{ "a symbolic link to nothing", "l a", "/a: a symbolic link to nothing" },
	{ "a hard link to itself", "f a =A;h a >a", "/a: a hard link to a, which is nowhere" },
	{ "a hard link to a directory", "d d/;h a >d", "/a: a hard link to d, which is no file" },
	{ "a hard link to nothing", "h a >/", "/a: a hard link to nothing" },
	{ "a hard link to what does not exist", "h a >b",
	  "/a: a hard link to b, which is nowhere" },
	{ "a hard link before its file", "h a >b;f b =B", "f a =B n2;f b =B n2" },
	{ "a hard link that becomes a file", "h a >b;f a =A", "f a =A" },
	{ "a hard link in a directory that becomes a file", "f b;h d/a >b;f d =D", "f b;f d =D" },
	{ "devices and pipes", "c null m666 1,3;b disk 8,1;p pipe m600",
	  "b disk 8,1;c null m666 1,3;p pipe m600" },
	{ "a block device 0:0 is no whiteout", "b x 0,0", "b x 0,0" },
	{ "a character device 0:0 is one", "c x 0,0",
	  "/x: a character device 0:0 cannot be kept: overlayfs takes it for a whiteout" },
	{ "an owner that is none", "f a u4294967295",
	  "/a: the owner 4294967295:0 is out of range" },
	{ "an owner that wraps", "f a g4294967296", "/a: the owner 0:4294967296 is out of range" },
	{ "an owner below zero", "d d/ u-1", "/d: the owner -1:0 is out of range" },
	{ "the root's owner as well", "d ./ u4294967295",
	  "/: the owner 4294967295:0 is out of range" },
	{ "the root is no file", "f . =A", "/: the root must be a directory" },
	{ "attributes of overlayfs are not the image's to set",
	  "d d/ xtrusted.overlay.opaque=y xuser.overlay.opaque=y;f a xuser.overlay.metacopy=y",
	  "f a;d d" },
	{ "others are kept", "f a xuser.mime=text;d d/ xuser.x=y",
	  "f a xuser.mime=text;d d xuser.x=y" },
	/* the same name again */
	{ "the later file counts", "f a =1;f a =2 m600", "f a m600 =2" },
	{ "not through a hard link", "f a =1;h b >a;f b =2", "f a =1;f b =2" },
	{ "not through a symbolic link", "f a =1;l b >a;f b =2", "f a =1;f b =2" },
	{ "a directory again: only its looks", "d d/ t5;f d/a;d d/ m700 t6", "d d m700 t6;f d/a" },
	{ "a file over a directory", "d d/;d d/e;f d/e/a;f d =D", "f d =D" },
	{ "and back: what is below the file stays hidden", "d d/;f d/a;f d =D;d d/;f d/b",
	  "d d o;f d/b" },
	{ "a directory over a link", "d a/;l l >a;d l/;f l/x", "d a;d l o;f l/x" },
	{ "a file gives way to a directory nobody described", "f a =A;f a/b", "d a t0 o;f a/b" },
	/* links on the way */
	{ "through a link", "d usr/lib/;l lib >usr/lib;f lib/a",
	  "l lib >usr/lib;d usr t0;d usr/lib;f usr/lib/a" },
	{ "through one to nowhere", "l l >/x/y;f l/a", "l l >/x/y;d x t0;d x/y t0;f x/y/a" },
	{ "through one upwards", "d d/;l d/l >../../../e;f d/l/a",
	  "d d;l d/l >../../../e;d e t0;f e/a" },
	{ "through one to itself", "l l >l;f l/a",
	  "/l/a: open l: Too many levels of symbolic links" },
	/* whiteouts */
	{ "a whiteout, and the same again", "d d/;f d/.wh.a;f d/.wh.a", "d d;w d/a" },
	{ "before the file", "f .wh.a;f a =A", "f a =A" },
	{ "after the file", "f a =A;f .wh.a", "f a =A" },
	{ "before the directory", "f .wh.d;d d/;f d/a", "d d o;f d/a" },
	{ "after the directory", "d d/;f d/a;f .wh.d", "d d o;f d/a" },
	{ "before one nobody described", "f .wh.d;f d/a", "d d t0 o;f d/a" },
	{ "after it", "f d/a;f .wh.d", "d d t0 o;f d/a" },
	{ "of a hard link that is still to be made", "h a >b;f .wh.a;f b =B",
	  "f a =B n2;f b =B n2" },
	{ "an opaque directory", "d d/;f d/.wh..wh..opq;f d/a", "d d o;f d/a" },
	{ "opaque, behind a link", "d d/;l l >d;f l/.wh..wh..opq", "d d o;l l >d" },
	{ "of nothing", "f .wh.", "/.wh.: a whiteout of nothing" },
	{ "of the directory itself", "f .wh..", "/.wh..: a whiteout of nothing" },
	{ "of the one above", "f d/.wh...", "/d/.wh...: a whiteout of nothing" },
	{ "where nothing is below", "f d/e/.wh.a;f .wh.d", "w d" },
	{ "of names in a file", "f a;f a/.wh.b", "f a" },
	{ "AUFS's files go, and second names of files there stay",
	  "d .wh..wh.plnk/ m700;f .wh..wh.plnk/1.2 =P;h pl >.wh..wh.plnk/1.2;f .wh..wh.aufs;"
	  "d .wh..wh.orph/;f .wh..wh.orph/x",
	  "f pl =P" },
	{ "AUFS's directory is not a way out", "l .wh..wh.plnk >/;f .wh..wh.plnk/a;f b", "f b" },
};

/* Unpacks @text as the next layer; its listing, or the error. The caller's. */
static char *layer_text(struct layers *l, const char *text)
{
	struct tar t = tar_of(text);
	auto_err struct err *e = layers_add(l, &t);
	auto_free char *path = mem_printf("%s/%zu", check_dir(), l->top);

	free(t.data);
	return e ? mem_strdup(err_text(e)) : list_tree(path);
}

static void clear_layers(struct layers *l)
{
	for (size_t i = 0; i < l->n; i++)
		close(l->fds[i]);
	for (size_t i = 0; i <= l->top; i++) {
		auto_free char *path = mem_printf("%s/%zu", check_dir(), i);
		auto_err struct err *e = fd_remove_tree(AT_FDCWD, path);

		CHECK_STR(err_text(e), "success");
	}
	*l = (struct layers) { 0 };
}

TEST(a_layer_becomes_the_lower_directory_that_overlayfs_wants)
{
	struct layers l = { 0 };

	need_root();
	for (size_t i = 0; i < ARRAY_LEN(alone); i++) {
		check_why(alone[i].why);
		auto_free char *got = layer_text(&l, alone[i].tar);

		CHECK_STR(got, alone[i].want);
		clear_layers(&l);
	}
}

/* ---- on top of others ---- */

#define BASE                                                                                     \
	"d d/ m750 u3 g4 t11;f d/a =A;d d/s/ m700 t12;f d/s/x =X;d tmp/ m1777 t13;d usr/;"       \
	"d usr/lib/ m555 t14 xuser.k=v;f usr/lib/r =R;l lib >usr/lib;l abs >/usr/lib;f f =F u9 " \
	"t15"

static const struct {
	const char *why, *tar, *want; /* the upper layer, and what is in it */
} above[] = {
	{ "directories nobody described look like those below", "f tmp/z;f d/s/y;f n/m",
	  "d d m750 u3 g4 t11;d d/s m700 t12;f d/s/y;d n t0;f n/m;d tmp m1777 t13;f tmp/z" },
	{ "and have their attributes", "f usr/lib/z",
	  "d usr;d usr/lib m555 t14 xuser.k=v;f usr/lib/z" },
	{ "but not when this layer removes them", "f .wh.d;f d/s/y", "d d t0 o;d d/s t0;f d/s/y" },
	{ "nor below an opaque one", "d d/;f d/.wh..wh..opq;f d/s/y", "d d o;d d/s t0;f d/s/y" },
	{ "an opaque one nobody described", "f d/s/.wh..wh..opq",
	  "d d m750 u3 g4 t11;d d/s m700 t12 o" },
	{ "what is below a link goes behind it", "f lib/z =Z;f abs/y =Y;d lib/sub/;f lib/sub/w",
	  "d usr;d usr/lib m555 t14 xuser.k=v;d usr/lib/sub;f usr/lib/sub/w;f usr/lib/y =Y;f "
	  "usr/lib/z =Z" },
	{ "and meets what this layer has there",
	  "d usr/;d usr/lib/ m700;f usr/lib/sub/a;f lib/sub/b",
	  "d usr;d usr/lib m700;d usr/lib/sub t0;f usr/lib/sub/a;f usr/lib/sub/b" },
	{ "whiteouts, too", "f lib/.wh.r", "d usr;d usr/lib m555 t14 xuser.k=v;w usr/lib/r" },
	{ "and opaque ones", "f lib/.wh..wh..opq", "d usr;d usr/lib m555 t14 xuser.k=v o" },
	{ "a directory on the link stays one", "d lib/;f lib/z", "d lib;f lib/z" },
	{ "a file below gives way", "f f/x", "d f t0;f f/x" },
	{ "no whiteouts of nothing", "f nosuch/.wh.a;f n/o/.wh.a;f n/b;f .wh.gone",
	  "w gone;d n t0;f n/b" },
	{ "a hard link takes the file with it", "h g >f",
	  "f f u9 g0 t15 =F n2;f g u9 g0 t15 =F n2" },
	{ "two of them", "h g >f;h h >f;h i >g",
	  "f f u9 g0 t15 =F n4;f g u9 g0 t15 =F n4;f h u9 g0 t15 =F n4;f i u9 g0 t15 =F n4" },
	{ "from and to where links lead", "h lib/s >abs/r",
	  "d usr;d usr/lib m555 t14 xuser.k=v;f usr/lib/r =R n2;f usr/lib/s =R n2" },
	{ "out of a directory that this layer lacks", "h g >d/s/x",
	  "d d m750 u3 g4 t11;d d/s m700 t12;f d/s/x =X n2;f g =X n2" },
	{ "the directory's time is its own", "d tmp/ t99;h tmp/g >f",
	  "f f u9 g0 t15 =F n2;d tmp t99;f tmp/g u9 g0 t15 =F n2" },
	{ "to what this layer removes", "f .wh.f;h g >f",
	  "/g: a hard link to f, which is no file" },
	{ "to what it has hidden", "d d/;f d/.wh..wh..opq;h g >d/a",
	  "/g: a hard link to d/a, which is nowhere" },
	{ "to a directory below", "h g >d", "/g: a hard link to d, which is no file" },
	{ "to a link below", "h g >lib", "/g: a hard link to lib, which is no file" },
	{ "an opaque root: nothing is below", "f .wh..wh..opq;f d/z;f lib/y",
	  "d d t0;f d/z;d lib t0;f lib/y" },
};

TEST(a_layer_is_read_together_with_those_below_it)
{
	struct layers l = { 0 };

	need_root();
	for (size_t i = 0; i < ARRAY_LEN(above); i++) {
		check_why(above[i].why);
		free(layer_text(&l, BASE));
		auto_free char *got = layer_text(&l, above[i].tar);

		CHECK_STR(got, above[i].want);
		clear_layers(&l);
	}
}

static const struct {
	const char *why, *tars[4], *want;
} stacks[] = {
	{ "the nearest one counts",
	  { "d d/ m700;f d/a", "d d/ m711", "f d/b" },
	  "d d m711;f d/a;f d/b" },
	{ "a whiteout between", { "d d/ m700;f d/a", "f .wh.d", "f d/b" }, "d d t0;f d/b" },
	{ "an opaque one between",
	  { "d d/;d d/s m700;f d/s/a", "d d/;f d/.wh..wh..opq", "f d/s/b" },
	  "d d;d d/s t0;f d/s/b" },
	{ "a file between", { "d d/ m700;f d/a", "f d", "f d/b" }, "d d t0;f d/b" },
	{ "a link of one layer into another",
	  { "d usr/lib/ m700", "l lib >usr/lib", "f lib/a" },
	  "l lib >usr/lib;d usr t0;d usr/lib m700;f usr/lib/a" },
	{ "links of two layers",
	  { "d x/ m700;l b >x", "l a >b", "f a/z" },
	  "l a >b;l b >x;d x m700;f x/z" },
	{ "a file over a directory, and back",
	  { "d d/;f d/a", "f d =D", "d d/;f d/b" },
	  "d d;f d/b" },
	{ "an opaque root between",
	  { "f a;d d/ m700", "f .wh..wh..opq;f b", "f d/c" },
	  "f b;d d t0;f d/c" },
	{ "hard links through three: each layer knows of its own",
	  { "f a =A", "h b >a", "h c >b" },
	  "f a =A n2;f b =A n2;f c =A n2" },
};

TEST(layers_are_mounted_to_what_they_mean_together)
{
	need_root();
	for (size_t i = 0; i < ARRAY_LEN(stacks); i++) {
		struct layers l = { 0 };

		check_why(stacks[i].why);
		for (size_t k = 0; k < 4 && stacks[i].tars[k]; k++)
			free(layer_text(&l, stacks[i].tars[k]));
		auto_free char *at = layers_mount(&l);
		auto_free char *got = list_tree(at);
		auto_free char *clean =
			mem_printf("cd %s && rm -rf merged upper work", check_dir());

		CHECK_STR(got, stacks[i].want);
		CHECK(umount2(at, MNT_DETACH) == 0 && system(clean) == 0);
		l.n = 0;
		for (size_t k = 0; k <= l.top; k++)
			close(l.fds[k]);
		l.n = 0;
		clear_layers(&l);
	}
}

/* ---- getting out ---- */

static const struct {
	const char *why, *tar;
} escapes[] = {
	{ "a link and through it", "l l >/OUT;f l/x =X" },
	{ "upwards and through it", "l l >../../../../../../../../../../OUT;f l/x =X" },
	{ "over the file behind it", "l l >/OUT/secret;f l =X" },
	{ "through two", "l a >..;l b >a/../../../../../../../../OUT;f b/x =X" },
	{ "by its name", "f ../../../../../../../../OUT/x =X" },
	{ "as a hard link", "h h >../../../../../../../OUT/secret;f h =X" },
	{ "as a hard link through a link", "l l >/OUT;h h >l/secret" },
	{ "from the outside", "l l >/OUT;f a =A;h l/secret >a" },
	{ "its mode", "l l >/OUT/secret;f l m4777 u7" },
	{ "its mode, by a directory", "l l >/OUT;d l/ m777 u7" },
	{ "its mode, by a hard link to the link", "l l >/OUT/secret;h m >l" },
	{ "a whiteout", "l l >/OUT;f l/.wh.secret" },
	{ "a mark", "l l >/OUT;f l/.wh..wh..opq" },
	{ "a node", "l l >/OUT;c l/null 1,3;p l/pipe" },
	{ "AUFS's directory", "l .wh..wh.plnk >/OUT;f .wh..wh.plnk/x" },
	{ "by way of its own process", "l l >/proc/self/cwd;f l/x;l m >/proc/self/root;f m/x" },
	{ "a link that takes the place of a directory", "d d/;f d/a;l d >/OUT;f d/x =X;d d/e" },
};

/* "/OUT" becomes the path of a directory beside the layers. */
static char *aimed(const char *text, const char *out)
{
	char *got = mem_strdup("");

	for (const char *p = text, *at; p; p = at ? at + 4 : NULL) {
		at = strstr(p, "/OUT");
		auto_free char *part = mem_strndup(p, at ? (size_t)(at - p) : strlen(p));
		auto_free char *before = got;

		got = mem_printf("%s%s%s", before, part, at ? out : "");
	}
	return got;
}

static void tries_to_escape(const char *base, const char *upper, const char *out)
{
	struct layers l = { 0 };
	auto_free char *want = list_tree(out);

	if (base)
		free(layer_text(&l, base));
	free(layer_text(&l, upper));
	auto_free char *got = list_tree(out);

	CHECK_STR(got, want);
	CHECK(access("/x", F_OK) < 0);
	clear_layers(&l);
}

TEST(whatever_a_layer_does_the_outside_stays_as_it_is)
{
	need_root();
	auto_free char *out = mem_printf("%s/out", check_dir());
	auto_free char *secret = mem_printf("%s/secret", out);

	check_file(secret, "s3cret");
	for (size_t i = 0; i < ARRAY_LEN(escapes); i++) {
		auto_free char *tar = aimed(escapes[i].tar, out);
		auto_strv char **entries = str_split(tar, ";");

		check_why(escapes[i].why);
		tries_to_escape(NULL, tar, out);
		/* the link in one layer, what goes through it in the next */
		auto_free char *rest = strv_join(entries + 1, ";");

		tries_to_escape(entries[0], rest, out);
	}
}

/* ---- the tar itself ---- */

TEST(a_tar_that_ends_anywhere_is_refused_or_ends_at_an_entry)
{
	static const char text[] = "d d/;f d/a =A;f long/" LONG " =B;h h >d/a";
	struct tar t = tar_of(text);
	struct layers l = { 0 };
	size_t whole = t.len, refusals = 0;

	need_root();
	for (size_t len = 0; len < whole; len += 256) {
		struct tar cut = { t.data, len };
		auto_err struct err *e = layers_add(&l, &cut);

		refusals += e != NULL;
		if (len % 512) /* never in the middle of a block, but in the zeros at the end */
			CHECK(e || len > whole - 1024);
		clear_layers(&l);
	}
	CHECK(refusals > whole / 512);
	free(t.data);
}

TEST(a_wrong_sum_is_refused_and_junk_behind_the_end_is_not_looked_at)
{
	struct tar t = tar_of("f a =A");
	struct layers l = { 0 };

	need_root();
	t.data[0] = 'b';
	auto_err struct err *e = layers_add(&l, &t);

	CHECK_STR(err_text(e), "not a valid tar: Unrecognized archive format");
	clear_layers(&l);
	t.data[0] = 'a';
	tar_bytes(&t, "junk", 4);
	err_free(e);
	e = layers_add(&l, &t);
	CHECK_STR(err_text(e), "success");
	free(t.data);
}

TEST(an_attribute_that_gives_privileges_survives_its_owner)
{
	static const unsigned char cap[20] = { 1, 0, 0, 2, 0, 4 };
	struct tar t = { 0 };
	struct layers l = { 0 };
	auto_free char *pax = NULL;
	char got[64];
	size_t len = 0;

	need_root();
	pax_record(&pax, &len, "SCHILY.xattr.security.capability", cap, sizeof(cap));
	tar_pax(&t, pax, len);
	tar_entry(&t, "f ping m755 u7 g7");
	tar_end(&t);
	auto_err struct err *e = layers_add(&l, &t);

	CHECK_STR(err_text(e), "success");
	auto_free char *path = mem_printf("%s/0/ping", check_dir());

	CHECK_INT(getxattr(path, "security.capability", got, sizeof(got)), sizeof(cap));
	CHECK(memcmp(got, cap, sizeof(cap)) == 0);
	free(t.data);
}

TEST(holes_stay_holes)
{
	static const char map[] =
		"2\n0\n4\n1073741824\n0\n"; /* GNU sparse 1.0: "data", 1 GiB in all */
	char body[1024] = "";
	struct tar t = { 0 };
	struct layers l = { 0 };
	auto_free char *pax = NULL;
	size_t len = 0;
	struct stat st;

	need_root();
	memcpy(body, map, sizeof(map));
	memcpy(body + 512, "data", 4);
	pax_record(&pax, &len, "GNU.sparse.major", "1", 1);
	pax_record(&pax, &len, "GNU.sparse.minor", "0", 1);
	pax_record(&pax, &len, "GNU.sparse.name", "big", 3);
	pax_record(&pax, &len, "GNU.sparse.realsize", "1073741824", 10);
	tar_pax(&t, pax, len);
	tar_header(&t,
		   &(struct tar_entry) {
			   .type = '0', .name = "GNUSparseFile.1/big", .data = body, .len = 516 });
	tar_end(&t);
	auto_err struct err *e = layers_add(&l, &t);

	CHECK_STR(err_text(e), "success");
	auto_free char *path = mem_printf("%s/0/big", check_dir());

	CHECK(stat(path, &st) == 0);
	CHECK_INT(st.st_size, 1 << 30);
	CHECK(st.st_blocks < 100);
	free(t.data);
}

TEST(names_may_be_in_any_encoding)
{
	struct tar t = { 0 };
	struct layers l = { 0 };
	auto_free char *pax = NULL;
	size_t len = 0;

	need_root();
	CHECK(setlocale(LC_CTYPE, "C.UTF-8"));
	tar_entry(&t, "f gr\xc3\xbcn =u");
	tar_entry(&t, "f latin\xfc =l");
	tar_entry(&t, "f n\nl =n");
	pax_record(&pax, &len, "path", "pax-\xc3\xbc\xe2\x82\xac", 9);
	tar_pax(&t, pax, len);
	tar_entry(&t, "f x =p");
	tar_end(&t);
	auto_err struct err *e = layers_add(&l, &t);
	auto_free char *path = mem_printf("%s/0", check_dir());

	CHECK_STR(err_text(e), "success");
	auto_free char *got = list_tree(path);

	CHECK_STR(got, "f gr\xc3\xbcn =u;f latin\xfc =l;f n\nl =n;f pax-\xc3\xbc\xe2\x82\xac =p");
	free(t.data);
}

TEST(directories_end_somewhere)
{
	struct layers l = { 0 };
	struct tar t = { 0 };
	char deep[3000] = "";

	need_root();
	for (size_t i = 0; i < 1000; i++)
		strcat(deep, "a/");
	auto_free char *text = mem_printf("d %s", deep);
	auto_free char *got = layer_text(&l, text);

	CHECK(str_ends(got, ": directories nested deeper than 512"));
	clear_layers(&l);
	/* each link leads to the end of the one before */
	tar_entry(&t, "l l0 >.");
	for (int i = 0; i < 40; i++) {
		auto_free char *dir = mem_printf("d l%d/%.40s", i, deep);
		auto_free char *link = mem_printf("l l%d >l%d/%.40s", i + 1, i, deep);

		tar_entry(&t, dir);
		tar_entry(&t, link);
	}
	tar_end(&t);
	auto_err struct err *e = layers_add(&l, &t);

	CHECK(e && strstr(err_text(e), "nested deeper than 512"));
	clear_layers(&l);
	free(t.data);
}

TEST(a_name_that_is_too_long_is_refused)
{
	struct layers l = { 0 };
	auto_free char *name = mem_alloc(5000);

	need_root();
	memset(name, 'a', 4999);
	for (size_t i = 100; i < 4999; i += 100)
		name[i] = '/';
	auto_free char *text = mem_printf("f %s", name);
	auto_free char *got = layer_text(&l, text);

	CHECK_STR(got, "an entry with a name that is too long or unreadable");
}

TEST(the_root_gets_its_looks)
{
	struct layers l = { 0 };
	struct stat st;

	need_root();
	auto_free char *got = layer_text(&l, "d ./ m555 u7 g8 t9;f a;f b");
	auto_free char *path = mem_printf("%s/0", check_dir());

	CHECK_STR(got, "f a;f b");
	CHECK(stat(path, &st) == 0);
	CHECK_INT(st.st_mode & 07777, 0555);
	CHECK(st.st_uid == 7 && st.st_gid == 8);
	CHECK_INT(st.st_mtim.tv_sec, 9);
}

enum { WHOLE = 200000 };

/* Looks, in the middle of the stream, at what is there of the file "a". */
static struct err *feed_and_look(void *ctx, const void **data, size_t *len)
{
	auto_free char *path = mem_printf("%s/a", check_dir());
	struct stat st;

	if (stat(path, &st) == 0 && st.st_size < WHOLE)
		CHECK_INT(st.st_mode & 0077, 0);
	return feed(ctx, data, len);
}

TEST(nobody_else_reads_a_file_before_it_is_whole)
{
	static char text[WHOLE + 1];
	auto_free char *path = mem_printf("%s/a", check_dir());
	auto_fd int dir = -1;
	struct stat st;

	need_root();
	memset(text, 'x', WHOLE);
	auto_free char *line = mem_printf("f a m640 u7 g8 =%s", text);
	struct tar t = tar_of(line);
	struct feed f = { t.data, t.len, 4096 };

	CHECK(!fd_openat(AT_FDCWD, check_dir(), O_RDONLY | O_DIRECTORY, &dir));
	auto_err struct err *e = tarball_in(feed_and_look, &f, dir);

	CHECK_STR(err_text(e), "success");
	CHECK(stat(path, &st) == 0);
	CHECK_INT(st.st_mode & 07777, 0640);
	CHECK_INT(st.st_size, WHOLE);
	free(t.data);
	CHECK(unlink(path) == 0);
}
