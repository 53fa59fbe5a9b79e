// Counts what a thread asks of malloc and its kin, by standing in front of the C library's.
#ifndef COUNTING_ALLOCATOR_H
#define COUNTING_ALLOCATOR_H

#include <stdbool.h>
#include <stdint.h>

/// Whether allocations are counted in this program at all.
bool counting_allocator_is_active(void);

/// How many allocations the calling thread has made since it began: every way to get or to move memory counts one.
uint64_t counting_allocator_count(void);

#endif
