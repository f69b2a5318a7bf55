/* SPDX-License-Identifier: Apache-2.0 */
/* mesos/docker/main.c - the program slipway-docker: what an agent takes for Docker's client. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "mesos/docker/docker.h"

enum { VALUES_MAX = 512 };

const struct opt no_options[] = { { 0 } };

struct global_values {
	char **hosts;
	const char *config, *context, *level;
	bool debug, version, help, tls;
};
#define V(f) offsetof(struct global_values, f)
static const struct opt global_options[] = {
	{ 'H', "host", OPT_TEXTS, "SOCKET", V(hosts), "taken, and not used: there is no engine" },
	{ 0, "config", OPT_TEXT, "DIR", V(config), "where config.json with credentials is" },
	{ 'c', "context", OPT_TEXT, "NAME", V(context), "taken, and not used" },
	{ 'l', "log-level", OPT_TEXT, "LEVEL", V(level), "debug, info, warning or error" },
	{ 'D', "debug", OPT_FLAG, NULL, V(debug), "tell what is done" },
	{ 0, "tls", OPT_FLAG, NULL, V(tls), "taken, and not used" },
	{ 'v', "version", OPT_FLAG, NULL, V(version), "tell the version" },
	{ 0, "help", OPT_FLAG, NULL, V(help), "this text" },
	{ 0 },
};
#undef V

static void print_version(void)
{
	puts("Docker version " DOCKER_VERSION ", build slipway-" SLIPWAY_VERSION);
}

static struct err *docker_version(struct docker *d, const void *values, char **operands,
				  int *ret_code)
{
	struct utsname u = { 0 };

	(void)d;
	(void)values;
	(void)operands;
	(void)ret_code;
	(void)uname(&u);
	for (int server = 0; server < 2; server++)
		printf("%s:\n Version:           " DOCKER_VERSION "\n API version:       1.43\n"
		       " Git commit:        slipway-" SLIPWAY_VERSION
		       "\n OS/Arch:           linux/%s\n",
		       server ? "\nServer" : "Client", u.machine);
	return NULL;
}

static struct err *docker_info(struct docker *d, const void *values, char **operands, int *ret_code)
{
	struct pod_state **pods = NULL;
	auto_image_store struct image_store *store = NULL;
	struct image **images = NULL;
	size_t n = 0, n_images = 0, running = 0;
	struct utsname u = { 0 };

	(void)values;
	(void)operands;
	(void)ret_code;
	TRY(pod_state_list(d->host, &pods, &n));
	for (size_t i = 0; i < n; i++) {
		running += pods[i]->alive;
		pod_state_free(pods[i]);
	}
	free(pods);
	TRY(image_store_open(d->host->root, &store));
	TRY(image_list(store, &images, &n_images));
	for (size_t i = 0; i < n_images; i++)
		image_free(images[i]);
	free(images);
	(void)uname(&u);
	printf("Containers: %zu\n Running: %zu\n Stopped: %zu\nImages: %zu\n"
	       "Server Version: " DOCKER_VERSION "\nStorage Driver: overlay2\n"
	       "Logging Driver: json-file\nKernel Version: %s\nArchitecture: %s\n"
	       "Docker Root Dir: %s\n",
	       n, running, n - running, n_images, u.release, u.machine, d->host->root);
	return NULL;
}

/* clang-format off */
static const struct docker_command commands[] = {
	{ "run",     "IMAGE [COMMAND [ARG...]]",     "run a container",                   compose_run_options, true, docker_run },
	{ "ps",      "",                             "list containers",                   ps_options,      false, docker_ps },
	{ "inspect", "NAME...",                      "tell all of containers and images", inspect_options, false, docker_inspect },
	{ "pull",    "IMAGE",                        "pull an image",                     pull_options,    false, docker_pull },
	{ "images",  "",                             "list images",                       images_options,  false, docker_images },
	{ "stop",    "CONTAINER...",                 "stop, gracefully",                  stop_options,    false, docker_stop },
	{ "kill",    "CONTAINER...",                 "send a signal",                     kill_options,    false, docker_kill },
	{ "rm",      "CONTAINER...",                 "remove containers",                 rm_options,      false, docker_rm },
	{ "wait",    "CONTAINER...",                 "wait for ends, print codes",        no_options,      false, docker_wait },
	{ "exec",    "CONTAINER COMMAND [ARG...]",   "run a command in a container",      exec_options,    true,  docker_exec },
	{ "logs",    "CONTAINER",                    "show output",                       logs_options,    false, docker_logs },
	{ "version", "",                             "tell the version",                  no_options,      false, docker_version },
	{ "info",    "",                             "tell about this host",              no_options,      false, docker_info },
	{ 0 },
};
/* clang-format on */

static void print_help(FILE *out)
{
	fputs("slipway-docker - the Docker command line that a Mesos agent calls, without "
	      "Docker\n\n"
	      "usage: slipway-docker [OPTION...] COMMAND [OPTION...] [OPERAND...]\n\ncommands:\n",
	      out);
	for (const struct docker_command *c = commands; c->name; c++)
		fprintf(out, "  %-8s %-26s %s\n", c->name, c->operands, c->help);
	fputs("\noptions:\n", out);
	opt_help(global_options, out);
}

static struct err *run_command(struct docker *d, const struct docker_command *c, int argc,
			       char **argv, int *ret_code)
{
	max_align_t values[VALUES_MAX / sizeof(max_align_t)] = { 0 };
	int first = 0;

	if (argc > 1 && strcmp(argv[1], "--help") == 0) {
		printf("usage: slipway-docker %s %s\n%s\n\noptions:\n", c->name, c->operands,
		       c->help);
		opt_help(c->options, stdout);
		return NULL;
	}
	opt_defaults(c->options, values);
	struct err *e = opt_parse(c->options, argc, argv, c->stop_at_operand, values, &first);

	if (e)
		*ret_code = EXIT_ENGINE;
	if (!e)
		e = pod_host_open(&d->host);
	if (!e)
		e = pod_collect(d->host);
	if (!e)
		e = c->run(d, values, argv + first, ret_code);
	opt_clear(c->options, values);
	return err_wrap(e, "%s", c->name);
}

static struct err *run(struct docker *d, struct global_values *v, int argc, char **argv,
		       int *ret_code)
{
	enum log_level level = LOG_LEVEL_INFO;
	const struct docker_command *c = commands;
	int first = 0;

	TRY(opt_parse(global_options, argc, argv, true, v, &first));
	if (v->debug)
		level = LOG_LEVEL_DEBUG;
	if (v->level && strcmp(v->level, "fatal") != 0)
		TRY(log_level_parse(v->level, &level));
	log_setup("slipway-docker", level, LOG_TEXT);
	if (v->config) /* who pulls looks there */
		(void)setenv("DOCKER_CONFIG", v->config, 1);
	if (v->version) {
		print_version();
		return NULL;
	}
	if (v->help || first == argc) {
		print_help(v->help ? stdout : stderr);
		*ret_code = v->help ? EXIT_SUCCESS : EXIT_FAILURE;
		return NULL;
	}
	while (c->name && strcmp(c->name, argv[first]) != 0)
		c++;
	if (!c->name)
		return err_new(EINVAL, "unknown command '%s'; --help lists them", argv[first]);
	return run_command(d, c, argc - first, argv + first, ret_code);
}

int main(int argc, char **argv)
{
	struct docker d = { .inherited = fd_inherited() };
	struct global_values v = { 0 };
	int code = EXIT_SUCCESS;

	log_setup("slipway-docker", LOG_LEVEL_INFO, LOG_TEXT);
	umask(022);
	auto_err struct err *e = fd_open_standard();

	if (!e)
		e = run(&d, &v, argc, argv, &code);
	opt_clear(global_options, &v);
	pod_host_free(d.host);
	free(d.inherited);
	if (e)
		log_error("%s", err_text(e));
	if (e && code == EXIT_SUCCESS)
		code = EXIT_FAILURE;
	return fflush(stdout) == 0 ? code : EXIT_FAILURE;
}
