/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/template.h - a subset of Go's text/template over JSON values: what --format and log tags take.
 *
 * There are text, {{.Field.Of.Field}}, {{$}}, {{$x := ...}}, {{if}}, {{else}}, {{else if}}, {{with}},
 * {{range}}, {{end}}, comments, {{- trim markers -}}, pipelines, parentheses, strings, numbers, true,
 * false and nil, and the functions that template_functions() lists. Other than with Go, a member that
 * is not there is an error, and so is a member of nil. In text outside of {{ }}, \n and \t are what
 * they are in C.
 */
#pragma once

#include <jansson.h>
#include <stdio.h>

#include "base/attr.h"
#include "base/err.h"

struct template;

/* Errors begin with "LINE:COLUMN: ". */
struct err *template_parse(const char *text, struct template **ret) must_check;
/* Writes what it makes of @data. Output and effort are bounded: E2BIG beyond. */
struct err *template_run(const struct template *t, json_t *data, FILE *out) must_check;
/* Writes what heads its columns: each {{ }} as @heading has the last name of its first field. */
void template_headings(const struct template *t, char *(*heading)(const char *field), FILE *out);
/* The names, with blanks between them; the caller's. */
char *template_functions(void) must_check;

void template_free(struct template *t);
void template_cleanup(struct template **t);
#define auto_template cleanup_with(template_cleanup)
