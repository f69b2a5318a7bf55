/* SPDX-License-Identifier: Apache-2.0 */
/* The malloc of slipway-init, under other names: here libc's is at work. */
#include "tests/check.h"

#define malloc init_malloc
#define calloc init_calloc
#define realloc init_realloc
#define free init_free
void *init_malloc(size_t size);
void *init_calloc(size_t n, size_t size);
void *init_realloc(void *p, size_t size);
void init_free(void *p);
#include "runtime/init/alloc.c"

/* Blocks of many sizes, also larger than what is there at first: aligned, and nobody else's. */
TEST(blocks_are_aligned_and_apart)
{
	enum { N = 300 };
	static unsigned char *blocks[N];
	static size_t sizes[N];

	for (size_t i = 0; i < N; i++) {
		sizes[i] = (i * 7919) % 9000 + (i % 100 == 99) * 3 * (size_t)MORE;
		blocks[i] = malloc(sizes[i]);
		CHECK(blocks[i]);
		CHECK((uintptr_t)blocks[i] % ALIGN == 0);
		memset(blocks[i], (int)i, sizes[i]);
	}
	for (size_t i = 0; i < N; i++)
		for (size_t k = 0; k < sizes[i]; k += 61)
			CHECK(blocks[i][k] == (unsigned char)i);
}

TEST(what_was_the_last_is_had_again_and_cleared_by_calloc)
{
	char *a = malloc(100);

	memset(a, 'x', 100);
	free(a);
	char *b = calloc(10, 10);

	CHECK(b == a);
	for (int i = 0; i < 100; i++)
		CHECK(b[i] == 0);
	char *c = malloc(1);

	free(b); /* not the last: stays */
	char *d = malloc(1);

	CHECK(d > c);
	free(NULL);
}

TEST(realloc_keeps_the_content)
{
	char *a = realloc(NULL, 10);

	memcpy(a, "123456789", 10);
	CHECK(realloc(a, 5) == a);
	CHECK(realloc(a, 5000) == a); /* grows where it is */
	CHECK_STR(a, "123456789");
	char *other = malloc(10);
	char *b = realloc(a, 9000); /* has to move */

	CHECK(b > other);
	CHECK_STR(b, "123456789");
	char *far = realloc(b, 2 * (size_t)MORE); /* the last, and there is no room */

	CHECK_STR(far, "123456789");
}

TEST(what_cannot_be_is_refused)
{
	volatile size_t most = SIZE_MAX; /* or the compiler would refuse it first */
	char *a = malloc(10);

	memcpy(a, "123456789", 10);
	CHECK(!malloc(most));
	CHECK_INT(errno, ENOMEM);
	CHECK(!malloc(most / 4));
	CHECK(!calloc(most / 2, 3));
	CHECK(!realloc(a, most / 4));
	char *b = malloc(10);

	memset(b, 'x', 10);
	CHECK_STR(a, "123456789"); /* still its own */
}
