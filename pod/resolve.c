/* SPDX-License-Identifier: Apache-2.0 */
/* pod/resolve.c - a service and its image, made one: what docker compose and the engine do together. */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "pod/internal.h"

enum { CPU_PERIOD = 100000, NANO_PER_CPU = 1000000000 };

static const char default_path[] =
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

static void append(char ***to, char *const *from)
{
	for (; from && *from; from++)
		strv_add(to, mem_strdup(*from));
}

static void resolve_command(const struct compose_service *s, const struct image *i,
			    struct plan_container *c)
{
	append(&c->argv, s->entrypoint.set ? s->entrypoint.v : i->entrypoint);
	if (s->command.set)
		append(&c->argv, s->command.v);
	else if (!s->entrypoint.set)
		append(&c->argv, i->cmd);
}

static void resolve_environment(const struct compose_service *s, const struct image *i,
				struct plan_container *c)
{
	auto_free char *hostname = mem_printf("HOSTNAME=%s", c->hostname);
	auto_free char *instance = mem_printf("SLIPWAY_INSTANCE=%lld", (long long)c->number);

	env_set(&c->env, default_path);
	env_set(&c->env, hostname);
	if (compose_scale(s) > 1) /* they share a network: each needs a port of its own */
		env_set(&c->env, instance);
	if (s->tty)
		env_set(&c->env, "TERM=xterm");
	for (char *const *e = i->env; e && *e; e++)
		env_set(&c->env, *e);
	for (char *const *e = s->environment; e && *e; e++)
		env_set(&c->env, *e);
}

static struct err *resolve_caps(const struct compose_service *s, uint64_t *ret)
{
	uint64_t caps = RUNTIME_CAPS_DEFAULT, bits = 0;

	if (strv_has(s->cap_add, "ALL"))
		TRY(runtime_cap_parse("ALL", &caps));
	for (char *const *c = s->cap_drop; c && *c; c++) {
		auto_err struct err *e = runtime_cap_parse(*c, &bits);

		if (e)
			return compose_err(&s->place, "cap_drop: %s", err_text(e));
		caps &= ~bits;
	}
	for (char *const *c = s->cap_add; c && *c; c++) {
		auto_err struct err *e = runtime_cap_parse(*c, &bits);

		if (e)
			return compose_err(&s->place, "cap_add: %s", err_text(e));
		if (strcmp(*c, "ALL") != 0 || !s->cap_drop)
			caps |= bits;
	}
	if (caps & RUNTIME_CAP_MKNOD && !strv_has(s->cap_add, "ALL"))
		return compose_err(&s->place,
				   "cap_add: CAP_MKNOD is not offered: there is no device control "
				   "group that would hold the devices back");
	*ret = caps & ~RUNTIME_CAP_MKNOD;
	return NULL;
}

/* What is not understood would be weaker isolation than was asked for: never ignored. */
static void set_seccomp(const struct compose_project *p, const char *value,
			struct plan_container *c)
{
	bool word = strcmp(value, "builtin") == 0 || strcmp(value, "unconfined") == 0;

	free(c->seccomp);
	c->seccomp = strcmp(value, "builtin") == 0 ? NULL
		     : word || *value == '/'	   ? mem_strdup(value)
						   : mem_printf("%s/%s", p->dir, value);
}

static struct err *resolve_security(const struct compose_project *p,
				    const struct compose_service *s, struct plan_container *c)
{
	for (char *const *o = s->security_opt; o && *o; o++) {
		size_t n = strcspn(*o, "=:");
		auto_free char *key = mem_strndup(*o, n);
		const char *value = (*o)[n] ? *o + n + 1 : "";

		if (strcmp(key, "no-new-privileges") == 0 &&
		    (!*value || strcmp(value, "true") == 0))
			c->no_new_privs = true;
		else if (strcmp(key, "no-new-privileges") == 0 && strcmp(value, "false") == 0)
			c->no_new_privs = false;
		else if (strcmp(key, "seccomp") == 0 && *value)
			set_seccomp(p, value, c);
		else if (strcmp(key, "systempaths") == 0 && strcmp(value, "unconfined") == 0)
			c->system_paths = true;
		else if (strcmp(*o + n, "=unconfined") == 0 && (strcmp(key, "apparmor") == 0))
			continue;
		else if (strcmp(key, "label") == 0 && strcmp(value, "disable") == 0)
			continue;
		else
			return compose_err(
				&s->place,
				"security_opt: '%s' is not supported; there are no-new-privileges, "
				"seccomp=FILE, seccomp=unconfined and systempaths=unconfined",
				*o);
	}
	return NULL;
}

static struct err *resolve_signal(const struct compose_service *s, const struct image *i,
				  struct plan_container *c)
{
	const char *text = s->stop_signal ? s->stop_signal : i->stop_signal;

	c->stop_signal = SIGTERM;
	return text ? err_wrap(proc_signal_parse(text, &c->stop_signal), "service %s: stop signal",
			       s->name)
		    : NULL;
}

static int64_t or_default(struct compose_int v, int64_t image, int64_t fallback)
{
	return v.set ? v.value : image > 0 ? image : fallback;
}

static void resolve_health(const struct compose_service *s, const struct image *i,
			   struct plan_health *h)
{
	const struct compose_health *own = &s->healthcheck;
	char *const *test = own->test.set ? own->test.v : i->health.test;

	if (own->disable || !test || !*test || strcmp(*test, "NONE") == 0)
		return;
	if (strcmp(*test, "CMD-SHELL") == 0) {
		strv_add(&h->test, mem_strdup("/bin/sh"));
		strv_add(&h->test, mem_strdup("-c"));
		strv_add(&h->test, mem_strdup(test[1] ? test[1] : ""));
	} else {
		append(&h->test, test + 1);
	}
	h->interval = or_default(own->interval, i->health.interval, 30000);
	h->timeout = or_default(own->timeout, i->health.timeout, 30000);
	h->start_period = or_default(own->start_period, i->health.start_period, 0);
	h->start_interval = or_default(own->start_interval, i->health.start_interval, 5000);
	h->retries = or_default(own->retries, i->health.retries, 3);
}

/* deploy.restart_policy wins over restart, as in docker compose. */
static struct err *resolve_restart(const struct compose_service *s, struct plan_container *c)
{
	const struct compose_restart_policy *policy = &s->deploy.restart_policy;
	const char *r = policy->condition ? policy->condition : s->restart ? s->restart : "no";
	const char *count = str_starts(r, "on-failure:") ? r + strlen("on-failure:") : NULL;

	if (str_one_of(r, (const char *const[]) { "always", "unless-stopped", "any", NULL })) {
		c->restart = RESTART_ALWAYS;
	} else if (count || strcmp(r, "on-failure") == 0) {
		c->restart = RESTART_ON_FAILURE;
		c->restart_max = policy->condition ? policy->max_attempts.value : 0;
		if (count)
			TRY(compose_wrap(&s->place,
					 str_number(count, 0, INT32_MAX, &c->restart_max)));
	} else if (strcmp(r, "no") != 0 && strcmp(r, "none") != 0) {
		return compose_err(&s->place,
				   "restart: '%s' is not a policy; there are no, always, "
				   "unless-stopped and on-failure[:N]",
				   r);
	}
	return NULL;
}

static int64_t either(struct compose_int a, struct compose_int b)
{
	return a.set ? a.value : b.value;
}

static void resolve_limits(const struct compose_service *s, struct cgroupfs_limits *l)
{
	const struct compose_resources *most = &s->deploy.resources.limits;
	const struct compose_resources *least = &s->deploy.resources.reservations;
	int64_t cpus = either(s->cpus, most->cpus);

	l->memory_max = either(s->mem_limit, most->memory);
	l->memory_reservation = either(s->mem_reservation, least->memory);
	l->memory_swap = s->memswap_limit.value;
	l->cpu_shares = s->cpu_shares.value;
	l->cpu_quota = s->cpu_quota.value;
	l->cpu_period = s->cpu_period.value;
	l->pids_max = either(s->pids_limit, most->pids);
	l->cpuset = s->cpuset;
	if (cpus) {
		l->cpu_period = CPU_PERIOD;
		l->cpu_quota = cpus / (NANO_PER_CPU / CPU_PERIOD);
	}
}

static struct err *resolve_ulimits(const struct compose_service *s, struct plan_container *c)
{
	c->rlimits = mem_alloc(s->ulimits.n * sizeof(*c->rlimits));
	for (size_t i = 0; i < s->ulimits.n; i++) {
		const struct compose_ulimit *u = &s->ulimits.items[i];
		struct runtime_rlimit *l = &c->rlimits[c->n_rlimits++];
		auto_err struct err *e = runtime_rlimit_parse(u->name, &l->resource);

		if (e)
			return compose_err(&s->place, "ulimits: %s", err_text(e));
		l->limit.rlim_cur = u->soft.value < 0 ? RLIM_INFINITY : (rlim_t)u->soft.value;
		l->limit.rlim_max = u->hard.value < 0 ? RLIM_INFINITY : (rlim_t)u->hard.value;
		if (l->limit.rlim_cur > l->limit.rlim_max)
			return compose_err(&s->place,
					   "ulimits.%s: the soft limit is above the hard one",
					   u->name);
	}
	return NULL;
}

/* ---- ports ---- */

static struct err *parse_range(const struct compose_port *p, uint16_t *first, uint16_t *last)
{
	int64_t a = 0, b = 0;
	const char *text = p->published ? p->published : "0";
	auto_free char *copy = mem_strdup(text);
	char *dash = strchr(copy, '-');

	if (dash)
		*dash = '\0';
	auto_err struct err *e = str_number(copy, 0, 65535, &a);

	b = a;
	if (!e && dash)
		e = str_number(dash + 1, 0, 65535, &b);
	if (e || b < a)
		return compose_err(&p->place, "'%s' is not a host port or a range of them", text);
	*first = (uint16_t)a;
	*last = (uint16_t)b;
	return NULL;
}

struct err *resolve_ports(struct pod_plan *plan, size_t index)
{
	const struct compose_service *s = plan->containers[index].service;

	for (size_t i = 0; i < s->ports.n; i++) {
		const struct compose_port *from = &s->ports.items[i];
		struct netns_port port = { .target = (uint16_t)from->target.value };

		if (from->target.value < 1 || from->target.value > 65535)
			return compose_err(&from->place, "'%lld' is not a container port",
					   (long long)from->target.value);
		if (!str_one_of(from->protocol, (const char *const[]) { "tcp", "udp", NULL }))
			return compose_err(
				&from->place,
				"publishing '%s' is not supported; there are tcp and udp",
				from->protocol);
		port.protocol = strcmp(from->protocol, "udp") == 0 ? IPPROTO_UDP : IPPROTO_TCP;
		if (from->host_ip && inet_pton(AF_INET, from->host_ip, &port.host_ip) != 1) {
			if (strcmp(from->host_ip, "::") != 0)
				return compose_err(&from->place,
						   "'%s' is not an IPv4 address of the host; IPv6 "
						   "publishing is not supported",
						   from->host_ip);
			port.host_ip.s_addr = INADDR_ANY;
		}
		TRY(parse_range(from, &port.first, &port.last));
		plan->ports = mem_grow(plan->ports, plan->n_ports + 1, sizeof(*plan->ports));
		plan->port_owners =
			mem_grow(plan->port_owners, plan->n_ports + 1, sizeof(*plan->port_owners));
		plan->ports[plan->n_ports] = port;
		plan->port_owners[plan->n_ports].container = index;
		plan->port_owners[plan->n_ports++].port = from;
	}
	return NULL;
}

/* ---- the whole ---- */

/* What scripts that know docker compose look for; nobody overrides them. */
static void add_labels(const struct compose_project *p, const struct compose_service *s,
		       struct plan_container *c)
{
	auto_free char *files = strv_join(p->files, ",");
	auto_free char *number = mem_printf("%lld", (long long)c->number);
	const char *owner = p->policy.project;
	const struct {
		const char *key, *value;
	} labels[] = {
		{ "project", owner ? owner : p->name },
		{ "service", s->name },
		{ "container-number", number },
		{ "oneoff", owner ? "True" : "False" },
		{ "config-hash", c->hash },
		{ "project.working_dir", p->dir },
		{ "project.config_files", files },
	};

	if (str_eq(p->policy.kind, "container"))
		return; /* it is no project's */
	for (size_t i = 0; i < ARRAY_LEN(labels); i++) {
		auto_free char *label =
			mem_printf("com.docker.compose.%s=%s", labels[i].key, labels[i].value);

		env_set(&c->labels, label);
	}
}

char *pod_key(const char *service, int64_t number)
{
	return number > 1 ? mem_printf("%s@%lld", service, (long long)number) : mem_strdup(service);
}

struct err *resolve_container(const struct compose_project *p, const struct compose_service *s,
			      const struct image *i, int64_t number, struct plan_container *ret)
{
	*ret = (struct plan_container) { .service = s, .image = i, .number = number };
	auto_free char *text = compose_text(p, s);
	auto_free char *whole = mem_printf("%s%s", text, i->id);

	ret->hash = mem_printf("%016llx", (unsigned long long)str_hash(whole, strlen(whole)));
	ret->name = s->container_name
			    ? mem_strdup(s->container_name)
			    : mem_printf("%s-%s-%lld", p->name, s->name, (long long)number);
	ret->key = pod_key(s->name, number);
	ret->hostname = s->hostname  ? mem_strdup(s->hostname)
			: number > 1 ? mem_printf("%s-%lld", s->name, (long long)number)
				     : mem_strdup(s->name);
	ret->user = mem_strdup(s->user ? s->user : i->user ? i->user : "");
	ret->cwd = mem_strdup(s->working_dir   ? s->working_dir
			      : i->working_dir ? i->working_dir
					       : "/");
	ret->grace = s->stop_grace_period.value; /* unset: the host's, see pod_plan() */
	append(&ret->groups, s->group_add);
	append(&ret->labels, i->labels);
	append(&ret->labels, s->labels);
	add_labels(p, s, ret);
	resolve_command(s, i, ret);
	resolve_environment(s, i, ret);
	resolve_health(s, i, &ret->health);
	TRY(resolve_restart(s, ret));
	resolve_limits(s, &ret->limits);
	TRY(resolve_caps(s, &ret->caps));
	TRY(resolve_security(p, s, ret));
	TRY(resolve_signal(s, i, ret));
	TRY(resolve_ulimits(s, ret));
	TRY(resolve_devices(s, ret));
	TRY(resolve_mounts(p, s, i, ret));
	if (strpbrk(ret->hostname, " \t\n/") || strlen(ret->hostname) > 64)
		return compose_err(&s->place, "hostname: '%s' is not a host name", ret->hostname);
	if (*ret->cwd && *ret->cwd != '/')
		return compose_err(&s->place, "working_dir: '%s' is not an absolute path",
				   ret->cwd);
	if (!ret->argv)
		return compose_err(&s->place,
				   "no command: neither the image %s nor the service names one",
				   s->image);
	if (ret->grace < 0)
		return compose_err(&s->place, "stop_grace_period is negative");
	return NULL;
}

void resolve_clear(struct plan_container *c)
{
	char **lists[] = { c->argv, c->env, c->labels, c->groups, c->peers, c->health.test };

	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		strv_free(lists[i]);
	for (size_t i = 0; i < c->n_mounts; i++) {
		free(c->mounts[i].source);
		free(c->mounts[i].target);
		strv_free(c->mounts[i].options);
		strv_free(c->mounts[i].labels);
	}
	resolve_log_clear(&c->log);
	free(c->mounts);
	free(c->devices);
	free(c->device_rules);
	free(c->rlimits);
	free(c->name);
	free(c->key);
	free(c->hash);
	free(c->user);
	free(c->cwd);
	free(c->hostname);
	free(c->seccomp);
}
