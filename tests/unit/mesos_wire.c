/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/mesos_wire.c - records, JSON, base64, uuids, durations and Aurora's data, as agents send them. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "mesos/wire.h"
#include "tests/check.h"

/* ---- RecordIO ---- */

static struct err *collect(void *ctx, const char *data, size_t len)
{
	strv_add(ctx, mem_strndup(data, len));
	return NULL;
}

/* What comes of @stream, in pieces of @piece bytes: the records, joined by '|'; or the error. */
static char *records_of(const char *stream, size_t piece)
{
	struct wire_records *r = wire_records_new();
	auto_strv char **got = NULL;
	auto_err struct err *e = NULL;

	for (size_t at = 0; at < strlen(stream) && !e; at += piece) {
		size_t n = strlen(stream) - at < piece ? strlen(stream) - at : piece;

		e = wire_records_feed(r, stream + at, n, collect, &got);
	}
	wire_records_free(r);
	return e ? mem_strdup(err_text(e)) : got ? strv_join(got, "|") : mem_strdup("");
}

TEST(records_do_not_care_how_they_are_cut)
{
	static const char stream[] = "5\nhello0\n2\nab10\n0123456789";

	for (size_t piece = 1; piece <= sizeof(stream); piece++) {
		auto_free char *got = records_of(stream, piece);

		CHECK_STR(got, "hello||ab|0123456789");
	}
}

TEST(a_length_that_is_none_ends_the_stream)
{
	static const struct {
		const char *why, *stream, *want;
	} rows[] = {
		{ "a letter", "x\n", "the length of a record has a byte 0x78" },
		{ "a sign", "-1\n", "the length of a record has a byte 0x2d" },
		{ "too many digits", "000000000000000000001\n",
		  "the length of a record has a byte 0x31" },
		{ "none at all", "\n", "the length of a record: '' is not a number" },
		{ "more than is sensible", "67108865\n",
		  "the length of a record: '67108865' is not between 0 and 67108864" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_free char *got = records_of(rows[i].stream, 3);

		check_why(rows[i].why);
		CHECK_STR(got, rows[i].want);
	}
}

TEST(a_record_that_was_announced_costs_only_what_has_come)
{
	auto_free char *got = records_of("67108864\nabc", 1);

	CHECK_STR(got, "");
}

/* ---- JSON ---- */

TEST(infinite_limits_are_read_and_can_be_sent_back)
{
	static const char text[] =
		"{\"limits\":{\"cpus\":{\"value\":Infinity},\"mem\":{\"value\":-Infinity},"
		"\"x\":NaN},\"s\":\"Infinity \\\" NaN\"}";
	auto_json json_t *j = NULL;
	auto_err struct err *e = wire_parse(text, strlen(text), &j);

	CHECK_STR(err_text(e), "success");
	CHECK(isinf(wire_number(j, "limits.cpus.value", 0)));
	CHECK(wire_number(j, "limits.mem.value", 0) < 0);
	CHECK(isnan(wire_number(j, "limits.x", 0)));
	CHECK(wire_count(j, "limits.cpus.value", 0, 9) == 9);
	CHECK(wire_count(j, "limits.mem.value", 1, 9) == 0);
	CHECK(wire_count(j, "limits.x", 7, 9) == 7);
	CHECK_STR(wire_text(j, "s"), "Infinity \" NaN");
	auto_free char *out = json_text(j, 0);

	CHECK(strstr(out, "\"value\":\"Infinity\"") != NULL);
}

TEST(numbers_that_do_not_fit_become_text_and_go_back_as_they_came)
{
	static const char text[] =
		"{\"a\":18446744073709551615,\"b\":[-9223372036854775809,-9223372036854775808,"
		"9223372036854775807],\"c\":1e400,\"d\":-1.5E+999,\"e\":"
		"123456789012345678901234567890."
		"5,\"f\":\"18446744073709551615\",\"g\":0.1}";
	auto_json json_t *j = NULL;
	auto_err struct err *e = wire_parse(text, strlen(text), &j);

	CHECK_STR(err_text(e), "success");
	CHECK(wire_number(j, "a", 0) == 18446744073709551615.0);
	CHECK(wire_count(j, "a", 0, INT64_MAX) == INT64_MAX);
	CHECK(isinf(wire_number(j, "c", 0)) && wire_number(j, "d", 0) < 0);
	CHECK(wire_number(j, "e", 0) == 123456789012345678901234567890.5);
	CHECK_STR(wire_text(j, "a"), "18446744073709551615");
	auto_free char *list = json_text(json_at(j, "b"), 0);

	CHECK_STR(list, "[\"-9223372036854775809\",-9223372036854775808,9223372036854775807]");
	CHECK_STR(wire_text(j, "c"), "1e400");
}

TEST(numbers_and_booleans_may_be_in_quotes)
{
	static const char text[] =
		"{\"a\":\"1.5\",\"b\":2,\"c\":\"x\",\"t\":\"true\",\"f\":false,\"n\":null}";
	auto_json json_t *j = NULL;
	auto_err struct err *e = wire_parse(text, strlen(text), &j);

	CHECK_STR(err_text(e), "success");
	CHECK(wire_number(j, "a", 0) == 1.5 && wire_number(j, "b", 0) == 2);
	CHECK(wire_number(j, "c", 7) == 7 && wire_number(j, "n", 7) == 7);
	CHECK(wire_count(j, "a", 0, 9) == 1 && wire_count(j, "a", 0, 0) == 0);
	CHECK(wire_count(j, "n", 7, 9) == 7 && wire_count(j, "c", -1, 9) == -1);
	CHECK(wire_bool(j, "t", false) && !wire_bool(j, "f", true) && wire_bool(j, "n", true));
}

TEST(json_with_nul_and_without_sense)
{
	static const struct {
		const char *why, *text, *want;
	} rows[] = {
		{ "NUL in a string", "{\"a\":\"\\u0000\"}", "success" },
		{ "an open string", "{\"a\":\"",
		  "JSON line 1 column 6: premature end of input near '\"'" },
		{ "nothing", "", "JSON line 1 column 0: '[' or '{' expected near end of file" },
	};
	auto_free char *deep = mem_alloc(400);
	auto_json json_t *none = NULL;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_json json_t *j = NULL;
		auto_err struct err *e = wire_parse(rows[i].text, strlen(rows[i].text), &j);

		check_why(rows[i].why);
		CHECK_STR(err_text(e), rows[i].want);
	}
	memset(deep, '[', 399);
	auto_err struct err *e = wire_parse(deep, 399, &none);

	CHECK_STR(err_text(e), "JSON nested deeper than 128 levels");
}

TEST(labels_match_exactly_or_by_their_end)
{
	static const char text[] = "{\"labels\":{\"labels\":[{\"key\":\"org.apache.aurora.metadata."
				   "fileName\",\"value\":\"a.yml\"},"
				   "{\"key\":\"fileName\",\"value\":\"b.yml\"},{\"key\":"
				   "\"xpluginorder\",\"value\":\"p\"}]}}";
	auto_json json_t *j = NULL;
	auto_err struct err *e = wire_parse(text, strlen(text), &j);

	CHECK_STR(err_text(e), "success");
	CHECK_STR(wire_label(j, "fileName"), "b.yml");
	CHECK(!wire_label(j, "pluginorder") && !wire_label(j, "Name"));
	json_array_remove(json_at(j, "labels.labels"), 1);
	CHECK_STR(wire_label(j, "fileName"), "a.yml");
}

/* ---- base64, uuids, durations ---- */

TEST(base64_there_and_back)
{
	static const char *const rows[][2] = {
		{ "", "" },	   { "f", "Zg==" },	   { "fo", "Zm8=" },
		{ "foo", "Zm9v" }, { "foob", "Zm9vYg==" }, { "\xff\xfe", "//4=" }
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_free char *text = wire_base64(rows[i][0], strlen(rows[i][0])), *back = NULL;
		size_t len = 0;
		auto_err struct err *e = wire_unbase64(text, &back, &len);

		CHECK_STR(text, rows[i][1]);
		CHECK_STR(err_text(e), "success");
		CHECK_INT(len, strlen(rows[i][0]));
		CHECK_STR(back, rows[i][0]);
	}
}

TEST(what_is_not_base64)
{
	static const char *const rows[][2] = {
		{ "Zg=", "success" }, /* padding may be missing */
		{ "Zg", "success" },
		{ "Z", "not base64: its length is wrong" },
		{ "Zg===", "not base64: its length is wrong" },
		{ "Z_8=", "not base64: byte 0x5f at 1" }, /* the alphabet of URLs */
		{ "Zm 9v9v9", "not base64: byte 0x20 at 2" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_free char *out = NULL;
		size_t len = 0;
		auto_err struct err *e = wire_unbase64(rows[i][0], &out, &len);

		check_why(rows[i][0]);
		CHECK_STR(err_text(e), rows[i][1]);
	}
}

TEST(uuids_are_sixteen_bytes_of_version_four)
{
	auto_strv char **seen = NULL;

	for (int i = 0; i < 100; i++) {
		auto_free char *text = wire_uuid(), *raw = NULL;
		size_t len = 0;
		auto_err struct err *e = wire_unbase64(text, &raw, &len);

		CHECK_STR(err_text(e), "success");
		CHECK_INT(len, 16);
		CHECK(((unsigned char)raw[6] >> 4) == 4 && ((unsigned char)raw[8] >> 6) == 2);
		CHECK(!strv_has(seen, text));
		strv_add(&seen, steal(&text));
	}
}

TEST(durations)
{
	static const struct {
		const char *text;
		int64_t ms; /* -1: none */
	} rows[] = { { "5secs", 5000 },
		     { "1.5secs", 1500 },
		     { "500ms", 500 },
		     { "15mins", 900000 },
		     { "2hrs", 7200000 },
		     { "10days", 864000000 },
		     { "1weeks", 604800000 },
		     { "1000us", 1 },
		     { "0ns", 0 },
		     { "5s", -1 },
		     { "5", -1 },
		     { "secs", -1 },
		     { "-1secs", -1 },
		     { " 1secs", -1 },
		     { "infsecs", -1 },
		     { "nanms", -1 },
		     { "", -1 } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t ms = 42;
		auto_err struct err *e = wire_duration(rows[i].text, &ms);

		check_why(rows[i].text);
		CHECK_INT(e ? -1 : (int64_t)ms, rows[i].ms);
	}
}

/* ---- Aurora ---- */

/* taskId, slaveId, slaveHost, task { jobKey, isService, executorConfig { name, data } }, assignedPorts, instanceId */
static const char assigned[] =
	"\x0b\x00\x01\x00\x00\x00\x02t1"
	"\x0c\x00\x04"
	"\x0c\x00\x1c\x0b\x00\x01\x00\x00\x00\x04role\x00" /* a struct that is passed over */
	"\x02\x00\x07\x01"
	"\x0f\x00\x14\x0b\x00\x00\x00\x01\x00\x00\x00\x01x"
	"\x0c\x00\x19\x0b\x00\x01\x00\x00\x00\x01n\x0b\x00\x02\x00\x00\x00\x04"
	"data\x00"
	"\x00"
	"\x0d\x00\x05\x0b\x08\x00\x00\x00\x02\x00\x00\x00\x04http\x00\x00\x79\x1d\x00\x00\x00\x03tc"
	"p\x00\x00\x79\x1e"
	"\x08\x00\x06\x00\x00\x00\x07"
	"\x00";

TEST(an_assigned_task_of_aurora)
{
	struct wire_aurora a;
	auto_err struct err *e = wire_aurora(assigned, sizeof(assigned) - 1, &a);

	CHECK_STR(err_text(e), "success");
	CHECK(a.is_service);
	CHECK_INT(a.instance, 7);
	CHECK_INT(a.n_ports, 2);
	CHECK_STR(a.ports[0].name, "http");
	CHECK_INT(a.ports[0].number, 31005);
	CHECK_STR(a.ports[1].name, "tcp");
	CHECK_STR(a.data, "data");
	wire_aurora_clear(&a);
}

TEST(an_assigned_task_that_is_cut_or_followed_is_none)
{
	struct wire_aurora a;

	for (size_t len = 0; len < sizeof(assigned) - 1; len++) {
		auto_err struct err *e = wire_aurora(assigned, len, &a);

		CHECK(e != NULL && !a.ports && !a.data);
	}
	auto_err struct err *e = wire_aurora(assigned, sizeof(assigned), &a);

	CHECK_STR(err_text(e), "not an AssignedTask of Aurora: 1 bytes follow it");
}
