/* SPDX-License-Identifier: Apache-2.0 */
/* cli/resume.c - the pods that should run and do not, after a reboot or a supervisor's death; and before one. */
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"

struct resume_values {
	bool stay;
};
const struct opt resume_options[] = {
	{ 0, "stay", OPT_FLAG, NULL, offsetof(struct resume_values, stay),
	  "stay until SIGTERM, then suspend the pods: for slipway.service" },
	{ 0 },
};

/* Whatever signals we have blocked: it has none. */
static struct err *start_self(char *const *argv, pid_t *ret)
{
	posix_spawnattr_t attr;
	sigset_t none;

	sigemptyset(&none);
	errno = posix_spawnattr_init(&attr);
	if (errno)
		return err_errno("start slipway");
	(void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	(void)posix_spawnattr_setsigmask(&attr, &none);
	errno = posix_spawn(ret, "/proc/self/exe", NULL, &attr, argv, environ);
	struct err *e = errno ? err_errno("start slipway") : NULL;

	(void)posix_spawnattr_destroy(&attr);
	return e;
}

/* Whatever it has to say it has said itself; when it failed, the error is that @name @failure. */
static struct err *wait_self(pid_t pid, const char *failure, const char *name)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_errno("wait for slipway");
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return err_new(EIO, "pod %s %s", name, failure);
	return NULL;
}

/* 'up' is a process of its own for each, which becomes nothing of the others. */
static struct err *bring_back(const struct cli *c, const struct pod_record *r)
{
	char *const argv[] = { (char *)(uintptr_t) "slipway",
			       (char *)(uintptr_t) "-f",
			       r->file,
			       (char *)(uintptr_t) "-p",
			       r->name,
			       (char *)(uintptr_t) "--project-directory",
			       r->dir,
			       (char *)(uintptr_t) "--profile",
			       (char *)(uintptr_t) "*",
			       (char *)(uintptr_t) "up",
			       (char *)(uintptr_t) "-d",
			       NULL };
	pid_t pid = 0;

	notify("STATUS=starting pod %s", r->name);
	TRY(start_self(argv, &pid));
	TRY(wait_self(pid, "does not come back", r->name));
	cli_say(c, " Pod %s  Resumed", r->name);
	return NULL;
}

/* ---- suspend: the other way ---- */

/* Whether the pod lives below the group that this slipway's pods live below: else somebody else stops it. */
static bool is_ours(const struct cli *c, const struct pod_state *s)
{
	auto_free char *below = mem_printf("%s/", c->host->cgroup_parent);
	const char *group = json_string_value(json_at(s->json, "cgroup"));

	return s->alive && group && str_starts(group, below);
}

static struct err *suspend_named(const struct cli *c, char **names)
{
	struct err *errors = NULL;

	for (; *names; names++) {
		struct err *e = pod_ask(c->host, *names, "suspend", NULL, NULL);

		if (err_code(e) == ENOENT) { /* it has ended by itself, or never was */
			log_warn("%s", err_text(e));
			err_free(e);
			continue;
		}
		if (!e)
			cli_say(c, " Pod %s  Suspended", *names);
		errors = err_join(errors, e);
	}
	return errors;
}

/* All at once: each takes as long as its services take to stop. */
static struct err *suspend_all(const struct cli *c)
{
	struct pod_state **pods = NULL;
	struct err *errors = NULL;
	size_t n = 0;

	TRY(pod_state_list(c->host, &pods, &n));
	auto_free pid_t *pids = mem_alloc((n + 1) * sizeof(pid_t));

	for (size_t i = 0; i < n; i++) {
		char *argv[] = { (char *)(uintptr_t) "slipway", (char *)(uintptr_t) "suspend",
				 (char *)(uintptr_t) "--", pods[i]->name, NULL };

		if (is_ours(c, pods[i]))
			errors = err_join(errors, start_self(argv, &pids[i]));
	}
	for (size_t i = 0; i < n; i++) {
		if (pids[i])
			errors = err_join(errors,
					  wait_self(pids[i], "does not stop", pods[i]->name));
		pod_state_free(pods[i]);
	}
	free(pods);
	return errors;
}

struct err *cmd_suspend(struct cli *c, const void *values, char **operands, int *ret_code)
{
	char *own[] = { (char *)(uintptr_t)c->name, NULL };

	(void)values;
	(void)ret_code;
	TRY(cli_host(c));
	if (!*operands && c->name)
		return suspend_named(c, own);
	return *operands ? suspend_named(c, operands) : suspend_all(c);
}

/* ---- resume ---- */

static bool is_asked_to_end(void)
{
	sigset_t pending;

	return sigpending(&pending) == 0 &&
	       (sigismember(&pending, SIGTERM) || sigismember(&pending, SIGINT));
}

static bool has_record(const struct pod_record *records, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(records[i].name, name) == 0)
			return true;
	return false;
}

static struct err *resume(const struct cli *c, char **names)
{
	struct pod_record *records = NULL;
	struct err *errors = NULL;
	size_t n = 0;

	TRY(pod_records(c->host, &records, &n));
	for (char **name = names; *name; name++)
		if (!has_record(records, n, *name))
			errors = err_join(errors,
					  err_new(ENOENT, "there is no pod %s to resume", *name));
	for (size_t i = 0; i < n && !is_asked_to_end(); i++)
		if (!records[i].alive && (!*names || strv_has(names, records[i].name)))
			errors = err_join(errors, bring_back(c, &records[i]));
	pod_records_free(records, n);
	return errors;
}

/*
 * The main process of slipway.service: it does nothing, but systemd takes the
 * groups of a service that has none away, and lets it end in its own time.
 */
static struct err *stay(const struct cli *c, char **names)
{
	sigset_t ends;
	int signal;

	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	if (sigprocmask(SIG_BLOCK, &ends, NULL) < 0)
		return err_errno("block signals");
	TRY(pod_settle(c->host));
	auto_err struct err *e = resume(c, names);

	if (e) /* no reason to end the others */
		log_error("%s", err_text(e));
	notify("READY=1\nSTATUS=%s", e ? "not every pod came back" : "");
	while (sigwait(&ends, &signal) != 0)
		;
	notify("STOPPING=1\nSTATUS=stopping pods");
	return suspend_all(c);
}

struct err *cmd_resume(struct cli *c, const void *values, char **operands, int *ret_code)
{
	const struct resume_values *v = values;
	char *own[] = { (char *)(uintptr_t)c->name, NULL };
	char **names = *operands || !c->name ? operands : own;

	(void)ret_code;
	TRY(cli_host(c));
	return v->stay ? stay(c, names) : resume(c, names);
}
