/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/limit.c - the raw limit: the system calls of a Docker-equal container start, and no more.
 *
 *	limit [OPTIONS] run ROOTFS PROGRAM...      one container with its own network namespace
 *	limit [OPTIONS] pod N ROOTFS PROGRAM...    pause, veth, a published port, N containers
 *	limit [OPTIONS] exec PID ROOTFS PROGRAM... in the container whose init is PID
 *
 *	-g DIR      a cgroup2 directory to make groups in (exec: the group itself); else no groups
 *	-t DIR      where upper directories are made (.)
 *	-b SRC:DST  bind mount; DST must exist in the rootfs (up to eight times)
 *	-k          leave those directories: for half a minute after many were removed, ext4 is slow
 *	            to make new ones, and the next run would be charged for it
 *	-p          the rootfs as it is, as an OCI runtime is given it; else an overlay over it
 *
 * PROGRAM is bench/stamp: what it prints is when the container's first instruction ran. Output is
 * one line of NAME=VALUE: start_ns is CLOCK_MONOTONIC in main(), the others are microseconds since
 * then. A pod is ended as soon as all its containers have printed: down_us is from then until all
 * were seen to have ended, gone_us until pause was, too.
 */
#include "limit.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/netlink.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Newer than the C library's list of them. */
#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif

enum { STACK_SIZE = 64 * 1024 };

/* The namespaces each container has for itself; the network is the pod's, or its own. */
static const uint64_t namespaces =
	CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP;

void limit_die(const char *fmt, ...)
{
	int error = errno;
	va_list ap;

	va_start(ap, fmt);
	dprintf(STDERR_FILENO, "limit: ");
	vdprintf(STDERR_FILENO, fmt, ap);
	dprintf(STDERR_FILENO, ": %s\n", strerror(error));
	va_end(ap);
	_exit(1);
}

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static double us(int64_t from, int64_t to)
{
	return (double)(to - from) / 1000;
}

pid_t limit_clone(uint64_t flags, int group_fd, int *pidfd)
{
	struct clone_args args = { .flags = flags | CLONE_PIDFD,
				   .pidfd = (uint64_t)(uintptr_t)pidfd,
				   /* with CLONE_PARENT the signal is the cloner's own */
				   .exit_signal = flags & CLONE_PARENT ? 0 : SIGCHLD };

	if (group_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)group_fd;
	}

	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));

	if (pid < 0)
		limit_die("clone3");
	return pid;
}

/* ---- what a container has on disk ------------------------------------------------------------ */

static int make_group(const char *path)
{
	if (mkdir(path, 0755) < 0)
		limit_die("mkdir %s", path);

	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		limit_die("open %s", path);
	return fd;
}

static void container_prepare(const struct limit_job *job, const char *group, int number,
			      struct limit_container *c)
{
	char path[PATH_MAX + 8];

	*c = (struct limit_container) { .group_fd = -1, .pidfd = -1, .gate = -1 };
	snprintf(c->dir, sizeof(c->dir), "%s/limit.%d.%d", job->tmp, getpid(), number);
	if (mkdir(c->dir, 0755) < 0)
		limit_die("mkdir %s", c->dir);
	for (size_t i = job->plain ? 2 : 0; i < 3; i++) {
		static const char *const names[] = { "upper", "work", "root" };

		snprintf(path, sizeof(path), "%s/%s", c->dir, names[i]);
		if (mkdir(path, 0755) < 0)
			limit_die("mkdir %s", path);
	}
	if (job->cgroup) {
		snprintf(c->group, sizeof(c->group), "%s", group);
		c->group_fd = make_group(group);
	}
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

/* An exit is reported before its process has left the group, so at first that may be busy. */
static void remove_group(const char *path)
{
	for (int i = 0; i < 10000 && rmdir(path) < 0 && errno == EBUSY; i++)
		usleep(100);
}

static void container_remove(const struct limit_job *job, const struct limit_container *c)
{
	if (c->group_fd >= 0) {
		close(c->group_fd);
		remove_group(c->group);
	}
	if (!job->keep)
		nftw(c->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static int exit_code(int pidfd)
{
	siginfo_t info = { 0 };

	while (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) < 0)
		if (errno != EINTR)
			limit_die("wait");
	return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

/* Reads @n lines of stamp's and returns the last time; fewer, if all writers are gone: 0. */
static int64_t read_stamps(int fd, size_t n)
{
	char text[CONTAINERS_MAX * 24];
	size_t used = 0, lines = 0;
	int64_t last = 0;

	while (lines < n) {
		ssize_t got = read(fd, text + used, sizeof(text) - 1 - used);

		if (got <= 0)
			return 0;
		for (size_t i = used; i < used + (size_t)got; i++)
			lines += text[i] == '\n';
		used += (size_t)got;
	}
	text[used] = 0;
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		int64_t at = strtoll(line, NULL, 10);

		last = at > last ? at : last;
	}
	return last;
}

static void make_pipe(int fds[2])
{
	if (pipe2(fds, O_CLOEXEC) < 0)
		limit_die("pipe");
}

/* ---- run and exec ---------------------------------------------------------------------------- */

static void print_times(int64_t start, int64_t first, int64_t end)
{
	printf("start_ns=%lld ", (long long)start);
	if (first)
		printf("first_us=%.1f ", us(start, first));
	printf("exit_us=%.1f\n", us(start, end));
}

static int cmd_run(const struct limit_job *job, int64_t start)
{
	static struct limit_container c;
	char group[GROUP_MAX];
	int output[2];

	make_pipe(output);
	snprintf(group, sizeof(group), "%s/limit.%d", job->cgroup, getpid());
	container_prepare(job, group, 0, &c);
	c.output = output[1];
	c.own_net = true;
	if (limit_clone(namespaces | CLONE_NEWNET, c.group_fd, &c.pidfd) == 0)
		limit_child(job, &c);
	close(output[1]);

	int64_t first = read_stamps(output[0], 1);
	int code = exit_code(c.pidfd);
	int64_t end = now_ns();

	container_remove(job, &c);
	print_times(start, first, end);
	return code;
}

static int cmd_exec(const struct limit_job *job, pid_t init, int64_t start)
{
	int group = -1, pidfd = -1, output[2];
	int target = (int)syscall(SYS_pidfd_open, init, 0);

	make_pipe(output);
	if (target < 0)
		limit_die("process %d", init);
	if (job->cgroup)
		group = open(job->cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* One call for all of them, since 5.8. */
	if (setns(target, (int)(namespaces | CLONE_NEWNET)) < 0)
		limit_die("enter the namespaces of %d", init);
	if (limit_clone(0, group, &pidfd) == 0) {
		dup2(output[1], STDOUT_FILENO);
		limit_confine_and_exec(job);
	}
	close(output[1]);

	int64_t first = read_stamps(output[0], 1);
	int code = exit_code(pidfd);
	int64_t end = now_ns();

	print_times(start, first, end);
	return code;
}

/* ---- pod ------------------------------------------------------------------------------------- */

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

		if (limit_clone(namespaces | CLONE_PARENT, c->group_fd, &c->pidfd) == 0) {
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
	make_pipe(pod->life);
	make_pipe(pod->gate);
	make_pipe(pod->output);
	pod->host_route = limit_net_socket(NETLINK_ROUTE);
	pod->nft = limit_net_socket(NETLINK_NETFILTER);
	if (job->cgroup) {
		snprintf(pod->group, sizeof(pod->group), "%s/limit.%d", job->cgroup, getpid());
		pod->group_fd = make_group(pod->group);
	}
	for (size_t i = 0; i < pod->n; i++) {
		char group[GROUP_MAX];

		snprintf(group, sizeof(group), "%s/%zu", pod->group, i);
		container_prepare(job, group, (int)i, &pod->containers[i]);
		pod->containers[i].gate = pod->gate[0];
		pod->containers[i].output = pod->output[1];
	}
}

static int cmd_pod(const struct limit_job *job, size_t n, int64_t start)
{
	static struct limit_container containers[CONTAINERS_MAX];
	static struct pod pod;

	pod.job = job;
	pod.n = n;
	pod.containers = containers;
	pod_prepare(&pod);

	bool published = pod_up(&pod);
	int64_t up = now_ns(), first = read_stamps(pod.output[0], n), stop = now_ns();

	if (!first)
		limit_die("a container printed nothing");
	for (size_t i = 0; i < n; i++)
		(void)syscall(SYS_pidfd_send_signal, containers[i].pidfd, SIGTERM, NULL, 0);
	for (size_t i = 0; i < n; i++)
		(void)exit_code(containers[i].pidfd);
	int64_t down = now_ns();
	(void)syscall(SYS_pidfd_send_signal, pod.pause, SIGKILL, NULL, 0);
	(void)exit_code(pod.pause);
	int64_t gone = now_ns();

	for (size_t i = 0; i < n; i++)
		container_remove(job, &containers[i]);
	if (pod.group_fd >= 0)
		remove_group(pod.group);
	printf("start_ns=%lld up_us=%.1f first_us=%.1f down_us=%.1f gone_us=%.1f published=%d\n",
	       (long long)start, us(start, up), us(start, first), us(stop, down), us(stop, gone),
	       published);
	return 0;
}

/* ---- command line ---------------------------------------------------------------------------- */

_Noreturn static void usage(void)
{
	fputs("usage: limit [-g DIR] [-t DIR] [-b SRC:DST]... [-kp] run ROOTFS PROGRAM... |\n"
	      "       pod N ROOTFS PROGRAM... | exec PID ROOTFS PROGRAM...\n",
	      stderr);
	exit(2);
}

static void add_bind(struct limit_job *job, char *spec)
{
	char *colon = strchr(spec, ':');

	if (!colon || colon[1] != '/' || job->n_binds == BINDS_MAX)
		usage();
	*colon = 0;
	job->binds[job->n_binds][0] = spec;
	job->binds[job->n_binds++][1] = colon + 2; /* relative to the new root */
}

int main(int argc, char **argv)
{
	static struct limit_job job = { .tmp = "." };
	int64_t start = now_ns();
	int option;

	while ((option = getopt(argc, argv, "+g:t:b:kp")) != -1) {
		switch (option) {
		case 'g':
			job.cgroup = optarg;
			break;
		case 't':
			job.tmp = optarg;
			break;
		case 'b':
			add_bind(&job, optarg);
			break;
		case 'k':
			job.keep = true;
			break;
		case 'p':
			job.plain = true;
			break;
		default:
			usage();
		}
	}
	argv += optind;
	argc -= optind;

	bool run = argc >= 3 && strcmp(argv[0], "run") == 0;
	long number = argc >= 4 ? strtol(argv[1], NULL, 10) : 0;

	if (!run && number < 1)
		usage();
	job.rootfs = argv[run ? 1 : 2];
	job.argv = argv + (run ? 2 : 3);
	limit_filter(&job);
	if (run)
		return cmd_run(&job, start);
	if (strcmp(argv[0], "exec") == 0)
		return cmd_exec(&job, (pid_t)number, start);
	if (strcmp(argv[0], "pod") != 0 || number > CONTAINERS_MAX)
		usage();
	return cmd_pod(&job, (size_t)number, start);
}
