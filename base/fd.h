/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/fd.h - file descriptors with an owner, and files by directory.
 *
 * Every descriptor is opened close-on-exec. A parameter named `fd` or `dir` is
 * borrowed; a function that keeps or closes one names it `take_fd`.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/attr.h"
#include "base/err.h"

void fd_cleanup(int *fd);
void fd_close(int *fd); /* closes what it holds, if anything; becomes -1 */
int fd_steal(int *fd);	/* moves it out; the variable becomes -1 */
#define auto_fd cleanup_with(fd_cleanup)

/*
 * Standard streams that a program was started without read as empty and cannot be
 * written. For main(): else what is opened first takes their place, and is handed
 * to whoever is given ours.
 */
struct err *fd_open_standard(void) must_check;

/*
 * Those above standard error that are open, from now on closed by exec: for main(),
 * what the program was started with and is somebody's. Ends with -1; the caller's.
 */
int *fd_inherited(void) must_check;
void fd_close_list(const int *fds); /* NULL is fine */

/* New files get mode 0644; O_CLOEXEC is added. The error names @path. */
struct err *fd_openat(int dir, const char *path, int flags, int *ret_fd) must_check;
/*
 * Opens a file to write, which is made where it is not there: for its owner alone,
 * until who has filled it says otherwise by fchmod().
 */
struct err *fd_create(int dir, const char *path, int flags, int *ret_fd) must_check;

/* Waits where the descriptor itself would not. */
struct err *fd_write_all(int fd, const void *data, size_t len) must_check;
/* All that is left in @from, to @to: by the kernel where it can (copy_file_range), else by hand. */
struct err *fd_copy_all(int from, int to) must_check;
/* Reads to the end, at most @max bytes (EFBIG beyond); @ret_text is NUL-terminated, the caller's. */
struct err *fd_read_all(int fd, size_t max, char **ret_text, size_t *ret_len) must_check;

/* A whole small file, read or written. The error names @path. */
struct err *fd_read_file(int dir, const char *path, size_t max, char **ret_text) must_check;
/* Overwrites an existing file in one write (a kernel knob, say). */
struct err *fd_write_knob(int dir, const char *path, const char *text) must_check;
/* Replaces @path by a file of @mode with this content: written aside, renamed; readers see old or new. */
struct err *fd_replace_file(int dir, const char *path, const char *text, mode_t mode) must_check;

/* The names in directory @dir, without "." and ".."; in no order. The list is the caller's. */
struct err *fd_list(int dir, char ***ret) must_check;
/* As above, of the directories among them; nothing is looked up where the file system tells. */
struct err *fd_list_directories(int dir, char ***ret) must_check;

/*
 * A program's file in memory, empty, close-on-exec: executable also where
 * vm.memfd_noexec (Linux 6.3) makes those that say nothing not so. -1 with errno.
 */
int fd_memory(const char *name);
/* Nobody changes it from now on; *ret_mode (or NULL): nor its mode (F_SEAL_EXEC, Linux 6.3). */
struct err *fd_seal(int memory, bool *ret_mode) must_check;

/* mkdir -p below @dir. Existing directories are fine. */
struct err *fd_mkdirs(int dir, const char *path, mode_t mode) must_check;
/* rm -rf @path below @dir, staying on one file system; a missing path is fine. */
struct err *fd_remove_tree(int dir, const char *path) must_check;

/* @path below @root as a process chroot'ed there would resolve it (openat2, Linux 5.6). */
struct err *fd_open_in_root(int root, const char *path, int flags, mode_t mode,
			    int *ret_fd) must_check;
/* As above; -1 and no error when there is nothing of that name (ENOENT). */
struct err *fd_find_in_root(int root, const char *path, int flags, int *ret_fd) must_check;
/* The directory @path below @root, made with missing parents; resolved as above. */
struct err *fd_mkdirs_in_root(int root, const char *path, mode_t mode, int *ret_fd) must_check;

/*
 * The calling process holds an exclusive flock on the new descriptor. EWOULDBLOCK
 * with LOCK_NB; on a read-only file system the file must be there; ENOENT when who held it has removed the file: a lock on that says
 * nothing about a file that is made anew.
 */
struct err *fd_lock(int dir, const char *path, int operation, int *ret_fd) must_check;

/* Sends or takes one message with at most one descriptor (-1: none) over a unix socket. */
struct err *fd_send(int socket, const void *data, size_t len, int fd) must_check;
ssize_t fd_recv(int socket, void *data, size_t size, int *ret_fd); /* -1 with errno; 0 at the end */
/*
 * As above, with up to FD_LIST_MAX. Those that come are @fds' owner's, *ret_n of them; more
 * are closed. EMFILE when this process cannot have so many: then it has none, and the message
 * is gone.
 */
enum { FD_LIST_MAX = 250 /* of 253, SCM_MAX_FD */ };
struct err *fd_send_list(int socket, const void *data, size_t len, const int *fds,
			 size_t n) must_check;
ssize_t fd_recv_list(int socket, void *data, size_t size, int *fds, size_t max, size_t *ret_n);
