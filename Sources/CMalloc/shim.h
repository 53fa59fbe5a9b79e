#ifndef COMPANIONWAY_CMALLOC_SHIM_H
#define COMPANIONWAY_CMALLOC_SHIM_H

#include <stddef.h>
#include <stdlib.h>

#if defined(__GLIBC__)
#if __GLIBC_PREREQ(2, 33)
#define SHIM_HAS_MALLINFO2
#endif
#endif

#ifdef SHIM_HAS_MALLINFO2
#include <malloc.h>

/* Whether both limits were taken. */
static inline int shim_malloc_keep(int trim_threshold, int mmap_threshold) {
    return mallopt(M_TRIM_THRESHOLD, trim_threshold) == 1 && mallopt(M_MMAP_THRESHOLD, mmap_threshold) == 1;
}

/* What the program uses, in bytes; what it has freed is not in it. */
static inline size_t shim_malloc_used(void) {
    struct mallinfo2 sizes = mallinfo2();
    return sizes.uordblks + sizes.hblkhd;
}

static inline int shim_malloc_trim(void) { return malloc_trim(0); }
#else
/* Other allocators give memory back by rules of their own. */
static inline int shim_malloc_keep(int trim_threshold, int mmap_threshold) { return 1; }
static inline size_t shim_malloc_used(void) { return (size_t)-1; }
static inline int shim_malloc_trim(void) { return 0; }
#endif

#endif
