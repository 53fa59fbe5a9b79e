#ifndef COMPANIONWAY_CLMDB_SHIM_H
#define COMPANIONWAY_CLMDB_SHIM_H

#include <lmdb.h>
#include <pthread.h>
#include <stdint.h>

#ifdef __linux__
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

/* `pthread_t` is a number on Linux and a pointer on Darwin; Swift wants one type to compare. Never 0. */
static inline uintptr_t shim_current_thread(void) { return (uintptr_t)pthread_self(); }

/* Takes the blocks of a file's first bytes, which may be more than it has, and changes none of them. Not
   posix_fallocate, which writes where the file system has no such call, also over what another process has just
   written. 0, or -1 and errno. */
static inline int shim_allocate(int file, long byte_count) {
#if defined(__linux__) && __SIZEOF_LONG__ == 8
    return (int)syscall(SYS_fallocate, file, 0, 0L, byte_count);
#else
    errno = ENOSYS;
    return -1;
#endif
}

/* A file that is nowhere but in memory, closed when another program starts. Its number, or -1 and errno. */
static inline int shim_memory_file(void) {
#if defined(__linux__) && defined(SYS_memfd_create)
    return (int)syscall(SYS_memfd_create, "store", 1U /* MFD_CLOEXEC */);
#else
    errno = ENOSYS;
    return -1;
#endif
}

#endif
