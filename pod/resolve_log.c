/* SPDX-License-Identifier: Apache-2.0 */
/* pod/resolve_log.c - where a service's output goes: logging's drivers and options, with docker's meaning. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/template.h"
#include "pod/internal.h"

enum {
	FILES_MAX = 1000,
	SIZE_LEAST = 4 << 10,	 /* bytes of one file */
	BUFFER_LEAST = 64 << 10, /* bytes that wait for the journal: a line and its fields */
	FIELDS_MAX = 32 << 10,	 /* bytes of tag, labels and variables with each line */
};

/* Docker's own defaults of "local"; those of json-file keep a disk from filling up. */
static const struct driver {
	const char *name;
	enum log_kind kind;
	int64_t size_max, files;
} drivers[] = {
	{ "json-file", LOG_TO_FILES, 10 << 20, 3 },
	{ "local", LOG_TO_FILES, 20 << 20, 5 },
	{ "journald", LOG_TO_JOURNAL, 0, 0 },
	{ "none", LOG_TO_NOWHERE, 0, 0 },
};

enum { JSON_FILE = 1, LOCAL = 2, JOURNALD = 4 }; /* who takes an option, in the order of drivers */

struct request {
	const struct compose_service *service;
	const struct driver *driver;
	struct plan_log *log;
	char ***warnings;
	char **labels, **env; /* names of those that go with each line */
	const char *tag;
};

static struct err *set_size(struct request *r, const char *value)
{
	if (strcmp(value, "-1") == 0)
		value = "0";
	return compose_parse_bytes(value, &r->log->size_max);
}

static struct err *set_files(struct request *r, const char *value)
{
	return str_number(value, 1, FILES_MAX, &r->log->files);
}

static struct err *set_buffer(struct request *r, const char *value)
{
	return compose_parse_bytes(value, &r->log->buffer);
}

static struct err *set_labels(struct request *r, const char *value)
{
	r->labels = str_split(value, ",");
	return NULL;
}

static struct err *set_env(struct request *r, const char *value)
{
	r->env = str_split(value, ",");
	return NULL;
}

static struct err *set_tag(struct request *r, const char *value)
{
	r->tag = value;
	return NULL;
}

static void tell(struct request *r, const char *text)
{
	struct err *e = compose_err(&r->service->place, "logging: %s", text);

	if (r->warnings)
		strv_add(r->warnings, mem_strdup(err_text(e)));
	err_free(e);
}

static struct err *set_mode(struct request *r, const char *value)
{
	if (strcmp(value, "blocking") == 0)
		tell(r, "mode blocking is read as non-blocking: no service waits for its log");
	else if (strcmp(value, "non-blocking") != 0)
		return err_new(EINVAL, "'%s' is not blocking or non-blocking", value);
	return NULL;
}

static struct err *set_compress(struct request *r, const char *value)
{
	if (strcmp(value, "true") == 0)
		tell(r, "compress is ignored: what was rotated stays as it is");
	else if (strcmp(value, "false") != 0)
		return err_new(EINVAL, "'%s' is not true or false", value);
	return NULL;
}

static struct err *refuse_pattern(struct request *r, const char *value)
{
	(void)r;
	return err_new(ENOTSUP, "'%s': patterns are not offered; name them with labels or env",
		       value);
}

/* clang-format off */
static const struct log_option {
	const char *name;
	unsigned takers;
	struct err *(*set)(struct request *r, const char *value);
} log_options[] = {
	{ "max-size",        JSON_FILE | LOCAL,            set_size },
	{ "max-file",        JSON_FILE | LOCAL,            set_files },
	{ "compress",        JSON_FILE | LOCAL,            set_compress },
	{ "labels",          JSON_FILE | JOURNALD,         set_labels },
	{ "labels-regex",    JSON_FILE | JOURNALD,         refuse_pattern },
	{ "env",             JSON_FILE | JOURNALD,         set_env },
	{ "env-regex",       JSON_FILE | JOURNALD,         refuse_pattern },
	{ "tag",             JSON_FILE | JOURNALD,         set_tag },
	{ "mode",            JSON_FILE | LOCAL | JOURNALD, set_mode },
	{ "max-buffer-size", JSON_FILE | LOCAL | JOURNALD, set_buffer },
};
/* clang-format on */

static unsigned taker(const struct driver *d)
{
	return 1U << (d - drivers);
}

static struct err *find_driver(const char *name, const struct driver **ret)
{
	for (size_t i = 0; i < ARRAY_LEN(drivers); i++)
		if (strcmp(drivers[i].name, name) == 0) {
			*ret = &drivers[i];
			return NULL;
		}
	return err_new(
		EINVAL,
		"the driver '%s' is not offered; there are json-file, local, journald and none",
		name);
}

static struct err *read_option(struct request *r, const char *option)
{
	size_t n = strcspn(option, "=");
	auto_free char *name = mem_strndup(option, n);

	for (size_t i = 0; i < ARRAY_LEN(log_options); i++)
		if (strcmp(log_options[i].name, name) == 0 &&
		    log_options[i].takers & taker(r->driver))
			return err_wrap(log_options[i].set(r, option[n] ? option + n + 1 : ""),
					"option %s", name);
	auto_strv char **known = NULL;

	for (size_t i = 0; i < ARRAY_LEN(log_options); i++)
		if (log_options[i].takers & taker(r->driver))
			strv_add(&known, mem_strdup(log_options[i].name));
	auto_free char *list = strv_join(known, ", ");

	return err_new(EINVAL, "the driver %s has no option '%s'; there are %s", r->driver->name,
		       name, list);
}

/* What this host has instead of the driver's defaults. */
static struct err *host_limits(struct request *r, const struct pod_config *config)
{
	const char *size = pod_config_get(config, POD_SETTING_LOG_MAX_SIZE);
	const char *files = pod_config_get(config, POD_SETTING_LOG_MAX_FILE);

	if (*size)
		TRY(err_wrap(set_size(r, size), "log_max_size"));
	return *files ? err_wrap(set_files(r, files), "log_max_file") : NULL;
}

struct err *resolve_log_driver_check(const char *driver)
{
	const struct driver *d = NULL;

	return find_driver(driver, &d);
}

/* Into r->log: what needs no image. */
static struct err *read_options(struct request *r, const struct pod_host *h)
{
	const struct compose_logging *from = &r->service->logging;

	const struct pod_config *config = h ? h->config : NULL;
	const char *driver = pod_config_get(config, POD_SETTING_LOG_DRIVER);

	TRY(find_driver(from->driver ? from->driver : driver, &r->driver));
	*r->log = (struct plan_log) { .driver = r->driver->name,
				      .kind = r->driver->kind,
				      .size_max = r->driver->size_max,
				      .files = r->driver->files,
				      .buffer = 1 << 20 };
	if (r->log->kind == LOG_TO_FILES && strcmp(r->driver->name, driver) == 0)
		TRY(host_limits(r, config));
	if (r->log->kind == LOG_TO_NOWHERE && from->options)
		tell(r, "the driver none keeps nothing: its options are ignored");
	for (char *const *o = from->options; o && *o && r->log->kind != LOG_TO_NOWHERE; o++)
		TRY(read_option(r, *o));
	if (r->log->size_max && r->log->size_max < SIZE_LEAST)
		return err_new(EINVAL, "option max-size: the least is %d bytes", SIZE_LEAST);
	if (r->log->buffer < BUFFER_LEAST)
		return err_new(EINVAL, "option max-buffer-size: the least is %d bytes",
			       BUFFER_LEAST);
	return NULL;
}

struct err *resolve_log_check(const struct compose_service *s, const struct pod_host *h,
			      char ***warnings)
{
	struct plan_log log = { 0 };
	struct request r = { .service = s, .log = &log, .warnings = warnings };
	struct err *e = read_options(&r, h);
	auto_template struct template *t = NULL;

	if (!e && r.tag)
		e = err_wrap(template_parse(r.tag, &t), "option tag");
	strv_free(r.labels);
	strv_free(r.env);
	return compose_wrap(&s->place, err_wrap(e, "logging"));
}

/* ---- what goes with each line ---- */

/* What docker's tags may name. */
static json_t *tag_data(const struct plan_container *c, const char *container_id)
{
	json_t *j = json_object(), *labels = json_object();
	auto_free char *command = strv_join(c->argv, " ");
	const char *id = c->image->id, *colon = id ? strchr(id, ':') : NULL;
	auto_free char *image_id = mem_printf("%.12s", colon ? colon + 1 : id ? id : "");
	auto_free char *short_id = mem_printf("%.12s", container_id);

	for (char *const *l = c->labels; l && *l; l++) {
		auto_free char *key = mem_strndup(*l, strcspn(*l, "="));

		json_object_set_new(labels, key, json_string(env_get(c->labels, key)));
	}
	json_put_str(j, "ID", short_id);
	json_put_str(j, "FullID", container_id);
	json_put_str(j, "Name", c->name);
	json_put_str(j, "ImageID", image_id);
	json_put_str(j, "ImageFullID", id);
	json_put_str(j, "ImageName", c->service->image);
	json_put_str(j, "DaemonName", "slipway");
	json_put_str(j, "Command", command);
	json_object_set_new(j, "ContainerLabels", labels);
	json_put_strv(j, "ContainerEnv", c->env);
	return j;
}

static struct err *make_tag(const struct plan_container *c, const char *id, const char *text,
			    char **ret)
{
	auto_template struct template *t = NULL;
	auto_json json_t *data = tag_data(c, id);
	size_t len;

	TRY(template_parse(text, &t));
	FILE *f = open_memstream(ret, &len);
	struct err *e = template_run(t, data, f);

	fclose(f);
	return e;
}

/* "NAME=value" for each of @names that @from has. */
static void choose(char *const *names, char *const *from, char ***to)
{
	for (char *const *n = names; n && *n; n++) {
		const char *value = env_get(from, *n);
		auto_free char *both = value ? mem_printf("%s=%s", *n, value) : NULL;

		if (both)
			env_set(to, both);
	}
}

/* A label as the journal takes it: upper case, digits and _, not first. */
static void add_field(char ***fields, const char *name, const char *value)
{
	auto_free char *text = mem_strdup(name);
	const char *begin = text;

	for (char *c = text; *c; c++)
		*c = (char)(isalnum((unsigned char)*c) ? toupper((unsigned char)*c) : '_');
	begin += strspn(begin, "_0123456789");
	auto_free char *field = mem_printf("%.64s=%s", begin, value); /* the journal's limit */

	if (*begin)
		env_set(fields, field);
}

static void make_fields(const struct plan_container *c, const char *id, char *const *extra,
			struct plan_log *log)
{
	static const char compose[] = "com.docker.compose.";

	for (char *const *x = extra; x && *x; x++) {
		auto_free char *name = mem_strndup(*x, strcspn(*x, "="));

		add_field(&log->fields, name, *x + strlen(name) + 1);
	}
	for (char *const *l = c->labels; l && *l; l++) {
		auto_free char *name = mem_strndup(*l, strcspn(*l, "="));

		if (str_starts(*l, compose))
			add_field(&log->fields, name, *l + strlen(name) + 1);
	}
	auto_free char *short_id = mem_printf("%.12s", id);
	const char *own[][2] = {
		{ "CONTAINER_NAME", c->name },	     { "CONTAINER_ID", short_id },
		{ "CONTAINER_ID_FULL", id },	     { "CONTAINER_TAG", log->tag },
		{ "IMAGE_NAME", c->service->image }, { "SYSLOG_IDENTIFIER", log->tag },
	};

	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		add_field(&log->fields, own[i][0], own[i][1]);
}

/* Members of the JSON of each line, with the comma behind them. */
static void make_attrs(char *const *extra, struct plan_log *log)
{
	auto_json json_t *j = json_object();

	for (char *const *x = extra; x && *x; x++) {
		auto_free char *name = mem_strndup(*x, strcspn(*x, "="));

		json_put_str(j, name, *x + strlen(name) + 1);
	}
	if (log->tag)
		json_put_str(j, "tag", log->tag);
	if (json_object_size(j)) {
		auto_free char *text = json_text(j, 0);

		log->attrs = mem_printf("\"attrs\":%s,", text);
	}
}

static struct err *complete(const struct plan_container *c, const char *id, struct request *r)
{
	struct plan_log *log = r->log;
	const char *tag = r->tag ? r->tag : log->kind == LOG_TO_JOURNAL ? "{{.ID}}" : NULL;
	auto_strv char **extra = NULL;

	if (tag)
		TRY(err_wrap(make_tag(c, id, tag, &log->tag), "option tag"));
	choose(r->labels, c->labels, &extra);
	choose(r->env, c->env, &extra);
	if (log->kind == LOG_TO_JOURNAL)
		make_fields(c, id, extra, log);
	else
		make_attrs(extra, log);
	auto_free char *all = strv_join(log->fields, "\n");

	return strlen(all) > FIELDS_MAX || (log->attrs && strlen(log->attrs) > FIELDS_MAX)
		       ? err_new(E2BIG, "tag, labels and env are more than %d bytes", FIELDS_MAX)
		       : NULL;
}

struct err *resolve_log(const struct pod_host *h, const struct plan_container *c, const char *id,
			struct plan_log *ret)
{
	static const char no_id[] =
		"0000000000000000000000000000000000000000000000000000000000000000";
	struct request r = { .service = c->service, .log = ret };
	struct err *e = read_options(&r, h);

	if (!e)
		e = complete(c, id ? id : no_id, &r);
	strv_free(r.labels);
	strv_free(r.env);
	return compose_wrap(&c->service->place, err_wrap(e, "logging"));
}

void resolve_log_clear(struct plan_log *l)
{
	free(l->tag);
	free(l->attrs);
	strv_free(l->fields);
}
