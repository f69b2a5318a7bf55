/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compose/tables.c - every attribute, one line each.
 *
 * Checking, merging, reading, refusing and the reference page all walk these
 * tables; an attribute exists when its line does. Those of services are in
 * tables_service.c.
 */
#include <stddef.h>

#include "compose/kinds.h"
#include "compose/tables.h"

/* clang-format off */

/* ---- networks, volumes, configs, secrets, models ---- */

static const struct attr subnet_attrs[] = {
	ROW(compose_subnet, subnet,        str,  REPLACE, IGNORED, "a pod gets its address from the host's lease"),
	ROW(compose_subnet, ip_range,      str,  REPLACE, IGNORED, "a pod gets its address from the host's lease"),
	ROW(compose_subnet, gateway,       str,  REPLACE, IGNORED, "a pod gets its address from the host's lease"),
	ROW(compose_subnet, aux_addresses, plain, BY_KEY,  IGNORED, "a pod gets its address from the host's lease"),
	{ 0 },
};
static const struct attr ipam_attrs[] = {
	ROW(compose_ipam, driver,  str,  REPLACE, IGNORED, "a pod gets its address from the host's lease"),
	LIST(compose_ipam, config, subnets, BY_ID, IGNORED, compose_subnet, subnet_attrs, "a pod gets its address from the host's lease"),
	ROW(compose_ipam, options, plain, BY_KEY, IGNORED, "a pod gets its address from the host's lease"),
	{ 0 },
};
#define N compose_network
const struct attr network_attrs[] = {
	ROW(N, name,        title,    REPLACE, FULL,    "shown only: a pod has one network"),
	ROW(N, driver,      str,      REPLACE, PARTIAL, "bridge, the pod's network; others are refused"),
	ROW(N, driver_opts, opts,     BY_KEY,  IGNORED, "a pod's network takes no options"),
	PART(N, ipam, table, IGNORED, ipam_attrs, "a pod gets its address from the host's lease"),
	ROW(N, external,    external, REPLACE, REFUSED, "there is no engine that has networks of other projects"),
	ROW(N, internal,    flag,     REPLACE, IGNORED, "a pod reaches the outside"),
	ROW(N, attachable,  flag,     REPLACE, FULL,    "swarm only"),
	NAMED("enable_ipv4", N, no_ipv4,  off,  REPLACE, IGNORED, "a pod's network is IPv4"),
	ROW(N, enable_ipv6, switch,    REPLACE, IGNORED, "a pod's network is IPv4"),
	ROW(N, labels,      labels,     BY_KEY,  FULL,    "shown only"),
	{ 0 },
};
#undef N

#define V compose_volume
const struct attr volume_attrs[] = {
	ROW(V, name,        title,    REPLACE, FULL,    "name on the host; PROJECT_KEY without it"),
	ROW(V, driver,      str,      REPLACE, PARTIAL, "local; others need a plugin and are refused"),
	ROW(V, driver_opts, volume_opts, BY_KEY,  PARTIAL, "of local: type none and o bind, with a device; others are refused"),
	ROW(V, external,    external, REPLACE, FULL,    "must be there already, and is never removed"),
	ROW(V, labels,      labels,     BY_KEY,  FULL,    "kept with the volume"),
	{ 0 },
};
#undef V

#define F compose_file
const struct attr config_attrs[] = {
	ROW(F, name,            title,    REPLACE, FULL,    "shown only"),
	ROW(F, file,            path,     REPLACE, FULL,    "the file that is mounted"),
	ROW(F, environment,     str,      REPLACE, FULL,    "the variable whose value is mounted"),
	ROW(F, content,         str,      REPLACE, FULL,    "the text that is mounted"),
	ROW(F, external,        external, REPLACE, REFUSED, "there is no swarm that keeps external ones"),
	ROW(F, labels,          labels,     BY_KEY,  FULL,    "shown only"),
	ROW(F, template_driver, str,      REPLACE, IGNORED, "only swarm has template drivers"),
	{ 0 },
};
const struct attr secret_attrs[] = {
	ROW(F, name,            title,    REPLACE, FULL,    "shown only"),
	ROW(F, file,            path,     REPLACE, FULL,    "the file that is mounted"),
	ROW(F, environment,     str,      REPLACE, FULL,    "the variable whose value is mounted"),
	ROW(F, external,        external, REPLACE, REFUSED, "there is no swarm that keeps external ones"),
	ROW(F, labels,          labels,     BY_KEY,  FULL,    "shown only"),
	ROW(F, driver,          str,      REPLACE, REFUSED, "only swarm has drivers of secrets"),
	ROW(F, driver_opts,     opts,     BY_KEY,  IGNORED, "only swarm has drivers of secrets"),
	ROW(F, template_driver, str,      REPLACE, IGNORED, "only swarm has template drivers"),
	{ 0 },
};
#undef F

const struct attr model_attrs[] = {
	ROW(compose_model, name,          title,REPLACE, REFUSED, "there is no model runner"),
	ROW(compose_model, model,         str,  REPLACE, REFUSED, "there is no model runner"),
	ROW(compose_model, context_size,  int,  REPLACE, REFUSED, "there is no model runner"),
	ROW(compose_model, runtime_flags, list, APPEND,  REFUSED, "there is no model runner"),
	{ 0 },
};

/* ---- the whole file ---- */

static const struct attr policy_attrs[] = {
	ROW(compose_policy, main, str, REPLACE, FULL, "the service whose end is the pod's, and whose exit code is"),
	CHOICE(compose_policy, on_failure, "kill|keep", FULL, "kill: a service that fails ends the pod"),
	CHOICE(compose_policy, ready, "healthy|started", FULL, "healthy: only when all services are the pod is up"),
	CHOICE(compose_policy, kind, "project|oneoff|container", FULL, "what the pod is; written by run"),
	ROW(compose_policy, project, str, REPLACE, FULL, "whose service a one-off container is; written by run"),
	{ 0 },
};

const struct attr include_attrs[] = {
	UNREAD("path",              strv, REPLACE, FULL, "a file, or a list of files that are merged"),
	UNREAD("project_directory", str,  REPLACE, FULL, "what relative paths in it are relative to; its own directory without it"),
	UNREAD("env_file",          strv, REPLACE, FULL, "files of variables for it; .env of its directory without one"),
	{ 0 },
};

#define P compose_project
const struct attr project_attrs[] = {
	UNREAD("name", str, REPLACE, FULL, "project name, when neither -p nor COMPOSE_PROJECT_NAME gives one"),
	{ "services", &kind_services, DEEP, FULL, SIZE_MAX, service_attrs, 0, NULL, "the containers" },
	LIST(P, networks, map, DEEP, PARTIAL, compose_network, network_attrs, "all are the pod's one network"),
	LIST(P, volumes,  map, DEEP, FULL,    compose_volume,  volume_attrs,  "named volumes"),
	LIST(P, configs,  map, DEEP, FULL,    compose_file,    config_attrs,  "files for services"),
	LIST(P, secrets,  map, DEEP, FULL,    compose_file,    secret_attrs,  "files for services"),
	LIST(P, models,   models, DEEP, REFUSED, compose_model,   model_attrs,   "there is no model runner"),
	{ "include", &kind_include, APPEND, FULL, SIZE_MAX, include_attrs, 1, NULL, "other projects that become part of this one" },
	{ "x-slipway", &kind_table, DEEP, FULL, offsetof(struct P, policy), policy_attrs, 0, NULL, "what slipway alone knows: the ends of pods" },
	UNREAD("version", any, REPLACE, IGNORED, "obsolete; any value is fine"),
	{ 0 },
};
#undef P
/* clang-format on */
