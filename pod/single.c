/* SPDX-License-Identifier: Apache-2.0 */
/* pod/single.c - pods of one container: their names, and running one with who is attached to it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "pod/internal.h"

enum { NAME_BYTES = 6 };

char *pod_name_new(const char *before)
{
	unsigned char bytes[NAME_BYTES] = { 0 };
	char text[2 * NAME_BYTES + 1];

	(void)!getrandom(bytes, sizeof(bytes), 0);
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	return mem_printf("%s-%s", before, text);
}

char *pod_name_of(const char *container)
{
	char *pod = mem_strdup(container);
	bool same = true;

	for (char *c = pod; *c; c++) {
		bool fits = (*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') ||
			    (c != pod && (*c == '-' || *c == '_'));

		same &= fits;
		if (!fits)
			*c = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : c == pod ? 'x' : '-';
	}
	if (same)
		return pod;
	/* two names that differ in more than that are two pods */
	char *whole =
		mem_printf("%s-%06llx", pod,
			   (unsigned long long)(str_hash(container, strlen(container)) & 0xffffff));

	free(pod);
	return whole;
}

struct err *pod_name_check(const struct pod_host *h, const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_.-";
	auto_free char *pod = NULL, *service = NULL;

	if (strlen(name) < 2 || strspn(name, allowed) != strlen(name) || strchr("_.-", *name))
		return err_new(EINVAL,
			       "--name: '%s' must be letters, digits, _, . and -, two or more, and "
			       "begin with a letter or digit",
			       name);
	auto_err struct err *none = pod_lookup(h, name, NULL, &pod, &service);
	auto_pod_state struct pod_state *s = NULL;

	if (err_code(none) == ENOENT ||
	    err_code(none) == EINVAL) /* of the starts of ids: no name */
		return NULL;
	if (none && err_code(none) != ENOTUNIQ)
		return steal(&none);
	if (pod)
		err_ignore(pod_state_read(h, pod, &s)); /* gone meanwhile: the name is free */
	if (pod && !s)
		return NULL;
	const struct pod_service_state *v = s ? pod_state_find(s, service) : NULL;

	/* the start of another one's id is a name as good as any */
	if (v && strcmp(v->container, name) != 0 && strcmp(s->name, name) != 0)
		return NULL;
	return err_new(EEXIST, "the name '%s' is in use; 'slipway rm %s' removes it", name, name);
}

static struct err *attend(const struct compose_project *p, const struct compose_run *r, int socket,
			  struct pod_session_end *ret)
{
	const struct compose_service *s = &p->services[0];
	const struct pod_session session = {
		.socket = socket,
		.interactive = s->stdin_open && !r->detach,
		.tty = s->tty && isatty(STDIN_FILENO),
		.owner = true,
		.until_up = r->detach,
		.no_proxy = str_eq(r->sig_proxy, "false"),
		.detach_keys = r->detach_keys,
	};

	return pod_session(&session, ret);
}

struct err *pod_single(const struct pod_host *h, const struct pod_plan *plan,
		       struct image *const *images, const struct compose_run *r,
		       const int *inherited, struct pod_session_end *ret)
{
	const struct pod_run_options options = { .stop_timeout = -1,
						 .wait_timeout = -1,
						 .transient = r->remove };
	const struct pod_launch launch = { .plan = plan,
					   .images = images,
					   .n_images = 1,
					   .options = &options,
					   .service = plan->project->services[0].name,
					   .once = r->interactive && !r->detach,
					   .record = r->detach && !r->remove,
					   .inherited = inherited };
	int socket = -1;
	pid_t pid = -1;

	TRY(pod_launch(h, &launch, &socket, &pid));
	struct err *e = attend(plan->project, r, socket, ret);

	close(socket); /* if it has not been told to go on, the pod ends now */
	if (!ret->detached)
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	if (e && ret->exited) { /* its own end came first */
		log_warn("%s", err_text(e));
		err_free(steal(&e));
	}
	if (!e && !ret->exited && !ret->detached && !ret->code)
		return err_new(EPIPE, "the supervisor ended unexpectedly");
	return e;
}
