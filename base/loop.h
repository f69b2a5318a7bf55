/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/loop.h - an event loop: descriptors, timers and signals, over libevent.
 *
 * Callbacks run one after another in loop_run(). A watch is the caller's and
 * may be freed at any time, also from its own callback.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"

struct loop;
struct watch;

typedef void loop_fn(void *arg);

struct err *loop_new(struct loop **ret) must_check;
void loop_free(struct loop *l);
struct err *loop_run(struct loop *l) must_check; /* until loop_stop() */
void loop_stop(struct loop *l);

/* Calls @fn each time @fd can be read, or has ended. @fd is borrowed and must outlive the watch. */
struct watch *loop_readable(struct loop *l, int fd, loop_fn *fn, void *arg) must_check;
struct watch *loop_writable(struct loop *l, int fd, loop_fn *fn, void *arg) must_check;
struct watch *loop_signal(struct loop *l, int signal, loop_fn *fn, void *arg) must_check;
/* Once, after @ms milliseconds (monotonic). */
struct watch *loop_timer(struct loop *l, uint64_t ms, loop_fn *fn, void *arg) must_check;
void watch_free(struct watch *w); /* NULL is fine */

void loop_cleanup(struct loop **l);
#define auto_loop cleanup_with(loop_cleanup)
