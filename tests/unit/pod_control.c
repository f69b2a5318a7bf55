/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/pod_control.c - asking a pod that ends at that very moment. */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "pod/internal.h"
#include "tests/check.h"

enum { ROUNDS = 300 };

static struct pod_host *make_host(void)
{
	struct pod_host *h = mem_alloc(sizeof(*h));
	auto_free char *pod = mem_printf("%s/run/pods/shop", check_dir());
	auto_err struct err *e = fd_mkdirs(AT_FDCWD, pod, 0700);

	CHECK_STR(err_text(e), "success");
	*h = (struct pod_host) { .run = mem_printf("%s/run", check_dir()) };
	return h;
}

/* A socket where the pod's supervisor would listen. */
static int listen_at(const struct pod_host *h)
{
	auto_free char *path = mem_printf("%s/pods/shop/control", h->run);
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	CHECK(snprintf(a.sun_path, sizeof(a.sun_path), "%s", path) < (int)sizeof(a.sun_path));
	(void)unlink(path);
	CHECK(bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(fd, 16) == 0);
	return fd;
}

/*
 * A supervisor that ends as soon as somebody has connected. On the asker's processor and
 * before it where that is allowed, it does so between the asker's connect and its send.
 */
static pid_t end_when_asked(int socket)
{
	struct sched_param urgent = { .sched_priority = 1 };
	cpu_set_t one;
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	(void)sched_setaffinity(0, sizeof(one), &one);
	(void)sched_setscheduler(0, SCHED_FIFO, &urgent);
	struct pollfd p = { .fd = socket, .events = POLLIN };

	(void)poll(&p, 1, 10000);
	_exit(0);
}

static struct err *ask_one_that_ends(const struct pod_host *h, const char *what)
{
	int socket = listen_at(h);
	pid_t pid = end_when_asked(socket);

	CHECK(pid > 0);
	close(socket);
	struct err *e = pod_ask(h, "shop", what, NULL, NULL);

	kill(pid, SIGKILL); /* nobody had to connect */
	CHECK(waitpid(pid, NULL, 0) == pid);
	return e;
}

/* "stop" has what it asked for; who asked for anything else is told. */
TEST(who_asks_a_pod_that_ends_is_told_that_it_ended)
{
	struct pod_host *h = make_host();
	cpu_set_t before, one;

	CHECK(sched_getaffinity(0, sizeof(before), &before) == 0);
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	(void)sched_setaffinity(0, sizeof(one), &one);
	for (int i = 0; i < ROUNDS; i++) {
		auto_err struct err *e = ask_one_that_ends(h, "stop");

		CHECK_STR(err_text(e), "success");
	}
	for (int i = 0; i < ROUNDS; i++) {
		auto_err struct err *e = ask_one_that_ends(h, "pause");

		CHECK_STR(err_text(e), "pod shop ended while it was asked");
	}
	(void)sched_setaffinity(0, sizeof(before), &before);
	free(h->run);
	free(h);
}
