/* SPDX-License-Identifier: Apache-2.0 */
/* image/fetch/resolve.c - which digests tags name now, without pulling anything. */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "image/fetch/fetch.h"

static struct err *resolve_one(const char *name, const struct auth *auth)
{
	struct pull p = { .get = repo_get };
	auto_free char *digest = NULL;
	struct err *e = image_ref_parse(name, &p.ref);

	if (!e)
		e = repo_open(&p.ref, auth, &p.repo);
	if (!e)
		e = pull_digest(&p, &digest);
	if (!e)
		puts(digest);
	pull_clear(&p);
	return err_wrap(e, "%s", name);
}

struct err *fetch_resolve(const struct fetch_options *o, const struct auth *auth)
{
	struct err *errors = NULL;

	for (char *const *r = o->references; *r; r++)
		errors = err_join(errors, resolve_one(*r, auth));
	return errors;
}
