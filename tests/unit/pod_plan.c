/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/unit/pod_plan.c - from a Compose file to a plan, and what a pod cannot honour.
 *
 * tests/golden/NAME has a compose.yml, the project it is (config.yml) and its
 * plan (plan.txt). `make golden` writes the last two anew (GOLDEN=write), for
 * review with git diff.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "pod/internal.h"
#include "tests/check.h"

enum { TEXT_MAX = 1 << 20, SERVICES_MAX = 16 };
static const char golden[] = "tests/golden";

/* ---- images that were never pulled ---- */

static char **words(const char *text)
{
	return text ? str_split(text, " ") : NULL;
}

/* Every name is an image; some have something to say. */
static struct image *fake_image(const char *name)
{
	struct image *i = mem_alloc(sizeof(*i));

	i->lease = -1;
	i->name = mem_strdup(name);
	i->id = mem_strdup("sha256:0000");
	i->layers = words("/layers/1 /layers/2");
	i->env = words("PATH=/image/bin IMAGE=yes");
	if (strcmp(name, "bare") == 0)
		return i;
	i->entrypoint = words("/entry");
	i->cmd = words("cmd of-image");
	i->user = mem_strdup(strcmp(name, "postgres:16") == 0 ? "postgres" : "");
	i->working_dir = mem_strdup("/work");
	if (strcmp(name, "with-volumes") == 0)
		i->volumes = words("/image-volume /a /image/deep/volume relative /");
	if (strcmp(name, "probed") == 0) {
		i->health.test = words("CMD-SHELL true");
		i->health.retries = 7;
	}
	if (strcmp(name, "stops") == 0)
		i->stop_signal = mem_strdup("SIGQUIT");
	return i;
}

struct made {
	struct compose_project *project;
	struct image *images[SERVICES_MAX + 1];
	const struct pod_host *host; /* NULL: one without settings */
	struct pod_plan *plan;
	char **warnings;
	char *error; /* NULL: there is a plan */
};

static void make_plan(struct made *m)
{
	CHECK(m->project->n_services <= SERVICES_MAX);
	for (size_t i = 0; i < m->project->n_services; i++)
		m->images[i] = fake_image(
			m->project->services[i].image ? m->project->services[i].image : "none");
	auto_err struct err *e = pod_plan(m->project, m->images, m->host, &m->plan, &m->warnings);

	m->error = e ? mem_strdup(err_text(e)) : NULL;
	CHECK(!e == (m->plan != NULL));
}

static void load(struct made *m, const char *file)
{
	const char *const files[] = { file, NULL }, *const env[] = { "HOME=/home/u", NULL };
	const struct compose_options o = { .files = (char *const *)files,
					   .project_dir = "/project",
					   .environ = (char *const *)env };
	auto_err struct err *e = compose_load(&o, &m->project);

	CHECK_STR(err_text(e), "success");
}

static void made_clear(struct made *m)
{
	pod_plan_free(m->plan);
	for (size_t i = 0; m->project && i < m->project->n_services; i++)
		image_free(m->images[i]);
	compose_free(m->project);
	strv_free(m->warnings);
	free(m->error);
}
#define auto_made cleanup_with(made_clear)

/* The plan of one file that is @text. */
static void plan_text(struct made *m, const char *text)
{
	CHECK(chdir(check_dir()) == 0);
	check_file("a.yml", text);
	load(m, "a.yml");
	make_plan(m);
}

/* ---- golden files ---- */

static char *printed_plan(const struct made *m)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	pod_plan_print(m->plan, f);
	for (char **w = m->warnings; w && *w; w++)
		fprintf(f, "warning: %s\n", *w);
	fclose(f);
	return text;
}

static char *printed_config(const struct made *m)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	auto_err struct err *e = compose_print(m->project, COMPOSE_YAML, f);

	fclose(f);
	CHECK_STR(err_text(e), "success");
	return text;
}

static void check_golden(const char *path, const char *got)
{
	auto_free char *want = NULL;

	check_why(path);
	if (str_eq(getenv("GOLDEN"), "write")) {
		auto_err struct err *e = fd_replace_file(AT_FDCWD, path, got, 0644);

		CHECK_STR(err_text(e), "success");
		return;
	}
	auto_err struct err *e = fd_read_file(AT_FDCWD, path, TEXT_MAX, &want);

	CHECK_STR(err_text(e), "success");
	CHECK_STR(got, want);
}

TEST(projects_have_the_plans_that_were_reviewed)
{
	auto_fd int dir = open(golden, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_strv char **names = NULL;

	if (dir < 0)
		SKIP("runs in the project's folder: there is no tests/golden here");
	auto_err struct err *e = fd_list(dir, &names);

	CHECK_STR(err_text(e), "success");
	CHECK(names);
	for (char **n = names; *n; n++) {
		auto_made struct made m = { 0 };
		auto_free char *yml = mem_printf("%s/%s/compose.yml", golden, *n);
		auto_free char *plan = mem_printf("%s/%s/plan.txt", golden, *n);
		auto_free char *config = mem_printf("%s/%s/config.yml", golden, *n);

		load(&m, yml);
		make_plan(&m);
		CHECK_STR(m.error, NULL);
		auto_free char *plan_now = printed_plan(&m), *config_now = printed_config(&m);

		check_golden(plan, plan_now);
		check_golden(config, config_now);
	}
}

TEST(the_same_input_gives_the_same_plan)
{
	static const char text[] = "services:\n  a: {image: i, depends_on: [b], volumes: [vv:/v]}\n"
				   "  b: {image: i, ports: ['1:1']}\nvolumes: {vv: }\n";
	auto_made struct made one = { 0 }, two = { 0 };

	plan_text(&one, text);
	plan_text(&two, text);
	auto_free char *first = printed_plan(&one), *second = printed_plan(&two);

	CHECK_STR(first, second);
}

/* Nobody waits for a step that is not there, or for one that waits for it. */
TEST(steps_wait_for_steps_that_can_be_done_before)
{
	auto_made struct made m = { 0 };
	bool done[100] = { false };
	size_t n_done = 0, before;

	plan_text(&m, "services:\n  a: {image: i, depends_on: [b, c]}\n"
		      "  b: {image: i, depends_on: [c], volumes: [vv:/v]}\n  c: {image: probed}\n"
		      "volumes: {vv: }\n");
	CHECK(m.plan && m.plan->n_steps <= ARRAY_LEN(done));
	do {
		before = n_done;
		for (size_t i = 0; i < m.plan->n_steps; i++) {
			const struct pod_step *s = &m.plan->steps[i];
			bool ready = !done[i];

			for (size_t k = 0; k < s->n_after; k++) {
				CHECK(s->after[k] < m.plan->n_steps);
				ready &= done[s->after[k]];
			}
			done[i] |= ready;
			n_done += ready;
		}
	} while (n_done > before);
	CHECK_INT((int64_t)n_done, (int64_t)m.plan->n_steps);
}

TEST(a_plan_is_printed_as_json_too)
{
	auto_made struct made m = { 0 };

	plan_text(&m, "services: {a: {image: i, network_mode: host}}\nname: p\n");
	auto_json json_t *j = pod_plan_json(m.plan);
	auto_free char *text = json_text(j, 0);

	CHECK_STR(text, "{\"pod\":\"p\",\"steps\":[{\"step\":1,\"what\":\"cgroup of the "
			"pod\",\"after\":[]},"
			"{\"step\":2,\"what\":\"start the pod's init\",\"after\":[]},"
			"{\"step\":3,\"what\":\"create a from i\",\"after\":[2]},"
			"{\"step\":4,\"what\":\"start a\",\"after\":[3,2]}]}");
}

/* ---- one service and its image ---- */

/* clang-format off */
static const struct {
	const char *why, *service, *want; /* argv|user|cwd|signal|grace|restart:max */
} resolved[] = {
	{ "all of the image", "image: i", "/entry cmd of-image||/work|15|10000|0:0" },
	{ "a command", "image: i, command: [x]", "/entry x||/work|15|10000|0:0" },
	{ "an empty command is none", "image: i, command: []", "/entry||/work|15|10000|0:0" },
	{ "an entrypoint drops the command", "image: i, entrypoint: [x]", "x||/work|15|10000|0:0" },
	{ "an empty entrypoint too", "image: i, entrypoint: [], command: [y]", "y||/work|15|10000|0:0" },
	{ "user", "image: i, user: 'a:b'", "/entry cmd of-image|a:b|/work|15|10000|0:0" },
	{ "the image's user", "image: 'postgres:16'", "/entry cmd of-image|postgres|/work|15|10000|0:0" },
	{ "directory", "image: i, working_dir: /d", "/entry cmd of-image||/d|15|10000|0:0" },
	{ "none", "image: bare, command: [x]", "x||/|15|10000|0:0" },
	{ "the image's signal", "image: stops", "/entry cmd of-image||/work|3|10000|0:0" },
	{ "the service's", "image: stops, stop_signal: INT", "/entry cmd of-image||/work|2|10000|0:0" },
	{ "grace", "image: i, stop_grace_period: 1m", "/entry cmd of-image||/work|15|60000|0:0" },
	{ "no grace", "image: i, stop_grace_period: 0s", "/entry cmd of-image||/work|15|0|0:0" },
	{ "always", "image: i, restart: always", "/entry cmd of-image||/work|15|10000|1:0" },
	{ "unless stopped", "image: i, restart: unless-stopped", "/entry cmd of-image||/work|15|10000|1:0" },
	{ "swarm's words for it", "image: i, restart: 'no', deploy: {restart_policy: {condition: on-failure, max_attempts: 3}}", "/entry cmd of-image||/work|15|10000|2:3" },
	{ "any", "image: i, deploy: {restart_policy: {condition: any}}", "/entry cmd of-image||/work|15|10000|1:0" },
	{ "on failure", "image: i, restart: on-failure", "/entry cmd of-image||/work|15|10000|2:0" },
	{ "so many times", "image: i, restart: 'on-failure:5'", "/entry cmd of-image||/work|15|10000|2:5" },
};
/* clang-format on */

TEST(a_service_goes_before_its_image)
{
	for (size_t i = 0; i < ARRAY_LEN(resolved); i++) {
		auto_made struct made m = { 0 };
		auto_free char *text = mem_printf("services: {s: {%s}}\n", resolved[i].service);

		check_why(resolved[i].why);
		plan_text(&m, text);
		CHECK_STR(m.error, NULL);
		const struct plan_container *c = &m.plan->containers[0];
		auto_free char *argv = strv_join(c->argv, " ");
		auto_free char *got = mem_printf("%s|%s|%s|%d|%lld|%d:%lld", argv, c->user, c->cwd,
						 c->stop_signal, (long long)c->grace, c->restart,
						 (long long)c->restart_max);

		CHECK_STR(got, resolved[i].want);
	}
}

TEST(the_environment_is_the_images_then_the_services)
{
	auto_made struct made m = { 0 };

	plan_text(&m, "services:\n  s:\n    image: i\n    hostname: h\n    tty: true\n"
		      "    environment: {IMAGE: 'no', OWN: '1', TERM: dumb}\n");
	auto_free char *got = strv_join(m.plan->containers[0].env, " ");

	CHECK_STR(got, "PATH=/image/bin HOSTNAME=h TERM=dumb IMAGE=no OWN=1");
}

TEST(limits_are_in_the_units_of_the_kernel)
{
	auto_made struct made m = { 0 };

	plan_text(&m, "services:\n  s:\n    image: i\n    cpus: 0.5\n    mem_limit: 64m\n"
		      "    pids_limit: 100\n    cpuset: 0-1\n    ulimits: {nofile: {soft: 10, "
		      "hard: 20}, core: 0}\n");
	const struct plan_container *c = &m.plan->containers[0];

	CHECK_INT(c->limits.cpu_quota, 50000);
	CHECK_INT(c->limits.cpu_period, 100000);
	CHECK_INT(c->limits.memory_max, 64 << 20);
	CHECK_INT(c->limits.pids_max, 100);
	CHECK_STR(c->limits.cpuset, "0-1");
	CHECK_INT((int64_t)c->n_rlimits, 2);
}

/* clang-format off */
static const struct {
	const char *why, *service;
	uint64_t want;
} caps[] = {
	{ "Docker's", "", RUNTIME_CAPS_DEFAULT },
	{ "one more", "cap_add: [NET_ADMIN]", RUNTIME_CAPS_DEFAULT | 1ULL << 12 },
	{ "one less", "cap_drop: [CAP_CHOWN]", RUNTIME_CAPS_DEFAULT & ~1ULL },
	{ "none", "cap_drop: [ALL]", 0 },
	{ "one alone", "cap_drop: [ALL], cap_add: [CHOWN]", 1 },
	{ "all", "cap_add: [ALL]", 0x1ffffffffff & ~RUNTIME_CAP_MKNOD },
	{ "all but one", "cap_add: [ALL], cap_drop: [SYS_ADMIN]", 0x1ffffffffff & ~(1ULL << 21) & ~RUNTIME_CAP_MKNOD },
	{ "dropped and added: added", "cap_drop: [CHOWN], cap_add: [CHOWN]", RUNTIME_CAPS_DEFAULT },
};
/* clang-format on */

TEST(capabilities_are_added_to_and_dropped_from_dockers)
{
	for (size_t i = 0; i < ARRAY_LEN(caps); i++) {
		auto_made struct made m = { 0 };
		auto_free char *text =
			mem_printf("services: {s: {image: i, %s}}\n", caps[i].service);

		check_why(caps[i].why);
		plan_text(&m, text);
		CHECK_STR(m.error, NULL);
		CHECK(m.plan->containers[0].caps == caps[i].want);
	}
}

TEST(security_options_are_understood)
{
	auto_made struct made m = { 0 };

	plan_text(
		&m,
		"services:\n  a: {image: i, security_opt: [no-new-privileges]}\n"
		"  b: {image: i, security_opt: ['no-new-privileges:true', "
		"'no-new-privileges=false']}\n"
		"  c: {image: i, security_opt: ['seccomp:unconfined', 'systempaths=unconfined']}\n"
		"  d: {image: i, security_opt: ['seccomp=./p.json', 'apparmor=unconfined', "
		"'label:disable']}\n"
		"  e: {image: i, security_opt: ['seccomp=/p.json', 'seccomp=builtin']}\n");
	CHECK_STR(m.error, NULL);
	const struct plan_container *c = m.plan->containers;

	CHECK(c[0].no_new_privs && !c[1].no_new_privs && !c[2].no_new_privs);
	CHECK(c[2].system_paths && !c[0].system_paths);
	CHECK_STR(c[0].seccomp, NULL);
	CHECK_STR(c[2].seccomp, "unconfined");
	CHECK_STR(c[3].seccomp, "/project/./p.json");
	CHECK_STR(c[4].seccomp, NULL);
}

TEST(all_names_of_a_service_are_known_to_the_others)
{
	auto_made struct made m = { 0 };

	plan_text(&m, "services:\n  a: {image: i, hostname: ahost, container_name: acont}\n"
		      "  b: {image: i}\n");
	auto_free char *a = strv_join(m.plan->containers[0].peers, " ");
	auto_free char *b = strv_join(m.plan->containers[1].peers, " ");

	CHECK_STR(a, "a acont b");
	CHECK_STR(b, "a acont ahost b");
}

/* ---- what a pod cannot honour ---- */

#define S(a) "services:\n  a: {image: i" a "}\n"
#define TWO(a, b) "services:\n  a: {image: i" a "}\n  b: {image: i" b "}\n"
#define A "a.yml:2:3: services.a: "
#define B "a.yml:3:3: services.b: "
/* clang-format off */
static const struct {
	const char *why, *text, *want;
} errors[] = {
	{ "two services on one port", TWO(", ports: ['1:80']", ", ports: ['2:80']"),
	  "a.yml:3:25: services.b.ports[0]: container port 80/tcp is already used by service a (a.yml:2); "
	  "all services of a pod share one network: change one of them" },
	{ "two services on one port of two protocols", TWO(", ports: ['1:80']", ", ports: ['2:80/udp']"), NULL },
	{ "one service on one port, published twice", S(", ports: ['1:80', '2:80']"), NULL },
	{ "one port of the host, twice", S(", ports: ['1:80', '1:81']"),
	  "a.yml:2:33: services.a.ports[1]: host port 1/tcp is published twice; first in a.yml:2" },
	{ "of all addresses and of one", TWO(", ports: ['1:80']", ", ports: ['127.0.0.1:1:81']"),
	  "a.yml:3:25: services.b.ports[0]: host port 1/tcp is published twice; first in a.yml:2" },
	{ "of two addresses", TWO(", ports: ['127.0.0.2:1:80']", ", ports: ['127.0.0.1:1:81']"), NULL },
	{ "of two protocols", S(", ports: ['1:80', '1:81/udp']"), NULL },
	{ "a range has other ports to choose from", S(", ports: ['1-5:80', '1-5:81']"), NULL },
	{ "any port, twice", S(", ports: ['80', '81']"), NULL },
	{ "both mistakes at once", TWO(", ports: ['1:80']", ", ports: ['1:80']"),
	  "a.yml:3:25: services.b.ports[0]: container port 80/tcp is already used by service a (a.yml:2); "
	  "all services of a pod share one network: change one of them\n"
	  "a.yml:3:25: services.b.ports[0]: host port 1/tcp is published twice; first in a.yml:2" },
	{ "SCTP", S(", ports: ['1:80/sctp']"), "a.yml:2:25: services.a.ports[0]: publishing 'sctp' is not supported; there are tcp and udp" },
	{ "IPv6", S(", ports: ['[::1]:1:80']"),
	  "a.yml:2:25: services.a.ports[0]: '::1' is not an IPv4 address of the host; IPv6 publishing is not supported" },
	{ "all addresses in the words of IPv6", S(", ports: ['[::]:1:80']"), NULL },

	{ "two networks in one pod", TWO("", ", network_mode: host"), NULL },
	{ "the other way round", TWO(", network_mode: none", ""), NULL },
	{ "of another service is the pod's", TWO("", ", network_mode: 'service:a'"), NULL },
	{ "of a container", S(", network_mode: 'container:x'"), A "network_mode: there is no engine to find 'container:x' in" },
	{ "unknown", S(", network_mode: slirp4netns"), A "network_mode: 'slirp4netns' is not supported; there are bridge, host, none, service:NAME and pod:NAME" },
	{ "two networks", "services: {a: {image: one, network_mode: 'pod:shop'}, b: {image: one}}", "a.yml:1:55: services.b: network_mode: all services of a pod share one network, and a has another one" },
	{ "none publishes nothing", S(", network_mode: none, ports: ['1:80']"), "a.yml:2:45: services.a.ports[0]: network_mode none publishes no ports" },
	{ "a service of the host's network must not change the host", S(", network_mode: host, sysctls: {net.ipv4.ip_forward: 1}"),
	  A "sysctls: net.ipv4.ip_forward would be the host's, whose network this is" },

	{ "a parameter with two values", TWO(", sysctls: {net.core.somaxconn: 1}", ", sysctls: {net.core.somaxconn: 2}"),
	  B "sysctls: net.core.somaxconn has two values in this pod; the network is shared" },
	{ "with the same value", TWO(", sysctls: {net.core.somaxconn: 1}", ", sysctls: {net.core.somaxconn: 1}"), NULL },
	{ "IPC is each one's own", TWO(", sysctls: {kernel.msgmax: 1}", ", sysctls: {kernel.msgmax: 2}"), NULL },

	{ "waiting for health that nobody looks at", TWO(", depends_on: {b: {condition: service_healthy}}", ""),
	  "a.yml:2:30: services.a.depends_on.b: service b has no healthcheck to wait for" },
	{ "the image has one", "services:\n  a: {image: i, depends_on: {b: {condition: service_healthy}}}\n  b: {image: probed}\n", NULL },
	{ "and it was switched off", "services:\n  a: {image: i, depends_on: {b: {condition: service_healthy}}}\n  b: {image: probed, healthcheck: {disable: true}}\n",
	  "a.yml:2:30: services.a.depends_on.b: service b has no healthcheck to wait for" },
	{ "or is NONE", "services:\n  a: {image: i, depends_on: {b: {condition: service_healthy}}}\n  b: {image: probed, healthcheck: {test: [NONE]}}\n",
	  "a.yml:2:30: services.a.depends_on.b: service b has no healthcheck to wait for" },

	{ "an unknown security option", S(", security_opt: ['apparmor=mine']"),
	  A "security_opt: 'apparmor=mine' is not supported; there are no-new-privileges, seccomp=FILE, seccomp=unconfined and systempaths=unconfined" },
	{ "a label", S(", security_opt: ['label:type:x']"),
	  A "security_opt: 'label:type:x' is not supported; there are no-new-privileges, seccomp=FILE, seccomp=unconfined and systempaths=unconfined" },
	{ "a wrong value", S(", security_opt: ['no-new-privileges:maybe']"),
	  A "security_opt: 'no-new-privileges:maybe' is not supported; there are no-new-privileges, seccomp=FILE, seccomp=unconfined and systempaths=unconfined" },
	{ "a profile without name", S(", security_opt: ['seccomp=']"),
	  A "security_opt: 'seccomp=' is not supported; there are no-new-privileges, seccomp=FILE, seccomp=unconfined and systempaths=unconfined" },

	{ "one target for two volumes", S(", volumes: ['/x:/t', '/y:/t']"), NULL }, /* the later one, as in docker compose */
	{ "a tmpfs without place", S(", tmpfs: [t]"), A "tmpfs: 't' is not an absolute path" },
	{ "an unknown propagation", S(", volumes: [{type: bind, source: /x, target: /t, bind: {propagation: wide}}]"),
	  "a.yml:2:27: services.a.volumes[0]: 'wide' is not a propagation" },

	{ "a working directory below nothing", S(", working_dir: d"), A "working_dir: 'd' is not an absolute path" },
	{ "an unknown capability", S(", cap_add: [FLY]"), A "cap_add: 'CAP_FLY' is not a capability" },
	{ "two in one word", S(", cap_drop: ['SYS_ADMIN,CHOWN']"), A "cap_drop: 'CAP_SYS_ADMIN,CHOWN' is not a capability" },
	{ "an unknown resource", S(", ulimits: {frobs: 1}"), A "ulimits: 'frobs' is not a resource limit" },
	{ "a soft limit above the hard one", S(", ulimits: {nofile: {soft: 2, hard: 1}}"), A "ulimits.nofile: the soft limit is above the hard one" },
	{ "no command", "services:\n  a: {image: bare}\n", A "no command: neither the image bare nor the service names one" },
	{ "an entrypoint that is emptied", S(", entrypoint: []"), A "no command: neither the image i nor the service names one" },
	{ "all services at once", TWO(", cap_add: [X]", ", cap_add: [Y]"), A "cap_add: 'CAP_X' is not a capability\n" B "cap_add: 'CAP_Y' is not a capability" },
	{ "a service to build", "services:\n  a: {build: .}\n",
	  A "build: service a has no image, and slipway does not build: push what another tool has built, and name it with image" },
	{ "two instances on one port", S(", scale: 2, ports: ['80']"), A "scale: 2 instances of a cannot all listen on port 80 of one pod" },
	{ "too many instances", S(", deploy: {replicas: 101}"), A "scale: 101 instances of a are more than 100" },
	{ "two instances", S(", deploy: {replicas: 2}"), NULL },
	{ "no instance", S(", scale: 0"), "a.yml: no service is enabled" },
	{ "graphics", S(", gpus: all"), "a.yml:2:23: services.a.gpus: not supported: gpus need a CDI hook, which slipway does not run yet" },
	{ "what is not offered says what to do", S(", privileged: true"), "a.yml:2:29: services.a.privileged: not supported: name the capabilities you need with cap_add" },
	{ "a part of what is offered", S(", deploy: {resources: {reservations: {devices: [{capabilities: [gpu]}]}}}"),
	  "a.yml:2:53: services.a.deploy.resources.reservations.devices: not supported: devices need a CDI hook, which slipway does not run yet" },
	{ "what says nothing is not refused", S(", privileged: false, gpus: [], pid: ~"), NULL },
	{ "a network of others", S(", networks: [n]") "networks: {n: {external: true}}\n", "a.yml:3:26: networks.n.external: not supported: there is no engine that has networks of other projects" },
	{ "one that nobody uses", S("") "networks: {n: {external: true}}\n", NULL },
	{ "a driver of networks", S(", networks: [n]") "networks: {n: {driver: macvlan}}\n",
	  "a.yml:3:12: networks.n: the driver 'macvlan' is not supported: a pod has one routed network" },
	{ "a driver of volumes", S(", volumes: ['vv:/v']") "volumes: {vv: {driver: nfs}}\n",
	  "a.yml:3:11: volumes.vv: the driver 'nfs' needs a plugin of Docker; only local is built in" },
	{ "options of volumes", S(", volumes: ['vv:/v']") "volumes: {vv: {driver_opts: {type: tmpfs, device: tmpfs}}}\n",
	  "a.yml:3:11: volumes.vv: driver_opts: there is only type: none, o: bind and a device, which bind a directory of the host" },
	{ "an external secret", S(", secrets: [x]") "secrets: {x: {external: true}}\n", "a.yml:3:25: secrets.x.external: not supported: there is no swarm that keeps external ones" },
	{ "a secret of a variable that is not set", S(", secrets: [x]") "secrets: {x: {environment: X}}\n", "a.yml:3:11: secrets.x: the variable X is not set" },
	{ "two files on one path", S(", secrets: [{source: x, target: /t}], configs: [{source: y, target: /t}]") "secrets: {x: {environment: HOME}}\nconfigs: {y: {content: y}}\n",
	  "a.yml:2:27: services.a.secrets[0]: the target /t is mounted twice" },
	{ "an image to mount", S(", volumes: [{type: image, source: x, target: /t}]"), "a.yml:2:27: services.a.volumes[0]: mounts of type 'image' are not supported" },
	{ "a relative target", S(", volumes: ['/x:t']"), "a.yml:2:27: services.a.volumes[0]: the target 't' must be an absolute path" },
	{ "the root", S(", volumes: ['/x:/t/..']"), "a.yml:2:27: services.a.volumes[0]: the root of the container cannot be a mount target" },
	{ "a signal", S(", stop_signal: SIGX"), "service a: stop signal: 'SIGX' is not a signal" },
	{ "a restart policy", S(", restart: sometimes"), A "restart: 'sometimes' is not a policy; there are no, always, unless-stopped and on-failure[:N]" },
	{ "a count of restarts", S(", restart: 'on-failure:x'"), A "'x' is not a number" },
	{ "a port of the container", S(", ports: [{target: 0}]"), "a.yml:2:25: services.a.ports[0]: '0' is not a container port" },
	{ "a port of the host", S(", ports: [{target: 1, published: x}]"), "a.yml:2:25: services.a.ports[0]: 'x' is not a host port or a range of them" },
	{ "somebody else's IPC", S(", ipc: host"), A "ipc: 'host' is not supported: containers always have an IPC namespace of their own" },
	{ "volumes of a container", S(", volumes_from: ['container:x']"), A "volumes_from: there is no engine to find 'container:x' in" },
	{ "a driver of logs", S(", logging: {driver: syslog}"), A "logging: the driver 'syslog' is not offered; there are json-file, local, journald and none" },
	{ "an option of logs", S(", logging: {options: {max-files: '3'}}"),
	  A "logging: the driver json-file has no option 'max-files'; there are max-size, max-file, compress, labels, "
	  "labels-regex, env, env-regex, tag, mode, max-buffer-size" },
	{ "an option of another driver", S(", logging: {driver: journald, options: {max-size: 1m}}"),
	  A "logging: the driver journald has no option 'max-size'; there are labels, labels-regex, env, env-regex, tag, "
	  "mode, max-buffer-size" },
	{ "a size of logs", S(", logging: {options: {max-size: 10q}}"), A "logging: option max-size: '10q' has an unknown unit; there are b, k, m, g, t and p" },
	{ "a tiny size of logs", S(", logging: {options: {max-size: 1k}}"), A "logging: option max-size: the least is 4096 bytes" },
	{ "no files of logs", S(", logging: {options: {max-file: '0'}}"), A "logging: option max-file: '0' is not between 1 and 1000" },
	{ "a mode of logs", S(", logging: {options: {mode: fast}}"), A "logging: option mode: 'fast' is not blocking or non-blocking" },
	{ "a pattern of labels", S(", logging: {options: {labels-regex: '^x'}}"),
	  A "logging: option labels-regex: '^x': patterns are not offered; name them with labels or env" },
	{ "a tag that is no template", S(", logging: {options: {tag: '{{.Name'}}"), A "logging: option tag: 1:8: '{{' has no '}}'" },
	{ "a tag of what is not there", S(", logging: {options: {tag: '{{.Nam}}'}}"),
	  A "logging: option tag: 1:3: there is no field 'Nam'; there are ID, FullID, Name, ImageID, ImageFullID, ImageName, "
	  "DaemonName, Command, ContainerLabels, ContainerEnv" },
	{ "nothing to run", "services: {a: {image: i, profiles: [p]}}\n", "a.yml: no service is enabled" },
};
/* clang-format on */

TEST(what_a_pod_cannot_honour_is_refused_with_its_place)
{
	for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
		auto_made struct made m = { 0 };

		check_why(errors[i].why);
		plan_text(&m, errors[i].text);
		const char *dir = check_dir(); /* files of a project are absolute */
		const char *tail =
			m.error && str_starts(m.error, dir) ? m.error + strlen(dir) + 1 : m.error;

		CHECK_STR(tail, errors[i].want);
	}
}

/* clang-format off */
static const struct {
	const char *why, *text, *want;
} warnings[] = {
	{ "none", TWO("", ""), "" },
	{ "services that the file keeps apart", "services:\n  a: {image: i, networks: [x]}\n  b: {image: i, networks: [y]}\nnetworks: {x: , y: }\n",
	  B "networks are collapsed into the pod's one: b can reach a" },
	{ "services that share one", "services:\n  a: {image: i, networks: [x, y]}\n  b: {image: i, networks: [y]}\nnetworks: {x: , y: }\n", "" },
	{ "the engine's socket", S(", volumes: ['/var/run/docker.sock:/var/run/docker.sock']"),
	  "a.yml:2:27: services.a.volumes[0]: docker.sock is mounted: whoever reaches it owns the host, if an engine is there at all" },
	{ "what swarm would do", S(", deploy: {mode: global, placement: {constraints: [x]}}"),
	  "a.yml:2:32: services.a.deploy.mode: ignored: only swarm uses it\na.yml:2:40: services.a.deploy.placement: ignored: only swarm uses it" },
	{ "a network without a way out", S(", networks: [n]") "networks: {n: {internal: true}}\n", "a.yml:3:26: networks.n.internal: ignored: a pod reaches the outside" },
	{ "one address for all", S(", networks: {n: {ipv4_address: 10.0.0.1}}") "networks: {n: }\n",
	  "a.yml:2:46: services.a.networks.n.ipv4_address: ignored: services of a pod share one network and one address" },
	{ "the same exposed twice", TWO(", expose: ['80']", ", expose: [80]"), B "expose: service a exposes 80, too; only one of a pod can listen on it" },
	{ "logs that are waited for", S(", logging: {options: {mode: blocking}}"), A "logging: mode blocking is read as non-blocking: no service waits for its log" },
	{ "logs that are not", S(", logging: {driver: journald, options: {mode: non-blocking, max-buffer-size: 4m}}"), "" },
	{ "compressed logs", S(", logging: {driver: local, options: {compress: 'true', max-size: 1m, max-file: '2'}}"), A "logging: compress is ignored: what was rotated stays as it is" },
	{ "options of no logs", S(", logging: {driver: none, options: {tag: x}}"), A "logging: the driver none keeps nothing: its options are ignored" },
	{ "an image beside what to build", S(", build: ."), "a.yml:2:24: services.a.build: ignored: slipway does not build: image must name what another tool has built and pushed" },
	{ "ports on the host's network", S(", network_mode: host, ports: ['1:80']"),
	  "a.yml:2:45: services.a.ports[0]: network_mode host publishes no ports: the service listens on the host itself" },
};
/* clang-format on */

TEST(what_is_only_half_honoured_is_warned_of)
{
	for (size_t i = 0; i < ARRAY_LEN(warnings); i++) {
		auto_made struct made m = { 0 };

		check_why(warnings[i].why);
		plan_text(&m, warnings[i].text);
		CHECK_STR(m.error, NULL);
		auto_free char *got = strv_join(m.warnings, "\n");

		CHECK_STR(got, warnings[i].want);
	}
}

/* ---- where output goes ---- */

static const struct plan_log *log_of(struct made *m, const char *service)
{
	auto_free char *text = mem_printf("services:\n  a: {image: i, %s}\n", service);

	plan_text(m, text);
	CHECK_STR(m->error, NULL);
	return &m->plan->containers[0].log;
}

TEST(output_is_kept_as_docker_keeps_it)
{
	static const struct {
		const char *service, *driver;
		int64_t size, files;
		const char *attrs;
	} rows[] = {
		{ "tty: false", "json-file", 10 << 20, 3, NULL },
		{ "logging: {driver: json-file}", "json-file", 10 << 20, 3, NULL },
		{ "logging: {options: {max-size: 1m, max-file: '1'}}", "json-file", 1 << 20, 1,
		  NULL },
		{ "logging: {options: {max-size: '-1'}}", "json-file", 0, 3, NULL },
		{ "logging: {driver: local}", "local", 20 << 20, 5, NULL },
		{ "logging: {driver: none}", "none", 0, 0, NULL },
		{ "labels: {x: '1', y: '2'}, environment: {E: v}, logging: {options: {labels: "
		  "'y,z', env: E, tag: "
		  "'{{.Name}}/{{.ImageName}}'}}",
		  "json-file", 10 << 20, 3,
		  "\"attrs\":{\"y\":\"2\",\"E\":\"v\",\"tag\":\"project-a-1/i\"}," },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_made struct made m = { 0 };
		const struct plan_log *log = log_of(&m, rows[i].service);

		check_why(rows[i].service);
		CHECK_STR(log->driver, rows[i].driver);
		CHECK_INT(log->size_max, rows[i].size);
		CHECK_INT(log->files, rows[i].files);
		CHECK_STR(log->attrs, rows[i].attrs);
	}
}

TEST(the_journal_gets_dockers_fields)
{
	auto_made struct made m = { 0 };
	const struct plan_log *log = log_of(
		&m,
		"labels: {my.label: '1'}, logging: {driver: journald, options: {labels: my.label, "
		"tag: 't-{{.Name}}'}}");
	static const char *const wanted[] = { "CONTAINER_NAME=project-a-1",
					      "CONTAINER_ID=000000000000", /* a plan knows none */
					      "CONTAINER_TAG=t-project-a-1",
					      "SYSLOG_IDENTIFIER=t-project-a-1",
					      "IMAGE_NAME=i",
					      "MY_LABEL=1",
					      "COM_DOCKER_COMPOSE_PROJECT=project",
					      "COM_DOCKER_COMPOSE_SERVICE=a" };

	for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
		check_why(wanted[i]);
		CHECK(strv_has(log->fields, wanted[i]));
	}
}

static const char *const host_settings[] = { "log_driver=local", "log_max_size=1m",
					     "log_max_file=2", "stop_timeout=3" };

TEST(what_a_service_does_not_say_is_the_hosts)
{
	static const struct {
		const char *service, *driver;
		int64_t size, files, grace;
	} rows[] = {
		{ "tty: false", "local", 1 << 20, 2, 3000 },
		{ "logging: {options: {max-size: 2m}}, stop_grace_period: 1s", "local", 2 << 20, 2,
		  1000 },
		{ "logging: {driver: local}, stop_grace_period: 0s", "local", 1 << 20, 2, 0 },
		{ "logging: {driver: json-file}", "json-file", 10 << 20, 3, 3000 },
	};
	struct pod_host host = { 0 };
	auto_err struct err *e = NULL;

	(void)setenv("SLIPWAY_CONFIG_DIR", "/nonexistent", 1);
	e = pod_config_load(&host.own);
	host.config = host.own;
	for (size_t i = 0; !e && i < ARRAY_LEN(host_settings); i++)
		e = pod_config_set(host.own, host_settings[i]);
	CHECK_STR(err_text(e), "success");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_made struct made m = { .host = &host };
		const struct plan_log *log = log_of(&m, rows[i].service);

		check_why(rows[i].service);
		CHECK_STR(log->driver, rows[i].driver);
		CHECK_INT(log->size_max, rows[i].size);
		CHECK_INT(log->files, rows[i].files);
		CHECK_INT(m.plan->containers[0].grace, rows[i].grace);
	}
	pod_config_free(host.own);
}
