/* SPDX-License-Identifier: Apache-2.0 */
/* cli/outlet.h - standard output or error of a process that has more to do than to write. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/loop.h"

/* Zeroed, then opened. */
struct outlet {
	struct loop *loop;
	int fd;		  /* never waits; where one could not be had: the stream's own */
	bool own, socket; /* @fd is not the stream's; send(2) does not wait */
	struct watch *on_room;
	char *data; /* what is still to be written */
	size_t at, len, room;
	int error;		      /* nothing is written any more */
	void (*on_change)(void *arg); /* something was written, or cannot be any more */
	void *arg;
};

/* Leaves the flags of @stream alone, which others share. @loop is borrowed. */
void outlet_open(struct outlet *o, int stream, struct loop *loop, void (*on_change)(void *arg),
		 void *arg);
void outlet_put(struct outlet *o, const char *data, size_t len);
size_t outlet_waiting(const struct outlet *o); /* bytes */
/* Writes what can be written now; whether that was anything. */
bool outlet_flush(struct outlet *o);
/* Writes what is left, however long that takes; @loop is no longer used. */
void outlet_close(struct outlet *o);
