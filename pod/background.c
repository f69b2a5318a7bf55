/* SPDX-License-Identifier: Apache-2.0 */
/* pod/background.c - a supervisor in a process of its own, beside the one that wants the pod. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/prefault.h"
#include "pod/internal.h"

/* What it logs goes to a file beside the pods' logs. */
void pod_go_background(const struct pod_host *h, const char *name, const int *inherited)
{
	auto_free char *path = mem_printf("%s/supervisor.log", h->root);
	auto_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	(void)setsid();
	/* whoever reads from a pipe we were given would wait for its end as long as the pod lives */
	fd_close_list(inherited);
	for (int i = 0; i < 3; i++)
		(void)dup2(null, i);
	(void)!chdir("/");
	log_setup("slipway", LOG_LEVEL_WARN, LOG_KEYS);
	log_pod(name);
	log_to(log);
}

struct launched {
	const struct pod_host *host;
	const struct pod_launch *launch;
};

/* By now the pod's state names the layers of its images. */
static void on_up(void *arg)
{
	const struct launched *l = arg;

	for (size_t i = 0; i < l->launch->n_images; i++)
		image_release(l->launch->images[i]);
	const struct compose_project *p = l->launch->plan->project;
	struct err *e = l->launch->record ? pod_record(l->host, p) : NULL;

	if (e)
		log_warn("%s", err_text(e));
	err_free(e);
}

static void on_ended(void *arg)
{
	const struct launched *l = arg;

	pod_record_remove(l->host, l->launch->plan->name);
}

static _Noreturn void supervise(const struct pod_host *h, const struct pod_launch *l, int socket)
{
	struct launched context = { h, l };
	const struct pod_owner owner = { .socket = socket, .service = l->service, .once = l->once };
	struct pod_run_options o = *l->options;
	struct pod_result result = { 0 };

	o.owner = &owner;
	o.quit_signals = true;
	o.watcher.ctx = &context;
	o.watcher.on_up = on_up;
	o.watcher.on_ended = on_ended;
	pod_go_background(h, l->plan->name, l->inherited);
	struct err *e = pod_run(l->plan, h, &o, &result);

	if (o.transient)
		err_ignore(pod_remove_volumes(h, l->plan->name, true, NULL));
	int code = e ? EXIT_FAILURE : EXIT_SUCCESS;

	if (e)
		err_send(socket, e);
	pod_tidy_trash_aside(h); /* whoever is attached waits for this process */
	_exit(code);
}

struct err *pod_launch(const struct pod_host *h, const struct pod_launch *l, int *ret_socket,
		       pid_t *ret_pid)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return err_errno("socketpair");
	pid_t pid = fork();

	if (pid == 0) {
		close(ends[0]);
		prefault();
		supervise(h, l, ends[1]);
	}
	close(ends[1]);
	if (pid < 0) {
		struct err *e = err_errno("start the supervisor");

		close(ends[0]);
		return e;
	}
	*ret_socket = ends[0];
	*ret_pid = pid;
	return NULL;
}
