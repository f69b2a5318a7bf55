/* SPDX-License-Identifier: Apache-2.0 */
/* base/template.c - parsing a template: text and actions, pipelines and operands. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/template_tree.h"

struct parser {
	struct template *t;
	size_t at, end; /* of the text */
	size_t depth;
	const char *variables[TEMPLATE_VARIABLES_MAX];
	size_t n_variables;
	bool trim; /* the action before ended with -}} */
};

struct err *template_err(const struct template *t, size_t at, const char *fmt, ...)
{
	unsigned line = 1, column = 1;
	va_list ap;

	for (size_t i = 0; i < at && t->text[i]; i++) {
		column = t->text[i] == '\n' ? 1 : column + 1;
		line += t->text[i] == '\n';
	}
	va_start(ap, fmt);
	auto_free char *what = mem_vprintf(fmt, ap);

	va_end(ap);
	return err_new(EINVAL, "%u:%u: %s", line, column, what);
}

/* Memory that goes with the template. */
static void *keep(struct template *t, void *take_p)
{
	t->kept = mem_grow(t->kept, t->n_kept + 1, sizeof(*t->kept));
	t->kept[t->n_kept++] = take_p;
	return take_p;
}

/* @list with one more item of @size, zeroed; lists are kept, and outgrown ones too: they are short. */
static void *append(struct template *t, void *list, size_t n, size_t size)
{
	char *longer;

	if (n & (n - 1) || !n) { /* room is doubled at powers of two */
		if (n)
			return list;
		return keep(t, mem_alloc(size));
	}
	longer = keep(t, mem_alloc(2 * n * size));
	memcpy(longer, list, n * size);
	return longer;
}

static bool here(const struct parser *p, const char *s)
{
	return p->end - p->at >= strlen(s) && memcmp(p->t->text + p->at, s, strlen(s)) == 0;
}

static char look(const struct parser *p)
{
	return p->at < p->end ? p->t->text[p->at] : '\0';
}

static void skip_blanks(struct parser *p)
{
	while (p->at < p->end && isspace((unsigned char)look(p)))
		p->at++;
}

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

/* Letters, digits and _, kept; "" when there are none. */
static const char *read_word(struct parser *p)
{
	size_t from = p->at;

	while (is_word(look(p)))
		p->at++;
	return keep(p->t, mem_strndup(p->t->text + from, p->at - from));
}

/* The end of an action, with its trim marker; the blank before that is seen already. */
static bool at_end(const struct parser *p)
{
	return here(p, "}}") || here(p, "-}}");
}

static struct err *read_end(struct parser *p)
{
	skip_blanks(p);
	if (!at_end(p))
		return template_err(p->t, p->at,
				    p->at == p->end ? "'{{' has no '}}'"
						    : "'%.8s' is not expected here",
				    p->t->text + p->at);
	p->trim = look(p) == '-';
	p->at += p->trim ? 3 : 2;
	return NULL;
}

/* ---- operands ---- */

static json_t *keep_literal(struct parser *p, json_t *take_j)
{
	json_array_append_new(p->t->literals, take_j);
	return take_j;
}

/* "text" with Go's escapes, or `text` without. */
static struct err *read_string(struct parser *p, json_t **ret)
{
	static const char names[] = "ntr\"\\'ab", values[] = "\n\t\r\"\\'\a\b";
	size_t from = p->at, n = 0;
	char quote = p->t->text[p->at++];
	auto_free char *text = mem_alloc(p->end - p->at + 1);

	while (look(p) != quote) {
		char c = look(p);
		const char *escape;

		if (p->at >= p->end || (c == '\n' && quote == '"'))
			return template_err(p->t, from, "a string has no end");
		p->at++;
		if (c == '\\' && quote == '"') {
			escape = look(p) ? strchr(names, look(p)) : NULL;
			if (!escape)
				return template_err(p->t, p->at - 1, "no such escape in a string");
			c = values[escape - names];
			p->at++;
		}
		text[n++] = c;
	}
	p->at++;
	*ret = json_stringn(text, n);
	if (!*ret)
		return template_err(p->t, from, "a string is not UTF-8");
	keep_literal(p, *ret);
	return NULL;
}

static struct err *read_number(struct parser *p, json_t **ret)
{
	const char *from = p->t->text + p->at;
	char *end, *real_end;
	long long n;
	double real;

	errno = 0;
	n = strtoll(from, &end, 10);
	if (errno || end == from)
		return template_err(p->t, p->at, "'%.8s' is not a number", from);
	real = strtod(from, &real_end);
	if (real_end > end && (*end == '.' || *end == 'e' || *end == 'E'))
		*ret = json_real(real);
	else
		*ret = json_integer(n);
	if (!*ret)
		return template_err(p->t, p->at, "'%.8s' is not a number", from);
	p->at += (size_t)((json_is_real(*ret) ? real_end : end) - from);
	keep_literal(p, *ret);
	if (is_word(look(p)))
		return template_err(p->t, p->at, "'%.8s' is not expected in a number",
				    p->t->text + p->at);
	return NULL;
}

/* ".A.B"; "." alone names nothing. */
static struct err *read_path(struct parser *p, const char ***ret)
{
	const char *path[TEMPLATE_DEPTH_MAX + 1] = { NULL };
	size_t n = 0;

	while (look(p) == '.') {
		size_t from = p->at++;
		const char *word = read_word(p);

		if (!*word && (n || look(p) == '.'))
			return template_err(p->t, from, "a field has no name");
		if (n == TEMPLATE_DEPTH_MAX)
			return template_err(p->t, from, "too many fields of fields");
		if (!*word)
			break;
		path[n++] = word;
	}
	*ret = keep(p->t, mem_dup(path, (n + 1) * sizeof(*path)));
	return NULL;
}

static struct err *read_pipe(struct parser *p, bool declares, struct template_pipe **ret);

static struct err *check_variable(const struct parser *p, const char *name, size_t at)
{
	for (size_t i = 0; i < p->n_variables; i++)
		if (strcmp(p->variables[i], name) == 0)
			return NULL;
	return strcmp(name, "$") == 0 ? NULL
				      : template_err(p->t, at, "there is no variable '%s'", name);
}

/* A word that is not a field: a constant or a function. */
static struct err *read_name(struct parser *p, struct template_operand *o)
{
	const char *word = read_word(p);

	o->kind = OPERAND_LITERAL;
	if (strcmp(word, "true") == 0 || strcmp(word, "false") == 0) {
		o->literal = keep_literal(p, json_boolean(*word == 't'));
		return NULL;
	}
	if (strcmp(word, "nil") == 0) {
		o->literal = keep_literal(p, json_null());
		return NULL;
	}
	o->kind = OPERAND_CALL;
	o->function = template_function(word);
	if (o->function)
		return NULL;
	auto_free char *known = template_functions();

	return template_err(p->t, o->at, "there is no function '%s'; there are %s", word, known);
}

static struct err *read_operand(struct parser *p, struct template_operand *o)
{
	char c = look(p);

	*o = (struct template_operand) { .at = p->at };
	if (c == '"' || c == '`') {
		o->kind = OPERAND_LITERAL;
		TRY(read_string(p, &o->literal));
	} else if (isdigit((unsigned char)c) || c == '-' || c == '+') {
		o->kind = OPERAND_LITERAL;
		TRY(read_number(p, &o->literal));
	} else if (c == '.') {
		o->kind = OPERAND_FIELD;
	} else if (c == '$') {
		o->kind = OPERAND_VARIABLE;
		p->at++;
		o->name = keep(p->t, mem_printf("$%s", read_word(p)));
		TRY(check_variable(p, o->name, o->at));
	} else if (c == '(') {
		o->kind = OPERAND_PIPE;
		p->at++;
		if (++p->depth > TEMPLATE_DEPTH_MAX)
			return template_err(p->t, o->at, "too many parentheses");
		TRY(read_pipe(p, false, &o->pipe));
		p->depth--;
		if (look(p) != ')')
			return template_err(p->t, o->at, "'(' has no ')'");
		p->at++;
	} else if (is_word(c)) {
		return read_name(p, o);
	} else {
		return template_err(p->t, p->at,
				    p->at == p->end ? "'{{' has no '}}'"
						    : "'%.8s' is not expected here",
				    p->t->text + p->at);
	}
	TRY(read_path(p, &o->path));
	return *o->path && o->kind == OPERAND_LITERAL
		       ? template_err(p->t, o->at, "a constant has no fields")
		       : NULL;
}

/* ---- pipelines ---- */

static struct err *read_command(struct parser *p, struct template_command *c)
{
	size_t from = p->at;

	for (;;) {
		skip_blanks(p);
		if (at_end(p) || look(p) == '|' || look(p) == ')')
			break;
		if (c->n > TEMPLATE_ARGUMENTS_MAX)
			return template_err(p->t, p->at, "too many arguments");
		c->operands = append(p->t, c->operands, c->n, sizeof(*c->operands));
		TRY(read_operand(p, &c->operands[c->n++]));
		if (!isspace((unsigned char)look(p)) && !at_end(p) && look(p) != '|' &&
		    look(p) != ')')
			return template_err(p->t, p->at,
					    p->at == p->end ? "'{{' has no '}}'"
							    : "'%.8s' is not expected here",
					    p->t->text + p->at);
	}
	if (!c->n)
		return template_err(p->t, from, "a value is missing");
	for (size_t i = 1; i < c->n; i++)
		if (c->operands[0].kind != OPERAND_CALL)
			return template_err(p->t, c->operands[0].at,
					    "arguments are given to what is no function");
	return NULL;
}

/* "$x :=", "$i, $x :=" and "$x =" before a pipeline; what looks otherwise is left alone. */
static struct err *read_declaration(struct parser *p, struct template_pipe *pipe)
{
	size_t from = p->at, n = 0;
	const char *names[2] = { NULL, NULL };

	while (n < ARRAY_LEN(names) && look(p) == '$') {
		p->at++;
		names[n++] = keep(p->t, mem_printf("$%s", read_word(p)));
		skip_blanks(p);
		if (look(p) != ',')
			break;
		p->at++;
		skip_blanks(p);
	}
	if (!n || (!here(p, ":=") && look(p) != '=')) {
		p->at = from;
		return NULL;
	}
	pipe->assigns = look(p) == '=';
	p->at += pipe->assigns ? 1 : 2;
	for (size_t i = 0; i < n; i++) {
		pipe->declared[i] = names[i];
		if (strlen(names[i]) == 1)
			return template_err(p->t, from, "'$' is the whole and cannot be set");
		if (pipe->assigns)
			TRY(check_variable(p, names[i], from));
	}
	return NULL;
}

/* They can be seen from here to the end of their block. */
static struct err *declare(struct parser *p, const struct template_pipe *pipe)
{
	for (size_t i = 0; i < ARRAY_LEN(pipe->declared) && !pipe->assigns; i++) {
		if (!pipe->declared[i])
			continue;
		if (p->n_variables == TEMPLATE_VARIABLES_MAX)
			return template_err(p->t, p->at, "too many variables");
		p->variables[p->n_variables++] = pipe->declared[i];
	}
	return NULL;
}

static struct err *read_pipe(struct parser *p, bool declares, struct template_pipe **ret)
{
	struct template_pipe *pipe = keep(p->t, mem_alloc(sizeof(*pipe)));

	skip_blanks(p);
	if (declares)
		TRY(read_declaration(p, pipe));
	for (;;) {
		pipe->commands = append(p->t, pipe->commands, pipe->n, sizeof(*pipe->commands));
		struct template_command *c = &pipe->commands[pipe->n++];

		TRY(read_command(p, c));
		if (pipe->n > 1 && c->operands[0].kind != OPERAND_CALL)
			return template_err(p->t, c->operands[0].at,
					    "a value is handed to what is no function");
		if (look(p) != '|')
			break;
		p->at++;
	}
	*ret = pipe;
	return declare(p, pipe);
}

/* ---- blocks ---- */

enum { ENDS_AT_TEXT_END, ENDS_AT_END, ENDS_AT_ELSE };

static struct err *read_list(struct parser *p, struct template_list *list, int *ret_end);

static struct template_node *add_node(struct parser *p, struct template_list *list,
				      enum node_kind kind)
{
	list->nodes = append(p->t, list->nodes, list->n, sizeof(*list->nodes));
	list->nodes[list->n] = (struct template_node) { .kind = kind, .at = p->at };
	return &list->nodes[list->n++];
}

/* "{{-3}}" is a number. */
static bool trims(const char *open)
{
	return str_starts(open, "{{-") && isspace((unsigned char)open[3]);
}

/* What stands before the next action: \n and \t as in C, trimmed where actions say so. */
static void read_text(struct parser *p, struct template_list *list)
{
	const char *text = p->t->text + p->at;
	const char *open = strstr(text, "{{");
	size_t len = open ? (size_t)(open - text) : p->end - p->at, n = 0;
	char *copy = keep(p->t, mem_alloc(len + 1));
	struct template_node *node = add_node(p, list, TEMPLATE_TEXT);

	for (size_t i = 0; i < len; i++) {
		bool escape = text[i] == '\\' && i + 1 < len &&
			      (text[i + 1] == 'n' || text[i + 1] == 't');

		copy[n++] = !escape ? text[i] : text[i + 1] == 'n' ? '\n' : '\t';
		i += escape;
	}
	p->at += len;
	while (open && trims(open) && n && isspace((unsigned char)copy[n - 1]))
		n--;
	for (; p->trim && n && isspace((unsigned char)*copy); n--)
		copy++;
	p->trim = false;
	node->text = copy;
	node->len = n;
}

static struct err *read_comment(struct parser *p)
{
	const char *end = strstr(p->t->text + p->at + strlen("/*"), "*/");

	if (!end)
		return template_err(p->t, p->at, "a comment has no end");
	p->at = (size_t)(end - p->t->text) + 2;
	return read_end(p);
}

static struct err *read_block(struct parser *p, struct template_node *node);

/* Behind {{else: of "{{else if", the {{end}} is that of both. */
static struct err *read_otherwise(struct parser *p, struct template_node *node, int *ret_end)
{
	skip_blanks(p);
	if (at_end(p)) {
		TRY(read_end(p));
		return read_list(p, &node->otherwise, ret_end);
	}
	size_t at = p->at;
	const char *word = read_word(p);
	bool is_if = strcmp(word, "if") == 0;

	if (!is_if && strcmp(word, "with") != 0) {
		p->at = at;
		return read_end(p); /* which says what is not expected */
	}
	struct template_node *inner =
		add_node(p, &node->otherwise, is_if ? TEMPLATE_IF : TEMPLATE_WITH);

	*ret_end = ENDS_AT_END;
	return read_block(p, inner);
}

/* Behind the word: the pipeline, the body, and what is otherwise. */
static struct err *read_block(struct parser *p, struct template_node *node)
{
	size_t variables = p->n_variables, from = p->at;
	int end = ENDS_AT_TEXT_END;

	if (++p->depth > TEMPLATE_DEPTH_MAX)
		return template_err(p->t, from, "blocks are too deep within each other");
	TRY(read_pipe(p, true, &node->pipe));
	if (node->pipe->declared[1] && node->kind != TEMPLATE_RANGE)
		return template_err(p->t, from, "only range sets two variables");
	size_t own = p->n_variables;

	TRY(read_end(p));
	TRY(read_list(p, &node->body, &end));
	p->n_variables = own;
	if (end == ENDS_AT_ELSE)
		TRY(read_otherwise(p, node, &end));
	if (end != ENDS_AT_END)
		return template_err(p->t, node->at,
				    end == ENDS_AT_ELSE ? "a block has two {{else}}"
							: "a block has no {{end}}");
	p->depth--;
	p->n_variables = variables;
	return NULL;
}

/* One {{ }}; *ret_end is set when it ends the list. */
static struct err *read_action(struct parser *p, struct template_list *list, int *ret_end)
{
	static const struct {
		const char *word;
		enum node_kind kind;
	} blocks[] = { { "if", TEMPLATE_IF },
		       { "with", TEMPLATE_WITH },
		       { "range", TEMPLATE_RANGE } };
	size_t from = p->at;

	p->at += trims(p->t->text + p->at) ? 3 : 2;
	skip_blanks(p);
	size_t word_at = p->at;

	if (here(p, "/*"))
		return read_comment(p);
	const char *word = read_word(p);

	if (strcmp(word, "end") == 0) {
		*ret_end = ENDS_AT_END;
		return read_end(p);
	}
	if (strcmp(word, "else") == 0) {
		*ret_end = ENDS_AT_ELSE;
		return NULL;
	}
	for (size_t i = 0; i < ARRAY_LEN(blocks); i++)
		if (strcmp(word, blocks[i].word) == 0) {
			struct template_node *node = add_node(p, list, blocks[i].kind);

			node->at = from;
			return read_block(p, node);
		}
	struct template_node *node = add_node(p, list, TEMPLATE_ACTION);

	p->at = word_at;
	TRY(read_pipe(p, true, &node->pipe));
	if (node->pipe->declared[1])
		return template_err(p->t, word_at, "only range sets two variables");
	return read_end(p);
}

static struct err *read_list(struct parser *p, struct template_list *list, int *ret_end)
{
	int end = ENDS_AT_TEXT_END;

	while (end == ENDS_AT_TEXT_END) {
		read_text(p, list);
		if (p->at == p->end)
			break;
		TRY(read_action(p, list, &end));
	}
	*ret_end = end;
	return NULL;
}

struct err *template_parse(const char *text, struct template **ret)
{
	auto_template struct template *t = mem_alloc(sizeof(*t));
	struct parser p = { .t = t, .end = strlen(text) };
	int end = ENDS_AT_TEXT_END;

	if (p.end > TEMPLATE_SIZE_MAX)
		return err_new(E2BIG, "a template has more than %d bytes", TEMPLATE_SIZE_MAX);
	t->text = mem_strdup(text);
	t->literals = json_array();
	TRY(read_list(&p, &t->root, &end));
	if (end != ENDS_AT_TEXT_END)
		return template_err(t, p.at, "{{%s}} without a block",
				    end == ENDS_AT_END ? "end" : "else");
	*ret = steal(&t);
	return NULL;
}

void template_free(struct template *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n_kept; i++)
		free(t->kept[i]);
	free(t->kept);
	free(t->text);
	json_decref(t->literals);
	free(t);
}

void template_cleanup(struct template **t)
{
	template_free(*t);
}
