#ifndef COMPANIONWAY_CLMDB_SHIM_H
#define COMPANIONWAY_CLMDB_SHIM_H

#include <lmdb.h>
#include <pthread.h>
#include <stdint.h>

/* `pthread_t` is a number on Linux and a pointer on Darwin; Swift wants one type to compare. Never 0. */
static inline uintptr_t shim_current_thread(void) { return (uintptr_t)pthread_self(); }

#endif
