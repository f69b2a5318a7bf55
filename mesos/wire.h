/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mesos/wire.h - what goes over the wire between an agent and its executors: RecordIO, JSON, base64, uuids, durations.
 *
 * Source: the Mesos executor HTTP API v1 (1.0 to 1.12), as agents speak it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"

enum { WIRE_RECORD_MAX = 64 << 20 /* bytes */ };

/* ---- RecordIO: "LENGTH\n" and as many bytes, again and again ---- */

struct wire_records;
typedef struct err *wire_record_fn(void *ctx, const char *data, size_t len);
struct wire_records *wire_records_new(void) must_check;
/* Any piece of the stream; @fn is called for each record that is whole. Its first error, or the stream's, is the result. */
struct err *wire_records_feed(struct wire_records *r, const char *data, size_t len,
			      wire_record_fn *fn, void *ctx) must_check;
void wire_records_free(struct wire_records *r);

/* ---- JSON as Mesos has it ---- */

/*
 * Like json_parse(); bare Infinity, -Infinity and NaN, and numbers that neither an
 * int64 nor a double can be, become strings, which agents take back.
 */
struct err *wire_parse(const char *text, size_t len, json_t **ret) must_check;
/* A number, also in a string ("Infinity", "1.5"); @fallback when it is missing or neither. */
double wire_number(const json_t *object, const char *path, double fallback);
/* As above, as a whole number from 0 to @max: what is beyond becomes the nearest. */
int64_t wire_count(const json_t *object, const char *path, int64_t fallback, int64_t max);
/* A boolean, also in a string. */
bool wire_bool(const json_t *object, const char *path, bool fallback);
/* A string; "" when it is missing or none. Borrowed. */
const char *wire_text(const json_t *object, const char *path);
/* The value of a label ("labels": {"labels": [...]}) whose key is @key or ends with .@key; NULL: none. Borrowed. */
const char *wire_label(const json_t *task, const char *key);

/* ---- base64 (RFC 4648), uuids (RFC 4122), durations ---- */

char *wire_base64(const void *data, size_t len) must_check;
/* Padding may be missing; @ret is the caller's and NUL-terminated. EINVAL for anything else. */
struct err *wire_unbase64(const char *text, char **ret, size_t *ret_len) must_check;
/* A random uuid (version 4) as the 16 bytes in base64 that agents want; the caller's. */
char *wire_uuid(void) must_check;
/* "15mins", "1.5secs", "500ms": NUMBER and ns, us, ms, secs, mins, hrs, days or weeks. */
struct err *wire_duration(const char *text, uint64_t *ret_ms) must_check;

/* ---- Aurora's TaskInfo.data: an AssignedTask in Thrift's binary protocol ---- */

struct wire_port {
	char *name;
	uint16_t number;
};
struct wire_aurora {
	bool is_service;
	int64_t instance;
	struct wire_port *ports; /* assignedPorts */
	size_t n_ports;
	char *data; /* of executorConfig, or NULL */
};
/* EINVAL when it is not one. */
struct err *wire_aurora(const void *data, size_t len, struct wire_aurora *ret) must_check;
void wire_aurora_clear(struct wire_aurora *a);
