/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/seccomp.c - profiles to filters: libseccomp knows the system calls, the result is kept. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "runtime/internal.h"
#include "runtime/seccomp_table.h"

enum { JSON_MAX = 4 << 20, CACHE_MAX = 1 << 20, CACHE_VERSION = 3 };

void runtime_filter_clear(struct runtime_filter *f)
{
	free(f->code);
	*f = (struct runtime_filter) { 0 };
}

/* ---- the cache: a file named by a hash, holding the key in full ---- */

static char *cache_name(const char *key, size_t len)
{
	return mem_printf("seccomp-%d-%016llx", CACHE_VERSION,
			  (unsigned long long)str_hash(key, len));
}

/* The key, the instructions, and a hash of both: what a power cut left is not loaded. */
static bool cache_load(int cache, const char *key, size_t len, struct runtime_filter *ret)
{
	auto_free char *name = cache_name(key, len);
	auto_free char *data = NULL;
	auto_fd int fd = cache >= 0 ? openat(cache, name, O_RDONLY | O_CLOEXEC) : -1;
	size_t size = 0;
	uint64_t hash;

	if (fd < 0)
		return false;
	auto_err struct err *e = fd_read_all(fd, CACHE_MAX + JSON_MAX, &data, &size);

	if (e || size <= len + sizeof(hash) || memcmp(data, key, len) != 0)
		return false;
	size -= sizeof(hash);
	memcpy(&hash, data + size, sizeof(hash));
	if (hash != str_hash(data, size) || (size - len) % sizeof(*ret->code) != 0 ||
	    (size - len) / sizeof(*ret->code) > BPF_MAXINSNS)
		return false;
	ret->n = (unsigned short)((size - len) / sizeof(*ret->code));
	ret->code = mem_dup(data + len, size - len);
	return true;
}

/* A cache that cannot be written costs time, nothing else. */
static void cache_store(int cache, const char *key, size_t len, const struct runtime_filter *f)
{
	auto_free char *name = cache_name(key, len);
	auto_free char *aside = mem_printf("%s.%d~", name, getpid());
	auto_fd int fd =
		cache >= 0 ? openat(cache, aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)
			   : -1;

	if (fd < 0)
		return;
	size_t code = f->n * sizeof(*f->code), size = len + code + sizeof(uint64_t);
	auto_free char *data = mem_alloc(size);

	memcpy(data, key, len);
	memcpy(data + len, f->code, code);
	memcpy(data + len + code, &(uint64_t) { str_hash(data, len + code) }, sizeof(uint64_t));
	struct err *e = fd_write_all(fd, data, size);

	if (!e && renameat(cache, aside, cache, name) < 0)
		e = err_errno("rename");
	if (e)
		(void)unlinkat(cache, aside, 0);
	err_ignore(e);
}

/* ---- libseccomp ---- */

static struct err *failed(int rc, const char *what)
{
	return err_new(-rc, "seccomp: %s: %s", what, strerror(-rc));
}

static struct err *add_arch(scmp_filter_ctx ctx, uint32_t arch)
{
	int rc = seccomp_arch_add(ctx, arch);

	return rc < 0 && rc != -EEXIST ? failed(rc, "add an architecture") : NULL;
}

/* The 32-bit system calls of a 64-bit machine are filtered by the same rules. */
static struct err *add_compat(scmp_filter_ctx ctx)
{
#if defined(__x86_64__)
	return add_arch(ctx, SCMP_ARCH_X86);
#else
	return add_arch(ctx, SCMP_ARCH_ARM);
#endif
}

static struct err *add_rule(scmp_filter_ctx ctx, uint32_t action, const char *name,
			    const struct scmp_arg_cmp *args, unsigned n)
{
	int nr = seccomp_syscall_resolve_name(name);

	if (nr == __NR_SCMP_ERROR)
		return NULL; /* of another architecture, or newer than this library */
	int rc = seccomp_rule_add_array(ctx, action, nr, n, args);

	/* EACCES: the same as the default action; EDOM: not on one of the architectures */
	if (rc < 0 && rc != -EACCES && rc != -EDOM && rc != -EEXIST)
		return failed(rc, name);
	return NULL;
}

static struct err *export(scmp_filter_ctx ctx, struct runtime_filter *ret)
{
	auto_fd int fd = memfd_create("filter", MFD_CLOEXEC);
	auto_free char *data = NULL;
	size_t len = 0;
	int rc = fd < 0 ? -errno : seccomp_export_bpf(ctx, fd);

	if (rc < 0)
		return failed(rc, "export the filter");
	(void)lseek(fd, 0, SEEK_SET);
	TRY(fd_read_all(fd, CACHE_MAX, &data, &len));
	ret->n = (unsigned short)(len / sizeof(*ret->code));
	ret->code = (struct sock_filter *)(void *)steal(&data);
	return NULL;
}

/* ---- the default profile ---- */

static bool held(uint64_t caps, int cap)
{
	return cap < 0 || caps >> cap & 1;
}

static bool for_this_machine(const char *arch, unsigned minkernel)
{
	struct utsname u;
	unsigned major = 0, minor = 0;

	uname(&u);
	if (arch &&
	    (*arch == '!' ? strcmp(arch + 1, u.machine) == 0 : strcmp(arch, u.machine) != 0))
		return false;
	char *end = NULL;

	major = (unsigned)strtoul(u.release, &end, 10);
	minor = end && *end == '.' ? (unsigned)strtoul(end + 1, NULL, 10) : 0;
	return (major << 8 | minor) >= minkernel;
}

static struct err *add_default_args(scmp_filter_ctx ctx, uint64_t caps)
{
	static const enum scmp_compare ops[] = { [ARG_EQ] = SCMP_CMP_EQ,
						 [ARG_NE] = SCMP_CMP_NE,
						 [ARG_LT] = SCMP_CMP_LT,
						 [ARG_MASKED_EQ] = SCMP_CMP_MASKED_EQ };

	for (size_t i = 0; i < ARRAY_LEN(arg_rules); i++) {
		const struct profile_arg *r = &arg_rules[i];
		bool masked = r->op == ARG_MASKED_EQ;
		struct scmp_arg_cmp c = { r->arg, ops[r->op], masked ? r->mask : r->value,
					  masked ? r->value : 0 };

		if (!held(caps, r->cap) || (r->cap_absent >= 0 && held(caps, r->cap_absent)) ||
		    !for_this_machine(r->arch, 0))
			continue;
		TRY(add_rule(ctx, SCMP_ACT_ALLOW, r->name, &c, 1));
	}
	return NULL;
}

static struct err *add_defaults(scmp_filter_ctx ctx, uint64_t caps)
{
	/*
	 * x32 is a third of Docker's filter, costs each start a third of its loading, and is
	 * compiled in or turned on by few kernels: here it is not there, whatever the kernel has.
	 */
	int rc = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));

	if (rc < 0)
		return failed(rc, "set what is not known");
	TRY(add_compat(ctx));
	for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
		auto_strv char **names = str_split(groups[i].names, " ");

		if (!held(caps, groups[i].cap) ||
		    !for_this_machine(groups[i].arch, groups[i].minkernel))
			continue;
		for (char **n = names; n && *n; n++)
			TRY(add_rule(ctx, SCMP_ACT_ALLOW, *n, NULL, 0));
	}
	TRY(add_default_args(ctx, caps));
	for (size_t i = 0; i < ARRAY_LEN(errno_rules); i++)
		if (!held(caps, errno_rules[i].cap_absent))
			TRY(add_rule(ctx, SCMP_ACT_ERRNO((uint32_t)errno_rules[i].err),
				     errno_rules[i].name, NULL, 0));
	return NULL;
}

typedef struct err *rules_fn(scmp_filter_ctx ctx, uint64_t caps, const json_t *profile);

/* From rules to a tree, once. */
static struct err *compile(uint32_t action, rules_fn *add, uint64_t caps, const json_t *profile,
			   struct runtime_filter *ret)
{
	scmp_filter_ctx ctx = seccomp_init(action);
	struct runtime_filter linear = { 0 };

	if (!ctx)
		return err_new(ENOMEM, "seccomp: cannot make a filter");
	struct err *e = add(ctx, caps, profile);

	if (!e)
		e = export(ctx, &linear);
	seccomp_release(ctx);
	if (!e)
		e = bpf_range_tree(&linear, action == SCMP_ACT_ERRNO(EPERM), ret);
	runtime_filter_clear(&linear);
	return e;
}

static struct err *default_rules(scmp_filter_ctx ctx, uint64_t caps, const json_t *profile)
{
	(void)profile;
	return add_defaults(ctx, caps);
}

struct err *runtime_seccomp_default(uint64_t caps, int cache, struct runtime_filter *ret)
{
	const struct scmp_version *v = seccomp_version();
	auto_free char *key =
		mem_printf("slipway %s default caps=%llx libseccomp=%u.%u.%u\n", SLIPWAY_VERSION,
			   (unsigned long long)caps, v->major, v->minor, v->micro);

	if (cache_load(cache, key, strlen(key), ret))
		return NULL;
	TRY(compile(SCMP_ACT_ERRNO(EPERM), default_rules, caps, NULL, ret));
	cache_store(cache, key, strlen(key), ret);
	return NULL;
}

/* ---- profiles in JSON ---- */

static const struct {
	const char *name;
	uint32_t action;
	bool takes_errno;
} actions[] = {
	{ "SCMP_ACT_ALLOW", SCMP_ACT_ALLOW, false },
	{ "SCMP_ACT_ERRNO", SCMP_ACT_ERRNO(EPERM), true },
	{ "SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD, false },
	{ "SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD, false },
	{ "SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS, false },
	{ "SCMP_ACT_TRAP", SCMP_ACT_TRAP, false },
	{ "SCMP_ACT_TRACE", SCMP_ACT_TRACE(EPERM), true },
	{ "SCMP_ACT_LOG", SCMP_ACT_LOG, false },
};

static struct err *parse_action(const char *name, int64_t number, uint32_t *ret)
{
	for (size_t i = 0; name && i < ARRAY_LEN(actions); i++) {
		if (strcmp(name, actions[i].name) != 0)
			continue;
		*ret = actions[i].action;
		if (actions[i].takes_errno && number >= 0)
			*ret = (*ret & 0xffff0000U) | ((uint32_t)number & 0xffffU);
		return NULL;
	}
	return err_new(EINVAL, "seccomp: the action '%s' is not supported", name ? name : "");
}

static const struct {
	const char *name;
	enum scmp_compare op;
} compares[] = {
	{ "SCMP_CMP_NE", SCMP_CMP_NE },
	{ "SCMP_CMP_LT", SCMP_CMP_LT },
	{ "SCMP_CMP_LE", SCMP_CMP_LE },
	{ "SCMP_CMP_EQ", SCMP_CMP_EQ },
	{ "SCMP_CMP_GE", SCMP_CMP_GE },
	{ "SCMP_CMP_GT", SCMP_CMP_GT },
	{ "SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ },
};

static struct err *parse_arg(const json_t *j, struct scmp_arg_cmp *ret)
{
	int64_t index = -1, value = 0, second = 0;
	const char *op = "";

	TRY(json_get_int(j, "index", &index));
	TRY(json_get_int(j, "value", &value));
	TRY(json_get_int(j, "valueTwo", &second));
	TRY(json_get_str(j, "op", &op));
	if (index < 0 || index > 5)
		return err_new(EINVAL, "seccomp: an argument's index must be 0 to 5");
	for (size_t i = 0; i < ARRAY_LEN(compares); i++)
		if (strcmp(op, compares[i].name) == 0) {
			*ret = (struct scmp_arg_cmp) { (unsigned)index, compares[i].op,
						       (uint64_t)value, (uint64_t)second };
			return NULL;
		}
	return err_new(EINVAL, "seccomp: the comparison '%s' is not known", op);
}

/* Docker's "includes" (all must hold) and "excludes" (@any does), by capability, architecture and kernel. */
static struct err *condition_holds(const json_t *j, uint64_t caps, bool any, bool *ret)
{
	auto_strv char **names = NULL, **archs = NULL;
	const char *kernel = NULL;
	struct utsname u;

	uname(&u);
	*ret = !any;
	TRY(json_get_strv(j, "caps", &names));
	TRY(json_get_strv(j, "arches", &archs));
	TRY(json_get_str(j, "minKernel", &kernel));
	for (char **n = names; n && *n; n++) {
		uint64_t bit = 0;

		TRY(runtime_cap_parse(*n, &bit));
		*ret = any ? *ret || (caps & bit) : *ret && (caps & bit);
	}
	if (archs) {
		bool ours = strv_has(archs, u.machine) ||
			    (strcmp(u.machine, "x86_64") == 0 && strv_has(archs, "amd64")) ||
			    (strcmp(u.machine, "aarch64") == 0 && strv_has(archs, "arm64"));

		*ret = any ? *ret || ours : *ret && ours;
	}
	if (kernel) {
		char *end = NULL;
		unsigned major = (unsigned)strtoul(kernel, &end, 10);
		unsigned minor = *end == '.' ? (unsigned)strtoul(end + 1, NULL, 10) : 0;

		bool new_enough = for_this_machine(NULL, major << 8 | minor);

		*ret = any ? *ret || new_enough : *ret && new_enough;
	}
	return NULL;
}

static struct err *json_applies(const json_t *rule, uint64_t caps, bool *ret)
{
	const json_t *includes = json_at(rule, "includes"), *excludes = json_at(rule, "excludes");
	bool holds = true;

	*ret = true;
	if (includes && json_object_size(includes)) {
		TRY(condition_holds(includes, caps, false, &holds));
		*ret &= holds;
	}
	if (excludes && json_object_size(excludes)) {
		TRY(condition_holds(excludes, caps, true, &holds));
		*ret &= !holds;
	}
	return NULL;
}

static struct err *json_rule(scmp_filter_ctx ctx, uint64_t caps, const json_t *rule)
{
	struct scmp_arg_cmp args[6];
	auto_strv char **names = NULL;
	json_t *list = NULL;
	const char *action_name = NULL, *single = NULL;
	int64_t number = -1;
	uint32_t action = 0;
	bool applies = true, repeated = false;

	TRY(json_applies(rule, caps, &applies));
	if (!applies)
		return NULL;
	TRY(json_get_strv(rule, "names", &names));
	TRY(json_get_str(rule, "name", &single));
	if (single)
		strv_add(&names, mem_strdup(single));
	TRY(json_get_str(rule, "action", &action_name));
	TRY(json_get_int(rule, "errnoRet", &number));
	TRY(parse_action(action_name, number, &action));
	TRY(json_get_list(rule, "args", &list));
	size_t n = json_array_size(list);

	if (n > ARRAY_LEN(args))
		return err_new(EINVAL, "seccomp: more than 6 argument conditions");
	for (size_t i = 0; i < n; i++) {
		TRY(parse_arg(json_array_get(list, i), &args[i]));
		for (size_t k = 0; k < i; k++)
			repeated |= args[k].arg == args[i].arg;
	}
	for (char **name = names; name && *name; name++) {
		if (!repeated)
			TRY(add_rule(ctx, action, *name, args, (unsigned)n));
		/* two conditions on one argument mean "or": the library only knows "and" */
		for (size_t i = 0; repeated && i < n; i++)
			TRY(add_rule(ctx, action, *name, &args[i], 1));
	}
	return NULL;
}

/* Docker's profile names what belongs to this machine ("archMap"), the OCI's all it wants. */
static struct err *json_arches(scmp_filter_ctx ctx, const json_t *profile)
{
	auto_strv char **names = NULL;

	if (json_at(profile, "archMap")) {
#if defined(__x86_64__)
		TRY(add_arch(ctx, SCMP_ARCH_X32));
#endif
		return add_compat(ctx);
	}
	TRY(json_get_strv(profile, "architectures", &names));
	for (char **n = names; n && *n; n++) {
		auto_free char *low = mem_strdup(str_starts(*n, "SCMP_ARCH_") ? *n + 10 : *n);

		for (char *p = low; *p; p++)
			*p = (char)tolower((unsigned char)*p);
		uint32_t arch = seccomp_arch_resolve_name(low);
		int rc = arch ? seccomp_arch_add(ctx, arch) : 0; /* of another machine: no harm */

		if (rc < 0 && rc != -EEXIST && rc != -EDOM)
			return failed(rc, *n);
	}
	return NULL;
}

static struct err *json_rules(scmp_filter_ctx ctx, uint64_t caps, const json_t *profile)
{
	json_t *rules = NULL;

	TRY(json_arches(ctx, profile));
	TRY(json_get_list(profile, "syscalls", &rules));
	for (size_t i = 0; i < json_array_size(rules); i++)
		TRY(err_wrap(json_rule(ctx, caps, json_array_get(rules, i)), "syscalls[%zu]", i));
	return NULL;
}

struct err *runtime_seccomp_json(const char *json, size_t len, uint64_t caps, int cache,
				 struct runtime_filter *ret)
{
	auto_json json_t *profile = NULL;
	const char *name = NULL;
	int64_t number = -1;
	uint32_t action = 0;
	auto_free char *key = mem_printf("slipway %s json caps=%llx\n%.*s", SLIPWAY_VERSION,
					 (unsigned long long)caps, (int)len, json);

	if (cache_load(cache, key, strlen(key), ret))
		return NULL;
	TRY(json_parse(json, len, JSON_MAX, &profile));
	TRY(json_get_str(profile, "defaultAction", &name));
	TRY(json_get_int(profile, "defaultErrnoRet", &number));
	TRY(parse_action(name, number, &action));
	TRY(compile(action, json_rules, caps, profile, ret));
	cache_store(cache, key, strlen(key), ret);
	return NULL;
}
