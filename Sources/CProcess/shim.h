#ifndef COMPANIONWAY_CPROCESS_SHIM_H
#define COMPANIONWAY_CPROCESS_SHIM_H

#include <spawn.h>
#include <unistd.h>

extern char **environ;

/* Swift has no safe name for the variable. */
static inline char *const *shim_process_environment(void) { return environ; }

#ifdef __linux__
#include <sys/prctl.h>

/* In glibc since 2.34; its header shows it to GNU programs alone. */
extern int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *, int);

static inline int shim_process_close_from(posix_spawn_file_actions_t *actions, int first) {
    return posix_spawn_file_actions_addclosefrom_np(actions, first);
}

/* Swift cannot call prctl itself, which takes any number of arguments. */
static inline int shim_process_set_dumpable(int is_dumpable) {
    return prctl(PR_SET_DUMPABLE, (unsigned long)is_dumpable, 0UL, 0UL, 0UL);
}
#else
static inline int shim_process_close_from(posix_spawn_file_actions_t *actions, int first) { return -1; }
static inline int shim_process_set_dumpable(int is_dumpable) { return -1; }
#endif

#endif
