#ifndef COMPANIONWAY_CPROCESS_SHIM_H
#define COMPANIONWAY_CPROCESS_SHIM_H

#include <unistd.h>

extern char **environ;

/* Swift has no safe name for the variable. */
static inline char *const *shim_process_environment(void) { return environ; }

#ifdef __linux__
#include <sys/prctl.h>

/* Swift cannot call prctl itself, which takes any number of arguments. */
static inline int shim_process_set_dumpable(int is_dumpable) {
    return prctl(PR_SET_DUMPABLE, (unsigned long)is_dumpable, 0UL, 0UL, 0UL);
}
#else
static inline int shim_process_set_dumpable(int is_dumpable) { return -1; }
#endif

#endif
