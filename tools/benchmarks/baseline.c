/* The least that a FUSE server of these files can do: libfuse's low-level API, one thread, no checks. tools/bench measures
   tdxfs beside it. It mounts and answers as tdxfs does (long timeouts, cached links, direct I/O, no flush, writes clipped
   at a page), so that what differs is the server's own work.

   baseline MOUNTPOINT [-f] */
#define FUSE_USE_VERSION 312
#include <errno.h>
#include <fuse_lowlevel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PAGE = 4096, MAXIMUM_IMAGE = 64 << 20 };

/* Nodes: the root is 1. */
struct node {
  const char *name;
  fuse_ino_t parent;
  mode_t mode;
  const char *value;
};

enum { ROOT = 1, FIRMWARE = 2, UPLOAD = 3, LINK = 4, DATA = 5, LOADING = 6 };

static const struct node nodes[] = {
    {NULL, 0, 0, NULL},
    {"/", 1, S_IFDIR | 0755, NULL},
    {"firmware", 1, S_IFDIR | 0755, NULL},
    {"tdx_module", 2, S_IFDIR | 0755, NULL},
    {"subsystem", 3, S_IFLNK | 0777, "../../../../../class/firmware"},
    {"data", 3, S_IFREG | 0644, NULL},
    {"loading", 3, S_IFREG | 0644, "0\n"},
    {"status", 3, S_IFREG | 0444, "idle\n"},
    {"error", 3, S_IFREG | 0444, ""},
    {"remaining_size", 3, S_IFREG | 0444, "0\n"},
    {"cancel", 3, S_IFREG | 0200, NULL},
    {"uevent", 1, S_IFREG | 0644, "DRIVER=faux_driver\n"},
    {"version", 1, S_IFREG | 0444, "1.5.24\n"},
    {"seamldr_version", 1, S_IFREG | 0444, "1.5.02\n"},
    {"num_remaining_updates", 1, S_IFREG | 0400, "15\n"},
};
enum { COUNT = sizeof nodes / sizeof *nodes };

/* An open file: the text of its last show. */
struct open_file {
  char text[PAGE];
  size_t length;
};

static char *image;
static size_t image_size;
static const double always = 1e9;

static int attributes(fuse_ino_t ino, struct stat *stat) {
  if (ino == 0 || ino >= COUNT) return ENOENT;
  memset(stat, 0, sizeof *stat);
  stat->st_ino = ino;
  stat->st_mode = nodes[ino].mode;
  stat->st_nlink = S_ISDIR(nodes[ino].mode) ? 2 : 1;
  stat->st_size = S_ISREG(nodes[ino].mode) && ino != DATA ? PAGE : 0;
  stat->st_blksize = PAGE;
  return 0;
}

static void start(void *userdata, struct fuse_conn_info *connection) {
  (void)userdata;
  connection->max_write = 2 * PAGE;
  connection->want &= ~(FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_READDIRPLUS |
                        FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_ASYNC_READ | FUSE_CAP_WRITEBACK_CACHE);
  connection->want |= FUSE_CAP_CACHE_SYMLINKS & connection->capable;
}

static void lookup(fuse_req_t request, fuse_ino_t parent, const char *name) {
  for (fuse_ino_t ino = 2; ino < COUNT; ino++) {
    if (nodes[ino].parent != parent || strcmp(nodes[ino].name, name) != 0) continue;
    struct fuse_entry_param entry = {.ino = ino, .attr_timeout = ino == DATA ? 0 : always, .entry_timeout = always};
    if (ino == DATA) entry.entry_timeout = 0;
    attributes(ino, &entry.attr);
    fuse_reply_entry(request, &entry);
    return;
  }
  fuse_reply_err(request, ENOENT);
}

static void getattr(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *info) {
  (void)info;
  struct stat stat;
  if (attributes(ino, &stat) != 0) {
    fuse_reply_err(request, ENOENT);
    return;
  }
  fuse_reply_attr(request, &stat, ino == DATA ? 0 : always);
}

static void setattr(fuse_req_t request, fuse_ino_t ino, struct stat *changes, int set, struct fuse_file_info *info) {
  (void)changes;
  (void)set;
  getattr(request, ino, info);
}

static void readlink_(fuse_req_t request, fuse_ino_t ino) { fuse_reply_readlink(request, nodes[ino].value); }

static void open_(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *info) {
  (void)ino;
  struct open_file *file = malloc(sizeof *file);
  if (file == NULL) {
    fuse_reply_err(request, ENOMEM);
    return;
  }
  file->length = 0;
  info->fh = (uint64_t)(uintptr_t)file;
  info->direct_io = 1;
  fuse_reply_open(request, info);
}

static void release(fuse_req_t request, fuse_ino_t ino, struct fuse_file_info *info) {
  (void)ino;
  free((struct open_file *)(uintptr_t)info->fh);
  fuse_reply_err(request, 0);
}

static void read_(fuse_req_t request, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *info) {
  if (ino == DATA) {
    size_t left = (size_t)offset < image_size ? image_size - (size_t)offset : 0;
    size_t count = size < left ? size : left;
    fuse_reply_buf(request, left ? image + offset : NULL, count < PAGE ? count : PAGE);
    return;
  }
  struct open_file *file = (struct open_file *)(uintptr_t)info->fh;
  if (offset == 0) file->length = (size_t)snprintf(file->text, sizeof file->text, "%s", nodes[ino].value);
  size_t left = (size_t)offset < file->length ? file->length - (size_t)offset : 0;
  fuse_reply_buf(request, file->text + (left ? offset : 0), size < left ? size : left);
}

static void write_(fuse_req_t request, fuse_ino_t ino, const char *bytes, size_t size, off_t offset,
                   struct fuse_file_info *info) {
  (void)info;
  size_t count = size < PAGE ? size : PAGE;
  if (ino == LOADING) {
    free(image);
    image = NULL;
    image_size = 0;
  } else if (ino == DATA) {
    size_t end = (size_t)offset + count;
    if (end > MAXIMUM_IMAGE) {
      fuse_reply_err(request, EFBIG);
      return;
    }
    if (end > image_size) {
      char *larger = realloc(image, end);
      if (larger == NULL) {
        fuse_reply_err(request, ENOMEM);
        return;
      }
      image = larger;
      image_size = end;
    }
    memcpy(image + offset, bytes, count);
  }
  fuse_reply_write(request, count);
}

static void readdir_(fuse_req_t request, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *info) {
  (void)info;
  char buffer[PAGE];
  size_t used = 0, room = size < sizeof buffer ? size : sizeof buffer;
  /* Places: 0 is ".", 1 is "..", from 2 on the nodes. */
  for (off_t place = offset; place < COUNT; place++) {
    struct stat stat = {.st_ino = 1, .st_mode = S_IFDIR};
    const char *name = place == 0 ? "." : "..";
    if (place >= 2) {
      if (nodes[place].parent != ino) continue;
      stat.st_ino = (ino_t)place;
      stat.st_mode = nodes[place].mode;
      name = nodes[place].name;
    }
    size_t needed = fuse_add_direntry(request, buffer + used, room - used, name, &stat, place + 1);
    if (needed > room - used) break;
    used += needed;
  }
  fuse_reply_buf(request, buffer, used);
}

static const struct fuse_lowlevel_ops operations = {
    .init = start,
    .lookup = lookup,
    .getattr = getattr,
    .setattr = setattr,
    .readlink = readlink_,
    .open = open_,
    .release = release,
    .read = read_,
    .write = write_,
    .readdir = readdir_,
};

int main(int count, char **words) {
  if (count < 2) {
    fprintf(stderr, "usage: baseline MOUNTPOINT [-f]\n");
    return 2;
  }
  const char *path = words[1];
  char *options[] = {words[0], "-o", "fsname=baseline,subtype=baseline,allow_other,default_permissions,suid,dev", NULL};
  struct fuse_args arguments = FUSE_ARGS_INIT(3, options);
  struct fuse_session *session = fuse_session_new(&arguments, &operations, sizeof operations, NULL);
  if (session == NULL || fuse_set_signal_handlers(session) != 0 || fuse_session_mount(session, path) != 0) return 1;
  int foreground = count > 2 && strcmp(words[2], "-f") == 0;
  if (fuse_daemonize(foreground) != 0) return 1;
  int result = fuse_session_loop(session);
  fuse_session_unmount(session);
  fuse_remove_signal_handlers(session);
  fuse_session_destroy(session);
  fuse_opt_free_args(&arguments);
  return result ? 1 : 0;
}
