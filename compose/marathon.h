/* SPDX-License-Identifier: Apache-2.0 */
/* compose/marathon.h - an app of Marathon that is being read. */
#pragma once

#include "base/json.h"
#include "compose/internal.h"

struct app {
	const char *file;
	json_t *root;		   /* the definition */
	json_t *project, *service; /* what it becomes */
	json_t *ports;		   /* its port mappings or definitions, borrowed */
	bool host;		   /* it has the host's network */
	char ***warnings;
	struct err *errors;
};

void app_refuse(struct app *a, const char *path, const char *why);
void app_warn(struct app *a, const char *path, const char *why);
const char *app_text(const json_t *j, const char *path); /* NULL when it is none */
void app_environment(struct app *a, const char *key, const char *value);

/* marathon_ports.c */
void app_port(struct app *a, size_t i);
void app_health(struct app *a, const json_t *check);
