/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/log.h - the one place where messages for operators are written.
 *
 * A line is a level, a message and fields; it goes to standard error as text
 * ("slipway: warning: ..."), as key=value or as JSON. Logging state is the one
 * thing that is global: a message must not need a context to be sent.
 */
#pragma once

#include <stdbool.h>

#include "base/attr.h"
#include "base/err.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };
enum log_format { LOG_TEXT, LOG_KEYS, LOG_JSON };

/* @program leads text lines and must outlive all logging. */
void log_setup(const char *program, enum log_level least, enum log_format format);
/* Where lines go; borrowed, -1 for nowhere. Standard error until called. */
void log_to(int fd);
/* A field of every later line (the pod's name, say); NULL ends it. Copied. */
void log_pod(const char *name);
struct err *log_level_parse(const char *text, enum log_level *ret) must_check;
struct err *log_format_parse(const char *text, enum log_format *ret) must_check;

void log_write(enum log_level level, const char *fmt, ...) printf_like(2, 3);

#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warn(...) log_write(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
