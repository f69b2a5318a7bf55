/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/fetch_cases.c - the shared corpus of layers, unpacked, mounted and compared. */
#include <sys/wait.h>

#include "tests/unit/fetch_tree.h"

enum { TEXT_MAX = 1 << 20 };

static const struct {
	const char *name, *error; /* the documented deviations: what the refusal says */
} refused[] = {
	{ "17-chr00-in-layer",
	  "/file: a character device 0:0 cannot be kept: overlayfs takes it for a whiteout" },
	{ "25-empty-wh", "/d/.wh.: a whiteout of nothing" }, /* all agree on this one */
};

static char *corpus(void)
{
	char *path = realpath("../shared/corpus/unpack", NULL);

	if (!path)
		SKIP("needs ../shared/corpus/unpack beside the checkout");
	return path;
}

static char *output(const char *command)
{
	FILE *f = popen(command, "r");
	char *text = NULL;
	size_t len = 0;

	CHECK(f);
	auto_err struct err *e = fd_read_all(fileno(f), TEXT_MAX, &text, &len);

	CHECK_STR(err_text(e), "success");
	CHECK(pclose(f) == 0);
	return text;
}

/* Directories that overlayfs merges have a link count of 1: it is left out. */
static char *normal(const char *text)
{
	auto_strv char **lines = str_split(text, "\n");

	for (char **l = lines; l && *l; l++) {
		char *count = strrchr(*l, 'n');

		while ((*l)[strlen(*l) - 1] == ' ')
			(*l)[strlen(*l) - 1] = '\0';
		if (strstr(*l, " d ") && count)
			*count = '\0';
	}
	return strv_join(lines, "\n");
}

static struct err *unpack_case(const char *name, struct layers *l)
{
	for (size_t i = 0;; i++) {
		auto_free char *path = mem_printf("%s/out/%s.L%zu.tar", check_dir(), name, i);
		auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
		struct tar t = { 0 };

		if (fd < 0)
			return NULL;
		auto_err struct err *e = fd_read_all(fd, TEXT_MAX, &t.data, &t.len);

		CHECK_STR(err_text(e), "success");
		TRY(layers_add(l, &t));
	}
}

static void run_case(const char *from, const char *name)
{
	struct layers l = { 0 };
	auto_err struct err *e = unpack_case(name, &l);

	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		if (strcmp(name, refused[i].name) == 0) {
			CHECK_STR(err_text(e), refused[i].error);
			return;
		}
	CHECK_STR(err_text(e), "success");
	auto_free char *at = layers_mount(&l);
	auto_free char *list = mem_printf("LC_ALL=C bash %s/list-tree.sh %s", from, at);
	auto_free char *read = mem_printf("cat %s/wanted/%s.txt", from, name);
	auto_free char *got = output(list), *want = output(read);
	auto_free char *got_normal = normal(got), *want_normal = normal(want);

	CHECK_STR(got_normal, want_normal);
}

/* Each in a process and directories of its own. */
static bool run_apart(const char *from, const char *name)
{
	auto_free char *clean = mem_printf("cd %s && rm -rf [0-9] merged upper work", check_dir());
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		run_case(from, name);
		_exit(EXIT_SUCCESS);
	}
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
	CHECK(system(clean) == 0);
	return status == 0;
}

TEST(the_thirty_cases_give_what_the_layer_specification_asks_for)
{
	auto_free char *from = corpus();

	need_root();
	auto_free char *make = mem_printf("cd %s && python3 %s/make-cases.py", check_dir(), from);
	auto_free char *list = mem_printf("cd %s/wanted && ls", from);
	size_t failed = 0;

	CHECK(system(make) == 0);
	auto_free char *names = output(list);
	auto_strv char **cases = str_split(names, "\n");

	CHECK_INT(strv_len(cases), 30);
	for (char **name = cases; *name; name++) {
		*strstr(*name, ".txt") = '\0';
		check_why(*name);
		failed += !run_apart(from, *name);
	}
	CHECK_INT(failed, 0);
}
