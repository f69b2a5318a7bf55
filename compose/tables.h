/* SPDX-License-Identifier: Apache-2.0 */
/* compose/tables.h - how the rows of the attribute tables are written. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "compose/kinds.h"

/* clang-format off */

/* Attribute @a stands in field @f of struct @s, in the shape of kind @k. */
#define NAMED(a, s, f, k, m, sup, doc) { a, &kind_##k, m, sup, FIELD(s, f, k), NULL, 0, NULL, doc }
/* The same where the field has the attribute's name. */
#define ROW(s, f, k, m, sup, doc) NAMED(#f, s, f, k, m, sup, doc)
/* One of several words. */
#define CHOICE(s, f, words, sup, doc) { #f, &kind_choice, REPLACE, sup, FIELD(s, f, choice), NULL, 0, words, doc }
/* Records of struct @r, their members by table @t. */
#define LIST(s, f, k, m, sup, r, t, doc) { #f, &kind_##k, m, sup, offsetof(struct s, f), t, sizeof(struct r), NULL, doc }
/* A structure within the model, its members by table @t. */
#define PART(s, f, k, sup, t, doc) { #f, &kind_##k, DEEP, sup, offsetof(struct s, f), t, 0, NULL, doc }
/* Members of the same structure, by table @t. */
#define FLAT(a, m, sup, t, doc) { #a, &kind_table, m, sup, 0, t, 0, NULL, doc }
/* Not part of the model. */
#define UNREAD(a, k, m, sup, doc) { a, &kind_##k, m, sup, SIZE_MAX, NULL, 0, NULL, doc }

/* clang-format on */
