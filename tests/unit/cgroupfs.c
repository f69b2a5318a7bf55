/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/cgroupfs.c - limits in the words of v1 and v2, and real groups on whatever this host has. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "cgroupfs/internal.h"
#include "tests/check.h"

enum { WAIT_MS = 3000, SHORT_MS = 50, GROUPS = 50 };

/* ---- conversions: plain directories stand in for hierarchies ---- */

TEST(shares_become_weights_so_that_the_defaults_meet)
{
	static const struct {
		int64_t shares, weight;
	} rows[] = {
		{ 2, 1 },      { 10, 4 },      { 102, 17 },	  { 128, 21 },
		{ 256, 35 },   { 512, 59 },    { 1024, 100 },	  { 2048, 174 },
		{ 4096, 303 }, { 10240, 639 }, { 262144, 10000 }, { 1, 1 },
		{ 0, 1 },      { -5, 1 },      { 262145, 10000 }, { INT64_MAX, 10000 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		CHECK_INT(limits_weight(rows[i].shares), rows[i].weight);
	check_why("and all are those of runc's formula");
	for (int64_t s = 2; s <= 262144; s++) {
		double l = log2((double)s);

		CHECK_INT(limits_weight(s),
			  (int64_t)ceil(pow(10, (l * l + 125 * l) / 612.0 - 7.0 / 34.0)));
	}
}

static const char *const v1_files[] = { "memory.limit_in_bytes",
					"memory.soft_limit_in_bytes",
					"memory.memsw.limit_in_bytes",
					"cpu.shares",
					"cpu.cfs_period_us",
					"cpu.cfs_quota_us",
					"pids.max",
					"cpuset.cpus",
					NULL };
static const char *const v2_files[] = { "memory.max", "memory.low", "memory.swap.max", "cpu.weight",
					"cpu.max",    "pids.max",   "cpuset.cpus",     NULL };

/* A group in one made-up hierarchy that has every controller. */
struct fake {
	struct cgroupfs_host host;
	struct cgroupfs group;
};

static int open_here(void)
{
	int dir = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	CHECK(dir >= 0);
	return dir;
}

static struct fake *fake_group(bool v2, const char *controllers, const char *const *files)
{
	struct fake *f = mem_alloc(sizeof(*f));
	static char name[] = "web";

	CHECK(chdir(check_dir()) == 0);
	for (; *files; files++)
		check_file(*files, "");
	f->host.n = 1;
	f->host.h[0].v2 = v2;
	f->host.h[0].dir = open_here();
	snprintf(f->host.h[0].controllers, sizeof(f->host.h[0].controllers), "%s", controllers);
	f->group.host = &f->host;
	f->group.path = name;
	memset(f->group.dirs, -1, sizeof(f->group.dirs));
	f->group.dirs[0] = f->host.h[0].dir;
	return f;
}

/* "file=text" of all that was written. */
static char *written(const char *const *files)
{
	auto_strv char **v = NULL;

	for (; *files; files++) {
		auto_free char *text = NULL;
		auto_err struct err *e = fd_read_file(AT_FDCWD, *files, 1000, &text);

		if (!e && *text)
			strv_add(&v, mem_printf("%s=%s", *files, text));
	}
	return strv_join(v, "; ");
}

static const struct {
	const char *why;
	struct cgroupfs_limits limits;
	const char *v1, *v2;
} limits[] = {
	{ "none", { 0 }, "", "" },
	{ "memory",
	  { .memory_max = 64 << 20 },
	  "memory.limit_in_bytes=67108864",
	  "memory.max=67108864" },
	{ "no limit of memory",
	  { .memory_max = -1 },
	  "memory.limit_in_bytes=-1",
	  "memory.max=max" },
	{ "reservation",
	  { .memory_reservation = 4096 },
	  "memory.soft_limit_in_bytes=4096",
	  "memory.low=4096" },
	{ "v1 counts swap with memory, v2 alone",
	  { .memory_max = 100, .memory_swap = 150 },
	  "memory.limit_in_bytes=100; memory.memsw.limit_in_bytes=150",
	  "memory.max=100; memory.swap.max=50" },
	{ "as much as memory: none",
	  { .memory_max = 100, .memory_swap = 100 },
	  "memory.limit_in_bytes=100; memory.memsw.limit_in_bytes=100",
	  "memory.max=100; memory.swap.max=0" },
	{ "no limit of swap",
	  { .memory_max = 100, .memory_swap = -1 },
	  "memory.limit_in_bytes=100; memory.memsw.limit_in_bytes=-1",
	  "memory.max=100; memory.swap.max=max" },
	{ "shares", { .cpu_shares = 1024 }, "cpu.shares=1024", "cpu.weight=100" },
	{ "few shares", { .cpu_shares = 2 }, "cpu.shares=2", "cpu.weight=1" },
	{ "half a processor",
	  { .cpu_quota = 50000, .cpu_period = 100000 },
	  "cpu.cfs_period_us=100000; cpu.cfs_quota_us=50000",
	  "cpu.max=50000 100000" },
	{ "a quota of the usual period",
	  { .cpu_quota = 50000 },
	  "cpu.cfs_quota_us=50000",
	  "cpu.max=50000 100000" },
	{ "a period of its own",
	  { .cpu_quota = 5000, .cpu_period = 20000 },
	  "cpu.cfs_period_us=20000; cpu.cfs_quota_us=5000",
	  "cpu.max=5000 20000" },
	{ "no quota",
	  { .cpu_quota = -1, .cpu_period = 20000 },
	  "cpu.cfs_period_us=20000; cpu.cfs_quota_us=-1",
	  "cpu.max=max 20000" },
	{ "processes", { .pids_max = 100 }, "pids.max=100", "pids.max=100" },
	{ "any number of them", { .pids_max = -1 }, "pids.max=max", "pids.max=max" },
	{ "processors", { .cpuset = "0-3,5" }, "cpuset.cpus=0-3,5", "cpuset.cpus=0-3,5" },
	{ "beyond 32 bits",
	  { .memory_max = 1LL << 40 },
	  "memory.limit_in_bytes=1099511627776",
	  "memory.max=1099511627776" },
};

static void check_limits(bool v2)
{
	const char *const *files = v2 ? v2_files : v1_files;

	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		struct fake *f = fake_group(v2, "memory,cpu,pids,cpuset", files);
		auto_err struct err *e = limits_write(&f->group, &limits[i].limits);
		auto_free char *got = written(files);

		check_why(limits[i].why);
		CHECK_STR(err_text(e), "success");
		CHECK_STR(got, v2 ? limits[i].v2 : limits[i].v1);
		CHECK(limits_want(&f->host.h[0], &limits[i].limits) == (*got != '\0'));
		free(f);
	}
}

TEST(limits_in_the_words_of_v1)
{
	check_limits(false);
}

TEST(limits_in_the_words_of_v2)
{
	check_limits(true);
}

TEST(swap_is_not_limited_without_memory)
{
	struct fake *f = fake_group(true, "memory", v2_files);
	const struct cgroupfs_limits l = { .memory_swap = 1000 };
	auto_err struct err *e = limits_write(&f->group, &l);

	CHECK_STR(err_text(e), "a limit of swap needs a limit of memory");
}

TEST(swap_holds_memory_and_is_not_smaller)
{
	struct fake *f = fake_group(true, "memory", v2_files);
	const struct cgroupfs_limits l = { .memory_max = 1000, .memory_swap = 999 };
	auto_err struct err *e = limits_write(&f->group, &l);

	CHECK_STR(err_text(e), "the limit of memory and swap (999) is below that of memory (1000)");
}

/* What the log says while @l is written to a group of @f. */
static char *warnings(const struct fake *f, const struct cgroupfs_limits *l)
{
	auto_fd int log = memfd_create("log", MFD_CLOEXEC);
	char *text = NULL;

	log_setup("slipway", LOG_LEVEL_WARN, LOG_TEXT);
	log_to(log);
	auto_err struct err *e = limits_write(&f->group, l);

	log_to(-1);
	CHECK_STR(err_text(e), "success");
	CHECK(lseek(log, 0, SEEK_SET) == 0);
	auto_err struct err *read = fd_read_all(log, 10000, &text, NULL);

	CHECK_STR(err_text(read), "success");
	return text;
}

TEST(a_controller_that_the_host_lacks_is_named_and_gone_on_without)
{
	struct fake *f = fake_group(true, "hugetlb", v2_files);
	const struct cgroupfs_limits l = {
		.memory_max = 4096, .cpu_shares = 2, .pids_max = 3, .cpuset = "0"
	};
	auto_free char *got = warnings(f, &l);

	CHECK_STR(got, "slipway: warning: cgroup web: this host has no memory controller: "
		       "memory.max is not limited\n"
		       "slipway: warning: cgroup web: this host has no cpu controller: cpu.weight "
		       "is not limited\n"
		       "slipway: warning: cgroup web: this host has no pids controller: pids.max "
		       "is not limited\n"
		       "slipway: warning: cgroup web: this host has no cpuset controller: any "
		       "processor is used\n");
	CHECK(!limits_want(&f->host.h[0], &l));
}

TEST(a_kernel_without_swap_accounting_is_gone_on_with)
{
	static const char *const files[] = { "memory.max", NULL };
	struct fake *f = fake_group(true, "memory", files);
	const struct cgroupfs_limits l = { .memory_max = 4096, .memory_swap = 8192 };
	auto_free char *got = warnings(f, &l), *text = written(files);

	CHECK_STR(got, "slipway: warning: cgroup web: this kernel has no memory.swap.max: swap is "
		       "not limited\n");
	CHECK_STR(text, "memory.max=4096");
}

TEST(any_other_missing_file_is_an_error)
{
	static const char *const none[] = { NULL };
	struct fake *f = fake_group(true, "memory", none);
	const struct cgroupfs_limits l = { .memory_max = 4096 };
	auto_err struct err *e = limits_write(&f->group, &l);

	CHECK_STR(err_text(e), "open memory.max: No such file or directory");
}

TEST(controllers_are_whole_words)
{
	const struct hierarchy h = { .controllers = "cpu,cpuacct" }, none = { 0 };

	CHECK(hierarchy_has(&h, "cpu") && hierarchy_has(&h, "cpuacct"));
	CHECK(!hierarchy_has(&h, "cpuset") && !hierarchy_has(&h, "cpuac") &&
	      !hierarchy_has(&h, "acct"));
	CHECK(!hierarchy_has(&none, "cpu"));
}

TEST(in_a_plain_directory_groups_are_made_and_removed)
{
	struct fake *f = fake_group(true, "", (const char *const[]) { NULL });
	const struct cgroupfs_limits none = { 0 };
	struct cgroupfs *g = NULL;
	struct stat st;
	auto_err struct err *e = cgroupfs_create(&f->host, "a/b/c", &none, &g);

	CHECK_STR(err_text(e), "success");
	CHECK(stat("a/b/c", &st) == 0 && S_ISDIR(st.st_mode));
	auto_err struct err *gone = cgroupfs_destroy(g, 0);

	CHECK_STR(err_text(gone), "success");
	CHECK(stat("a/b/c", &st) < 0 && stat("a/b", &st) == 0);
	auto_err struct err *all = cgroupfs_remove(&f->host, "a", true, 0);

	CHECK_STR(err_text(all), "success");
	CHECK(stat("a", &st) < 0);
	auto_err struct err *again = cgroupfs_remove(&f->host, "a", true, 0);

	check_why("what is not there is fine");
	CHECK_STR(err_text(again), "success");
}

TEST(on_error_nothing_that_was_made_is_left)
{
	struct fake *f = fake_group(true, "", (const char *const[]) { NULL });
	const struct cgroupfs_limits l = { .memory_max = 1 };
	struct cgroupfs *g = NULL;
	struct stat st;

	/* the controller is there, and its file is not */
	snprintf(f->host.h[0].controllers, sizeof(f->host.h[0].controllers), "memory");
	check_file("cgroup.subtree_control", "");
	check_file("a/cgroup.subtree_control", "");
	auto_err struct err *e = cgroupfs_create(&f->host, "a/b", &l, &g);

	CHECK_STR(err_text(e), "cgroup a/b: open memory.max: No such file or directory");
	CHECK(!g && stat("a/b", &st) < 0);
}

/* ---- what this host has ---- */

static long type_of(const char *path)
{
	struct statfs st;

	return statfs(path, &st) == 0 ? (long)st.f_type : 0;
}

static struct cgroupfs_host *open_host(void)
{
	struct cgroupfs_host *h = NULL;
	auto_err struct err *e = cgroupfs_open(&h);

	CHECK_STR(err_text(e), "success");
	return h;
}

TEST(the_layout_is_what_is_mounted)
{
	auto_cgroupfs_host struct cgroupfs_host *h = open_host();
	bool v2 = type_of("/sys/fs/cgroup") == CGROUP2_SUPER_MAGIC;
	bool unified = type_of("/sys/fs/cgroup/unified") == CGROUP2_SUPER_MAGIC;
	bool v1 = type_of("/sys/fs/cgroup/memory") == CGROUP_SUPER_MAGIC;

	check_why(cgroupfs_layout_name(cgroupfs_layout(h)));
	if (v2)
		CHECK_INT(cgroupfs_layout(h), CGROUPFS_V2);
	else if (v1)
		CHECK_INT(cgroupfs_layout(h), unified ? CGROUPFS_HYBRID : CGROUPFS_V1);
}

TEST(controllers_are_those_of_the_kernel)
{
	auto_cgroupfs_host struct cgroupfs_host *h = open_host();
	static const char *const names[] = { "memory", "cpu", "pids", "cpuset", "freezer" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		auto_free char *v1 = mem_printf("/sys/fs/cgroup/%s", names[i]);
		auto_free char *text = NULL;
		auto_err struct err *e =
			fd_read_file(AT_FDCWD, "/sys/fs/cgroup/cgroup.controllers", 4096, &text);
		auto_strv char **list = e ? NULL : str_split(text, " \n");
		bool want = type_of(v1) == CGROUP_SUPER_MAGIC || strv_has(list, names[i]);

		check_why(names[i]);
		CHECK(cgroupfs_has(h, names[i]) == want);
	}
	CHECK(!cgroupfs_has(h, "frobnicate") && !cgroupfs_has(h, ""));
}

/* Where nothing is mounted in the usual place there is mountinfo; and where nothing is at all, none. */
TEST(hierarchies_elsewhere_are_found_too)
{
	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		SKIP("needs root");
	auto_free char *away = mem_printf("%s/elsewhere", check_dir());

	CHECK(umount2("/sys/fs/cgroup", MNT_DETACH) == 0);
	auto_cgroupfs_host struct cgroupfs_host *none = open_host();

	CHECK_INT(cgroupfs_layout(none), CGROUPFS_NONE);
	CHECK(!cgroupfs_has(none, "memory"));
	CHECK(mkdir(away, 0755) == 0);
	CHECK(mount("cgroup2", away, "cgroup2", 0, NULL) == 0);
	auto_cgroupfs_host struct cgroupfs_host *one = open_host();

	CHECK_INT(cgroupfs_layout(one), CGROUPFS_V2);
	CHECK(umount2(away, MNT_DETACH) == 0);
}

/* ---- real groups ---- */

static struct cgroupfs_host *need_host(void)
{
	if (geteuid() != 0 || !getenv("SLIPWAY_TEST_HOST"))
		SKIP("needs scripts/in-test-host");
	struct cgroupfs_host *h = open_host();

	if (cgroupfs_layout(h) == CGROUPFS_NONE)
		SKIP("this host has no control groups");
	return h;
}

static char *path_of(const char *name)
{
	return mem_printf("%s/unit-%d/%s", getenv("SLIPWAY_CGROUP_PARENT"), getpid(), name);
}

static void remove_all(const struct cgroupfs_host *h)
{
	auto_free char *path = path_of("");

	path[strlen(path) - 1] = '\0';
	auto_err struct err *e = cgroupfs_remove(h, path, true, WAIT_MS);

	CHECK_STR(err_text(e), "success");
}

static struct cgroupfs *make(const struct cgroupfs_host *h, const char *name,
			     const struct cgroupfs_limits *l)
{
	auto_free char *path = path_of(name);
	struct cgroupfs *g = NULL;
	auto_err struct err *e = cgroupfs_create(h, path, l, &g);

	CHECK_STR(err_text(e), "success");
	return g;
}

/* The directory of @g in the hierarchy of @controller; "": cgroup2. */
static int dir_in(const struct cgroupfs_host *h, const struct cgroupfs *g, const char *controller)
{
	const struct hierarchy *one = *controller ? host_find(h, controller) : NULL;

	return *controller ? one ? g->dirs[one - h->h] : -1 : cgroupfs_clone_fd(g);
}

static char *knob(int dir, const char *file)
{
	char *text = NULL;
	auto_err struct err *e = fd_read_file(dir, file, 4096, &text);

	CHECK_STR(err_text(e), "success");
	text[strcspn(text, "\n")] = '\0';
	return text;
}

/* A process that sleeps in @g. */
static pid_t sleeper(const struct cgroupfs *g)
{
	struct clone_args args = { .exit_signal = SIGCHLD };

	if (cgroupfs_clone_fd(g) >= 0) {
		args.flags = CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)cgroupfs_clone_fd(g);
	}
	pid_t pid = proc_clone(&args);

	if (pid == 0)
		for (;;)
			pause();
	CHECK(pid > 0);
	auto_err struct err *e = cgroupfs_attach(g, pid);

	CHECK_STR(err_text(e), "success");
	return pid;
}

static bool died_of_kill(pid_t pid)
{
	int status = 0;

	return waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) &&
	       WTERMSIG(status) == SIGKILL;
}

/* ---- devices ---- */

enum {
	M = CGROUPFS_DEVICE_MKNOD,
	R = CGROUPFS_DEVICE_READ,
	W = CGROUPFS_DEVICE_WRITE,
	RWM = M | R | W
};

static char *rules_text(const struct device_rules *r)
{
	char *text = mem_strdup(r->all ? "all but" : "none but");

	for (size_t i = 0; i < r->n; i++) {
		char *longer = mem_printf("%s %c%" PRId64 ":%" PRId64 "=%u", text, r->list[i].type,
					  r->list[i].major, r->list[i].minor, r->list[i].access);

		free(text);
		text = longer;
	}
	return text;
}

TEST(rules_for_devices_become_all_or_nothing_with_exceptions)
{
	static const struct {
		const char *why;
		struct cgroupfs_device rules[4];
		size_t n;
		const char *want;
	} rows[] = {
		{ "a rule", { { 'c', true, R, 1, 3 } }, 1, "none but c1:3=2" },
		{ "of one device: together",
		  { { 'c', true, R, 1, 3 }, { 'b', true, R, 1, 3 }, { 'c', true, W, 1, 3 } },
		  3,
		  "none but c1:3=6 b1:3=2" },
		{ "taken back in part, and whole",
		  { { 'c', true, RWM, 1, 3 },
		    { 'c', false, W, 1, 3 },
		    { 'b', true, M, -1, -1 },
		    { 'b', false, RWM, -1, -1 } },
		  4,
		  "none but c1:3=3" },
		{ "what nobody has given is not taken back",
		  { { 'c', false, R, 1, 3 } },
		  1,
		  "none but" },
		{ "everything",
		  { { 'c', true, R, 1, 3 }, { 'a', true, RWM, -1, -1 } },
		  2,
		  "all but" },
		{ "everything but",
		  { { 'a', true, RWM, -1, -1 }, { 'c', false, W, 1, 5 }, { 'c', true, R, 1, 5 } },
		  3,
		  "all but c1:5=4" },
		{ "of both kinds", { { 'a', true, M, -1, -1 } }, 1, "none but b-1:-1=1 c-1:-1=1" },
		{ "a part of a wider one",
		  { { 'c', true, RWM, 1, -1 }, { 'c', false, R, 1, 3 } },
		  2,
		  "a rule for c 1:3 takes back a part of an earlier, wider one" },
		{ "a part that the wider one does not give",
		  { { 'c', true, M, -1, -1 }, { 'c', false, R, 1, 3 } },
		  2,
		  "none but c-1:-1=1" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct device_rules r;
		auto_err struct err *e = devices_normalise(rows[i].rules, rows[i].n, &r);
		auto_free char *text = rules_text(&r);

		check_why(rows[i].why);
		CHECK_STR(e ? err_text(e) : text, rows[i].want);
		devices_clear(&r);
	}
}

/* What a process in @g is let do: "null:r null:w zero:r ..." */
static char *devices_let(const struct cgroupfs *g)
{
	static const struct {
		const char *said, *path;
		int flags;
	} tries[] = { { "null:r", "/dev/null", O_RDONLY },
		      { "null:w", "/dev/null", O_WRONLY },
		      { "zero:r", "/dev/zero", O_RDONLY },
		      { "zero:rw", "/dev/zero", O_RDWR },
		      { "full:r", "/dev/full", O_RDONLY } };
	char *text = mem_strdup("");
	int ends[2], status;
	char done[ARRAY_LEN(tries) + 1] = { 0 };

	CHECK(pipe(ends) == 0);
	pid_t pid = fork();

	if (pid == 0) {
		int v2 = cgroupfs_clone_fd(g);
		auto_err struct err *e = cgroupfs_attach(g, 0);

		if (e || (v2 >= 0 && fd_write_knob(v2, "cgroup.procs", "0")))
			_exit(1);
		for (size_t i = 0; i < ARRAY_LEN(tries); i++)
			done[i] = open(tries[i].path, tries[i].flags) >= 0 ? 'y'
				  : errno == EPERM			   ? 'n'
									   : '?';
		_exit(write(ends[1], done, sizeof(done)) != sizeof(done));
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(read(ends[0], done, sizeof(done)) == sizeof(done));
	close(ends[0]);
	close(ends[1]);
	for (size_t i = 0; i < ARRAY_LEN(tries); i++) {
		char *longer;

		CHECK(done[i] != '?');
		if (done[i] != 'y')
			continue;
		longer = mem_printf("%s%s%s", text, *text ? " " : "", tries[i].said);
		free(text);
		text = longer;
	}
	return text;
}

static void check_rules(const struct cgroupfs_host *h, const char *why,
			const struct cgroupfs_device *rules, size_t n, const char *want)
{
	const struct cgroupfs_limits l = { .devices = rules, .n_devices = n };
	struct cgroupfs *g = make(h, "pod", &l);

	check_why(why);
	auto_free char *let = devices_let(g);

	CHECK_STR(let, want);
	auto_err struct err *e = cgroupfs_destroy(g, WAIT_MS);

	CHECK_STR(err_text(e), "success");
}

static void check_devices(const struct cgroupfs_host *h)
{
	static const struct {
		const char *why;
		struct cgroupfs_device rules[2];
		const char *want;
	} rows[] = {
		{ "one device", { { 'c', true, RWM, 1, 3 } }, "null:r null:w" },
		{ "to be read",
		  { { 'c', true, R, 1, 3 }, { 'c', true, R, 1, 5 } },
		  "null:r zero:r" },
		{ "a major number",
		  { { 'c', true, R | W, 1, -1 } },
		  "null:r null:w zero:r zero:rw full:r" },
		{ "block devices are others", { { 'b', true, RWM, -1, -1 } }, "" },
		{ "all but",
		  { { 'a', true, RWM, -1, -1 }, { 'c', false, W, 1, 5 } },
		  "null:r null:w zero:r full:r" },
		{ "only to be made", { { 'a', true, M, -1, -1 } }, "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check_rules(h, rows[i].why, rows[i].rules, rows[i].rules[1].type ? 2 : 1,
			    rows[i].want);
	check_rules(h, "Docker's", cgroupfs_devices_default, cgroupfs_n_devices_default,
		    "null:r null:w zero:r zero:rw full:r");
	remove_all(h);
}

TEST(rules_for_devices_are_kept_by_the_kernel)
{
	auto_cgroupfs_host struct cgroupfs_host *h = need_host();

	if (!cgroupfs_controls_devices(h))
		SKIP("this host controls no devices");
	check_devices(h);
}

TEST(rules_for_devices_are_kept_by_the_controller_of_v1)
{
	auto_cgroupfs_host struct cgroupfs_host *h = need_host();
	struct cgroupfs_host v1 = { .layout = CGROUPFS_V1 };

	for (size_t i = 0; i < h->n; i++)
		if (!h->h[i].v2)
			v1.h[v1.n++] = h->h[i];
	if (!host_find(&v1, "devices"))
		SKIP("this host has no devices controller of v1");
	check_devices(&v1);
}

TEST(a_group_is_made_with_its_parents_and_removed)
{
	auto_cgroupfs_host struct cgroupfs_host *h = need_host();
	const struct cgroupfs_limits none = { 0 };
	struct cgroupfs *g = make(h, "pod/web", &none);
	auto_free char *path = path_of("pod");
	auto_strv char **below = NULL;

	check_why("without limits it is in cgroup2 alone");
	CHECK(!cgroupfs_needs_attach(g));
	auto_err struct err *listed = cgroupfs_list(h, path, &below);

	CHECK_STR(err_text(listed), "success");
	CHECK_INT(strv_len(below), cgroupfs_clone_fd(g) >= 0 ? 1 : 0);
	auto_err struct err *e = cgroupfs_destroy(g, WAIT_MS);

	CHECK_STR(err_text(e), "success");
	remove_all(h);
}

TEST(limits_are_what_the_kernel_has)
{
	auto_cgroupfs_host struct cgroupfs_host *h = need_host();
	const struct cgroupfs_limits l = { .memory_max = 64 << 20,
					   .cpu_shares = 512,
					   .cpu_quota = 50000,
					   .cpu_period = 100000,
					   .pids_max = 17,
					   .cpuset = "0" };
	static const struct {
		const char *controller, *v1, *v1_want, *v2, *v2_want;
	} rows[] = {
		{ "memory", "memory.limit_in_bytes", "67108864", "memory.max", "67108864" },
		{ "cpu", "cpu.shares", "512", "cpu.weight", "59" },
		{ "cpu", "cpu.cfs_quota_us", "50000", "cpu.max", "50000 100000" },
		{ "cpu", "cpu.cfs_period_us", "100000", "cpu.max", "50000 100000" },
		{ "pids", "pids.max", "17", "pids.max", "17" },
		{ "cpuset", "cpuset.cpus", "0", "cpuset.cpus", "0" },
	};

	log_setup("slipway", LOG_LEVEL_ERROR, LOG_TEXT);
	struct cgroupfs *g = make(h, "limited", &l);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct hierarchy *one = host_find(h, rows[i].controller);

		check_why(rows[i].controller);
		if (!one)
			continue;
		auto_free char *got =
			knob(dir_in(h, g, rows[i].controller), one->v2 ? rows[i].v2 : rows[i].v1);

		CHECK_STR(got, one->v2 ? rows[i].v2_want : rows[i].v1_want);
	}
	pid_t pid = sleeper(g);

	check_why("and a process can run there");
	auto_free char *text = mem_printf("/proc/%d/cgroup", pid);
	auto_free char *where = NULL;
	auto_err struct err *e = fd_read_file(AT_FDCWD, text, 4096, &where);

	CHECK_STR(err_text(e), "success");
	CHECK(strstr(where, "/limited\n"));
	CHECK(kill(pid, SIGKILL) == 0 && died_of_kill(pid));
	auto_err struct err *gone = cgroupfs_destroy(g, WAIT_MS);

	CHECK_STR(err_text(gone), "success");
	remove_all(h);
}

TEST(a_cpuset_inherits_its_processors_down_the_whole_path)
{
	auto_cgroupfs_host struct cgroupfs_host *h = need_host();
	const struct hierarchy *one = host_find(h, "cpuset");
	const struct cgroupfs_limits l = { .cpuset = "0" };

	if (!one)
		SKIP("this host has no cpuset controller");
	struct cgroupfs *g = make(h, "a/b/c", &l);
	auto_free char *mems =
		knob(dir_in(h, g, "cpuset"), one->v2 ? "cpuset.mems.effective" : "cpuset.mems");
	auto_free char *above = path_of("a/b/cpuset.cpus"), *top = NULL;

	CHECK(*mems);
	if (!one->v2) {
		top = knob(one->dir, above);
		CHECK(*top);
	}
	pid_t pid = sleeper(g);
	cpu_set_t set;

	CHECK(sched_getaffinity(pid, sizeof(set), &set) == 0);
	CHECK(CPU_COUNT(&set) == 1 && CPU_ISSET(0, &set));
	CHECK(kill(pid, SIGKILL) == 0 && died_of_kill(pid));
	auto_err struct err *e = cgroupfs_destroy(g, WAIT_MS);

	CHECK_STR(err_text(e), "success");
	remove_all(h);
}

/* Nothing is left of a group whose limits the kernel refuses. */
TEST(what_the_kernel_refuses_is_named_and_nothing_is_left)
{
	auto_cgroupfs_host struct cgroupfs_host *h = need_host();
	static const struct {
		const char *why, *controller;
		struct cgroupfs_limits l;
		const char *v1, *v2;
	} rows[] = {
		{ "a quota below a millisecond",
		  "cpu",
		  { .cpu_quota = 500 },
		  "'500' to cpu.cfs_quota_us: write: Invalid argument",
		  "'500 100000' to cpu.max: write: Invalid argument" },
		{ "a period above a second",
		  "cpu",
		  { .cpu_quota = 5000, .cpu_period = 2000000 },
		  "'2000000' to cpu.cfs_period_us: write: Invalid argument",
		  "'5000 2000000' to cpu.max: write: Invalid argument" },
		{ "no such processor",
		  "cpuset",
		  { .cpuset = "4000" },
		  "'4000' to cpuset.cpus: write: Numerical result out of range",
		  "'4000' to cpuset.cpus: write: Numerical result out of range" },
		{ "not a list of them",
		  "cpuset",
		  { .cpuset = "some" },
		  "'some' to cpuset.cpus: write: Invalid argument",
		  "'some' to cpuset.cpus: write: Invalid argument" },
		{ "more processes than there can be",
		  "pids",
		  { .pids_max = 1LL << 40 },
		  "'1099511627776' to pids.max: write: Invalid argument",
		  "'1099511627776' to pids.max: write: Invalid argument" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct hierarchy *one = host_find(h, rows[i].controller);
		auto_free char *path = path_of("refused");
		struct cgroupfs *g = NULL;
		struct stat st;

		check_why(rows[i].why);
		if (!one)
			continue;
		auto_err struct err *e = cgroupfs_create(h, path, &rows[i].l, &g);
		auto_free char *want =
			mem_printf("cgroup %s: %s", path, one->v2 ? rows[i].v2 : rows[i].v1);

		CHECK_STR(err_text(e), want);
		CHECK(!g);
		for (size_t k = 0; k < h->n; k++)
			CHECK(fstatat(h->h[k].dir, path, &st, 0) < 0);
	}
	remove_all(h);
}

TEST(all_that_is_in_a_group_is_killed)
{
	auto_cgroupfs_host struct cgroupfs_host *h = need_host();
	const struct cgroupfs_limits l = { .pids_max = 100 };

	log_setup("slipway", LOG_LEVEL_ERROR, LOG_TEXT);
	struct cgroupfs *g = make(h, "victims", &l);
	pid_t pids[20];

	if (cgroupfs_clone_fd(g) < 0)
		SKIP("this host has no cgroup2");
	for (size_t i = 0; i < ARRAY_LEN(pids); i++)
		pids[i] = sleeper(g);
	struct cgroupfs_stats stats;
	auto_err struct err *read = cgroupfs_read_stats(g, &stats);

	CHECK_STR(err_text(read), "success");
	if (cgroupfs_has(h, "pids"))
		CHECK_INT((int64_t)stats.pids, ARRAY_LEN(pids));
	auto_err struct err *e = cgroupfs_kill(g);

	CHECK_STR(err_text(e), "success");
	for (size_t i = 0; i < ARRAY_LEN(pids); i++)
		CHECK(died_of_kill(pids[i]));
	auto_err struct err *gone = cgroupfs_destroy(g, WAIT_MS);

	CHECK_STR(err_text(gone), "success");
	remove_all(h);
}

TEST(a_frozen_group_can_be_killed)
{
	auto_cgroupfs_host struct cgroupfs_host *h = need_host();
	const struct cgroupfs_limits none = { 0 };
	struct cgroupfs *g = make(h, "frozen", &none);

	if (cgroupfs_clone_fd(g) < 0) {
		auto_err struct err *e = cgroupfs_freeze(g, true);

		CHECK_STR(err_text(e), "pausing needs a cgroup2 mount");
		remove_all(h);
		return;
	}
	pid_t pid = sleeper(g);
	auto_err struct err *e = cgroupfs_freeze(g, true);

	CHECK_STR(err_text(e), "success");
	auto_err struct err *dead = cgroupfs_kill(g);

	CHECK_STR(err_text(dead), "success");
	CHECK(died_of_kill(pid));
	auto_err struct err *gone = cgroupfs_destroy(g, WAIT_MS);

	CHECK_STR(err_text(gone), "success");
	remove_all(h);
}

TEST(a_group_with_a_process_stays_until_that_is_gone)
{
	auto_cgroupfs_host struct cgroupfs_host *h = need_host();
	const struct cgroupfs_limits l = { .pids_max = 5 };

	log_setup("slipway", LOG_LEVEL_ERROR, LOG_TEXT);
	struct cgroupfs *g = make(h, "busy", &l);
	auto_free char *path = path_of("busy"), *parent = path_of("");
	pid_t pid = sleeper(g);
	uint64_t start = proc_now_ms();
	auto_err struct err *busy = cgroupfs_remove(h, path, false, SHORT_MS);
	auto_free char *one = mem_printf("remove cgroup %s: Device or resource busy", path);

	CHECK(busy && str_starts(err_text(busy), one));
	CHECK(proc_now_ms() - start >= SHORT_MS && proc_now_ms() - start < WAIT_MS);
	check_why("it is tried again until the process has died");
	pid_t killer = fork();

	if (killer == 0) {
		struct timespec t = { 0, 200 * 1000 * 1000 };

		nanosleep(&t, NULL);
		_exit(kill(pid, SIGKILL) < 0);
	}
	start = proc_now_ms();
	auto_err struct err *gone = cgroupfs_destroy(g, WAIT_MS);

	CHECK_STR(err_text(gone), "success");
	CHECK(proc_now_ms() - start >= 100);
	CHECK(died_of_kill(pid) && waitpid(killer, NULL, 0) == killer);
	remove_all(h);
}

TEST(a_tree_is_removed_with_all_that_runs_in_it)
{
	auto_cgroupfs_host struct cgroupfs_host *h = need_host();
	const struct cgroupfs_limits none = { 0 }, l = { .memory_max = 64 << 20, .pids_max = 50 };

	log_setup("slipway", LOG_LEVEL_ERROR, LOG_TEXT);
	struct cgroupfs *g[] = { make(h, "pod/a", &none), make(h, "pod/b", &l),
				 make(h, "pod/c/d", &l) };
	auto_free char *pod = path_of("pod");
	pid_t running[ARRAY_LEN(g)];
	auto_free pid_t *pids = NULL;
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(g); i++)
		running[i] = sleeper(g[i]);
	auto_err struct err *listed = cgroupfs_processes(h, pod, &pids, &n);

	CHECK_STR(err_text(listed), "success");
	for (size_t i = 0; i < ARRAY_LEN(g); i++) {
		bool found = false;

		for (size_t k = 0; k < n; k++)
			found |= pids[k] == running[i];
		if (cgroupfs_clone_fd(g[i]) >= 0 || cgroupfs_needs_attach(g[i]))
			CHECK(found);
		else
			CHECK(kill(running[i], SIGKILL) == 0);
		cgroupfs_free(g[i]);
	}
	/* the dead are reaped by somebody else meanwhile, as by a supervisor */
	signal(SIGCHLD, SIG_IGN);
	auto_err struct err *e = cgroupfs_remove(h, pod, true, WAIT_MS);

	CHECK_STR(err_text(e), "success");
	auto_strv char **left = NULL;
	auto_err struct err *again = cgroupfs_list(h, pod, &left);

	CHECK_STR(err_text(again), "success");
	CHECK_INT(strv_len(left), 0);
	remove_all(h);
}

TEST(many_groups_are_made_and_removed)
{
	auto_cgroupfs_host struct cgroupfs_host *h = need_host();
	const struct cgroupfs_limits l = { .memory_max = 64 << 20,
					   .pids_max = 10,
					   .cpu_shares = 100 };
	struct cgroupfs *g[GROUPS];
	struct stat st;

	log_setup("slipway", LOG_LEVEL_ERROR, LOG_TEXT);
	for (int i = 0; i < GROUPS; i++) {
		auto_free char *name = mem_printf("many/%d", i);

		g[i] = make(h, name, &l);
	}
	for (int i = 0; i < GROUPS; i++) {
		auto_err struct err *e = cgroupfs_destroy(g[i], WAIT_MS);

		CHECK_STR(err_text(e), "success");
	}
	remove_all(h);
	auto_free char *path = path_of("many");

	for (size_t k = 0; k < h->n; k++)
		CHECK(fstatat(h->h[k].dir, path, &st, 0) < 0);
}

TEST(a_group_that_is_there_is_taken_as_it_is)
{
	auto_cgroupfs_host struct cgroupfs_host *h = need_host();
	const struct cgroupfs_limits none = { 0 };
	struct cgroupfs *first = make(h, "twice", &none), *second = make(h, "twice", &none);

	cgroupfs_free(first);
	auto_err struct err *e = cgroupfs_destroy(second, WAIT_MS);

	CHECK_STR(err_text(e), "success");
	remove_all(h);
}

/* ---- in a group that a cluster's agent made ---- */

TEST(groups_of_a_task_are_below_the_agents_and_leave_with_it)
{
	auto_cgroupfs_host struct cgroupfs_host *h = need_host();
	struct cgroupfs_limits most = { .memory_max = 64 << 20 }, ours = { .pids_max = 50 };
	auto_cgroupfs_host struct cgroupfs_host *task = NULL;
	struct cgroupfs *agents = make(h, "task-1", &most), *web = NULL, *pod = NULL;
	pid_t pid = sleeper(agents);
	auto_free char *prefix = path_of("elsewhere"), *made = path_of("task-1/slipway.web");
	auto_free char *pids = path_of("elsewhere/slipway.web"), *own = path_of("task-1");
	auto_err struct err *e = cgroupfs_open_task(pid, "task-1", prefix, &task);

	CHECK_STR(err_text(e), "success");
	CHECK(cgroupfs_in_task(task, "memory"));
	most.memory_max = 32 << 20;
	most.pids_max = 50;
	e = cgroupfs_create(task, "slipway.web", &most, &web);
	CHECK_STR(err_text(e), "success");
	const struct hierarchy *memory = host_find(h, "memory"), *other = host_find(h, "pids");

	CHECK(faccessat(memory->dir, made, F_OK, 0) == 0);
	if (other != memory && !cgroupfs_in_task(task, "pids"))
		CHECK(faccessat(other->dir, pids, F_OK, 0) == 0);
	check_why("the task's own limit is the agent's, also when the pod has one");
	e = cgroupfs_create(task, "", &ours, &pod);
	CHECK_STR(err_text(e), "success");
	check_why("and is not removed");
	cgroupfs_free(pod);
	cgroupfs_free(web);
	e = cgroupfs_remove(task, "slipway.web", true, WAIT_MS);
	CHECK_STR(err_text(e), "success");
	e = cgroupfs_remove(task, "", true, WAIT_MS);
	CHECK_STR(err_text(e), "success");
	CHECK(faccessat(memory->dir, made, F_OK, 0) < 0 &&
	      faccessat(memory->dir, own, F_OK, 0) == 0);
	CHECK(faccessat(other->dir, pids, F_OK, 0) < 0);
	check_why("nor are its processes killed");
	CHECK(waitpid(pid, NULL, WNOHANG) == 0);
	check_why("who is in no such group is told so");
	auto_cgroupfs_host struct cgroupfs_host *none = NULL;
	auto_err struct err *not = cgroupfs_open_task(pid, "task-2", prefix, &none);

	CHECK_INT(err_code(not ), ENOENT);
	CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
	cgroupfs_free(agents);
	remove_all(h);
}
