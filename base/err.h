/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/err.h - errors as values.
 *
 * A function that can fail returns `struct err *`: NULL is success, anything
 * else is owned by whoever receives it and must be returned, handled or freed.
 * Every level that knows something the reader needs adds it with err_wrap(),
 * so the final message reads outside-in:
 *
 *     pod web: service db: mount /data: Read-only file system
 *
 * Nothing below cli/ and mesos/ prints an error.
 */
#pragma once
#include "base/attr.h"

struct err;

/* A new error. @code is an errno value, or 0 when none fits. */
struct err *err_new(int code, const char *fmt, ...) must_check never_null printf_like(2, 3);

/* A new error from errno; strerror is appended. Call it before anything else. */
struct err *err_errno(const char *fmt, ...) must_check never_null printf_like(1, 2);

/* Puts context in front of @cause and takes it. NULL stays NULL. */
struct err *err_wrap(struct err *cause, const char *fmt, ...) must_check printf_like(2, 3);

/*
 * Puts a second error on a line below the first and takes both; either may be
 * NULL. Beyond 64 KiB it says "... and more" once.
 */
struct err *err_join(struct err *first, struct err *second) must_check;

int err_code(const struct err *e);	   /* 0 for NULL or when there is none */
const char *err_text(const struct err *e); /* valid until @e is wrapped or freed */
void err_free(struct err *e);		   /* NULL is allowed */
void err_ignore(struct err *e); /* err_free() that says: on purpose; logged at debug level */

/*
 * Hands an error to another process as one message ("code text"): from a child
 * that is about to exec to its parent. err_send takes @take_e.
 */
void err_send(int fd, struct err *take_e);
/* The error in a message of err_send(), a copy. */
struct err *err_parse(const char *message) must_check never_null;

void err_cleanup(struct err **e);
#define auto_err cleanup_with(err_cleanup)

/* Return early when @expr fails and there is no context worth adding. */
#define TRY(expr)                                \
	do {                                     \
		struct err *try_error_ = (expr); \
		if (try_error_)                  \
			return try_error_;       \
	} while (0)
