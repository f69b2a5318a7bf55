/* SPDX-License-Identifier: Apache-2.0 */
/* base/template_tree.h - a parsed template, between template.c, which makes it, and template_run.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/template.h"

enum {
	TEMPLATE_SIZE_MAX = 64 << 10,	/* bytes of a template */
	TEMPLATE_DEPTH_MAX = 64,	/* blocks and parentheses within each other */
	TEMPLATE_STEPS_MAX = 1000000,	/* actions of one run */
	TEMPLATE_OUTPUT_MAX = 64 << 20, /* bytes written by one run */
	TEMPLATE_WIDTH_MAX = 4096,	/* of printf and pad */
	TEMPLATE_VARIABLES_MAX = 64,	/* in sight at a time */
	TEMPLATE_ARGUMENTS_MAX = 16,	/* of a function */
	TEMPLATE_TEXT_MAX = 1 << 20,	/* bytes of a value that a function makes */
};

enum operand_kind { OPERAND_FIELD, OPERAND_VARIABLE, OPERAND_LITERAL, OPERAND_PIPE, OPERAND_CALL };

struct template_operand {
	enum operand_kind kind;
	size_t at;		    /* in the text */
	const char *name;	    /* VARIABLE, with its $ */
	const char **path;	    /* members, one of the other; ends with NULL */
	json_t *literal;	    /* borrowed from the template */
	struct template_pipe *pipe; /* in parentheses */
	const struct template_function *function;
};

struct template_command { /* what stands between two | */
	struct template_operand *operands;
	size_t n;
};

struct template_pipe {
	const char *declared[2]; /* the variables it sets; range may have two */
	bool assigns;		 /* to one there is */
	struct template_command *commands;
	size_t n;
};

enum node_kind { TEMPLATE_TEXT, TEMPLATE_ACTION, TEMPLATE_IF, TEMPLATE_WITH, TEMPLATE_RANGE };

struct template_list {
	struct template_node *nodes;
	size_t n;
};

struct template_node {
	enum node_kind kind;
	size_t at;
	const char *text; /* TEXT */
	size_t len;
	struct template_pipe *pipe;
	struct template_list body, otherwise;
};

struct template
{
	char *text;  /* as it was given, for places */
	void **kept; /* what the tree is made of */
	size_t n_kept;
	json_t *literals;
	struct template_list root;
};

struct template_call {
	const struct template *template;
	size_t at;
	json_t **args; /* borrowed */
	size_t n;
};

struct template_function {
	const char *name;
	size_t least, most; /* arguments */
	/* NULL for "and" and "or", which look at no more arguments than they must. */
	struct err *(*run)(const struct template_call *c, json_t **ret);
};

/* template_call.c; NULL: there is none. */
const struct template_function *template_function(const char *name);

/* An error at byte @at of the text. */
struct err *template_err(const struct template *t, size_t at, const char *fmt,
			 ...) must_check never_null printf_like(3, 4);
/* What {{if}} takes for true. */
bool template_truth(const json_t *v);
/* As {{print}} shows it; the caller's. */
char *template_text(const json_t *v) must_check;
