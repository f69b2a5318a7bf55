/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/limit_pod.c - the limit of a pod: its start, and its end as another command asks for it.
 *
 * `down` is a command of its own for everybody else as well: it is started, finds the process that
 * holds the pod, and waits until that has seen everything end.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "limit.h"

enum { STACK_SIZE = 64 * 1024 };

/* What the holder of a pod says. */
enum { CONTAINERS_ENDED = 'c', PAUSE_ENDED = 'p' };

struct pod {
	const struct limit_job *job;
	size_t n;
	struct limit_container *containers;
	char group[PATH_MAX];
	int group_fd, pause, life[2], gate[2], output[2];
	int host_route, pod_route, nft;
	_Alignas(16) char stack[STACK_SIZE];
};

/*
 * Process 1 of the pod. It owns the published port: the table goes when the last copy of its socket
 * is closed, which takes the kernel several milliseconds that are nobody's here. If whoever started
 * the pod goes away, so does the other end of the pipe, and so does this.
 */
_Noreturn static void pause_main(const struct pod *pod)
{
	char byte;

	close(pod->life[1]);
	close(pod->output[1]);
	close(pod->gate[1]);
	(void)!read(pod->life[0], &byte, 1);
	_exit(0);
}

/*
 * Runs in the pod's PID namespace, sharing memory and descriptors with the process that waits for
 * it. It is needed because nobody can make a PID namespace who has just entered another one: only
 * his child is in it. CLONE_PARENT makes the containers that process's children.
 */
static int spawn_main(void *arg)
{
	struct pod *pod = arg;

	if (setns(pod->pause, CLONE_NEWNET) < 0)
		limit_die("enter the pod's network");
	pod->pod_route = limit_net_socket(NETLINK_ROUTE);
	for (size_t i = 0; i < pod->n; i++) {
		struct limit_container *c = &pod->containers[i];

		if (limit_clone(limit_namespaces | CLONE_PARENT, c->group_fd, &c->pidfd) == 0) {
			close(pod->gate[1]);
			limit_child(pod->job, c);
		}
	}
	_exit(0);
}

static bool pod_up(struct pod *pod)
{
	static const char go[CONTAINERS_MAX];
	int status = 0;

	pid_t pause = limit_clone(CLONE_NEWPID | CLONE_NEWNET, pod->group_fd, &pod->pause);
	if (pause == 0)
		pause_main(pod);
	if (setns(pod->pause, CLONE_NEWPID) < 0)
		limit_die("enter the pod's PID namespace");
	pid_t spawner = clone(spawn_main, pod->stack + STACK_SIZE,
			      CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, pod);
	if (spawner < 0 || waitpid(spawner, &status, 0) < 0 || status)
		limit_die("start the containers");
	close(pod->output[1]);

	/* The containers are mounting meanwhile, on the other processors. */
	limit_net_connect(pod->host_route, pod->pod_route, pause);
	bool published = limit_net_publish(pod->nft);

	if (write(pod->gate[1], go, pod->n) != (ssize_t)pod->n)
		limit_die("gate");
	close(pod->pod_route); /* it would keep the pod's network alive */
	close(pod->nft);       /* pause has it */
	return published;
}

static void pod_prepare(struct pod *pod)
{
	const struct limit_job *job = pod->job;

	pod->group_fd = -1;
	limit_pipe(pod->life);
	limit_pipe(pod->gate);
	limit_pipe(pod->output);
	pod->host_route = limit_net_socket(NETLINK_ROUTE);
	pod->nft = limit_net_socket(NETLINK_NETFILTER);
	if (job->cgroup) {
		snprintf(pod->group, sizeof(pod->group), "%s/limit.%d", job->cgroup, getpid());
		pod->group_fd = limit_make_group(pod->group);
	}
	for (size_t i = 0; i < pod->n; i++) {
		char group[GROUP_MAX];

		snprintf(group, sizeof(group), "%s/%zu", pod->group, i);
		limit_prepare(job, group, (int)i, &pod->containers[i]);
		pod->containers[i].gate = pod->gate[0];
		pod->containers[i].output = pod->output[1];
	}
}

/* ---- its end --------------------------------------------------------------------------------- */

static int socket_at(const char *path, struct sockaddr_un *ret)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*ret = (struct sockaddr_un) { .sun_family = AF_UNIX };
	if (fd < 0 || snprintf(ret->sun_path, sizeof(ret->sun_path), "%s", path) >=
			      (int)sizeof(ret->sun_path))
		limit_die("socket %s", path);
	return fd;
}

/* The holder did not start them, so they are not its children; pidfds tell it all the same. */
static void await_end(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	while (poll(&p, 1, -1) < 0)
		if (errno != EINTR)
			limit_die("wait");
}

static void tell(int fd, char what)
{
	if (write(fd, &what, 1) != 1)
		limit_die("answer");
}

/* Of the caller's children, pod_up() has made members of the pod. */
static void leave_pod(void)
{
	int own = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);

	if (own < 0 || setns(own, CLONE_NEWPID) < 0)
		limit_die("leave the pod's PID namespace");
	close(own);
}

_Noreturn static void hold(struct pod *pod, int listener)
{
	int asked = accept(listener, NULL, NULL);

	if (asked < 0)
		limit_die("accept");
	for (size_t i = 0; i < pod->n; i++)
		(void)syscall(SYS_pidfd_send_signal, pod->containers[i].pidfd, SIGTERM, NULL, 0);
	for (size_t i = 0; i < pod->n; i++)
		await_end(pod->containers[i].pidfd);
	tell(asked, CONTAINERS_ENDED);
	(void)syscall(SYS_pidfd_send_signal, pod->pause, SIGKILL, NULL, 0);
	await_end(pod->pause);
	tell(asked, PAUSE_ENDED);
	close(asked);
	for (size_t i = 0; i < pod->n; i++)
		limit_remove(pod->job, &pod->containers[i]);
	if (pod->group_fd >= 0)
		limit_remove_group(pod->group);
	(void)unlink(pod->job->socket);
	_exit(0);
}

int limit_pod(const struct limit_job *job, size_t n, int64_t start)
{
	static struct limit_container containers[CONTAINERS_MAX];
	static struct pod pod;
	struct sockaddr_un address;

	pod.job = job;
	pod.n = n;
	pod.containers = containers;
	pod_prepare(&pod);

	bool published = pod_up(&pod);
	int64_t up = limit_now(), first = limit_read_stamps(pod.output[0], n);

	if (!first)
		limit_die("a container printed nothing");
	int listener = socket_at(job->socket, &address);

	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(listener, 1) < 0)
		limit_die("listen at %s", job->socket);
	printf("start_ns=%lld up_us=%.1f first_us=%.1f published=%d\n", (long long)start,
	       limit_us(start, up), limit_us(start, first), published);
	fflush(stdout);
	leave_pod();

	pid_t holder = fork();

	if (holder < 0)
		limit_die("fork");
	if (holder == 0)
		hold(&pod, listener);
	return 0;
}

static int64_t heard(int fd, char what)
{
	char byte;

	if (read(fd, &byte, 1) != 1 || byte != what)
		limit_die("the pod's holder");
	return limit_now();
}

int limit_down(const struct limit_job *job, int64_t start)
{
	struct sockaddr_un address;
	int fd = socket_at(job->socket, &address);

	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		limit_die("connect to %s", job->socket);
	int64_t down = heard(fd, CONTAINERS_ENDED), gone = heard(fd, PAUSE_ENDED);

	printf("start_ns=%lld down_us=%.1f gone_us=%.1f\n", (long long)start, limit_us(start, down),
	       limit_us(start, gone));
	return 0;
}
