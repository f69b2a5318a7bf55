/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image/internal.h - how the store is laid out; shared with slipway-fetch.
 *
 *     blobs/ALG-HEX        manifests and configurations, byte for byte
 *     layers/KEY/fs        one unpacked layer; KEY is a diffID, or a chainID when
 *                          the layer leans on the ones below it
 *     layers/KEY/meta      JSON: diff, size of the blob, flags
 *     known/ALG-HEX        the diffID that this compressed blob turned out to have
 *     refs/NAME            JSON: what a reference stands for; written last
 *     ingest/KEY           layers that are being unpacked
 *     locks/KEY            flock: who unpacks; locks/gc: shared by users, exclusive for gc
 */
#pragma once

#include "base/json.h"
#include "image/image.h"

enum {
	MANIFEST_MAX = 4 << 20, /* bytes */
	CONFIG_MAX = 8 << 20,
	LAYERS_MAX = 500,
};

#define STORE_BLOBS "blobs"
#define STORE_LAYERS "layers"
#define STORE_KNOWN "known"
#define STORE_REFS "refs"
#define STORE_INGEST "ingest"
#define STORE_LOCKS "locks"
#define STORE_GC_LOCK STORE_LOCKS "/gc"

/* "sha256:abc" as a file name, "sha256-abc"; a reference as one, "/" as "%". The caller's. */
char *store_key(const char *digest) must_check;
char *store_ref_key(const struct image_ref *r) must_check;
