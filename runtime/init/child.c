/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/init/child.c - from clone to exec, in the child.
 *
 * The order is the security of it (R7): the file system while still able, then
 * sysctls, terminal, bounding set, identity, capabilities, no_new_privs, and the
 * filter as late as it can be loaded.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/mount.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "runtime/init/init.h"

#define DEVPTS_MAGIC 0x1cd1

/* What the steps share. */
struct child {
	const struct runtime_process *p;
	int socket;	/* to who made us */
	int root;	/* the container's root directory */
	int null;	/* our own /dev/null, opened before the container's was (R3) */
	int master;	/* of the terminal, or -1 */
	int self;	/* this program */
	bool own_pipes; /* made for this container, not somebody's */
	struct identity who;
};

/* ---- small steps ---- */

static struct err *open_null(int *ret)
{
	struct stat st;

	TRY(fd_openat(AT_FDCWD, "/dev/null", O_RDWR | O_NOCTTY, ret));
	if (fstat(*ret, &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
		return err_new(EINVAL, "the host's /dev/null is not the null device");
	return NULL;
}

static struct err *set_oom_score(const struct runtime_process *p)
{
	char text[16];

	if (!p->set_oom_score_adj)
		return NULL;
	snprintf(text, sizeof(text), "%d", p->oom_score_adj);
	return fd_write_knob(AT_FDCWD, "/proc/self/oom_score_adj", text);
}

static struct err *set_names(const struct runtime_spec *s)
{
	if (s->hostname && sethostname(s->hostname, strlen(s->hostname)) < 0)
		return err_errno("set the host name '%s'", s->hostname);
	if (s->domainname && setdomainname(s->domainname, strlen(s->domainname)) < 0)
		return err_errno("set the domain name '%s'", s->domainname);
	return NULL;
}

/* A new network namespace has nothing but lo, which is down. */
static struct err *bring_loopback_up(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_LOOPBACK };
	auto_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		return err_errno("bring loopback up");
	return NULL;
}

static struct err *set_rlimits(const struct birth *b)
{
	const struct runtime_process *p = &b->spec.process;

	if (b->limits_files)
		(void)setrlimit(RLIMIT_NOFILE, &b->files);
	for (size_t i = 0; i < p->n_rlimits; i++)
		if (setrlimit(p->rlimits[i].resource, &p->rlimits[i].limit) < 0)
			return err_errno("set resource limit %d", p->rlimits[i].resource);
	return NULL;
}

/* A terminal of the container's own devpts; its other end comes by ioctl, not by a path (R3). */
static struct err *open_terminal(int root, int *ret_master, int *ret_peer)
{
	struct statfs fs;
	auto_fd int master = -1;

	TRY(fd_open_in_root(root, "/dev/pts/ptmx", O_RDWR | O_NOCTTY, 0, &master));
	if (fstatfs(master, &fs) < 0 || fs.f_type != DEVPTS_MAGIC)
		return err_new(EINVAL, "/dev/pts in the container is no devpts");
	int unlock = 0, peer;

	if (ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return err_errno("unlock the terminal");
	peer = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (peer < 0)
		return err_errno("open the terminal");
	*ret_master = fd_steal(&master);
	*ret_peer = peer;
	return NULL;
}

/* /dev/console is the terminal: over an empty file that we make, never a link's target. */
static struct err *bind_console(int root, int peer)
{
	auto_fd int dev = -1, target = -1, made = -1;

	TRY(fd_open_in_root(root, "/dev", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &dev));
	target = openat(dev, "console", O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (target < 0)
		return errno == EEXIST ? NULL : err_errno("/dev/console");
	TRY(mount_copy(peer, false, &made));
	return mount_attach(made, target);
}

static struct err *use_terminal(int peer)
{
	if (setsid() < 0 && errno != EPERM)
		return err_errno("setsid");
	if (ioctl(peer, TIOCSCTTY, 0) < 0)
		return err_errno("take the terminal");
	for (int i = 0; i < 3; i++)
		if (dup2(peer, i) < 0)
			return err_errno("dup2");
	return NULL;
}

/* dup2() of a descriptor onto itself would leave close-on-exec set. */
static struct err *use_stdio(const struct child *c)
{
	int from[3];

	for (int i = 0; i < 3; i++) {
		from[i] = fcntl(c->p->stdio[i] >= 0 ? c->p->stdio[i] : c->null, F_DUPFD_CLOEXEC, 3);
		if (from[i] < 0)
			return err_errno("dup");
	}
	for (int i = 0; i < 3; i++)
		if (dup2(from[i], i) < 0)
			return err_errno("dup2");
	return NULL;
}

/* Programs open /dev/stdout again by name: a pipe must belong to who does. */
static void own_stdio(const struct child *c)
{
	struct stat st;

	for (int i = 0; i < 3; i++)
		if (fstat(i, &st) == 0 &&
		    (c->p->tty ? S_ISCHR(st.st_mode) : S_ISFIFO(st.st_mode) && c->own_pipes))
			(void)!fchown(i, c->who.uid, (gid_t)-1);
}

/* ---- identity ---- */

static struct err *load_filter(const struct runtime_filter *f)
{
	struct sock_fprog program = { f->n, f->code };

	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
		return err_errno("load the seccomp filter");
	return NULL;
}

/* The working directory is the container's: a directory of the host would be "(unreachable)" (R4). */
static struct err *enter_cwd(const char *cwd)
{
	char path[PATH_MAX];

	if (chdir(cwd) < 0)
		return err_errno("working directory %s", cwd);
	if (!getcwd(path, sizeof(path)) || *path != '/')
		return err_new(EINVAL, "working directory %s is outside the container", cwd);
	return NULL;
}

static struct err *make_cwd(const struct child *c)
{
	const char *cwd = c->p->cwd && *c->p->cwd ? c->p->cwd : "/";
	auto_fd int dir = -1;
	struct err *e = fd_open_in_root(c->root, cwd, O_PATH | O_DIRECTORY, 0, &dir);

	if (err_code(e) != ENOENT)
		return err_wrap(e, "working directory");
	err_free(e);
	TRY(err_wrap(fd_mkdirs_in_root(c->root, cwd, 0755, &dir), "working directory"));
	return fchownat(dir, "", c->who.uid, c->who.gid, AT_EMPTY_PATH) < 0
		       ? err_errno("working directory %s", cwd)
		       : NULL;
}

static struct err *become(const struct child *c)
{
	const struct runtime_process *p = c->p;
	const char *cwd = p->cwd && *p->cwd ? p->cwd : "/";

	TRY(enter_cwd(cwd));
	TRY(caps_drop_bounding(p->caps.bounding));
	/* without no_new_privs loading a filter takes CAP_SYS_ADMIN, so it comes before that goes */
	if (p->filter && !p->no_new_privs)
		TRY(load_filter(p->filter));
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return err_errno("keep capabilities");
	if (setgroups(c->who.n_groups, c->who.groups) < 0)
		return err_errno("set the groups");
	if (setresgid(c->who.gid, c->who.gid, c->who.gid) < 0 ||
	    setresuid(c->who.uid, c->who.uid, c->who.uid) < 0)
		return err_errno("become user %u:%u", c->who.uid, c->who.gid);
	TRY(caps_apply(&p->caps));
	if (p->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_errno("no_new_privs");
	umask(p->umask >= 0 ? (mode_t)p->umask : 022);
	return p->filter && p->no_new_privs ? load_filter(p->filter) : NULL;
}

/* ---- exec ---- */

/*
 * Descriptor 3 becomes the socket, and nothing else stays open: not until exec,
 * but now, because the kernel resolves the program's path before it closes
 * anything, and /proc/self/fd/N may be part of that path (CVE-2024-21626).
 */
static struct err *close_all(struct child *c, bool init)
{
	if ((c->socket != INIT_REPORT && dup3(c->socket, INIT_REPORT, O_CLOEXEC) < 0) ||
	    (init && dup3(c->self, INIT_SELF, O_CLOEXEC) < 0))
		return err_errno("descriptors of the program");
	c->socket = INIT_REPORT;
	if (syscall(SYS_close_range, INIT_REPORT + 1 + init, ~0U, 0) < 0)
		return err_errno("close what is open");
	return NULL;
}

/*
 * A PID 1 that stays is this program from the beginning: what it was told about its
 * siblings is not in its memory any more.
 */
static struct err *stay_as_init(char *const *argv, char *const *env)
{
	auto_free char **words = mem_alloc((strv_len(argv) + 3) * sizeof(char *));

	words[0] = (char *)(uintptr_t) "slipway-init";
	words[1] = (char *)(uintptr_t) "init";
	memcpy(words + 2, argv, strv_len(argv) * sizeof(char *));
	if (fcntl(INIT_REPORT, F_SETFD, 0) < 0)
		return err_errno("keep the socket");
	(void)syscall(SYS_execveat, INIT_SELF, "", words, env, AT_EMPTY_PATH);
	return err_errno("exec the container's init");
}

static struct err *exec_program(struct child *c, bool init)
{
	auto_strv char **env = strv_dup(c->p->env);

	if (!env_get(env, "HOME")) {
		auto_free char *home = mem_printf("HOME=%s", c->who.home);
		env_set(&env, home);
	}
	if (!c->p->argv || !*c->p->argv)
		return err_new(EINVAL, "no command: neither the image nor the service names one");
	TRY(close_all(c, init));
	if (init)
		return stay_as_init(c->p->argv, env);
	program_run(c->p->argv, env);
}

static _Noreturn void give_up(int socket, struct err *take_e)
{
	int code = err_code(take_e) == ENOENT	? EXIT_NOT_FOUND
		   : err_code(take_e) == EACCES ? EXIT_NOT_EXECUTABLE
						: EXIT_INIT;

	err_send(socket, take_e);
	_exit(code);
}

/* ---- the container's first process ---- */

/* Who made us runs his hooks meanwhile; then ours, which are the host's programs. */
static struct err *stop_for_hooks(const struct runtime_spec *s, int socket)
{
	char order = 0;

	TRY(fd_send(socket, "M", 1, -1));
	if (fd_recv(socket, &order, 1, NULL) != 1)
		_exit(EXIT_INIT); /* who made us is gone */
	return runtime_hooks_run(&s->before_enter, s->hook_state, "creating", getpid());
}

static struct err *make_world(const struct birth *b, struct child *c)
{
	const struct runtime_spec *s = &b->spec;
	auto_fd int proc = -1;
	int peer = -1;

	TRY(open_null(&c->null));
	/* the caller's keys are not the container's */
	(void)syscall(SYS_keyctl, 1 /* KEYCTL_JOIN_SESSION_KEYRING */, NULL);
	TRY(set_oom_score(&s->process));
	TRY(birth_attach(b));
	/* only now: the namespace's root is the group one is in */
	if ((s->namespaces & CLONE_NEWCGROUP) && unshare(CLONE_NEWCGROUP) < 0)
		return err_errno("cgroup namespace");
	for (size_t i = 0; i < ARRAY_LEN(s->join); i++)
		if (s->join[i] >= 0 && setns(s->join[i], s->join_types[i]) < 0)
			return err_errno("join a namespace");
	if (s->loopback)
		TRY(bring_loopback_up());
	TRY(set_names(s));
	TRY(rootfs_make(s, b->views, &c->root));
	if (s->default_dev)
		TRY(rootfs_dev(c->root));
	for (size_t i = 0; i < s->n_devices; i++)
		TRY(rootfs_device(c->root, &s->devices[i]));
	if (s->sysctls && *s->sysctls) {
		TRY(mount_new("proc", NULL, 0, &proc));
		TRY(sysctl_write(proc, s->sysctls));
	}
	TRY(rootfs_mask(c->root, s, c->null));
	if (s->process.tty) {
		TRY(open_terminal(c->root, &c->master, &peer));
		TRY(bind_console(c->root, peer));
	}
	TRY(err_wrap(user_find(c->root, s->process.user, s->process.groups, &c->who), "user"));
	TRY(make_cwd(c));
	if (s->hook_state)
		TRY(stop_for_hooks(s, c->socket));
	TRY(rootfs_enter(c->root, s));
	return s->process.tty ? use_terminal(peer) : use_stdio(c);
}

/* Says that all is made, and waits for the order to start. */
static struct err *wait_at_gate(struct child *c, int gate)
{
	char order = 0;

	TRY(fd_send(c->socket, "R", 1, c->master));
	if (gate >= 0) {
		int conn = accept4(gate, NULL, NULL, SOCK_CLOEXEC);

		if (conn < 0)
			return err_errno("wait for the order to start");
		close(c->socket);
		c->socket = conn;
	}
	if (fd_recv(c->socket, &order, 1, NULL) != 1)
		_exit(EXIT_INIT); /* who made us is gone */
	return NULL;
}

static _Noreturn void first_process(const struct birth *b, struct child *c)
{
	const struct runtime_spec *s = &b->spec;
	struct err *e = make_world(b, c);

	if (!e)
		e = wait_at_gate(c, b->gate);
	own_stdio(c);
	if (!e)
		e = set_rlimits(b);
	if (!e)
		e = become(c);
	if (!e && s->hook_state)
		e = runtime_hooks_run(&s->before_start, s->hook_state, "created", getpid());
	if (!e)
		e = exec_program(c, s->init);
	give_up(c->socket, e);
}

/* ---- one more process in a container ---- */

static struct err *join_world(const struct runtime_process *p, struct child *c)
{
	int peer = -1;

	/* "/" is the container's by now; without the null device of the host, which was opened before */
	TRY(fd_openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY, &c->root));
	(void)syscall(SYS_keyctl, 1 /* KEYCTL_JOIN_SESSION_KEYRING */, NULL);
	if (p->tty)
		TRY(open_terminal(c->root, &c->master, &peer));
	TRY(err_wrap(user_find(c->root, p->user, p->groups, &c->who), "user"));
	TRY(fd_send(c->socket, "R", 1, c->master));
	return p->tty ? use_terminal(peer) : use_stdio(c);
}

static _Noreturn void further_process(const struct birth *b, struct child *c)
{
	struct err *e = NULL;

	/* after the birth in the container's group: seen from inside, the way there is not allowed */
	if (setns(b->container, CLONE_NEWCGROUP) < 0)
		e = err_errno("join the container's cgroup namespace");
	if (!e)
		e = join_world(c->p, c);
	own_stdio(c);
	if (!e)
		e = set_rlimits(b);
	if (!e)
		e = become(c);
	if (!e)
		e = exec_program(c, false);
	give_up(c->socket, e);
}

_Noreturn void child_run(const struct birth *b, int socket, int self)
{
	struct child c = { .p = &b->spec.process,
			   .socket = socket,
			   .root = -1,
			   .null = b->spec.process.stdio[0],
			   .master = -1,
			   /* out of the way of close_all(), before a limit could forbid it */
			   .self = fcntl(self, F_DUPFD_CLOEXEC, INIT_SELF + 1),
			   .own_pipes = b->container < 0 };
	sigset_t none;

	(void)setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (b->container < 0)
		first_process(b, &c);
	further_process(b, &c);
}
