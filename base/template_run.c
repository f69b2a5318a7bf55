/* SPDX-License-Identifier: Apache-2.0 */
/* base/template_run.c - a template and its data: walking the tree, evaluating pipelines. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/template_tree.h"

enum { KNOWN_MAX = 24 /* members that an error lists */ };

struct variable {
	const char *name;
	json_t *value;
};

struct run {
	const struct template *t;
	FILE *out;
	json_t *root, *dot; /* borrowed */
	struct variable variables[TEMPLATE_VARIABLES_MAX];
	size_t n_variables;
	size_t steps, written;
};

static struct err *put(struct run *r, const struct template_node *node, const char *text,
		       size_t len)
{
	r->written += len;
	if (r->written > TEMPLATE_OUTPUT_MAX)
		return template_err(r->t, node->at, "more than %d bytes come out of this",
				    TEMPLATE_OUTPUT_MAX);
	fwrite(text, 1, len, r->out);
	return NULL;
}

/* ---- operands ---- */

static struct err *no_member(const struct run *r, const struct template_operand *o,
			     const json_t *object, const char *name)
{
	auto_strv char **known = NULL;
	const char *key;
	json_t *value;

	if (json_is_null(object))
		return template_err(r->t, o->at, "nil has no field '%s'", name);
	if (!json_is_object(object))
		return template_err(r->t, o->at, "there is no field '%s' in what is no mapping",
				    name);
	json_object_foreach((json_t *)(uintptr_t)object, key, value)
	{
		if (strv_len(known) < KNOWN_MAX)
			strv_add(&known, mem_strdup(key));
	}
	if (json_object_size(object) > KNOWN_MAX)
		strv_add(&known, mem_strdup("..."));
	auto_free char *list = strv_join(known, ", ");

	return template_err(r->t, o->at, "there is no field '%s'%s%s", name,
			    known ? "; there are " : "", list);
}

static struct err *eval_pipe(struct run *r, const struct template_pipe *pipe, json_t **ret);

static struct err *eval_call(struct run *r, const struct template_operand *o,
			     const struct template_operand *args, size_t n, json_t *piped,
			     json_t **ret);

static struct err *eval_operand(struct run *r, const struct template_operand *o, json_t **ret)
{
	auto_json json_t *value = NULL;

	switch (o->kind) {
	case OPERAND_FIELD:
		value = json_incref(r->dot);
		break;
	case OPERAND_VARIABLE:
		value = json_incref(r->root);
		for (size_t i = 0; i < r->n_variables; i++) /* the innermost of its name */
			if (strcmp(r->variables[i].name, o->name) == 0) {
				json_decref(value);
				value = json_incref(r->variables[i].value);
			}
		break;
	case OPERAND_LITERAL:
		value = json_incref(o->literal);
		break;
	case OPERAND_PIPE:
		TRY(eval_pipe(r, o->pipe, &value));
		break;
	case OPERAND_CALL:
		return eval_call(r, o, NULL, 0, NULL, ret);
	}
	for (const char **name = o->path; name && *name; name++) {
		json_t *member = json_object_get(value, *name);

		if (!member)
			return no_member(r, o, value, *name);
		json_incref(member);
		json_decref(value);
		value = member;
	}
	*ret = steal(&value);
	return NULL;
}

/* "and" and "or": the first value that settles it, or the last. */
static struct err *eval_lazy(struct run *r, const struct template_operand *o,
			     const struct template_operand *args, size_t n, json_t *piped,
			     json_t **ret)
{
	bool wants = strcmp(o->function->name, "or") == 0;
	auto_json json_t *value = NULL;

	for (size_t i = 0; i < n; i++) {
		json_decref(steal(&value));
		TRY(eval_operand(r, &args[i], &value));
		if (template_truth(value) == wants) {
			*ret = steal(&value);
			return NULL;
		}
	}
	*ret = piped ? json_incref(piped) : steal(&value);
	return NULL;
}

static struct err *eval_call(struct run *r, const struct template_operand *o,
			     const struct template_operand *args, size_t n, json_t *piped,
			     json_t **ret)
{
	json_t *values[TEMPLATE_ARGUMENTS_MAX + 1] = { NULL };
	const struct template_function *f = o->function;
	size_t all = n + (piped ? 1 : 0);
	struct err *e = NULL;

	if (++r->steps > TEMPLATE_STEPS_MAX)
		return template_err(r->t, o->at, "the template takes too long");
	if (all < f->least || all > f->most)
		return template_err(r->t, o->at, "%s wants %s%zu argument%s, not %zu", f->name,
				    f->least == f->most ? ""
				    : all < f->least	? "at least "
							: "at most ",
				    all < f->least ? f->least : f->most,
				    (all < f->least ? f->least : f->most) == 1 ? "" : "s", all);
	if (!f->run)
		return eval_lazy(r, o, args, n, piped, ret);
	for (size_t i = 0; i < n && !e; i++)
		e = eval_operand(r, &args[i], &values[i]);
	if (piped)
		values[n] = json_incref(piped);
	const struct template_call call = { r->t, o->at, values, all };

	if (!e)
		e = f->run(&call, ret);
	for (size_t i = 0; i < all; i++)
		json_decref(values[i]);
	return e;
}

static struct err *set_variable(struct run *r, const struct template_pipe *pipe, size_t i,
				json_t *value)
{
	size_t at = r->n_variables;

	for (size_t k = 0; k < r->n_variables && pipe->assigns; k++)
		if (strcmp(r->variables[k].name, pipe->declared[i]) == 0)
			at = k;
	if (at == TEMPLATE_VARIABLES_MAX)
		return err_new(E2BIG, "too many variables");
	if (at == r->n_variables)
		r->variables[r->n_variables++] = (struct variable) { pipe->declared[i], NULL };
	json_incref(value);
	json_decref(r->variables[at].value);
	r->variables[at].value = value;
	return NULL;
}

static struct err *eval_pipe(struct run *r, const struct template_pipe *pipe, json_t **ret)
{
	auto_json json_t *value = NULL;

	for (size_t i = 0; i < pipe->n; i++) {
		const struct template_command *c = &pipe->commands[i];
		json_t *next = NULL;

		if (c->operands[0].kind == OPERAND_CALL)
			TRY(eval_call(r, c->operands, c->operands + 1, c->n - 1, value, &next));
		else
			TRY(eval_operand(r, c->operands, &next));
		json_decref(value);
		value = next;
	}
	*ret = steal(&value);
	return NULL;
}

/* ---- blocks ---- */

static void forget_variables(struct run *r, size_t left)
{
	while (r->n_variables > left)
		json_decref(r->variables[--r->n_variables].value);
}

static struct err *run_list(struct run *r, const struct template_list *list);

/* One turn of a range: variables are the key and the value, or the value alone. */
static struct err *run_turn(struct run *r, const struct template_node *node, json_t *key,
			    json_t *value)
{
	const struct template_pipe *pipe = node->pipe;
	json_t *outer = r->dot;
	size_t before = r->n_variables;
	struct err *e = NULL;

	if (++r->steps > TEMPLATE_STEPS_MAX)
		return template_err(r->t, node->at, "the template takes too long");
	if (pipe->declared[1])
		e = set_variable(r, pipe, 0, key);
	if (!e && pipe->declared[0])
		e = set_variable(r, pipe, pipe->declared[1] ? 1 : 0, value);
	r->dot = value;
	if (!e)
		e = run_list(r, &node->body);
	r->dot = outer;
	forget_variables(r, before);
	return e;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Members of mappings by name, as Go has it. */
static struct err *range_object(struct run *r, const struct template_node *node, json_t *object)
{
	auto_strv char **keys = NULL;
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value) strv_add(&keys, mem_strdup(key));
	if (keys)
		qsort(keys, strv_len(keys), sizeof(*keys), by_text);
	for (char **k = keys; k && *k; k++) {
		auto_json json_t *name = json_string(*k);

		TRY(run_turn(r, node, name, json_object_get(object, *k)));
	}
	return NULL;
}

/* As with Go, the variables of a range that has no turn are what it has none of. */
static struct err *run_no_turn(struct run *r, const struct template_node *node, json_t *value)
{
	size_t before = r->n_variables;
	struct err *e = NULL;

	for (size_t i = 0; i < ARRAY_LEN(node->pipe->declared) && !e; i++)
		if (node->pipe->declared[i])
			e = set_variable(r, node->pipe, i, value);
	if (!e)
		e = run_list(r, &node->otherwise);
	forget_variables(r, before);
	return e;
}

static struct err *run_range(struct run *r, const struct template_node *node, json_t *value)
{
	if (!template_truth(value) && !json_is_number(value) && !json_is_boolean(value))
		return run_no_turn(r, node, value);
	if (json_is_object(value))
		return range_object(r, node, value);
	if (!json_is_array(value))
		return template_err(r->t, node->at, "range goes over lists and mappings alone");
	for (size_t i = 0; i < json_array_size(value); i++) {
		auto_json json_t *index = json_integer((json_int_t)i);

		TRY(run_turn(r, node, index, json_array_get(value, i)));
	}
	return NULL;
}

static struct err *run_branch(struct run *r, const struct template_node *node, json_t *value)
{
	json_t *outer = r->dot;
	size_t before = r->n_variables;
	struct err *e = NULL;

	if (node->kind == TEMPLATE_RANGE)
		return run_range(r, node, value);
	if (node->pipe->declared[0])
		TRY(set_variable(r, node->pipe, 0, value));
	if (!template_truth(value)) {
		e = run_list(r, &node->otherwise);
	} else {
		if (node->kind == TEMPLATE_WITH)
			r->dot = value;
		e = run_list(r, &node->body);
	}
	r->dot = outer;
	forget_variables(r, before);
	return e;
}

static struct err *run_node(struct run *r, const struct template_node *node)
{
	auto_json json_t *value = NULL;

	if (++r->steps > TEMPLATE_STEPS_MAX)
		return template_err(r->t, node->at, "the template takes too long");
	if (node->kind == TEMPLATE_TEXT)
		return put(r, node, node->text, node->len);
	TRY(eval_pipe(r, node->pipe, &value));
	if (node->kind != TEMPLATE_ACTION)
		return run_branch(r, node, value);
	if (node->pipe->declared[0])
		return set_variable(r, node->pipe, 0, value);
	auto_free char *text =
		json_is_null(value) ? mem_strdup("<no value>") : template_text(value);

	return put(r, node, text, strlen(text));
}

static struct err *run_list(struct run *r, const struct template_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		TRY(run_node(r, &list->nodes[i]));
	return NULL;
}

struct err *template_run(const struct template *t, json_t *data, FILE *out)
{
	struct run r = { .t = t, .out = out, .root = data, .dot = data };
	struct err *e = run_list(&r, &t->root);

	forget_variables(&r, 0);
	return e;
}
