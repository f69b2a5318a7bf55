/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/prefault.h - memory that will be used, had at once.
 *
 * A page fault takes 0.5 us on bare metal, and 10 to 15 where a hypervisor has a part
 * in it; a start has hundreds. Asked for in one call a page takes 0.1 us (of a file
 * that is in memory), 0.8 (new), or 5 (copied after a fork).
 */
#pragma once

/*
 * The code and the constants of the program and its libraries, their variables, the heap
 * and a bit of the stack: called when a process begins, and after a fork, which shares
 * what is private and forgets what is not. Only a faster way to the same: what fails is
 * left to page faults (Linux before 5.14 has no MADV_POPULATE_READ and _WRITE).
 */
void prefault(void);
