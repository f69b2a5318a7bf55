/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/compose_load.c - from files to a project: merge, short forms, checks, selection. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "compose/compose.h"
#include "tests/check.h"

enum { FILES_MAX = 4, WORDS_MAX = 4 };

struct file {
	const char *path, *text;
};

/* A load: files made in an empty directory, what is asked for, and what must come out. */
struct row {
	const char *why;
	struct file files[FILES_MAX + 1];
	const char *want;
	const char *use[WORDS_MAX + 1]; /* -f; none: found as docker compose does */
	const char *dir;		/* NULL: the directory of the first file */
	const char *name;
	const char *profiles[WORDS_MAX + 1], *services[WORDS_MAX + 1];
	const char *env[WORDS_MAX + 1], *env_files[WORDS_MAX + 1];
};

static struct err *load(const struct row *r, struct compose_project **ret)
{
	struct compose_options o = {
		.files = (char *const *)r->use,
		.project_dir = r->dir,
		.name = r->name,
		.env_files = (char *const *)r->env_files,
		.profiles = (char *const *)r->profiles,
		.environ = (char *const *)r->env,
		.services = (char *const *)r->services,
	};

	for (size_t i = 0; r->files[i].path; i++)
		check_file(r->files[i].path, r->files[i].text);
	return compose_load(&o, ret);
}

/* Runs the rows, each in a directory of its own; @show says what of a project is compared. */
static void check_rows(const struct row *rows, size_t n,
		       char *(*show)(const struct compose_project *p))
{
	for (size_t i = 0; i < n; i++) {
		auto_compose struct compose_project *p = NULL;
		auto_free char *dir = mem_printf("%s/%zu", check_dir(), i);
		auto_free char *marker = mem_printf("%s/.keep", dir);

		check_why(rows[i].why);
		check_file(marker, "");
		CHECK(chdir(dir) == 0);
		auto_err struct err *e = load(&rows[i], &p);
		auto_free char *got = e ? mem_strdup(err_text(e)) : show(p);

		CHECK(!e == (p != NULL));
		CHECK_STR(got, rows[i].want);
	}
}

/* The canonical form as one line of JSON, without the name and the default network. */
static char *printed(const struct compose_project *p)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	auto_err struct err *e = compose_print(p, COMPOSE_JSON, out);
	auto_json json_t *root = NULL;
	const char *key;
	json_t *service;

	CHECK(!e);
	fclose(out);
	auto_free char *whole = text;

	e = json_parse(whole, len, 1 << 20, &root);
	CHECK(!e);
	json_object_del(root, "name");
	json_object_foreach(json_object_get(root, "services"), key,
			    service) if (json_is_null(json_object_get(json_object_get(service,
										      "networks"),
								      "default")) &&
					 json_object_size(json_object_get(service, "networks")) ==
						 1) json_object_del(service, "networks");
	json_object_del(json_object_get(root, "networks"), "default");
	if (json_object_size(json_object_get(root, "networks")) == 0)
		json_object_del(root, "networks");
	return json_text(root, 0);
}

static char *names(const struct compose_project *p)
{
	auto_strv char **v = NULL;

	for (size_t i = 0; i < p->n_services; i++)
		strv_add(&v, mem_strdup(p->services[i].name));
	auto_free char *joined = strv_join(v, " ");

	return mem_printf("%s: %s", p->name, joined);
}

#define ONE(attributes)                                                       \
	{                                                                     \
		{                                                             \
			"a.yml", "services:\n  s:\n    image: i\n" attributes \
		}                                                             \
	}
#define TWO(first, second)                                  \
	{                                                   \
		{ "a.yml", "services:\n  s:\n" first },     \
		{                                           \
			"b.yml", "services:\n  s:\n" second \
		}                                           \
	}
#define A .use = { "a.yml" }, .dir = "/p", .name = "p"
#define A_B .use = { "a.yml", "b.yml" }, .dir = "/p", .name = "p"
#define IMAGE "    image: i\n"

/* clang-format off */
static const struct row merges[] = {
	{ "a later scalar wins", TWO(IMAGE, "    image: j\n"), "{\"services\":{\"s\":{\"image\":\"j\"}}}", A_B },
	{ "a service of one file only", { { "a.yml", "services: {s: {image: i}}" }, { "b.yml", "services: {t: {image: j}}" } }, "{\"services\":{\"s\":{\"image\":\"i\"},\"t\":{\"image\":\"j\"}}}", A_B },
	{ "documents of one file are merged, too", { { "a.yml", "services: {s: {image: i}}\n---\nservices: {s: {image: j}}\n" } }, "{\"services\":{\"s\":{\"image\":\"j\"}}}", A },
	{ "a command is replaced", TWO(IMAGE "    command: [a, b]\n", "    command: c\n"), "{\"services\":{\"s\":{\"image\":\"i\",\"command\":[\"c\"]}}}", A_B },
	{ "an emptied command stays empty", TWO(IMAGE "    command: [a]\n", "    command: []\n"), "{\"services\":{\"s\":{\"image\":\"i\",\"command\":[]}}}", A_B },
	{ "a command taken back", TWO(IMAGE "    command: [a]\n", "    command:\n"), "{\"services\":{\"s\":{\"image\":\"i\",\"command\":null}}}", A_B },
	{ "null says nothing elsewhere", TWO(IMAGE "    tty: true\n", "    image:\n    tty: ~\n"), "{\"services\":{\"s\":{\"image\":\"i\",\"tty\":true}}}", A_B },
	{ "a first null is an error", TWO(IMAGE "    dns:\n", "    dns: [d]\n"), "a.yml:4:9: services.s.dns: must not be empty; leave it out", A_B },
	{ "environment by key, whatever its form", TWO(IMAGE "    environment: {A: 1, B: 2}\n", "    environment: [B=3, C]\n"),
	  "{\"services\":{\"s\":{\"image\":\"i\",\"environment\":{\"A\":\"1\",\"B\":\"3\",\"C\":null}}}}", A_B },
	{ "unique lists", TWO(IMAGE "    dns: [a, b, a]\n", "    dns: [b, c]\n"), "{\"services\":{\"s\":{\"image\":\"i\",\"dns\":[\"a\",\"b\",\"c\"]}}}", A_B },
	{ "appended lists", TWO(IMAGE "    device_cgroup_rules: [a]\n", "    device_cgroup_rules: [b]\n"),
	  "{\"services\":{\"s\":{\"image\":\"i\",\"device_cgroup_rules\":[\"a\",\"b\"]}}}", A_B },
	{ "capabilities stay as they are spelled", TWO(IMAGE "    cap_add: [net_admin, all]\n", "    cap_add: [CAP_NET_ADMIN, Kill]\n"),
	  "{\"services\":{\"s\":{\"image\":\"i\",\"cap_add\":[\"net_admin\",\"all\",\"CAP_NET_ADMIN\",\"Kill\"]}}}", A_B },
	{ "a mount replaces the one on its target", TWO(IMAGE "    volumes: [/x:/t, /y:/u]\n", "    volumes: [/z:/t/:ro]\n"),
	  "{\"services\":{\"s\":{\"image\":\"i\",\"volumes\":[{\"type\":\"bind\",\"source\":\"/z\",\"target\":\"/t\",\"bind\":{\"create_host_path\":true},\"read_only\":true},{\"type\":\"bind\",\"source\":\"/y\",\"target\":\"/u\",\"bind\":{\"create_host_path\":true}}]}}}", A_B },
	{ "also in one file", ONE("    volumes: [/x, {type: tmpfs, target: /x}]\n"),
	  "{\"services\":{\"s\":{\"image\":\"i\",\"volumes\":[{\"type\":\"tmpfs\",\"target\":\"/x\"}]}}}", A },
	{ "ports add up unless equal", TWO(IMAGE "    ports: ['1:80', '2:80']\n", "    ports: ['1:80/tcp']\n"),
	  "{\"services\":{\"s\":{\"image\":\"i\",\"ports\":[{\"mode\":\"ingress\",\"target\":80,\"published\":\"1\",\"protocol\":\"tcp\"},{\"mode\":\"ingress\",\"target\":80,\"published\":\"2\",\"protocol\":\"tcp\"}]}}}", A_B },
	{ "healthcheck attribute by attribute", TWO(IMAGE "    healthcheck: {test: a, retries: '03'}\n", "    healthcheck: {test: [CMD, b]}\n"),
	  "{\"services\":{\"s\":{\"image\":\"i\",\"healthcheck\":{\"test\":[\"CMD\",\"b\"],\"retries\":3}}}}", A_B },
	{ "x- keys are kept and joined; in JSON only those of the file", { { "a.yml", "x-a: {b: 1}\nservices: {s: {image: i, x-b: 1}}" }, { "b.yml", "x-a: {c: 2}\nservices: {s: {x-b: 2}}" } }, "{\"services\":{\"s\":{\"image\":\"i\"}},\"x-a\":{\"b\":1,\"c\":2}}", A_B },
	{ "reset takes a key away", TWO(IMAGE "    ports: [80]\n    environment: {A: 1, B: 2}\n", "    ports: !reset []\n    environment: {A: !reset null}\n"), "{\"services\":{\"s\":{\"image\":\"i\",\"environment\":{\"B\":\"2\"}}}}", A_B },
	{ "reset in the first file, whatever it holds", ONE("    ports: !reset [{a: 1}]\n    healthcheck: {test: !reset {a: 1}}\n"), "{\"services\":{\"s\":{\"image\":\"i\",\"healthcheck\":{}}}}", A },
	{ "reset of a service", { { "a.yml", "services: {s: {image: i}, t: {image: j}}" }, { "b.yml", "services: {t: !reset {}}" } }, "{\"services\":{\"s\":{\"image\":\"i\"}}}", A_B },
	{ "reset on an item means nothing", ONE("    dns: [!reset a]\n"), "{\"services\":{\"s\":{\"image\":\"i\",\"dns\":[\"a\"]}}}", A },
	{ "override replaces instead of joining", TWO(IMAGE "    environment: {A: 1}\n    dns: [a]\n", "    environment: !override {B: 2}\n    dns: !override b\n"),
	  "{\"services\":{\"s\":{\"image\":\"i\",\"environment\":{\"B\":\"2\"},\"dns\":[\"b\"]}}}", A_B },
	{ "override of a service", TWO(IMAGE "    tty: true\n", "    !override\n    image: j\n"), "{\"services\":{\"s\":{\"image\":\"j\"}}}", A_B },
	{ "an override file is found by itself", { { "compose.yaml", "services: {s: {image: i}}" }, { "compose.override.yml", "services: {s: {image: j}}" } }, "{\"services\":{\"s\":{\"image\":\"j\"}}}", .name = "p" },
	{ "not with -f", { { "a.yml", "services: {s: {image: i}}" }, { "compose.override.yml", "services: {s: {image: j}}" } }, "{\"services\":{\"s\":{\"image\":\"i\"}}}", A },
};

TEST(later_files_are_merged_into_earlier_ones)
{
	check_rows(merges, ARRAY_LEN(merges), printed);
}

static char *ports(const struct compose_project *p)
{
	auto_strv char **v = NULL;

	for (size_t i = 0; i < p->services[0].ports.n; i++) {
		const struct compose_port *t = &p->services[0].ports.items[i];

		strv_add(&v, mem_printf("%s|%s|%lld/%s", t->host_ip ? t->host_ip : "", t->published ? t->published : "",
					(long long)t->target.value, t->protocol));
	}
	return strv_join(v, " ");
}

#define PORT(p) ONE("    ports: [" p "]\n")
#define AT "a.yml:4:13: services.s.ports[0]: "
static const struct row port_rows[] = {
	{ "container only", PORT("'80', 81"), "||80/tcp ||81/tcp", A },
	{ "host and container", PORT("'8080:80'"), "|8080|80/tcp", A },
	{ "protocols in any case", PORT("'1:1/UDP', '2/sctp'"), "|1|1/udp ||2/sctp", A },
	{ "addresses", PORT("'127.0.0.1:1:2', '[::1]:3:4'"), "127.0.0.1|1|2/tcp ::1|3|4/tcp", A },
	{ "an address and any port", PORT("'127.0.0.1::2', '[::1]:4', ':5'"), "127.0.0.1||2/tcp ::1||4/tcp ||5/tcp", A },
	{ "ranges side by side", PORT("'1-2:3-4/udp'"), "|1|3/udp |2|4/udp", A },
	{ "a range of containers alone", PORT("'3-4'"), "||3/tcp ||4/tcp", A },
	{ "a range to choose from", PORT("'8000-8010:80'"), "|8000-8010|80/tcp", A },
	{ "long forms", PORT("{target: '80', published: 8080, protocol: udp, host_ip: 1.2.3.4, mode: host, name: n}, {target: 7}"),
	  "1.2.3.4|8080|80/udp ||7/tcp", A },
	{ "long forms with nothing in them", PORT("{target: 80, published: '', protocol: '', host_ip: '', mode: ''}"), "||80/tcp", A },
	{ "no number", PORT("web"), AT "container port: 'web' is not a number", A },
	{ "too large", PORT("'65536'"), AT "container port: '65536' is not between 0 and 65535", A },
	{ "container port 0", PORT("0"), AT "container port 0 cannot be published", A },
	{ "backwards", PORT("'2-1'"), AT "container port range '2-1' runs backwards", A },
	{ "different lengths", PORT("'1-2:1-3'"), AT "the ranges '1-2' and '1-3' differ in length", A },
	{ "an unknown protocol", PORT("80/icmp"), AT "'icmp' is not a protocol; there are tcp, udp and sctp", A },
	{ "a name for an address", PORT("'localhost:1:2'"), AT "'localhost' is not an IP address", A },
	{ "IPv6 without brackets", PORT("'::1:80:80'"), AT "'::1:80:80' has too many colons; an IPv6 address is written in [ ]", A },
	{ "an open bracket", PORT("'[::1'"), AT "'[::1': the address in [ ] must be followed by ':'", A },
	{ "no container port", PORT("'80:'"), AT "no container port in '80:'", A },
	{ "a float", PORT("1.5"), AT "must be a port: \"8080:80\" or a mapping with a target, not a number", A },
	{ "not a list", ONE("    ports: '80'\n"), "a.yml:4:12: services.s.ports: must be a list, not a string", A },
	{ "long without target", PORT("{published: 80}"), AT "the target (the port in the container) is missing", A },
	{ "long with a bad address", PORT("{target: 1, host_ip: h}"), "a.yml:4:34: services.s.ports[0].host_ip: 'h' is not an IP address", A },
	{ "long with a bad host port", PORT("{target: 1, published: x}"), "|x|1/tcp", A },
	{ "a bomb of ranges", ONE("    ports: ['1-65535', '1-65535/udp']\n"),
	  "a.yml:4:24: services.s.ports[1]: more than 100000 ports", A },
};
#undef AT

TEST(ports_have_short_and_long_forms)
{
	check_rows(port_rows, ARRAY_LEN(port_rows), ports);
}

static char *mounts(const struct compose_project *p)
{
	static const char *const types[] = { "bind", "volume", "tmpfs" };
	auto_strv char **v = NULL;

	for (size_t i = 0; i < p->services[0].volumes.n; i++) {
		const struct compose_mount *m = &p->services[0].volumes.items[i];

		strv_add(&v, mem_printf("%s %s>%s%s%s%s%s%s%s", types[m->type], m->source ? m->source : "", m->target,
					m->read_only ? " ro" : "", m->nocopy ? " nocopy" : "",
					m->create_host_path || m->type != COMPOSE_BIND ? "" : " must-exist", m->propagation ? " " : "",
					m->propagation ? m->propagation : "", m->tmpfs_size.set ? " sized" : ""));
	}
	return strv_join(v, ", ");
}

#define MOUNT(v) ONE("    volumes: [" v "]\nvolumes: {data: }\n")
#define AT "a.yml:4:15: services.s.volumes[0]: "
static const struct row mount_rows[] = {
	{ "anonymous", MOUNT("/t"), "volume >/t", A },
	{ "named", MOUNT("'data:/t'"), "volume data>/t", A },
	{ "paths are the project's", MOUNT("'./a/../b:/t', '../c:/u', '.:/v'"), "bind /p/b>/t, bind /c>/u, bind /p>/v", A },
	{ "absolute, cleaned", MOUNT("'/a//b/.:/t//u/../v/'"), "bind /a//b/.>/t/v", A },
	{ "home", MOUNT("'~/a:/t', '~:/u'"), "bind /h/a>/t, bind /h>/u", A, .env = { "HOME=/h" } },
	{ "options", MOUNT("'data:/t:ro,nocopy', '/a:/u:rslave,z,bogus', '/b:/v:rw'"),
	  "volume data>/t ro nocopy, bind /a>/u rslave, bind /b>/v", A },
	{ "long forms", MOUNT("{type: bind, source: ./x, target: /t, read_only: true, bind: {create_host_path: false, propagation: shared}},"
			      "{type: volume, source: data, target: /u, volume: {nocopy: yes}}, {type: tmpfs, target: /v, tmpfs: {size: 1k}}"),
	  "bind /p/x>/t ro must-exist shared, volume data>/u nocopy, tmpfs >/v sized", A },
	{ "too many parts", MOUNT("'ab:/b:ro:x'"),
	  "a.yml:4:15: services.s.volumes[0]: 'ab:/b:ro:x' has too many colons", A },
	{ "an empty part", MOUNT("':/t'"), AT "':/t' has an empty part", A },
	{ "an undeclared volume", MOUNT("'other:/t'"),
	  "a.yml:4:15: services.s.volumes[0]: 'other' is not declared under 'volumes'", A },
	{ "an unknown type", MOUNT("{type: pipe, target: /t}"),
	  "a.yml:4:22: services.s.volumes[0].type: 'pipe' is not one of bind, volume, tmpfs, image, npipe, cluster", A },
	{ "no type", MOUNT("{target: /t}"),
	  "a.yml:4:15: services.s.volumes[0]: the type is missing: bind, volume or tmpfs", A },
	{ "no target", MOUNT("{type: tmpfs}"), AT "the target (the path in the container) is missing", A },
	{ "no source", MOUNT("{type: bind, target: /t, source: ''}"), AT "a bind mount needs a source", A },
	{ "a number", MOUNT("1"), AT "must be a volume: \"SOURCE:TARGET\" or a mapping, not a number", A },
};
#undef AT

TEST(volumes_have_short_and_long_forms)
{
	check_rows(mount_rows, ARRAY_LEN(mount_rows), mounts);
}

static const struct row errors[] = {
	{ "no such file", { { 0 } }, "open a.yml: No such file or directory", A },
	{ "an empty file", { { "a.yml", "" } }, "a.yml: the file is empty", A },
	{ "not a mapping", { { "a.yml", "[1]" } }, "a.yml:1:1: a Compose file is a mapping with 'services'", A },
	{ "no services", { { "a.yml", "volumes: {}" } }, "{}", A },
	{ "services of nothing", { { "a.yml", "services:" } }, "a.yml:1:10: services: must not be empty; leave it out", A },
	{ "a service of nothing", { { "a.yml", "services:\n  s:" } }, "a.yml:2:5: services.s: must be a mapping, not nothing", A },
	{ "a typo", ONE("    comand: x\n"), "a.yml:4:13: services.s.comand: unknown attribute 'comand'; did you mean 'command'?", A },
	{ "nothing near", ONE("    frobnicate: x\n"), "a.yml:4:17: services.s.frobnicate: unknown attribute 'frobnicate'", A },
	{ "a typo at the top", { { "a.yml", "service: {}" } }, "a.yml:1:1: service: unknown attribute 'service'; did you mean 'services'?", A },
	{ "all errors at once", { { "a.yml", "services:\n  s: {imag: x}\n  t: {tty: 5}\n" }, { "b.yml", "services: {u: {image: $x, cpus: x}}" } },
	  "a.yml:2:13: services.s.imag: unknown attribute 'imag'; did you mean 'image'?\n"
	  "a.yml:3:12: services.t.tty: must be true or false, not a number\n"
	  "b.yml:1:33: services.u.cpus: 'x' is not a number", A_B },
	{ "no image", { { "a.yml", "services:\n  s: {tty: true}" } }, "a.yml:2:3: services.s: the image is missing", A },
	{ "a user must be quoted", ONE("    user: 1000\n"), "a.yml:4:11: services.s.user: must be a string, not a number", A },
	{ "a duration needs a unit", ONE("    stop_grace_period: 10\n"),
	  "a.yml:4:24: services.s.stop_grace_period: must be a string with a unit, \"10s\" for seconds", A },
	{ "a size", ONE("    mem_limit: 12q\n"), "a.yml:4:16: services.s.mem_limit: '12q' has an unknown unit; there are b, k, m, g, t and p", A },
	{ "a probe", ONE("    healthcheck: {test: [curl]}\n"), "a.yml:4:26: services.s.healthcheck.test[0]: must be NONE, CMD or CMD-SHELL", A },
	{ "half a ulimit", ONE("    ulimits: {nofile: {soft: 1}}\n"), "a.yml:4:15: services.s.ulimits.nofile: both soft and hard are needed", A },
	{ "a variable that is required", ONE("    user: ${U:?who}\n"), "a.yml:4:11: services.s.user: required variable U is missing a value: who", A },
	{ "an invalid one, also in x-", { { "a.yml", "x-a: ${\nservices: {s: {image: i}}" } },
	  "a.yml:1:6: x-a: invalid interpolation format; a literal $ is written $$", A },
	{ "an undeclared network", ONE("    networks: [n]\n"),
	  "a.yml:4:16: services.s.networks.n: 'n' is not declared under 'networks'", A },
	{ "a host without address", ONE("    extra_hosts: [h]\n"), "a.yml:4:19: services.s.extra_hosts[0]: 'h' is not HOST=ADDRESS", A },
};

TEST(errors_name_file_line_column_and_path)
{
	check_rows(errors, ARRAY_LEN(errors), printed);
}

static char *depends(const struct compose_project *p)
{
	static const char *const conditions[] = { "started", "healthy", "completed" };
	auto_strv char **v = NULL;

	for (size_t i = 0; i < p->services[0].depends_on.n; i++) {
		const struct compose_depend *d = &p->services[0].depends_on.items[i];

		strv_add(&v, mem_printf("%s %s%s%s", d->service, conditions[d->condition], d->restart ? " restart" : "",
					d->required ? "" : " optional"));
	}
	return strv_join(v, ", ");
}

#define DEPENDS(d) ONE("    depends_on: " d "\n  t: {image: i}\n  u: {image: i, profiles: [x]}\n")
static const struct row depend_rows[] = {
	{ "a list", DEPENDS("[t]"), "t started", A },
	{ "conditions", DEPENDS("{t: {condition: service_healthy, restart: true}}"), "t healthy restart", A },
	{ "completed", DEPENDS("{t: {condition: service_completed_successfully}}"), "t completed", A },
	{ "optional and not there", DEPENDS("{u: {condition: service_started, required: false}}"), "u started optional", A },
	{ "not there", DEPENDS("[v]"), "a.yml:4:18: services.s.depends_on.v: there is no service 'v'", A },
	{ "disabled", DEPENDS("[u]"),
	  "a.yml:4:18: services.s.depends_on.u: service 'u' is not enabled: its profiles are off", A },
	{ "no condition", DEPENDS("{t: {restart: true}}"), "a.yml:4:18: services.s.depends_on.t: the condition is missing", A },
	{ "an unknown condition", DEPENDS("{t: {condition: up}}"),
	  "a.yml:4:33: services.s.depends_on.t.condition: 'up' is not a condition; there are service_started, service_healthy and service_completed_successfully", A },
	{ "itself", DEPENDS("[s]"), "a.yml:2:3: services.s: the dependencies go in a circle: s -> s", A },
	{ "a circle", { { "a.yml", "services:\n  s: {image: i, depends_on: [t]}\n  t: {image: i, depends_on: [u]}\n  u: {image: i, depends_on: [t]}\n" } },
	  "a.yml:3:3: services.t: the dependencies go in a circle: s -> t -> u -> t", A },
};

TEST(dependencies_have_conditions_and_no_circles)
{
	check_rows(depend_rows, ARRAY_LEN(depend_rows), depends);
}

#define SELECT { { "a.yml", "services:\n  a: {image: i, depends_on: [b]}\n  b: {image: i}\n" \
	"  c: {image: i, profiles: [x, y]}\n  d: {image: i, profiles: [z], depends_on: [c]}\n" } }
static const struct row selections[] = {
	{ "all without profiles", SELECT, "p: a b", A },
	{ "a profile", SELECT, "p: a b c", A, .profiles = { "y" } },
	{ "all profiles", SELECT, "p: a b c d", A, .profiles = { "*" } },
	{ "a profile does not bring those of others", SELECT,
	  "a.yml:5:45: services.d.depends_on.c: service 'c' is not enabled: its profiles are off", A, .profiles = { "z" } },
	{ "one and what it depends on", SELECT, "p: a b", A, .services = { "a" } },
	{ "only what is chosen", SELECT, "p: b", A, .services = { "b" } },
	{ "a chosen one needs no profile", SELECT, "p: c", A, .services = { "c" } },
	{ "an unknown one", SELECT, "no such service: x", A, .services = { "x", "a" } },
};

TEST(profiles_and_names_select_services)
{
	check_rows(selections, ARRAY_LEN(selections), names);
}

#define S "services: {s: {image: i}}"
static const struct row name_rows[] = {
	{ "of the directory", { { "My_Proj.1/a.yml", S } }, "my_proj1: s", .use = { "My_Proj.1/a.yml" } },
	{ "of --project-directory", { { "a.yml", S } }, "x-y: s", .use = { "a.yml" }, .dir = "/any/_X-Y" },
	{ "of the file, made to fit", { { "a.yml", "name: A b!\n" S } }, "ab: s", .use = { "a.yml" } },
	{ "the last file that has one", { { "a.yml", "name: one\n" S }, { "b.yml", "name: two\n" S } }, "two: s", .use = { "a.yml", "b.yml" } },
	{ "with variables", { { "a.yml", "name: n${N}\n" S } }, "n1: s", .use = { "a.yml" }, .env = { "N=1" } },
	{ "the environment goes over the file", { { "a.yml", "name: a\n" S } }, "e: s", .use = { "a.yml" }, .env = { "COMPOSE_PROJECT_NAME=e" } },
	{ "so does .env", { { "a.yml", "name: a\n" S }, { ".env", "COMPOSE_PROJECT_NAME=d" } }, "d: s", .use = { "a.yml" } },
	{ "-p over all", { { "a.yml", "name: a\n" S } }, "p: s", .use = { "a.yml" }, .name = "p", .env = { "COMPOSE_PROJECT_NAME=e" } },
	{ "-p is taken as it is or not", { { "a.yml", S } },
	  "project name 'P' must be lower-case letters, digits, _ and -, and begin with a letter or digit", .use = { "a.yml" }, .name = "P" },
	{ "nothing left", { { "a.yml", S } }, "no project name can be made of '/__'; give one with -p", .use = { "a.yml" }, .dir = "/__" },
	{ "the root directory", { { "a.yml", S } }, "no project name can be made of '/'; give one with -p", .use = { "a.yml" }, .dir = "/" },
};

TEST(a_project_has_a_name)
{
	check_rows(name_rows, ARRAY_LEN(name_rows), names);
}

TEST(a_name_is_no_path)
{
	static const char *const bad[] = { "", ".", "..", "../x", "a/b", "a.b", "A", "-a", "_a", "a b" };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		auto_err struct err *e = compose_name_check(bad[i]);

		CHECK(e);
	}
	auto_err struct err *good = compose_name_check("0a_b-c");

	CHECK(!good);
}

static char *environment(const struct compose_project *p)
{
	return strv_join(p->services[0].environment, " ");
}

#define ENV(e) { "a.yml", "services:\n  s:\n    image: i\n" e }
static const struct row env_rows[] = {
	{ "values as YAML has them", { ENV("    environment: {A: 1.50, B: yes, C: 'x y', D: 010, E: true}\n") }, "A=1.5 B=yes C=x y D=8 E=true", A },
	{ "a name alone is the environment's", { ENV("    environment: [A, B, C=]\n") }, "A=1 C=", A, .env = { "A=1" } },
	{ "files, then the service's own", { ENV("    env_file: [one, two]\n    environment: [C=4]\n"), { "one", "A=1\nB=2\nC=3\n" }, { "two", "B=$X\n" } },
	  "A=1 B=x C=4", .use = { "a.yml" }, .env = { "X=x" } },
	{ "a file alone, in a directory", { { "d/a.yml", "services: {s: {image: i, env_file: ./e}}" }, { "d/e", "A=1" } }, "A=1", .use = { "d/a.yml" } },
	{ "one that may be missing", { ENV("    env_file: [{path: no, required: false}]\n    environment: {A: 1}\n") }, "A=1", .use = { "a.yml" } },
	{ "one that may not", { ENV("    env_file: no\n") }, "a.yml:4:15: services.s.env_file[0].path: open /p/no: No such file or directory", A },
	{ "no path", { ENV("    env_file: [{required: false}]\n") }, "a.yml:4:16: services.s.env_file[0]: the path is missing", A },
	{ ".env fills variables only", { ENV("    environment: [A=$A-$B]\n"), { ".env", "A=1\nB=2\nC=3\n" } }, "A=9-2", .use = { "a.yml" }, .env = { "A=9" } },
	{ ".env of the file's directory", { { "d/a.yml", "services: {s: {image: i, environment: [A=$A]}}" }, { "d/.env", "A=1" }, { ".env", "A=2" } }, "A=1", .use = { "d/a.yml" } },
	{ "other files in its place, the later wins", { ENV("    environment: [A=$A, B=$B, C=$C]\n"), { ".env", "C=0" }, { "e", "A=1\nB=1" }, { "f", "B=2" } },
	  "A=1 B=2 C=", .use = { "a.yml" }, .env_files = { "e", "f" } },
	{ "a missing one", { ENV("") }, "env file: open e: No such file or directory", A, .env_files = { "e" } },
};

TEST(variables_come_from_many_places)
{
	check_rows(env_rows, ARRAY_LEN(env_rows), environment);
}

static char *warnings(const struct compose_project *p)
{
	return strv_join(p->warnings, "\n");
}

static const struct row warning_rows[] = {
	{ "an obsolete version, what is ignored, what is not set",
	  { { "a.yml", "version: '3.8'\nservices:\n  s: {image: \"i$U$U\", develop: {watch: []}}\n" } },
	  "a.yml:1:10: version: the attribute is obsolete and ignored\n"
	  "the variable U is not set; it becomes an empty string", A },
};

/* A file of another directory, and one that takes "extends" back. */
TEST(paths_can_stay_as_they_are)
{
	const char *const files[] = { "a.yml", NULL };
	struct compose_options o = { .files = (char *const *)files, .name = "p", .no_paths = true };
	auto_compose struct compose_project *p = NULL;

	CHECK(chdir(check_dir()) == 0);
	check_file("a.yml", "services:\n  s: {extends: {service: t, file: sub/b.yml}, volumes: [./v:/v, /w:/w]}\n"
			    "  r: {image: i, extends: !reset {service: nobody}}\n");
	check_file("sub/b.yml", "services: {t: {image: i, env_file: ./e, volumes: ['./x:/x', ../y:/y]}}");
	check_file("sub/e", "A=1");
	auto_err struct err *e = compose_load(&o, &p);

	CHECK_STR(err_text(e), "success");
	const struct compose_service *s = compose_find(p, "s");

	CHECK_STR(s->volumes.items[0].source, "sub/x");
	CHECK_STR(s->volumes.items[1].source, "y");
	CHECK_STR(s->volumes.items[2].source, "./v");
	CHECK_STR(s->volumes.items[3].source, "/w");
	CHECK_STR(s->environment[0], "A=1");
	CHECK_STR(compose_find(p, "r")->image, "i");
}

TEST(what_is_ignored_is_told)
{
	check_rows(warning_rows, ARRAY_LEN(warning_rows), warnings);
}

static const struct row lookups[] = {
	{ "the first name", { { "compose.yaml", S }, { "docker-compose.yml", "x" } }, "", .use = { NULL } },
	{ "an old name", { { "docker-compose.yaml", S } }, "", .use = { NULL } },
};

/* Also the directories above are looked in. */
TEST(files_are_found_from_below)
{
	for (size_t i = 0; i < ARRAY_LEN(lookups); i++) {
		auto_compose struct compose_project *p = NULL;
		auto_free char *dir = mem_printf("%s/%zu/sub", check_dir(), i), *marker = mem_printf("%s/x", dir);

		check_why(lookups[i].why);
		check_file(marker, "");
		CHECK(chdir(dir) == 0 && chdir("..") == 0);
		for (const struct file *f = lookups[i].files; f->path; f++)
			check_file(f->path, f->text);
		CHECK(chdir("sub") == 0);
		struct compose_options o = { .name = "p" };
		auto_err struct err *e = compose_load(&o, &p);

		CHECK_STR(err_text(e), "success");
		CHECK_INT(p->n_services, 1);
	}
}
/* clang-format on */

TEST(the_model_holds_what_the_file_says)
{
	static const struct row r = {
		"",
		ONE("    command: sh -c 'a b'\n    entrypoint: []\n    cpus: 1.5\n    mem_limit: "
		    "1g\n"
		    "    stop_grace_period: 1m\n    labels: {a: 1, b: }\n    pids_limit: -1\n    "
		    "restart: no\n"
		    "    ulimits: {nofile: {soft: 1, hard: -1}, core: 0}\n    extra_hosts: {h: "
		    "'[::1]'}\n"
		    "    tmpfs: /run\n    healthcheck: {test: 'x', interval: 1.5s, disable: yes}\n"
		    "    volumes: [vv:/v, ww:/w, xx:/x]\n"
		    "volumes: {vv: {}, ww: {external: true}, xx: {name: y}, unused: }\n"),
		"", A
	};
	auto_compose struct compose_project *p = NULL;
	auto_err struct err *e = NULL;

	CHECK(chdir(check_dir()) == 0);
	e = load(&r, &p);
	CHECK_STR(err_text(e), "success");
	const struct compose_service *s = compose_find(p, "s");

	CHECK(s && !compose_find(p, "t"));
	CHECK_STR(s->command.v[2], "a b");
	CHECK(s->entrypoint.set && !s->entrypoint.v);
	CHECK_INT(s->cpus.value, 1500000000);
	CHECK_INT(s->mem_limit.value, 1 << 30);
	CHECK(!s->memswap_limit.set);
	CHECK_INT(s->stop_grace_period.value, 60000);
	CHECK_STR(s->labels[1], "b=");
	CHECK_INT(s->pids_limit.value, -1);
	CHECK_STR(s->restart, "no");
	CHECK_INT(s->ulimits.n, 2);
	CHECK_INT(s->ulimits.items[0].hard.value, -1);
	CHECK_STR(s->extra_hosts[0], "h=::1");
	CHECK_STR(s->tmpfs[0], "/run");
	CHECK_STR(s->healthcheck.test.v[0], "CMD-SHELL");
	CHECK_INT(s->healthcheck.interval.value, 1500);
	CHECK(s->healthcheck.disable);
	CHECK_STR(p->volumes.items[0].name, "p_vv");
	CHECK_STR(p->volumes.items[1].name, "ww");
	CHECK_STR(p->volumes.items[2].name, "y");
	CHECK_INT((int64_t)p->volumes.n, 3);
	CHECK_STR(p->dir, "/p");
}

TEST(a_command_of_null_is_the_images)
{
	static const struct row r = { "", ONE("    command: ~\n"), "", A };
	auto_compose struct compose_project *p = NULL;

	CHECK(chdir(check_dir()) == 0);
	CHECK(!load(&r, &p));
	CHECK(!p->services[0].command.set);
}

TEST(a_chain_of_dependencies_has_an_end)
{
	const char *const files[] = { "a.yml", NULL };
	struct compose_options o = { .files = (char *const *)files, .name = "p" };
	auto_compose struct compose_project *p = NULL;
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	CHECK(chdir(check_dir()) == 0);
	fputs("services:\n  s0: {image: i}\n", out);
	for (int i = 2000; i > 0; i--)
		fprintf(out, "  s%d: {image: i, depends_on: [s%d]}\n", i, i - 1);
	fclose(out);
	check_file("a.yml", text);
	free(text);
	auto_err struct err *e = compose_load(&o, &p);

	CHECK_STR(err_text(e),
		  "a.yml:1003:3: services.s1000: a chain of more than 1000 dependencies");
}
