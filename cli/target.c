/* SPDX-License-Identifier: Apache-2.0 */
/* cli/target.c - whom an operand means: a service of the project at hand, or any container of this host. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"

/* Whether the project has such a service, in its file or in the pod that was made of it. */
static struct err *is_of_project(struct cli *c, const char *operand, const char **ret_name)
{
	auto_pod_state struct pod_state *s = NULL;
	const char *name = NULL;

	TRY(cli_name(c, &name));
	if (c->project && compose_find(c->project, operand)) {
		*ret_name = name;
		return NULL;
	}
	auto_err struct err *none = pod_state_read(c->host, name, &s);

	if (!none && pod_state_find(s, operand)) {
		*ret_name = name;
		return NULL;
	}
	/* with a name by option the file has not been read yet, and need not be there */
	auto_err struct err *no_file = cli_project(c, NULL, false);

	if (!no_file && compose_find(c->project, operand))
		*ret_name = name;
	return *ret_name ? NULL : err_new(ENOENT, "no such service: %s", operand);
}

struct err *cli_find(struct cli *c, const char *operand, char **ret_pod, char **ret_service)
{
	const char *name = NULL;

	TRY(cli_host(c));
	auto_err struct err *e = is_of_project(c, operand, &name);

	if (!e) {
		*ret_pod = mem_strdup(name);
		*ret_service = mem_strdup(operand);
		return NULL;
	}
	const char *project = NULL;

	if (c->bound)
		TRY(cli_name(c, &project));
	auto_err struct err *none = pod_lookup(c->host, operand, project, ret_pod, ret_service);

	/* what there is at hand says what was meant */
	bool at_hand = c->project || c->name || c->files || err_code(e) != ENOENT;

	if (err_code(none) == ENOENT || (err_code(none) == EINVAL && at_hand))
		return at_hand ? steal(&e) : steal(&none);
	return steal(&none);
}

struct err *cli_aim(struct cli *c, char **operands, size_t n)
{
	auto_free char *first = NULL;

	for (size_t i = 0; i < n && operands[i]; i++) {
		auto_free char *pod = NULL;
		char *service = NULL;

		TRY(cli_find(c, operands[i], &pod, &service));
		strv_add(&c->kept, service);
		operands[i] = service;
		if (first && strcmp(first, pod) != 0)
			return err_new(EINVAL,
				       "%s and others are of several pods: name those of "
				       "one at a time",
				       operands[i]);
		free(first);
		first = steal(&pod);
	}
	if (!first)
		return NULL;
	strv_add(&c->kept, first);
	c->name = steal(&first);
	return NULL;
}
