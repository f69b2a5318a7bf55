/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/leave.h - a command that goes on in a child, as fork(2) has it, without a copy.
 *
 * Who has started the command waits for its process, which has nothing left to do but to
 * wait itself. So its memory needs no copy: it is left to the child, together with the
 * stack, and the process that was started moves to a few bytes of its own, where it calls
 * nothing of libc. A fork, and the page faults that follow on both sides, are a sixth of
 * the start of a pod where page tables are dear.
 */
#pragma once

#include <sys/types.h>

#include "base/attr.h"
#include "base/err.h"

/*
 * Returns in the child only, which is all of the command from then on. The process that was
 * started writes what comes through *ret_door, which is the caller's, to its standard error,
 * and passes SIGINT and SIGTERM on. A NUL ends it, with 0; or else it ends when the child has,
 * as that did. *ret_parent: that process. To be called once, without threads, and with nothing
 * in stdio's buffers.
 */
struct err *leave(int *ret_door, pid_t *ret_parent) must_check;
