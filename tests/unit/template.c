/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/template.c - templates say what Go's would, and errors say where. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/template.h"
#include "tests/check.h"

static const char data[] =
	"{\"Name\":\"web\",\"ID\":7,\"Part\":0.5,\"Up\":true,\"None\":null,\"Empty\":[],\"Nils\":["
	"null,1],"
	"\"State\":{\"Status\":\"running\",\"Code\":0},\"Ports\":[80,443],\"Words\":[\"a\",\"b\"],"
	"\"Labels\":{\"com.x/y\":\"1\",\"b\":\"2\"},\"List\":[{\"N\":1},{\"N\":2}]}";

static char *render(const char *text)
{
	auto_template struct template *t = NULL;
	auto_json json_t *j = json_loads(data, 0, NULL);
	char *out = NULL;
	size_t len;
	FILE *f = open_memstream(&out, &len);
	auto_err struct err *e = template_parse(text, &t);

	if (!e)
		e = template_run(t, j, f);
	fclose(f);
	if (!e)
		return out;
	free(out);
	return mem_printf("error: %s", err_text(e));
}

struct row {
	const char *why, *text, *want;
};

static void check_rows(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		auto_free char *got = render(rows[i].text);

		check_why(rows[i].why);
		CHECK_STR(got, rows[i].want);
	}
}

/* clang-format off */
TEST(values_are_shown_as_go_shows_them)
{
	static const struct row rows[] = {
		{ "text alone", "plain", "plain" },
		{ "nothing", "", "" },
		{ "a field", "{{.Name}}", "web" },
		{ "blanks", "{{  .Name  }}", "web" },
		{ "text around", "<{{.Name}}>", "<web>" },
		{ "fields of fields", "{{.State.Status}}", "running" },
		{ "a number", "{{.ID}}", "7" },
		{ "a fraction", "{{.Part}}", "0.5" },
		{ "a boolean", "{{.Up}}", "true" },
		{ "null", "{{.None}}", "<no value>" },
		{ "a list", "{{.Ports}}", "[80 443]" },
		{ "a mapping, by name", "{{.Labels}}", "map[b:2 com.x/y:1]" },
		{ "the whole", "{{$.Name}}", "web" },
		{ "escapes in text", "a\\tb\\n", "a\tb\n" },
		{ "a string", "{{\"x\\ty\\\"\"}}", "x\ty\"" },
		{ "a raw string", "{{`a\\n`}}", "a\\n" },
		{ "constants", "{{true}} {{-3}} {{2.5}} {{nil}}", "true -3 2.5 <no value>" },
		{ "a brace is text", "{a} }}", "{a} }}" },
	};

	check_rows(rows, ARRAY_LEN(rows));
}

TEST(blocks_choose_and_repeat)
{
	static const struct row rows[] = {
		{ "if", "{{if .Up}}y{{end}}", "y" },
		{ "if not", "{{if .Empty}}y{{end}}", "" },
		{ "else", "{{if .None}}y{{else}}n{{end}}", "n" },
		{ "else if", "{{if .None}}a{{else if .Up}}b{{else}}c{{end}}", "b" },
		{ "zero is false", "{{if .State.Code}}y{{else}}n{{end}}", "n" },
		{ "with", "{{with .State}}{{.Status}}{{end}}", "running" },
		{ "with of nothing", "{{with .None}}a{{else}}{{.Name}}{{end}}", "web" },
		{ "range", "{{range .List}}<{{.N}}>{{end}}", "<1><2>" },
		{ "range of nothing", "{{range .Empty}}x{{else}}none{{end}}", "none" },
		{ "range of null", "{{range .None}}x{{else}}none{{end}}", "none" },
		{ "range of a mapping", "{{range .Labels}}{{.}};{{end}}", "2;1;" },
		{ "range with a variable", "{{range $p := .Ports}}{{$p}},{{end}}", "80,443," },
		{ "range with two", "{{range $k, $v := .Labels}}{{$k}}={{$v}} {{end}}", "b=2 com.x/y=1 " },
		{ "the index of a list", "{{range $i, $v := .Ports}}{{$i}}:{{$v}} {{end}}", "0:80 1:443 " },
		{ "the whole within", "{{range .List}}{{$.Name}}{{.N}} {{end}}", "web1 web2 " },
		{ "a variable", "{{$x := .Name}}{{$x}}", "web" },
		{ "a variable is set from within",
		  "{{$x := 0}}{{range .Ports}}{{$x = .}}{{end}}{{$x}}", "443" },
		{ "a variable of a block hides", "{{$x := 1}}{{if true}}{{$x := 2}}{{$x}}{{end}}{{$x}}", "21" },
		{ "a variable has fields", "{{$s := .State}}{{$s.Status}}", "running" },
		{ "the variables of a range that has no turn",
		  "{{range $i, $v := .Empty}}{{else}}{{$i}} {{$v}}{{end}}", "[] []" },
		{ "trimmed by any blank", "a {{-\n.Name\n-}} b {{-\t.ID\t-}} c", "awebb7c" },
		{ "else if over lines", "{{if .None}}a{{else if\n.Up}}b{{end}}", "b" },
		{ "a comment that seems to end where it begins", "a{{/*/ x */}}b", "ab" },
		{ "trimmed", "a \n{{- .Name -}}\n b", "awebb" },
		{ "a comment", "a{{/* nothing }} */}}b", "ab" },
		{ "a trimmed comment", "a {{- /* x */ -}} b", "ab" },
	};

	check_rows(rows, ARRAY_LEN(rows));
}

TEST(functions_are_gos_and_dockers)
{
	static const struct row rows[] = {
		{ "json", "{{json .State}}", "{\"Status\":\"running\",\"Code\":0}" },
		{ "json of a text", "{{json .Name}}", "\"web\"" },
		{ "a pipeline", "{{.Name | upper | json}}", "\"WEB\"" },
		{ "upper, lower, title", "{{upper \"aB\"}} {{lower \"aB\"}} {{title \"ab cd\"}}", "AB ab Ab Cd" },
		{ "len", "{{len .Ports}} {{len .Name}} {{len .Labels}}", "2 3 2" },
		{ "index of a mapping", "{{index .Labels \"com.x/y\"}}", "1" },
		{ "index of a list", "{{index .Ports 1}}", "443" },
		{ "index deeper", "{{index .List 1 \"N\"}}", "2" },
		{ "index of what is not there", "{{index .Labels \"no\"}}", "<no value>" },
		{ "fields of what is in parentheses", "{{(index .List 0).N}}", "1" },
		{ "join", "{{join .Words \", \"}}", "a, b" },
		{ "join of numbers", "{{join .Ports \"/\"}}", "80/443" },
		{ "split", "{{index (split \"a:b:c\" \":\") 1}}", "b" },
		{ "printf", "{{printf \"%s-%d %q|%5s|%-5s|%05.1f|%t|%x|%%\" .Name .ID \"x\" \"r\" \"l\" .Part .Up 255}}",
		  "web-7 \"x\"|    r|l    |000.5|true|ff|%" },
		{ "printf of anything", "{{printf \"%v %v\" .Ports .None}}", "[80 443] <nil>" },
		{ "nil within", "{{print nil}} {{index (split \"a\" \"b\") 0}} {{.Nils}}", "<nil> a [<nil> 1]" },
		{ "printf counts characters", "{{printf \"%4s|%.1s\" \"\303\244\" \"\303\244b\"}}", "   \303\244|\303\244" },
		{ "print", "{{print 1 2 \"a\" \"b\" 3}}", "1 2ab3" },
		{ "println", "{{println .Name .ID}}", "web 7\n" },
		{ "truncate", "{{truncate \"abcdef\" 3}}", "abc" },
		{ "pad", "{{pad \"x\" 1 2}}|", " x  |" },
		{ "eq", "{{eq .Name \"web\"}} {{eq .ID 1 7}} {{ne .ID 7}}", "true true false" },
		{ "order", "{{lt 1 2}} {{ge \"a\" \"b\"}} {{gt .ID 6}} {{le 2.5 2}}", "true false true false" },
		{ "and, or, not", "{{and .Up .Name}} {{or .None \"x\"}} {{not .Up}}", "web x false" },
		{ "and looks no further", "{{if and .None (eq .None.Status \"x\")}}y{{else}}n{{end}}", "n" },
	};

	check_rows(rows, ARRAY_LEN(rows));
}

TEST(errors_name_the_place)
{
	static const struct row rows[] = {
		{ "no such field", "a\n {{.Nme}}",
		  "error: 2:4: there is no field 'Nme'; there are Name, ID, Part, Up, None, Empty, Nils, State, "
		  "Ports, Words, Labels, List" },
		{ "no such field within", "{{.State.X}}", "error: 1:3: there is no field 'X'; there are Status, Code" },
		{ "a field of a text", "{{.Name.X}}", "error: 1:3: there is no field 'X' in what is no mapping" },
		{ "a field of nil", "{{.None.X}}", "error: 1:3: nil has no field 'X'" },
		{ "no end", "{{.Name", "error: 1:8: '{{' has no '}}'" },
		{ "no value", "{{}}", "error: 1:3: a value is missing" },
		{ "no {{end}}", "x{{if .Up}}", "error: 1:2: a block has no {{end}}" },
		{ "too many", "{{end}}", "error: 1:8: {{end}} without a block" },
		{ "two else", "{{if .Up}}{{else}}{{else}}{{end}}", "error: 1:1: a block has two {{else}}" },
		{ "no such function", "{{foo .Name}}",
		  "error: 1:3: there is no function 'foo'; there are and or not eq ne lt le gt ge index len json join "
		  "split upper lower title truncate pad print printf println" },
		{ "no such variable", "{{$x}}", "error: 1:3: there is no variable '$x'" },
		{ "a variable has gone", "{{if $x := .Up}}{{end}}{{$x}}", "error: 1:26: there is no variable '$x'" },
		{ "a variable of the other branch", "{{if .None}}{{$x := 1}}{{else}}{{$x}}{{end}}",
		  "error: 1:34: there is no variable '$x'" },
		{ "too few arguments", "{{join .Words}}", "error: 1:3: join wants 2 arguments, not 1" },
		{ "too many arguments", "{{len .Words 1}}", "error: 1:3: len wants 1 argument, not 2" },
		{ "a wrong argument", "{{upper .ID}}", "error: 1:3: argument 1 is no text" },
		{ "an index too large", "{{index .Ports 2}}", "error: 1:3: index: there is no item 2 in a list of 2" },
		{ "no function", "{{.Name .ID}}", "error: 1:3: arguments are given to what is no function" },
		{ "a pipe into no function", "{{.Name | .ID}}", "error: 1:11: a value is handed to what is no function" },
		{ "a string without end", "{{\"a}}", "error: 1:3: a string has no end" },
		{ "range of a number", "{{range .ID}}{{end}}", "error: 1:1: range goes over lists and mappings alone" },
		{ "printf", "{{printf \"%d\" .Name}}", "error: 1:3: printf: %d is not for 'web'" },
		{ "printf needs more", "{{printf \"%s %s\" .Name}}", "error: 1:3: printf: more verbs than arguments" },
		{ "printf needs less", "{{printf \"%s\" .Name 1}}", "error: 1:3: printf: more arguments than verbs" },
		{ "a huge width", "{{printf \"%99999s\" .Name}}", "error: 1:3: printf: a width of more than 4096" },
		{ "other things", "{{.Name ; }}", "error: 1:9: '; }}' is not expected here" },
	};

	check_rows(rows, ARRAY_LEN(rows));
}
/* clang-format on */

static char *repeat(const char *s, size_t n)
{
	char *text = mem_alloc(strlen(s) * n + 1);

	for (size_t i = 0; i < n; i++)
		memcpy(text + i * strlen(s), s, strlen(s));
	return text;
}

TEST(everything_is_bounded)
{
	auto_free char *deep = repeat("{{if 1}}", 100), *open = repeat("(", 100);
	auto_free char *nested = mem_printf("{{%s", open), *fields = repeat(".A", 100);
	auto_free char *path = mem_printf("{{%s}}", fields);
	auto_free char *large = repeat("x", 70000);
	auto_free char *loop = repeat("{{range $.Ports}}", 30), *ends = repeat("{{end}}", 30);
	auto_free char *slow = mem_printf("%s%s", loop, ends);
	auto_free char *doubled = repeat("{{$x = printf \"%s%s\" $x $x}}", 30);
	auto_free char *growing = mem_printf("{{$x := \"ab\"}}%s", doubled);
	auto_free char *many = repeat("{{$x = printf \"%s%s\" $x $x}}", 18);
	auto_free char *joined = mem_printf("{{$x := \"ab\"}}%s{{join (split $x \"a\") $x}}", many);
	const struct row rows[] = {
		{ "a text between many", joined,
		  "error: 1:537: a text of more than 1048576 bytes" },
		{ "blocks", deep, "error: 1:516: blocks are too deep within each other" },
		{ "parentheses", nested, "error: 1:67: too many parentheses" },
		{ "fields", path, "error: 1:131: too many fields of fields" },
		{ "size", large, "error: a template has more than 65536 bytes" },
		{ "time", slow, "error: 1:289: the template takes too long" },
		{ "texts that double", growing, "error: 1:580: a text of more than 1048576 bytes" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_free char *got = render(rows[i].text);

		check_why(rows[i].why);
		/* the column is where it happens to be; that it ends is the point */
		const char *tail = strstr(rows[i].want, "1:") ? strrchr(rows[i].want, ':') : NULL;

		if (!str_starts(got, "error: ") || !str_ends(got, tail ? tail : rows[i].want))
			CHECK_STR(got, rows[i].want);
	}
}

static char *heading(const char *field)
{
	return mem_printf("<%s>", field);
}

TEST(headings_are_the_fields_names)
{
	auto_template struct template *t = NULL;
	char *out = NULL;
	size_t len;
	FILE *f = open_memstream(&out, &len);
	auto_err struct err *e =
		template_parse("{{.Name}}\\t{{.State.Status | upper}}\\t{{printf \"%s\" "
			       ".ID}}\\t{{if .Up}}{{.Up}}{{end}}"
			       "\\t{{range .List}}{{.N}}{{end}}\\t{{(index .Labels \"a\")}}",
			       &t);

	CHECK_STR(err_text(e), "success");
	template_headings(t, heading, f);
	fclose(f);
	CHECK_STR(out, "<Name>\t<Status>\t<ID>\t<Up>\t<List>\t<Labels>");
	free(out);
}
