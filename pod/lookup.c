/* SPDX-License-Identifier: Apache-2.0 */
/* pod/lookup.c - which container somebody means: by name, by its pod's name, or by the start of its id. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "pod/internal.h"

enum match { MATCH_NONE, MATCH_ID, MATCH_NAME };

static enum match match(const struct pod_state *s, const struct pod_service_state *v,
			const char *text)
{
	if (strcmp(v->container, text) == 0 ||
	    (s->n_services == 1 && json_at(s->json, "kind") && strcmp(s->name, text) == 0))
		return MATCH_NAME;
	return *text && str_starts(v->id, text) ? MATCH_ID : MATCH_NONE;
}

static bool is_of(const struct pod_state *s, const char *project)
{
	return !project || strcmp(s->name, project) == 0 ||
	       str_eq(json_string_value(json_at(s->json, "project")), project);
}

struct err *pod_lookup(const struct pod_host *h, const char *text, const char *project,
		       char **ret_pod, char **ret_service)
{
	struct pod_state **pods = NULL;
	auto_free char *pod = NULL, *service = NULL;
	enum match best = MATCH_NONE;
	size_t n = 0, found = 0;

	TRY(pod_state_list(h, &pods, &n));
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < pods[i]->n_services && is_of(pods[i], project); k++) {
			enum match m = match(pods[i], &pods[i]->services[k], text);

			if (m == MATCH_NONE || m < best)
				continue;
			found = m > best ? 1 : found + 1;
			best = m;
			free(pod);
			free(service);
			pod = mem_strdup(pods[i]->name);
			service = mem_strdup(pods[i]->services[k].key);
		}
		pod_state_free(pods[i]);
	}
	free(pods);
	if (!found)
		return err_new(ENOENT, "no such container: %s", text);
	if (found > 1)
		return err_new(best == MATCH_ID ? EINVAL : ENOTUNIQ,
			       "'%s' is %s of several containers", text,
			       best == MATCH_ID ? "the start of the ids" : "the name");
	*ret_pod = steal(&pod);
	*ret_service = steal(&service);
	return NULL;
}
