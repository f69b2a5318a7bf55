/* SPDX-License-Identifier: Apache-2.0 */
/* cli/info.c - the command info: what this host has, and its settings with where they are from. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"

struct info_values {
	const char *format;
};
const struct opt info_options[] = {
	{ 'f', "format", OPT_TEXT, "FORMAT", offsetof(struct info_values, format),
	  "json, or a template: '{{.Settings.root.Value}}'" },
	{ 0 },
};

static void print_line(const char *name, const char *value)
{
	printf(" %s: %s\n", name, value);
}

static void print_count(const json_t *j, const char *name, const char *member)
{
	printf(" %s: %lld\n", name, (long long)json_integer_value(json_at(j, member)));
}

static void print_settings(const json_t *j)
{
	static const char *const headings[] = { "SETTING", "VALUE", "FROM", "VARIABLE", NULL };
	struct table *t = table_new(headings);
	const char *name;
	json_t *one;

	json_object_foreach(json_at(j, "Settings"), name, one)
		table_row(t, (const char *const[]) { name, json_string_value(json_at(one, "Value")),
						     json_string_value(json_at(one, "Source")),
						     json_string_value(json_at(one, "Variable")) });
	table_print(t, stdout);
}

/* The lines of 'docker info' that have a meaning here, under its names. */
static void print_text(const json_t *j)
{
	static const char *const lines[][2] = {
		{ "Server Version", "ServerVersion" },
		{ "Storage Driver", "Driver" },
		{ "Logging Driver", "LoggingDriver" },
		{ "Cgroup Driver", "CgroupDriver" },
		{ "Cgroup Version", "CgroupVersion" },
		{ "Cgroup Layout", "CgroupLayout" },
		{ "Kernel Version", "KernelVersion" },
		{ "Operating System", "OperatingSystem" },
		{ "OSType", "OSType" },
		{ "Architecture", "Architecture" },
	};
	auto_free char *memory = text_bytes(json_integer_value(json_at(j, "MemTotal")));

	print_count(j, "Pods", "Pods");
	print_count(j, " Running", "PodsRunning");
	print_count(j, "Containers", "Containers");
	print_count(j, " Running", "ContainersRunning");
	print_count(j, " Paused", "ContainersPaused");
	print_count(j, " Stopped", "ContainersStopped");
	print_count(j, "Images", "Images");
	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		print_line(lines[i][0], json_string_value(json_at(j, lines[i][1])));
	print_count(j, "CPUs", "NCPU");
	print_line("Total Memory", memory);
	print_line("Name", json_string_value(json_at(j, "Name")));
	putchar('\n');
	print_settings(j);
}

struct err *cmd_info(struct cli *c, const void *values, char **operands, int *ret_code)
{
	const char *format = ((const struct info_values *)values)->format;
	auto_listing struct listing *l = NULL;
	auto_json json_t *j = NULL;

	(void)operands;
	(void)ret_code;
	TRY(listing_new(format, NULL, LISTING_LINES, &l));
	if (listing_format(l) == LIST_TEMPLATE_TABLE || str_eq(format, "table"))
		return err_new(EINVAL, "--format: info has no table");
	TRY(cli_host(c));
	TRY(pod_info(c->host, &j));
	json_put_str(j, "ServerVersion", SLIPWAY_VERSION);
	if (!format) {
		print_text(j);
		return NULL;
	}
	TRY(listing_add(l, json_incref(j), NULL));
	return listing_print(l, stdout);
}
