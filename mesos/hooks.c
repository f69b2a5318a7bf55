/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mesos/hooks.c - executables of the operator's at the stages of a pod's life.
 *
 * SLIPWAY_HOOKS_DIR (/etc/slipway/hooks) holds them. HOOK STAGE is run with a
 * JSON object on standard input; before and after the pull, what it prints, if
 * anything, is a JSON merge patch of the Compose model. The contract is in
 * docs/mesos.md. Nothing waits for them but their stage.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "mesos/internal.h"

enum { OUTPUT_MAX = 4 << 20, SAID_MAX = 400, DEATH_MS = 2000 };

struct hooks {
	const struct session *session;
	char *stage, *input, *dir;
	char **names;
	size_t next;
	int64_t timeout;
	json_t **model;
	hooks_fn *fn;
	void *ctx;
	pid_t pid;
	int pidfd, out, err; /* out and err: files in memory, read at its end */
	bool late;
	struct err *failure; /* before any was run */
	struct watch *on_exit, *on_limit, *on_begin;
};

static void run_next(struct hooks *h);

/* ---- which ---- */

static bool is_executable(int dir, const char *name)
{
	struct stat st;

	return *name != '.' && !str_ends(name, "~") && fstatat(dir, name, &st, 0) == 0 &&
	       S_ISREG(st.st_mode) && faccessat(dir, name, X_OK, 0) == 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Those that are named, in that order, must be there; without names all there are, by name. */
static struct err *find(const char *path, const char *order, char ***ret)
{
	auto_fd int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_strv char **all = NULL;

	if (order && *order)
		all = str_split(order, ", ");
	else if (dir >= 0)
		TRY(fd_list(dir, &all));
	for (char **n = all; n && *n; n++) {
		bool good = !strchr(*n, '/') && dir >= 0 && is_executable(dir, *n);

		if (good)
			strv_add(ret, mem_strdup(*n));
		else if (order && *order)
			return err_new(ENOENT, "hook %s: there is no executable of that name in %s",
				       *n, path);
	}
	if (*ret && !(order && *order))
		qsort(*ret, strv_len(*ret), sizeof(char *), by_name);
	return NULL;
}

/* ---- one ---- */

static int in_memory(const char *name, const char *text)
{
	int fd = memfd_create(name, MFD_CLOEXEC);

	if (fd >= 0 && text) {
		err_ignore(fd_write_all(fd, text, strlen(text)));
		(void)lseek(fd, 0, SEEK_SET);
	}
	return fd;
}

static struct err *spawn(struct hooks *h, const char *name)
{
	auto_free char *path = mem_printf("%s/%s", h->dir, name);
	auto_fd int in = in_memory("input", h->input);
	char *argv[] = { path, h->stage, NULL };

	h->out = in_memory("output", NULL);
	h->err = in_memory("said", NULL);
	if (in < 0 || h->out < 0 || h->err < 0)
		return err_errno("hook %s", name);
	const int files[] = { in, h->out, h->err };
	const struct proc_program program = { .path = path,
					      .argv = argv,
					      .env = h->session->env.environ,
					      .files = files,
					      .n_files = ARRAY_LEN(files),
					      .own_group = true };

	return err_wrap(proc_spawn(&program, &h->pid, &h->pidfd), "hook %s", name);
}

static void release_process(struct hooks *h)
{
	watch_free(h->on_exit);
	watch_free(h->on_limit);
	h->on_exit = h->on_limit = NULL;
	fd_close(&h->pidfd);
	fd_close(&h->out);
	fd_close(&h->err);
	h->pid = 0;
}

/* Its group, and it alone where it has left that. */
static void kill_hook(const struct hooks *h)
{
	(void)kill(-h->pid, SIGKILL);
	err_ignore(proc_kill(h->pidfd, SIGKILL));
}

void hooks_cancel(struct hooks *take_h)
{
	struct proc_exit how;

	if (!take_h)
		return;
	if (take_h->pid > 0) {
		kill_hook(take_h);
		if (!proc_wait_for(take_h->pidfd, DEATH_MS, &how))
			log_warn("a hook, process %d, does not die", take_h->pid);
	}
	release_process(take_h);
	watch_free(take_h->on_begin);
	err_free(take_h->failure);
	strv_free(take_h->names);
	free(take_h->stage);
	free(take_h->input);
	free(take_h->dir);
	free(take_h);
}

static void end(struct hooks *h, struct err *take_e)
{
	hooks_fn *fn = h->fn;
	void *ctx = h->ctx;

	hooks_cancel(h);
	fn(ctx, take_e);
}

static char *text_of(int fd, size_t max)
{
	char *text = NULL;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return mem_strdup("");
	auto_err struct err *e = fd_read_all(fd, max, &text, NULL);

	return e ? mem_strdup("") : text;
}

static struct err *apply(const struct hooks *h, const char *name)
{
	auto_free char *text = text_of(h->out, OUTPUT_MAX);
	json_t *patch = NULL;

	if (!h->model || !text[strspn(text, " \t\r\n")])
		return NULL;
	TRY(err_wrap(json_parse(text, strlen(text), OUTPUT_MAX, &patch),
		     "hook %s %s: what it printed is no merge patch", name, h->stage));
	if (json_is_object(patch))
		model_patch(h->model, patch);
	json_decref(patch);
	return NULL;
}

static struct err *judge(const struct hooks *h, struct proc_exit how)
{
	const char *name = h->names[h->next - 1];
	auto_free char *said = text_of(h->err, OUTPUT_MAX);

	said[strcspn(said, "\n")] = '\0';
	if (h->late)
		return err_new(ETIMEDOUT, "hook %s %s took longer than %lld ms", name, h->stage,
			       (long long)h->timeout);
	if (proc_exit_code(how) != 0)
		return err_new(EIO, "hook %s %s exited with %d%s%.*s", name, h->stage,
			       proc_exit_code(how), *said ? ": " : "", SAID_MAX, said);
	return apply(h, name);
}

static void on_exit_event(void *arg)
{
	struct hooks *h = arg;
	struct proc_exit how = { 0 };
	bool done = false;

	if (!proc_has_ended(h->pidfd))
		return;
	/* what it has started and not waited for; once it is reaped its group may be another's */
	(void)kill(-h->pid, SIGKILL);
	err_ignore(proc_poll(h->pidfd, &done, &how));
	struct err *e = judge(h, how);

	release_process(h);
	if (e)
		end(h, e);
	else
		run_next(h);
}

static void on_limit(void *arg)
{
	struct hooks *h = arg;

	watch_free(h->on_limit);
	h->on_limit = NULL;
	h->late = true;
	kill_hook(h);
}

/* Each sees the model as the one before has left it. */
static void refresh_input(struct hooks *h)
{
	json_t *input = NULL;

	if (!h->model)
		return;
	err_ignore(wire_parse(h->input, strlen(h->input), &input)); /* our own words */
	if (!input)
		return;
	json_object_set(input, "model", *h->model);
	free(h->input);
	h->input = json_text(input, 0);
	json_decref(input);
}

static void run_next(struct hooks *h)
{
	const char *name = h->names ? h->names[h->next] : NULL;

	if (!name) {
		end(h, NULL);
		return;
	}
	h->next++;
	refresh_input(h);
	struct err *e = spawn(h, name);

	if (e) {
		end(h, e);
		return;
	}
	h->on_exit = loop_readable(h->session->loop, h->pidfd, on_exit_event, h);
	h->on_limit = loop_timer(h->session->loop, (uint64_t)h->timeout, on_limit, h);
}

static void on_begin(void *arg)
{
	struct hooks *h = arg;

	watch_free(h->on_begin);
	h->on_begin = NULL;
	if (h->failure)
		end(h, steal(&h->failure));
	else
		run_next(h);
}

struct hooks *hooks_run(const struct session *s, const struct settings *set, const char *stage,
			const json_t *input, json_t **model, hooks_fn *fn, void *ctx)
{
	const char *dir = env_get(s->env.environ, "SLIPWAY_HOOKS_DIR");
	struct hooks *h = mem_alloc(sizeof(*h));

	*h = (struct hooks) { .session = s,
			      .stage = mem_strdup(stage),
			      .input = json_text(input, 0),
			      .dir = mem_strdup(dir && *dir ? dir : "/etc/slipway/hooks"),
			      .timeout = set->hook_timeout,
			      .model = model,
			      .fn = fn,
			      .ctx = ctx,
			      .pidfd = -1,
			      .out = -1,
			      .err = -1 };
	h->failure = find(h->dir, set->hooks, &h->names);
	h->on_begin = loop_timer(s->loop, 0, on_begin, h);
	return h;
}
