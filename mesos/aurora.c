/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mesos/aurora.c - what Aurora puts into TaskInfo.data: an AssignedTask in Thrift's binary protocol.
 *
 * Read are task.isService (4, 7), task.executorConfig.data (4, 25, 2),
 * assignedPorts (5) and instanceId (6); all else is passed over. A field is a
 * type byte and a two-byte number, a struct ends with type 0; numbers are
 * big-endian (Thrift specification, "Binary protocol").
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mesos/wire.h"

enum thrift_type {
	T_STOP = 0,
	T_BOOL = 2,
	T_BYTE = 3,
	T_DOUBLE = 4,
	T_I16 = 6,
	T_I32 = 8,
	T_I64 = 10,
	T_STRING = 11,
	T_STRUCT = 12,
	T_MAP = 13,
	T_SET = 14,
	T_LIST = 15
};
enum { NESTED_MAX = 32, PORTS_MAX = 65536 };

struct cursor {
	const unsigned char *data;
	size_t len;
};

static struct err *too_short(void)
{
	return err_new(EINVAL, "not an AssignedTask of Aurora: it ends too early");
}

static struct err *take(struct cursor *c, size_t n, const unsigned char **ret)
{
	if (c->len < n)
		return too_short();
	*ret = c->data;
	c->data += n;
	c->len -= n;
	return NULL;
}

static struct err *take_int(struct cursor *c, size_t bytes, int64_t *ret)
{
	const unsigned char *p = NULL;
	uint64_t v = 0;

	TRY(take(c, bytes, &p));
	for (size_t i = 0; i < bytes; i++)
		v = v << 8 | p[i];
	if (bytes < 8 && v >> (bytes * 8 - 1))
		v |= ~0ULL << (bytes * 8);
	*ret = (int64_t)v;
	return NULL;
}

static struct err *take_count(struct cursor *c, size_t *ret)
{
	int64_t n = 0;

	TRY(take_int(c, 4, &n));
	if (n < 0 || (uint64_t)n > c->len) /* each element takes a byte at least */
		return too_short();
	*ret = (size_t)n;
	return NULL;
}

static struct err *take_string(struct cursor *c, char **ret)
{
	const unsigned char *p = NULL;
	size_t n = 0;

	TRY(take_count(c, &n));
	TRY(take(c, n, &p));
	*ret = mem_strndup((const char *)p, n);
	return NULL;
}

/* ---- passing over ---- */

static struct err *skip(struct cursor *c, int64_t type, unsigned depth);

static struct err *skip_struct(struct cursor *c, unsigned depth)
{
	for (;;) {
		int64_t type = 0, id = 0;

		TRY(take_int(c, 1, &type));
		if (type == T_STOP)
			return NULL;
		TRY(take_int(c, 2, &id));
		TRY(skip(c, type, depth));
	}
}

static struct err *skip_elements(struct cursor *c, bool map, unsigned depth)
{
	int64_t types[2] = { 0, 0 };
	size_t n = 0, kinds = map ? 2 : 1;

	for (size_t i = 0; i < kinds; i++)
		TRY(take_int(c, 1, &types[i]));
	TRY(take_count(c, &n));
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < kinds; k++)
			TRY(skip(c, types[k], depth));
	return NULL;
}

static struct err *skip(struct cursor *c, int64_t type, unsigned depth)
{
	static const size_t sizes[] = {
		[T_BOOL] = 1, [T_BYTE] = 1, [T_DOUBLE] = 8, [T_I16] = 2, [T_I32] = 4, [T_I64] = 8
	};
	const unsigned char *p = NULL;
	size_t n = 0;

	if (depth > NESTED_MAX)
		return err_new(EINVAL, "not an AssignedTask of Aurora: nested deeper than %d",
			       NESTED_MAX);
	switch (type) {
	case T_STRING:
		TRY(take_count(c, &n));
		return take(c, n, &p);
	case T_STRUCT:
		return skip_struct(c, depth + 1);
	case T_MAP:
	case T_SET:
	case T_LIST:
		return skip_elements(c, type == T_MAP, depth + 1);
	default:
		if (type <= 0 || type >= (int64_t)ARRAY_LEN(sizes) || !sizes[type])
			return err_new(EINVAL, "not an AssignedTask of Aurora: type %d", (int)type);
		return take(c, sizes[type], &p);
	}
}

/* ---- what is read ---- */

typedef struct err *field_fn(struct cursor *c, struct wire_aurora *a);

struct field {
	int64_t id, type;
	field_fn *read;
};

/* A struct: its fields that stand in the table are read, the others passed over. */
static struct err *read_struct(struct cursor *c, const struct field *fields, struct wire_aurora *a)
{
	for (;;) {
		const struct field *f = fields;
		int64_t type = 0, id = 0;

		TRY(take_int(c, 1, &type));
		if (type == T_STOP)
			return NULL;
		TRY(take_int(c, 2, &id));
		while (f->read && (f->id != id || f->type != type))
			f++;
		TRY(f->read ? f->read(c, a) : skip(c, type, 0));
	}
}

static struct err *read_config_data(struct cursor *c, struct wire_aurora *a)
{
	free(a->data);
	a->data = NULL;
	return take_string(c, &a->data);
}

static struct err *read_executor_config(struct cursor *c, struct wire_aurora *a)
{
	static const struct field fields[] = { { 2, T_STRING, read_config_data }, { 0 } };

	return read_struct(c, fields, a);
}

static struct err *read_is_service(struct cursor *c, struct wire_aurora *a)
{
	int64_t v = 0;

	TRY(take_int(c, 1, &v));
	a->is_service = v != 0;
	return NULL;
}

static struct err *read_task(struct cursor *c, struct wire_aurora *a)
{
	static const struct field fields[] = { { 7, T_BOOL, read_is_service },
					       { 25, T_STRUCT, read_executor_config },
					       { 0 } };

	return read_struct(c, fields, a);
}

static struct err *read_ports(struct cursor *c, struct wire_aurora *a)
{
	int64_t key = 0, value = 0;
	size_t n = 0;

	TRY(take_int(c, 1, &key));
	TRY(take_int(c, 1, &value));
	TRY(take_count(c, &n));
	if (n && (key != T_STRING || value != T_I32 || n > PORTS_MAX))
		return err_new(EINVAL, "not an AssignedTask of Aurora: assignedPorts");
	for (size_t i = 0; i < n; i++) {
		auto_free char *name = NULL;
		int64_t number = 0;

		TRY(take_string(c, &name));
		TRY(take_int(c, 4, &number));
		if (number < 1 || number > 65535)
			return err_new(EINVAL, "assignedPorts: %lld is no port", (long long)number);
		a->ports = mem_grow(a->ports, a->n_ports + 1, sizeof(*a->ports));
		a->ports[a->n_ports++] = (struct wire_port) { steal(&name), (uint16_t)number };
	}
	return NULL;
}

static struct err *read_instance(struct cursor *c, struct wire_aurora *a)
{
	return take_int(c, 4, &a->instance);
}

struct err *wire_aurora(const void *data, size_t len, struct wire_aurora *ret)
{
	static const struct field fields[] = { { 4, T_STRUCT, read_task },
					       { 5, T_MAP, read_ports },
					       { 6, T_I32, read_instance },
					       { 0 } };
	struct cursor c = { data, len };

	*ret = (struct wire_aurora) { 0 };
	struct err *e = read_struct(&c, fields, ret);

	if (!e && c.len)
		e = err_new(EINVAL, "not an AssignedTask of Aurora: %zu bytes follow it", c.len);
	if (e)
		wire_aurora_clear(ret);
	return e;
}

void wire_aurora_clear(struct wire_aurora *a)
{
	for (size_t i = 0; i < a->n_ports; i++)
		free(a->ports[i].name);
	free(a->ports);
	free(a->data);
	*a = (struct wire_aurora) { 0 };
}
