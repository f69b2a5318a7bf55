/* SPDX-License-Identifier: Apache-2.0 */
/* cli/project.c - the project, its name and this host: what most commands begin with. */
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"

struct err *cli_host(struct cli *c)
{
	if (c->host)
		return NULL;
	TRY(pod_host_open(&c->host));
	return pod_collect(c->host);
}

static char **split_env(const char *name, const char *separators)
{
	const char *value = getenv(name);

	return value && *value ? str_split(value, separators) : NULL;
}

struct err *cli_project(struct cli *c, char *const *services, bool warn)
{
	const char *separator = getenv("COMPOSE_PATH_SEPARATOR");

	if (c->project)
		return NULL;
	if (!c->files)
		c->files = split_env("COMPOSE_FILE", separator && *separator ? separator : ":");
	if (!c->profiles)
		c->profiles = split_env("COMPOSE_PROFILES", ",");
	if (!c->env_files)
		c->env_files = split_env("COMPOSE_ENV_FILES", ",");
	struct compose_options o = { .files = c->files,
				     .project_dir = c->project_dir,
				     .name = c->name,
				     .env_files = c->env_files,
				     .profiles = c->profiles,
				     .environ = environ,
				     .services = services };

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
	if (!c->name)
		TRY(cli_project(c, NULL, false));
	*ret = c->name ? c->name : c->project->name;
	return NULL;
}
