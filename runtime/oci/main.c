/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/oci/main.c - the program slipway-oci: the OCI runtime command line
 * (create, start, state, kill, delete, run, exec, list, and what engines ask of
 * runc besides: pause, resume, ps, update) over the same code.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "runtime/oci/oci.h"

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
	copy = fd_memory("slipway-oci");
	if (copy < 0 || fstat(exe, &st) < 0)
		return err_errno("copy this program");
	for (off_t left = st.st_size; left > 0;) {
		ssize_t n = sendfile(copy, exe, NULL, (size_t)left);

		if (n <= 0)
			return err_errno("copy this program");
		left -= n;
	}
	TRY(fd_seal(copy, NULL));
	fexecve(copy, argv, environ);
	return err_errno("run the sealed copy");
}

/* ---- the command line ---- */

static const char usage[] =
	"usage: slipway-oci [--root DIR] [--log FILE] [--log-format text|json] COMMAND ...\n"
	"  create [-b BUNDLE] [--pid-file F] [--console-socket S] ID\n"
	"  start ID | state ID | kill [-a] ID [SIGNAL] | delete [-f] ID | list [-q]\n"
	"  pause ID | resume ID | ps [--format table|json] ID | update --resources F|- ID\n"
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
	O_FORMAT,
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
	{ "format", required_argument, NULL, O_FORMAT },
	{ "resources", required_argument, NULL, 'r' },
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
	while ((c = getopt_long(argc, argv, "+b:p:u:e:r:fdaqh", long_options, NULL)) != -1) {
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
			      { 'u', &o->user },
			      { O_FORMAT, &o->format },
			      { 'r', &o->resources } };
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
		return op_list(o);
	if (!id)
		return err_new(EINVAL, "%s: the container's id is missing", command);
	if (strcmp(command, "create") == 0)
		return op_create(o, id, &c);
	if (strcmp(command, "start") == 0)
		return op_start(o, id);
	if (strcmp(command, "state") == 0)
		return op_state(o, id);
	if (strcmp(command, "kill") == 0)
		return op_kill(o, id, operands[1]);
	if (strcmp(command, "pause") == 0 || strcmp(command, "resume") == 0)
		return op_freeze(o, id, *command == 'p');
	if (strcmp(command, "ps") == 0)
		return op_ps(o, id);
	if (strcmp(command, "update") == 0)
		return op_update(o, id);
	if (strcmp(command, "delete") == 0)
		return op_delete(o, id, o->force);
	if (strcmp(command, "run") == 0)
		return op_run(o, id, ret_code);
	if (strcmp(command, "exec") == 0)
		return op_exec(o, id, operands + 1, ret_code);
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
	auto_err struct err *e = fd_open_standard();

	if (!e)
		e = seal_self(argv);
	if (!e)
		e = act(argc, argv, &o, &code);
	if (e)
		report(&o, e);
	strv_free(o.env);
	return e ? EXIT_FAILURE : code;
}
