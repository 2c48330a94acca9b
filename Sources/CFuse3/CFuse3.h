#ifndef TDXFS_CFUSE3_H
#define TDXFS_CFUSE3_H

/* What Swift can't import of libfuse, Linux and glibc; everything else is called from Swift directly. */

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>

#include <fcntl.h>
#include <linux/stat.h>
#include <malloc.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* _GNU_SOURCE would make this module's idea of glibc differ from Swift's: what it guards goes by syscall(2) and by the
   kernel's own constants. */
long syscall(long number, ...);

/* mallopt(3) is not part of Swift's Glibc module. */
static inline int cfuse3_one_heap(int size) { return mallopt(M_ARENA_MAX, 1) && mallopt(M_MMAP_THRESHOLD, size); }
static inline int cfuse3_keep_blocks(int size) {
  return mallopt(M_MMAP_THRESHOLD, size) && mallopt(M_TRIM_THRESHOLD, 4 * size);
}

/* fork(2) is marked unavailable in Swift. */
static inline pid_t cfuse3_fork(void) { return fork(); }

/* PR_SET_NAME: the name that ps(1) shows. */
static inline int cfuse3_name_process(const char *name) { return (int)syscall(SYS_prctl, 15, name, 0, 0, 0); }

/* FUSE_EXPIRE_ONLY: 3.14 has a flags argument, later versions have none. */
static inline int cfuse3_expire_entry(struct fuse_session *session, fuse_ino_t parent, const char *name, size_t length) {
#if FUSE_VERSION < FUSE_MAKE_VERSION(3, 16)
  return fuse_lowlevel_notify_expire_entry(session, parent, name, length, FUSE_LL_EXPIRE_ONLY);
#else
  return fuse_lowlevel_notify_expire_entry(session, parent, name, length);
#endif
}

/* The device number of what is mounted at path, without a request to the filesystem there; -1 if it can't be told. */
static inline int64_t cfuse3_device(const char *path) {
  struct statx answer;
  const int no_automount = 0x800, do_not_ask = 0x4000; /* AT_NO_AUTOMOUNT, AT_STATX_DONT_SYNC */
  if (syscall(SYS_statx, AT_FDCWD, path, no_automount | do_not_ask, 0, &answer) != 0) return -1;
  return ((int64_t)answer.stx_dev_major << 32) | answer.stx_dev_minor;
}

/* A file in memory, closed by exec. */
static inline int cfuse3_memory_file(void) { return (int)syscall(SYS_memfd_create, "cfuse3", 1u /* MFD_CLOEXEC */); }

/* pipe2(2) and dup3(2) with O_CLOEXEC. */
static inline int cfuse3_pipe(int ends[2]) { return (int)syscall(SYS_pipe2, ends, O_CLOEXEC); }
static inline int cfuse3_replace(int with, int descriptor) {
  return (int)syscall(SYS_dup3, with, descriptor, O_CLOEXEC);
}

/* read(2), write(2) and writev(2). As glibc has them they can be cancelled by another thread, which costs two atomic
   operations a call once there is one. */
static inline ssize_t cfuse3_read(int file, void *bytes, size_t size) { return syscall(SYS_read, file, bytes, size); }
static inline ssize_t cfuse3_write(int file, const void *bytes, size_t size) {
  return syscall(SYS_write, file, bytes, size);
}
static inline ssize_t cfuse3_writev(int file, const struct iovec *vector, int count) {
  return syscall(SYS_writev, file, vector, count);
}

/* va_list is not passed on by Swift closures: formats one message of libfuse's log into text. */
static inline void cfuse3_format(char *text, size_t size, const char *format, va_list arguments) {
  vsnprintf(text, size, format, arguments);
}

/* struct fuse_init_out of the FUSE protocol (linux/fuse.h), as far as max_write. */
struct cfuse3_init_out {
  uint32_t major, minor, max_readahead, flags;
  uint16_t max_background, congestion_threshold;
  uint32_t max_write;
};

/* Messages of the FUSE protocol (linux/fuse.h) that are answered without libfuse, and their answers. libfuse installs no header
   for them. */
enum { cfuse3_getattr = 3, cfuse3_open = 14, cfuse3_read_file = 15, cfuse3_release = 18 };
enum { cfuse3_getattr_handle = 1 << 0 };
enum { cfuse3_direct_io = 1 << 0, cfuse3_keep_cache = 1 << 1, cfuse3_nonseekable = 1 << 2 };
struct cfuse3_in_header {
  uint32_t len, opcode;
  uint64_t unique, nodeid;
  uint32_t uid, gid, pid;
  uint16_t total_extlen, padding;
};
struct cfuse3_getattr_in {
  uint32_t getattr_flags, padding;
  uint64_t fh;
};
struct cfuse3_open_in {
  uint32_t flags, open_flags;
};
struct cfuse3_read_in {
  uint64_t fh, offset;
  uint32_t size, read_flags;
  uint64_t lock_owner;
  uint32_t flags, padding;
};
struct cfuse3_release_in {
  uint64_t fh;
  uint32_t flags, release_flags;
  uint64_t lock_owner;
};
struct cfuse3_out_header {
  uint32_t len;
  int32_t error;
  uint64_t unique;
};
struct cfuse3_attr_out {
  uint64_t attr_valid;
  uint32_t attr_valid_nsec, padding;
  uint64_t ino, size, blocks, atime, mtime, ctime;
  uint32_t atimensec, mtimensec, ctimensec;
  uint32_t mode, nlink, uid, gid, rdev, blksize, flags;
};
struct cfuse3_open_out {
  uint64_t fh;
  uint32_t open_flags, padding;
};

#endif
