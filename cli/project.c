/* SPDX-License-Identifier: Apache-2.0 */
/* cli/project.c - the project, its name and this host: what most commands begin with. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"

bool cli_is_quiet(const struct cli *c)
{
	return strcmp(pod_config_get(c->config, POD_SETTING_PROGRESS), "quiet") == 0;
}

struct err *cli_set_up_logging(const struct cli *c)
{
	enum log_level level = LOG_LEVEL_INFO;
	enum log_format format = LOG_TEXT;

	TRY(log_level_parse(pod_config_get(c->config, POD_SETTING_LOG_LEVEL), &level));
	TRY(log_format_parse(pod_config_get(c->config, POD_SETTING_LOG_FORMAT), &format));
	log_setup("slipway", level, format);
	return NULL;
}

void cli_say(const struct cli *c, const char *fmt, ...)
{
	va_list ap;

	if (cli_is_quiet(c))
		return;
	va_start(ap, fmt);
	auto_free char *line = mem_vprintf(fmt, ap);

	va_end(ap);
	fprintf(stderr, "%s\n", line);
}

struct err *cli_host(struct cli *c)
{
	if (c->host)
		return NULL;
	struct err *e = pod_host_open_with(c->config, &c->host);

	if (e && geteuid() != 0) {
		auto_err struct err *why = e;

		return err_new(err_code(why), "%s; slipway is to be run as root", err_text(why));
	}
	TRY(e);
	return pod_collect(c->host);
}

/*
 * One that is not there is a mistake, and not a directory without a project. Where
 * files are named it is a part of paths only, and need not be there, as with docker compose.
 */
static struct err *check_directory(const struct cli *c)
{
	const char *dir = c->project_dir;
	struct stat st;

	if (!dir || c->files || getenv("COMPOSE_FILE"))
		return NULL;
	if (stat(dir, &st) == 0 && !S_ISDIR(st.st_mode))
		errno = ENOTDIR;
	else if (stat(dir, &st) == 0)
		return NULL;
	return err_new(EINVAL, "--project-directory: %s: %s", dir, strerror(errno));
}

struct err *cli_project(struct cli *c, char *const *services, bool warn)
{
	if (c->project)
		return NULL;
	struct compose_options o = c->leave;

	o.files = c->files;
	o.project_dir = c->project_dir;
	o.name = c->name;
	o.env_files = c->env_files;
	o.profiles = c->profiles;
	o.environ = environ;
	o.services = services;
	o.scale = c->scale;
	o.all_resources = c->all_resources;

	TRY(check_directory(c));
	TRY(compose_load(&o, &c->project));
	for (char **w = c->project->warnings; warn && w && *w; w++)
		log_warn("%s", *w);
	return NULL;
}

struct err *cli_name(struct cli *c, const char **ret)
{
	const char *from_env = getenv("COMPOSE_PROJECT_NAME");

	if (!c->name && !c->project && from_env && *from_env)
		c->name = from_env;
	if (c->name)
		TRY(compose_name_check(c->name)); /* it becomes paths */
	else
		TRY(cli_project(c, NULL, false));
	*ret = c->name ? c->name : c->project->name;
	return NULL;
}
