/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/limit.c - the raw limit: the system calls of a Docker-equal container start, and no more.
 *
 *	limit [OPTIONS] run ROOTFS PROGRAM...      one container with its own network namespace
 *	limit [OPTIONS] exec PID ROOTFS PROGRAM... in the container whose init is PID
 *	limit [OPTIONS] pod N ROOTFS PROGRAM...    pause, veth, a published port, N containers
 *	limit -s SOCKET down                       ends that pod
 *
 *	-g DIR      a cgroup2 directory to make groups in (exec: the group itself); else no groups
 *	-t DIR      where upper directories are made (.)
 *	-b SRC:DST  bind mount; DST must exist in the rootfs (up to eight times)
 *	-k          leave those directories: for half a minute after many were removed, ext4 is slow
 *	            to make new ones, and the next run would be charged for it
 *	-s SOCKET   where the pod is asked to end
 *	-p          the rootfs as it is, as an OCI runtime is given it; else an overlay over it
 *
 * PROGRAM is bench/stamp: what it prints is when the container's first instruction ran. Output is
 * one line of NAME=VALUE: start_ns is CLOCK_MONOTONIC in main(), the others are microseconds since
 * then. `pod` returns when all its containers have printed, and leaves a process that holds the pod.
 * `down` asks that one: down_us is when all containers were seen to have ended, gone_us when pause
 * was, too.
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

/* The namespaces each container has for itself; the network is the pod's, or its own. */
const uint64_t limit_namespaces =
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

int64_t limit_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

double limit_us(int64_t from, int64_t to)
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

int limit_make_group(const char *path)
{
	if (mkdir(path, 0755) < 0)
		limit_die("mkdir %s", path);

	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		limit_die("open %s", path);
	return fd;
}

void limit_prepare(const struct limit_job *job, const char *group, int number,
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
		c->group_fd = limit_make_group(group);
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
void limit_remove_group(const char *path)
{
	for (int i = 0; i < 10000 && rmdir(path) < 0 && errno == EBUSY; i++)
		usleep(100);
}

void limit_remove(const struct limit_job *job, const struct limit_container *c)
{
	if (c->group_fd >= 0) {
		close(c->group_fd);
		limit_remove_group(c->group);
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
int64_t limit_read_stamps(int fd, size_t n)
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

void limit_pipe(int fds[2])
{
	if (pipe2(fds, O_CLOEXEC) < 0)
		limit_die("pipe");
}

/* ---- run and exec ---------------------------------------------------------------------------- */

static void print_times(int64_t start, int64_t first, int64_t end)
{
	printf("start_ns=%lld ", (long long)start);
	if (first)
		printf("first_us=%.1f ", limit_us(start, first));
	printf("exit_us=%.1f\n", limit_us(start, end));
}

static int cmd_run(const struct limit_job *job, int64_t start)
{
	static struct limit_container c;
	char group[GROUP_MAX];
	int output[2];

	limit_pipe(output);
	snprintf(group, sizeof(group), "%s/limit.%d", job->cgroup, getpid());
	limit_prepare(job, group, 0, &c);
	c.output = output[1];
	c.own_net = true;
	if (limit_clone(limit_namespaces | CLONE_NEWNET, c.group_fd, &c.pidfd) == 0)
		limit_child(job, &c);
	close(output[1]);

	int64_t first = limit_read_stamps(output[0], 1);
	int code = exit_code(c.pidfd);
	int64_t end = limit_now();

	limit_remove(job, &c);
	print_times(start, first, end);
	return code;
}

static int cmd_exec(const struct limit_job *job, pid_t init, int64_t start)
{
	int group = -1, pidfd = -1, output[2];
	int target = (int)syscall(SYS_pidfd_open, init, 0);

	limit_pipe(output);
	if (target < 0)
		limit_die("process %d", init);
	if (job->cgroup)
		group = open(job->cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* One call for all of them, since 5.8. */
	if (setns(target, (int)(limit_namespaces | CLONE_NEWNET)) < 0)
		limit_die("enter the namespaces of %d", init);
	if (limit_clone(0, group, &pidfd) == 0) {
		dup2(output[1], STDOUT_FILENO);
		limit_confine_and_exec(job);
	}
	close(output[1]);

	int64_t first = limit_read_stamps(output[0], 1);
	int code = exit_code(pidfd);
	int64_t end = limit_now();

	print_times(start, first, end);
	return code;
}

/* ---- command line ---------------------------------------------------------------------------- */

_Noreturn static void usage(void)
{
	fputs("usage: limit [-g DIR] [-t DIR] [-s SOCKET] [-b SRC:DST]... [-kp] run ROOTFS "
	      "PROGRAM... |\n"
	      "       exec PID ROOTFS PROGRAM... | pod N ROOTFS PROGRAM... | down\n",
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
	int64_t start = limit_now();
	int option;

	while ((option = getopt(argc, argv, "+g:t:s:b:kp")) != -1) {
		switch (option) {
		case 'g':
			job.cgroup = optarg;
			break;
		case 't':
			job.tmp = optarg;
			break;
		case 's':
			job.socket = optarg;
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

	if (argc == 1 && strcmp(argv[0], "down") == 0 && job.socket)
		return limit_down(&job, start);

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
	if (strcmp(argv[0], "pod") != 0 || number > CONTAINERS_MAX || !job.socket)
		usage();
	return limit_pod(&job, (size_t)number, start);
}
