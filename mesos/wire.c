/* SPDX-License-Identifier: Apache-2.0 */
/* mesos/wire.c - RecordIO, JSON with its infinities, base64, uuids and durations. */
#include "mesos/wire.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/mem.h"
#include "base/str.h"

enum {
	LENGTH_DIGITS = 20,
	DEPTH_MAX = 128,
	UUID_BYTES = 16,
	INTEGER_SAFE = 18 /* digits of an int64 */
};

/* ---- RecordIO ---- */

struct wire_records {
	char digits[LENGTH_DIGITS + 1]; /* of the length, as far as they have come */
	size_t n_digits;
	bool in_record;
	size_t want, have;
	char *data;
};

struct wire_records *wire_records_new(void)
{
	return mem_alloc(sizeof(struct wire_records));
}

void wire_records_free(struct wire_records *r)
{
	if (!r)
		return;
	free(r->data);
	free(r);
}

static struct err *end_length(struct wire_records *r)
{
	int64_t n = 0;

	r->digits[r->n_digits] = '\0';
	struct err *e = str_number(r->digits, 0, WIRE_RECORD_MAX, &n);

	if (e)
		return err_wrap(e, "the length of a record");
	r->n_digits = 0;
	r->in_record = true;
	r->want = (size_t)n;
	r->have = 0;
	return NULL;
}

static struct err *feed_length(struct wire_records *r, char c)
{
	if (c == '\n')
		return end_length(r);
	if (!isdigit((unsigned char)c) || r->n_digits == LENGTH_DIGITS)
		return err_new(EPROTO, "the length of a record has a byte 0x%02x",
			       (unsigned char)c);
	r->digits[r->n_digits++] = c;
	return NULL;
}

struct err *wire_records_feed(struct wire_records *r, const char *data, size_t len,
			      wire_record_fn *fn, void *ctx)
{
	while (len || (r->in_record && r->have == r->want)) {
		if (!r->in_record) {
			TRY(feed_length(r, *data));
			data++;
			len--;
			continue;
		}
		size_t n = r->want - r->have < len ? r->want - r->have : len;

		/* by what has come, not by what was announced */
		r->data = mem_grow(r->data, r->have + n + 1, 1);
		memcpy(r->data + r->have, data, n);
		r->have += n;
		data += n;
		len -= n;
		if (r->have < r->want)
			break;
		r->in_record = false;
		r->data[r->have] = '\0';
		auto_free char *record = steal(&r->data);

		TRY(fn(ctx, record, r->want));
	}
	return NULL;
}

/* ---- JSON ---- */

/* Whether one of the words that JSON does not have stands at @s. */
static const char *bare_word(const char *s, size_t left)
{
	static const char *const words[] = { "-Infinity", "Infinity", "NaN" };

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strlen(words[i]) <= left && strncmp(s, words[i], strlen(words[i])) == 0)
			return words[i];
	return NULL;
}

/* The length of the number that stands at @s. */
static size_t number_length(const char *s, size_t left)
{
	size_t n = 0;

	while (n < left && s[n] && strchr("0123456789+-.eE", s[n]))
		n++;
	return n;
}

/* Whether the number of @len bytes is one, but is beyond what a JSON number of ours can be. */
static bool is_beyond(const char *s, size_t len)
{
	if (len < INTEGER_SAFE && !memchr(s, 'e', len) && !memchr(s, 'E', len))
		return false;
	auto_free char *text = mem_strndup(s, len);
	char *end = text;

	errno = 0;
	if (strspn(text, "-0123456789") == len) {
		(void)strtoll(text, &end, 10);
		return errno == ERANGE && !*end;
	}
	return isinf(strtod(text, &end)) && !*end;
}

/*
 * Quotes bare words, and numbers that do not fit; *ret_deep is set when it is
 * nested too deep. The caller's.
 */
static char *quote_words(const char *text, size_t len, size_t *ret_len, bool *ret_deep)
{
	char *out = mem_alloc(len + 1);
	size_t n = 0, size = len + 1;
	bool string = false;
	int depth = 0;

	for (size_t i = 0; i < len; i++) {
		const char *word = string ? NULL : bare_word(text + i, len - i);
		size_t digits = string || word ? 0 : number_length(text + i, len - i);

		if (n + digits + 16 > size) {
			size = size * 2 + digits + 16;
			out = mem_grow(out, size, 1);
		}
		if (digits) {
			const char *quote = is_beyond(text + i, digits) ? "\"" : "";

			n += (size_t)sprintf(out + n, "%s%.*s%s", quote, (int)digits, text + i,
					     quote);
			i += digits - 1;
			continue;
		}
		if (word) {
			n += (size_t)sprintf(out + n, "\"%s\"", word);
			i += strlen(word) - 1;
			continue;
		}
		if (string && text[i] == '\\' && i + 1 < len)
			out[n++] = text[i++];
		else if (text[i] == '"')
			string = !string;
		else if (!string && strchr("{[", text[i]) && text[i])
			*ret_deep |= ++depth > DEPTH_MAX;
		else if (!string && strchr("}]", text[i]) && text[i])
			depth--;
		out[n++] = text[i];
	}
	*ret_len = n;
	return out;
}

struct err *wire_parse(const char *text, size_t len, json_t **ret)
{
	json_error_t error;
	size_t n = 0;
	bool deep = false;

	if (len > WIRE_RECORD_MAX)
		return err_new(EFBIG, "JSON larger than %d bytes", WIRE_RECORD_MAX);
	auto_free char *quoted = quote_words(text, len, &n, &deep);

	if (deep)
		return err_new(E2BIG, "JSON nested deeper than %d levels", DEPTH_MAX);
	json_t *j = json_loadb(quoted, n, JSON_ALLOW_NUL, &error);

	if (!j)
		return err_new(EINVAL, "JSON line %d column %d: %s", error.line, error.column,
			       error.text);
	*ret = j;
	return NULL;
}

double wire_number(const json_t *object, const char *path, double fallback)
{
	const json_t *j = json_at(object, path);
	const char *text = json_string_value(j);
	char *end = NULL;

	if (json_is_number(j))
		return json_number_value(j);
	if (!text || !*text)
		return fallback;
	double value = strtod(text, &end);

	return *end ? fallback : value;
}

int64_t wire_count(const json_t *object, const char *path, int64_t fallback, int64_t max)
{
	double value = wire_number(object, path, (double)NAN);

	if (isnan(value))
		return fallback;
	return value <= 0 ? 0 : value >= (double)max ? max : (int64_t)value;
}

bool wire_bool(const json_t *object, const char *path, bool fallback)
{
	const json_t *j = json_at(object, path);

	if (json_is_boolean(j))
		return json_is_true(j);
	if (str_eq(json_string_value(j), "true"))
		return true;
	return str_eq(json_string_value(j), "false") ? false : fallback;
}

const char *wire_text(const json_t *object, const char *path)
{
	const char *text = json_string_value(json_at(object, path));

	return text ? text : "";
}

const char *wire_label(const json_t *task, const char *key)
{
	const json_t *labels = json_at(task, "labels.labels");
	auto_free char *suffix = mem_printf(".%s", key);
	const char *found = NULL;

	for (size_t i = 0; i < json_array_size(labels); i++) {
		const json_t *one = json_array_get(labels, i);
		const char *name = wire_text(one, "key");

		if (strcmp(name, key) == 0)
			return wire_text(one, "value");
		if (!found && str_ends(name, suffix))
			found = wire_text(one, "value");
	}
	return found;
}

/* ---- base64 ---- */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *wire_base64(const void *data, size_t len)
{
	const unsigned char *in = data;
	char *out = mem_alloc((len + 2) / 3 * 4 + 1), *p = out;

	for (size_t i = 0; i < len; i += 3) {
		size_t n = len - i < 3 ? len - i : 3;
		uint32_t v = (uint32_t)in[i] << 16 | (n > 1 ? (uint32_t)in[i + 1] << 8 : 0) |
			     (n > 2 ? in[i + 2] : 0);

		for (size_t k = 0; k < 4; k++)
			*p++ = k > n ? '=' : alphabet[v >> (18 - 6 * k) & 63];
	}
	return out;
}

struct err *wire_unbase64(const char *text, char **ret, size_t *ret_len)
{
	size_t len = strlen(text), n = 0;
	auto_free char *out = mem_alloc(len / 4 * 3 + 4);
	uint32_t bits = 0;
	unsigned held = 0;

	while (len && text[len - 1] == '=')
		len--;
	if (strlen(text) - len > 2 || len % 4 == 1)
		return err_new(EINVAL, "not base64: its length is wrong");
	for (size_t i = 0; i < len; i++) {
		const char *at = text[i] ? strchr(alphabet, text[i]) : NULL;

		if (!at)
			return err_new(EINVAL, "not base64: byte 0x%02x at %zu",
				       (unsigned char)text[i], i);
		bits = bits << 6 | (uint32_t)(at - alphabet);
		held += 6;
		if (held >= 8) {
			held -= 8;
			out[n++] = (char)(bits >> held & 255);
		}
	}
	*ret = steal(&out);
	*ret_len = n;
	return NULL;
}

char *wire_uuid(void)
{
	unsigned char raw[UUID_BYTES];

	while (getrandom(raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
		; /* interrupted before the pool was ready */
	raw[6] = (unsigned char)((raw[6] & 0x0f) | 0x40); /* version 4 */
	raw[8] = (unsigned char)((raw[8] & 0x3f) | 0x80); /* RFC 4122's variant */
	return wire_base64(raw, sizeof(raw));
}

/* ---- durations ---- */

struct err *wire_duration(const char *text, uint64_t *ret_ms)
{
	static const struct {
		const char *unit;
		double ms;
	} units[] = { { "ns", 1e-6 },  { "us", 1e-3 },	 { "ms", 1 },	     { "secs", 1e3 },
		      { "mins", 6e4 }, { "hrs", 3.6e6 }, { "days", 8.64e7 }, { "weeks", 6.048e8 } };
	char *end = NULL;
	double value = strtod(text, &end);

	for (size_t i = 0; i < ARRAY_LEN(units) && end != text; i++) {
		double ms = value * units[i].ms;

		if (strcmp(end, units[i].unit) != 0 || !isfinite(ms) || ms < 0 || ms > 1e15 ||
		    isspace((unsigned char)*text))
			continue;
		*ret_ms = (uint64_t)ms;
		return NULL;
	}
	return err_new(EINVAL,
		       "'%s' is not a duration: a number and ns, us, ms, secs, mins, hrs, days or "
		       "weeks",
		       text);
}
