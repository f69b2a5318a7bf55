/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/init/init.h - the parts of slipway-init. */
#pragma once

#include "runtime/birth.h"
#include "runtime/internal.h"

enum { EXIT_INIT = 125, EXIT_NOT_EXECUTABLE = 126, EXIT_NOT_FOUND = 127 };
/* Who started it hears of failures by the one; the other is this program, where it is needed. */
enum { INIT_REPORT = 3, INIT_SELF = 4 };

/* make.c: makes what it hears of on @socket, and tells of it there; ends as main() does. */
int make_births(int socket, int self);
/* Moves this process to the groups of v1 hierarchies that it was not born in. */
struct err *birth_attach(const struct birth *b) must_check;

/* child.c: becomes what @b says; its news and orders go through @socket. */
_Noreturn void child_run(const struct birth *b, int socket, int self);

/* main.c: becomes the program, looked up in PATH of @env; says why not on INIT_REPORT. */
_Noreturn void program_run(char *const *argv, char *const *env);
