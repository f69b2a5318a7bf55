/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/oci/main.c - the program slipway-oci: the OCI runtime command line
 * (create, start, state, kill, delete, run, exec, list) over the same code.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "runtime/oci/oci.h"

enum { CGROUP_WAIT = 2000 /* milliseconds */ };

struct options {
	const char *root, *log, *log_format;
	const char *bundle, *pid_file, *console, *process, *cwd, *user;
	char **env;
	bool force, detach, all, quiet, keep;
};

/* ---- R5: not the file on disk ---- */

/*
 * Once this program has ended, nothing keeps who was root in the container from
 * opening what /proc/PID/exe led to, and writing (CVE-2019-5736). So the program
 * that goes into containers is a sealed copy in memory.
 */
static struct err *seal_self(char **argv)
{
	auto_fd int exe = -1, copy = -1;
	struct stat st;

	TRY(fd_openat(AT_FDCWD, "/proc/self/exe", O_RDONLY, &exe));
	if (fcntl(exe, F_GET_SEALS) > 0)
		return NULL;
	copy = memfd_create("slipway-oci", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (copy < 0 || fstat(exe, &st) < 0)
		return err_errno("copy this program");
	for (off_t left = st.st_size; left > 0;) {
		ssize_t n = sendfile(copy, exe, NULL, (size_t)left);

		if (n <= 0)
			return err_errno("copy this program");
		left -= n;
	}
	if (fcntl(copy, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
		return err_errno("seal this program");
	fexecve(copy, argv, environ);
	return err_errno("run the sealed copy");
}

/* ---- create and start ---- */

static char *now(void)
{
	struct timespec t;
	struct tm tm;
	char text[32];

	clock_gettime(CLOCK_REALTIME, &t);
	gmtime_r(&t.tv_sec, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	return mem_printf("%s.%09ldZ", text, t.tv_nsec);
}

static struct sockaddr_un gate_address(int dir)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	/* by descriptor: the path may be longer than the field */
	snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/" START_SOCKET, dir);
	return a;
}

static struct err *open_gate(int dir, int *ret)
{
	struct sockaddr_un a = gate_address(dir);
	auto_fd int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 1) < 0)
		return err_errno("make the gate");
	*ret = fd_steal(&fd);
	return NULL;
}

static struct err *send_console(const char *path, int tty)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(a.sun_path))
		return err_new(ENAMETOOLONG, "--console-socket: the path is too long");
	memcpy(a.sun_path, path, strlen(path) + 1);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return err_errno("--console-socket %s", path);
	return fd_send(fd, "/dev/ptmx", 9, tty);
}

static struct err *write_pid_file(const char *path, pid_t pid)
{
	auto_free char *text = mem_printf("%d", pid);

	return path ? err_wrap(fd_replace_file(AT_FDCWD, path, text, 0644), "--pid-file") : NULL;
}

/* Until the container stands at its gate. */
static struct err *wait_ready(const struct options *o, struct runtime_container *c)
{
	enum runtime_news news = RUNTIME_RUNNING;
	auto_fd int tty = -1;

	TRY(runtime_event(c, &news, &tty));
	if (news != RUNTIME_READY)
		return err_new(EPIPE, "the container ended before it was made");
	return tty >= 0 ? send_console(o->console, tty) : NULL;
}

static struct err *create_in(const struct options *o, const char *id, int dir,
			     struct runtime_container *c)
{
	auto_cgroupfs_host struct cgroupfs_host *cgroups = NULL;
	struct bundle *b = NULL;
	struct cgroupfs *group = NULL;
	auto_fd int gate = -1;
	auto_free char *created = now();

	TRY(bundle_load(o->bundle ? o->bundle : ".", id, &b));
	struct err *e = NULL;

	if (b->spec.process.tty && !o->console)
		e = err_new(EINVAL, "process.terminal needs --console-socket");
	if (!b->spec.process.tty && o->console)
		e = err_new(EINVAL, "--console-socket: process.terminal is not set");
	if (!e)
		e = cgroupfs_open(&cgroups);
	if (!e)
		e = cgroupfs_create(cgroups, b->cgroup, &b->limits, &group);
	if (!e)
		e = open_gate(dir, &gate);
	struct runtime_place where = { .pidns = -1, .own_pidns = -1, .group = group, .gate = gate };

	if (!e)
		e = runtime_create(&b->spec, &where, c);
	if (!e)
		e = wait_ready(o, c);
	if (!e) {
		struct state s = { .id = (char *)(uintptr_t)id,
				   .bundle = b->dir,
				   .cgroup = b->cgroup,
				   .created = created,
				   .pid = c->pid };

		e = proc_start_time(c->pid, &s.start_time);
		if (!e)
			e = state_save(dir, &s);
		if (!e)
			e = write_pid_file(o->pid_file, c->pid);
	}
	if (e && c->pidfd >= 0) {
		struct proc_exit how;

		err_ignore(proc_kill(c->pidfd, SIGKILL));
		err_ignore(proc_wait(c->pidfd, &how));
	}
	if (e)
		err_ignore(cgroupfs_destroy(group, CGROUP_WAIT));
	else
		cgroupfs_free(group);
	bundle_free(b);
	return e;
}

static struct err *create(const struct options *o, const char *id, struct runtime_container *c)
{
	auto_fd int dir = -1;

	TRY(state_check_id(id));
	TRY(state_make(o->root, id, &dir));
	struct err *e = create_in(o, id, dir, c);

	if (e)
		err_ignore(state_remove(o->root, id));
	return e;
}

static struct err *start(const struct options *o, const char *id)
{
	auto_fd int dir = -1, fd = -1;
	struct state s = { 0 };
	struct sockaddr_un a;
	char message[8192];

	TRY(state_open(o->root, id, &dir));
	TRY(state_load(dir, id, &s));
	const char *status = state_status(dir, &s);

	state_clear(&s);
	if (strcmp(status, "created") != 0)
		return err_new(EINVAL, "cannot start container %s: it is %s", id, status);
	a = gate_address(dir);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return err_errno("start container %s", id);
	TRY(fd_send(fd, "G", 1, -1));
	(void)unlinkat(dir, START_SOCKET, 0);
	ssize_t n = fd_recv(fd, message, sizeof(message) - 1, NULL);

	if (n <= 0) /* closed by exec */
		return NULL;
	message[n] = '\0';
	return err_wrap(err_parse(message), "container %s", id);
}

/* ---- delete, kill, state, list ---- */

static struct err *remove_container(const struct options *o, const char *id, bool force)
{
	auto_fd int dir = -1, pidfd = -1;
	auto_cgroupfs_host struct cgroupfs_host *cgroups = NULL;
	struct state s = { 0 };
	struct err *e = state_open(o->root, id, &dir);

	if (force && err_code(e) == ENOENT) { /* engines delete twice */
		err_free(e);
		return NULL;
	}
	TRY(e);
	e = state_load(dir, id, &s);
	if (!e)
		e = state_process(&s, &pidfd);
	if (!e && pidfd >= 0 && !force)
		e = err_new(EBUSY,
			    "container %s is %s, not stopped; kill it first, or delete --force", id,
			    state_status(dir, &s));
	if (!e && pidfd >= 0)
		e = proc_kill(pidfd, SIGKILL);
	if (!e)
		e = cgroupfs_open(&cgroups);
	if (!e)
		e = cgroupfs_remove(cgroups, s.cgroup, force, CGROUP_WAIT);
	if (!e)
		e = state_remove(o->root, id);
	state_clear(&s);
	return e;
}

static struct err *kill_container(const struct options *o, const char *id, const char *signal_name)
{
	auto_fd int dir = -1, pidfd = -1;
	struct state s = { 0 };
	int signal = SIGTERM;

	if (signal_name)
		TRY(proc_signal_parse(signal_name, &signal));
	TRY(state_open(o->root, id, &dir));
	struct err *e = state_load(dir, id, &s);

	if (!e)
		e = state_process(&s, &pidfd);
	if (!e && pidfd < 0)
		e = err_new(ESRCH, "container %s is not running", id);
	if (!e)
		e = proc_kill(pidfd, signal);
	state_clear(&s);
	return e;
}

static json_t *state_json(int dir, const struct state *s)
{
	const char *status = state_status(dir, s);
	json_t *j = json_object();

	json_put_str(j, "ociVersion", "1.2.0");
	json_put_str(j, "id", s->id);
	json_put_str(j, "status", status);
	if (strcmp(status, "stopped") != 0)
		json_put_int(j, "pid", s->pid);
	json_put_str(j, "bundle", s->bundle);
	json_put_str(j, "created", s->created);
	return j;
}

static struct err *show_state(const struct options *o, const char *id)
{
	auto_fd int dir = -1;
	struct state s = { 0 };

	TRY(state_open(o->root, id, &dir));
	TRY(state_load(dir, id, &s));
	auto_json json_t *j = state_json(dir, &s);
	auto_free char *text = json_text(j, 2);

	puts(text);
	state_clear(&s);
	return NULL;
}

static struct err *list(const struct options *o)
{
	auto_fd int root = -1;
	auto_strv char **ids = NULL;
	struct err *e = fd_openat(AT_FDCWD, o->root, O_RDONLY | O_DIRECTORY, &root);

	if (err_code(e) == ENOENT) {
		err_free(e);
		return NULL;
	}
	TRY(e);
	TRY(fd_list(root, &ids));
	if (!o->quiet)
		printf("%-20s %-8s %-8s %s\n", "ID", "PID", "STATUS", "BUNDLE");
	for (char **id = ids; id && *id; id++) {
		auto_fd int dir = -1;
		struct state s = { 0 };
		auto_err struct err *bad = state_open(o->root, *id, &dir);

		if (!bad)
			bad = state_load(dir, *id, &s);
		if (!bad && o->quiet)
			puts(*id);
		else if (!bad)
			printf("%-20s %-8lld %-8s %s\n", *id, (long long)s.pid,
			       state_status(dir, &s), s.bundle);
		state_clear(&s);
	}
	return NULL;
}

/* ---- run and exec ---- */

static struct err *run(const struct options *o, const char *id, int *ret_code)
{
	struct runtime_container c = { 0, -1, -1 };
	struct proc_exit how = { 0 };

	TRY(create(o, id, &c));
	struct err *e = start(o, id);

	if (e) {
		err_ignore(remove_container(o, id, true));
		return e;
	}
	if (o->detach)
		return NULL;
	TRY(proc_wait(c.pidfd, &how));
	*ret_code = proc_exit_code(how);
	return o->keep ? NULL : remove_container(o, id, true);
}

/* The command line's words over what the bundle says, or a whole process object from a file. */
static struct err *exec_process(const struct options *o, const struct state *s, char **words,
				struct bundle *b)
{
	auto_json json_t *file = NULL;
	const json_t *process;

	if (o->process) {
		TRY(json_read_file(AT_FDCWD, o->process, CONFIG_MAX, &file));
		b->config = json_incref(file);
		return bundle_process(file, b);
	}
	auto_free char *path = mem_printf("%s/config.json", s->bundle);

	TRY(json_read_file(AT_FDCWD, path, CONFIG_MAX, &b->config));
	process = json_at(b->config, "process");
	TRY(bundle_process(process, b));
	strv_free(b->args);
	b->args = strv_dup(words);
	b->spec.process.argv = b->args;
	b->spec.process.tty = false;
	for (char **e = o->env; e && *e; e++)
		env_set(&b->env, *e);
	b->spec.process.env = b->env;
	if (o->cwd)
		b->spec.process.cwd = o->cwd;
	if (o->user)
		b->spec.process.user = o->user;
	return b->args ? NULL : err_new(EINVAL, "exec: no command");
}

static struct err *exec_seccomp(struct bundle *b, const struct state *s)
{
	auto_free char *path = mem_printf("%s/config.json", s->bundle);
	auto_json json_t *config = NULL;

	TRY(json_read_file(AT_FDCWD, path, CONFIG_MAX, &config));
	const json_t *profile = json_at(config, "linux.seccomp");

	if (!profile)
		return NULL;
	auto_free char *text = json_text(profile, 0);

	TRY(runtime_seccomp_json(text, strlen(text), b->spec.process.caps.bounding, -1,
				 &b->filter));
	b->spec.process.filter = &b->filter;
	return NULL;
}

static struct err *exec_in(const struct options *o, const struct state *s, int pidfd,
			   struct bundle *b, int *ret_code)
{
	auto_cgroupfs_host struct cgroupfs_host *cgroups = NULL;
	struct runtime_container c = { 0, -1, -1 };
	struct cgroupfs *group = NULL;
	enum runtime_news news = RUNTIME_READY;
	struct proc_exit how = { 0 };
	auto_fd int tty = -1;

	if (b->spec.process.tty && !o->console)
		return err_new(EINVAL, "process.terminal needs --console-socket");
	TRY(cgroupfs_open(&cgroups));
	TRY(cgroupfs_find(cgroups, s->cgroup, &group));
	struct err *e = runtime_exec(pidfd, &b->spec.process, group, &c);

	cgroupfs_free(group);
	while (!e && news != RUNTIME_RUNNING) {
		e = runtime_event(&c, &news, &tty);
		if (!e && tty >= 0)
			e = send_console(o->console, tty);
		fd_close(&tty);
	}
	if (!e)
		e = write_pid_file(o->pid_file, c.pid);
	if (!e && !o->detach) {
		e = proc_wait(c.pidfd, &how);
		*ret_code = proc_exit_code(how);
	}
	return e;
}

static struct err *exec(const struct options *o, const char *id, char **words, int *ret_code)
{
	auto_fd int dir = -1, pidfd = -1;
	struct state s = { 0 };
	struct bundle *b = mem_alloc(sizeof(*b));
	struct err *e = state_open(o->root, id, &dir);

	if (!e)
		e = state_load(dir, id, &s);
	if (!e)
		e = state_process(&s, &pidfd);
	if (!e && pidfd < 0)
		e = err_new(ESRCH, "container %s is not running", id);
	if (!e)
		e = exec_process(o, &s, words, b);
	if (!e)
		e = exec_seccomp(b, &s);
	if (!e)
		e = exec_in(o, &s, pidfd, b, ret_code);
	state_clear(&s);
	bundle_free(b);
	return e;
}

/* ---- the command line ---- */

static const char usage[] =
	"usage: slipway-oci [--root DIR] [--log FILE] [--log-format text|json] COMMAND ...\n"
	"  create [-b BUNDLE] [--pid-file F] [--console-socket S] ID\n"
	"  start ID | state ID | kill ID [SIGNAL] | delete [-f] ID | list [-q]\n"
	"  run [-b BUNDLE] [-d] [--keep] [--pid-file F] [--console-socket S] ID\n"
	"  exec [-d] [-e K=V] [--cwd DIR] [-u USER] [--process F] [--pid-file F] [--console-socket "
	"S] ID COMMAND...\n";

enum {
	O_ROOT = 256,
	O_LOG,
	O_LOG_FORMAT,
	O_PID_FILE,
	O_CONSOLE,
	O_PROCESS,
	O_CWD,
	O_KEEP,
	O_VERSION,
	O_IGNORED,
	O_DEBUG,
	O_SYSTEMD
};

static const struct option long_options[] = {
	{ "root", required_argument, NULL, O_ROOT },
	{ "log", required_argument, NULL, O_LOG },
	{ "log-format", required_argument, NULL, O_LOG_FORMAT },
	{ "bundle", required_argument, NULL, 'b' },
	{ "pid-file", required_argument, NULL, O_PID_FILE },
	{ "console-socket", required_argument, NULL, O_CONSOLE },
	{ "process", required_argument, NULL, 'p' },
	{ "cwd", required_argument, NULL, O_CWD },
	{ "user", required_argument, NULL, 'u' },
	{ "env", required_argument, NULL, 'e' },
	{ "force", no_argument, NULL, 'f' },
	{ "detach", no_argument, NULL, 'd' },
	{ "keep", no_argument, NULL, O_KEEP },
	{ "all", no_argument, NULL, 'a' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "version", no_argument, NULL, O_VERSION },
	{ "debug", no_argument, NULL, O_DEBUG },
	{ "systemd-cgroup", no_argument, NULL, O_SYSTEMD },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static struct err *parse(int argc, char **argv, struct options *o, bool *ret_done)
{
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "+b:p:u:e:fdaqh", long_options, NULL)) != -1) {
		struct {
			int option;
			const char **field;
		} texts[] = { { O_ROOT, &o->root },
			      { O_LOG, &o->log },
			      { O_LOG_FORMAT, &o->log_format },
			      { 'b', &o->bundle },
			      { O_PID_FILE, &o->pid_file },
			      { O_CONSOLE, &o->console },
			      { 'p', &o->process },
			      { O_CWD, &o->cwd },
			      { 'u', &o->user } };
		struct {
			int option;
			bool *field;
		} flags[] = { { 'f', &o->force },
			      { 'd', &o->detach },
			      { 'a', &o->all },
			      { 'q', &o->quiet },
			      { O_KEEP, &o->keep } };

		for (size_t i = 0; i < ARRAY_LEN(texts); i++)
			if (texts[i].option == c)
				*texts[i].field = optarg;
		for (size_t i = 0; i < ARRAY_LEN(flags); i++)
			if (flags[i].option == c)
				*flags[i].field = true;
		if (c == 'e')
			strv_add(&o->env, mem_strdup(optarg));
		else if (c == O_DEBUG)
			log_setup("slipway-oci", LOG_LEVEL_DEBUG, LOG_TEXT);
		else if (c == O_SYSTEMD)
			return err_new(ENOTSUP,
				       "--systemd-cgroup is not supported; use cgroupfs paths");
		else if (c == O_VERSION || c == 'h') {
			fputs(c == 'h' ? usage
				       : "slipway-oci version " SLIPWAY_VERSION "\nspec: 1.2.0\n",
			      stdout);
			*ret_done = true;
			return NULL;
		} else if (c == '?') {
			return err_new(EINVAL, "unknown option, or one without its value: '%s'",
				       argv[optind - 1]);
		}
	}
	return NULL;
}

static struct err *dispatch(const struct options *o, const char *command, char **operands,
			    int *ret_code)
{
	struct runtime_container c = { 0, -1, -1 };
	const char *id = operands[0];

	if (strcmp(command, "list") == 0)
		return list(o);
	if (!id)
		return err_new(EINVAL, "%s: the container's id is missing", command);
	if (strcmp(command, "create") == 0)
		return create(o, id, &c);
	if (strcmp(command, "start") == 0)
		return start(o, id);
	if (strcmp(command, "state") == 0)
		return show_state(o, id);
	if (strcmp(command, "kill") == 0)
		return kill_container(o, id, operands[1]);
	if (strcmp(command, "delete") == 0)
		return remove_container(o, id, o->force);
	if (strcmp(command, "run") == 0)
		return run(o, id, ret_code);
	if (strcmp(command, "exec") == 0)
		return exec(o, id, operands + 1, ret_code);
	return err_new(EINVAL, "unknown command '%s'\n%s", command, usage);
}

static struct err *act(int argc, char **argv, struct options *o, int *ret_code)
{
	bool done = false;

	TRY(parse(argc, argv, o, &done));
	if (done)
		return NULL;
	if (optind == argc)
		return err_new(EINVAL, "%s", usage);
	const char *command = argv[optind];

	argc -= optind;
	argv += optind;
	optind = 0;
	TRY(parse(argc, argv, o, &done));
	return done ? NULL : dispatch(o, command, argv + optind, ret_code);
}

/* Engines read the reason from the last line of the file. */
static void report(const struct options *o, const struct err *e)
{
	log_error("%s", err_text(e));
	if (!o->log)
		return;
	int fd = open(o->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	log_setup("slipway-oci", LOG_LEVEL_ERROR,
		  str_eq(o->log_format, "json") ? LOG_JSON : LOG_KEYS);
	log_to(fd);
	log_error("%s", err_text(e));
}

int main(int argc, char **argv)
{
	struct options o = { .root = "/run/slipway-oci" };
	int code = EXIT_SUCCESS;

	log_setup("slipway-oci", LOG_LEVEL_WARN, LOG_TEXT);
	umask(022);
	auto_err struct err *e = seal_self(argv);

	if (!e)
		e = act(argc, argv, &o, &code);
	if (e)
		report(&o, e);
	strv_free(o.env);
	return e ? EXIT_FAILURE : code;
}
