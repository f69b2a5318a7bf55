/* SPDX-License-Identifier: Apache-2.0 */
/* image/fetch/digest.c - content digests over OpenSSL. */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "image/fetch/fetch.h"

struct err *digest_start(const char *like, struct digest *ret)
{
	bool long_one = str_starts(like, "sha512:");

	ret->algorithm = long_one ? "sha512" : "sha256";
	ret->ctx = EVP_MD_CTX_new();
	if (!ret->ctx ||
	    EVP_DigestInit_ex(ret->ctx, long_one ? EVP_sha512() : EVP_sha256(), NULL) != 1)
		return err_new(ENOMEM, "cannot start a %s digest", ret->algorithm);
	return NULL;
}

void digest_add(struct digest *d, const void *data, size_t len)
{
	(void)EVP_DigestUpdate(d->ctx, data, len); /* cannot fail for the built-in algorithms */
}

char *digest_end(struct digest *d)
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	char hex[2 * EVP_MAX_MD_SIZE + 1] = "";
	unsigned n = 0;

	(void)EVP_DigestFinal_ex(d->ctx, sum, &n);
	EVP_MD_CTX_free(d->ctx);
	d->ctx = NULL;
	for (unsigned i = 0; i < n; i++)
		snprintf(hex + (size_t)2 * i, 3, "%02x", sum[i]);
	return mem_printf("%s:%s", d->algorithm, hex);
}

char *digest_of(const char *like, const void *data, size_t len)
{
	struct digest d = { 0 };
	struct err *e = digest_start(like, &d);

	if (e) {
		err_free(e);
		return mem_strdup("");
	}
	digest_add(&d, data, len);
	return digest_end(&d);
}
