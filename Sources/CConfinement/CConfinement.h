#ifndef TDXFS_CCONFINEMENT_H
#define TDXFS_CCONFINEMENT_H

/* libseccomp, and what glibc has no function for or Swift can't call. */

#include <linux/capability.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

long syscall(long number, ...);

/* The calling thread has these capabilities from now on, and no others; 0, or -1 with errno. */
static inline int cconfinement_keep_capabilities(uint64_t kept) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  const uint32_t low = (uint32_t)kept, high = (uint32_t)(kept >> 32);
  const struct __user_cap_data_struct data[2] = {{low, low, 0}, {high, high, 0}};
  return (int)syscall(SYS_capset, &header, data);
}

/* prctl(2) takes a variable number of arguments. */
static inline int cconfinement_no_new_privileges(void) { return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); }
static inline int cconfinement_drop_from_bounding_set(int capability) {
  return prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
}

/* SCMP_ACT_ERRNO(EPERM) */
static const uint32_t cconfinement_refuse = SCMP_ACT_ERRNO(1);

#endif
