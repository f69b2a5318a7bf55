/* SPDX-License-Identifier: Apache-2.0 */
/* base/attr.h - the few compiler attributes and macros this project uses. */
#pragma once

#define must_check __attribute__((warn_unused_result))
#define never_null __attribute__((returns_nonnull))
#define printf_like(f, a) __attribute__((format(printf, f, a)))
#define cleanup_with(fn) __attribute__((cleanup(fn)))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
