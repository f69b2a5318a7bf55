/* SPDX-License-Identifier: Apache-2.0 */
/* image/fetch/main.c - the program slipway-fetch: images from registries into the store. */
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "image/fetch/fetch.h"

static const char usage[] =
	"usage: slipway-fetch pull --store=DIR [OPTION...] REFERENCE...\n"
	"       slipway-fetch resolve --store=DIR [OPTION...] REFERENCE...\n"
	"       slipway-fetch tar-in --dir-fd=N [OPTION...]\n"
	"       slipway-fetch tar-out --dir-fd=N [OPTION...] NAME\n"
	"  --store=DIR          the image store\n"
	"  --dir-fd=N           the directory that a tar is for or from\n"
	"  --platform=OS/ARCH   for another machine than this one\n"
	"  --progress=MODE      auto, tty, plain or quiet\n"
	"  --always             ask the registry also when the tag is in the store\n"
	"  --error-fd=N         tell a failure through this descriptor (\"CODE TEXT\"), not on "
	"standard error\n"
	"  --debug              tell what is done\n";

static struct err *parse_progress(const char *text, enum progress_mode *ret)
{
	if (strcmp(text, "auto") == 0)
		*ret = isatty(STDERR_FILENO) ? PROGRESS_TTY : PROGRESS_PLAIN;
	else if (strcmp(text, "tty") == 0)
		*ret = PROGRESS_TTY;
	else if (strcmp(text, "plain") == 0)
		*ret = PROGRESS_PLAIN;
	else if (strcmp(text, "quiet") == 0)
		*ret = PROGRESS_QUIET;
	else
		return err_new(EINVAL, "--progress: '%s' is not auto, tty, plain or quiet", text);
	return NULL;
}

static struct err *parse(int argc, char **argv, struct fetch_options *o)
{
	static const struct option options[] = {
		{ "store", required_argument, NULL, 's' },
		{ "platform", required_argument, NULL, 'p' },
		{ "progress", required_argument, NULL, 'P' },
		{ "always", no_argument, NULL, 'a' },
		{ "debug", no_argument, NULL, 'd' },
		{ "error-fd", required_argument, NULL, 'e' },
		{ "dir-fd", required_argument, NULL, 'D' },
		{ 0 },
	};
	int c;

	TRY(parse_progress("auto", &o->progress));
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 's')
			o->store = optarg;
		else if (c == 'p')
			o->platform = optarg;
		else if (c == 'a')
			o->always = true;
		else if (c == 'd')
			log_setup("slipway-fetch", LOG_LEVEL_DEBUG, LOG_TEXT);
		else if (c == 'e')
			TRY(err_wrap(str_number(optarg, 0, INT16_MAX, &o->error_fd), "--error-fd"));
		else if (c == 'D')
			TRY(err_wrap(str_number(optarg, 0, INT16_MAX, &o->dir), "--dir-fd"));
		else if (c == 'P')
			TRY(parse_progress(optarg, &o->progress));
		else
			return err_new(EINVAL, "%s", usage);
	}
	o->tar_in = optind + 1 == argc && strcmp(argv[optind], "tar-in") == 0;
	o->tar_out = optind + 2 == argc && strcmp(argv[optind], "tar-out") == 0;
	if (o->tar_in || o->tar_out) {
		o->references = argv + optind + 1;
		return o->dir >= 0 ? NULL : err_new(EINVAL, "%s", usage);
	}
	o->resolve = optind < argc && strcmp(argv[optind], "resolve") == 0;
	if (optind + 1 >= argc || !o->store || (!o->resolve && strcmp(argv[optind], "pull") != 0))
		return err_new(EINVAL, "%s", usage);
	o->references = argv + optind + 1;
	return NULL;
}

static struct err *read_input(void *buffer, const void **ret, size_t *ret_len)
{
	ssize_t n;

	do
		n = read(STDIN_FILENO, buffer, BLOCK);
	while (n < 0 && errno == EINTR);
	*ret = buffer;
	*ret_len = n > 0 ? (size_t)n : 0;
	return n < 0 ? err_errno("standard input") : NULL;
}

/* Between a directory of a container and a stream: neither registry nor store is touched. */
static struct err *run_tar(const struct fetch_options *o)
{
	auto_free void *buffer = mem_alloc(BLOCK);

	(void)signal(SIGPIPE, SIG_IGN); /* who reads has gone: an error as any */
	TRY(confine((int)o->dir));
	return o->tar_in ? tarball_in(read_input, buffer, (int)o->dir)
			 : tarball_out((int)o->dir, o->references[0], STDOUT_FILENO);
}

static struct err *run(int argc, char **argv, struct fetch_options *o)
{
	struct auth *auth = NULL;
	auto_fd int store = -1;

	TRY(parse(argc, argv, o));
	if (o->tar_in || o->tar_out)
		return run_tar(o);
	TRY(fd_openat(AT_FDCWD, o->store, O_RDONLY | O_DIRECTORY, &store));
	TRY(auth_load(&auth));
	struct err *e = confine(store);

	if (!e)
		e = o->resolve ? fetch_resolve(o, auth) : fetch_pull(o, store, auth);
	auth_free(auth);
	return e;
}

int main(int argc, char **argv)
{
	/* nobody waits for it any more; what it has so far stays, verified, for the next time */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	log_setup("slipway-fetch", LOG_LEVEL_WARN, LOG_TEXT);
	(void)setlocale(LC_CTYPE, "C.UTF-8"); /* names in pax headers are UTF-8 */
	umask(022);
	auto_err struct err *e = fd_open_standard();

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return EXIT_FAILURE;
	struct fetch_options o = { .error_fd = -1, .dir = -1 };

	if (!e)
		e = run(argc, argv, &o);
	curl_global_cleanup();
	if (!e && fflush(stdout) == 0)
		return EXIT_SUCCESS;
	if (!e)
		e = err_errno("standard output");
	if (o.error_fd >= 0)
		err_send((int)o.error_fd, steal(&e));
	else
		log_error("%s", err_text(e));
	return EXIT_FAILURE;
}
