/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/trace.h - where the time goes: spans, written as a file that Perfetto and chrome://tracing show.
 *
 * Like logging, tracing is global: what is measured must not need a context to
 * be measured. Off, it costs a test of a pointer.
 */
#pragma once

#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"

/* On from here; the file is made at once, so that a path that is wrong is told before the work. */
struct err *trace_open(const char *path) must_check;
/* Now, in microseconds of CLOCK_MONOTONIC; 0 while tracing is off. */
uint64_t trace_begin(void);
/* A span of @track from @since to now; nothing when @since is 0. The texts are copied. */
void trace_end(const char *track, uint64_t since, const char *fmt, ...) printf_like(3, 4);
/* Writes everything and turns tracing off. */
struct err *trace_close(void) must_check;
/* Turns it off without writing: in a process that is forked, the file is the other's. */
void trace_drop(void);
