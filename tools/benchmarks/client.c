/* The measuring client of tools/bench. It does one thing at a time to several targets in turn, so that whatever disturbs
   the machine disturbs them alike, and prints nanoseconds: a line a target, a number a round.

   client orc|pread|stat|readdir ROUNDS ITERATIONS PATH…     open+read+close, pread, stat, a whole listing; ns a call
   client upload ROUNDS BYTES DIRECTORY…                     write(2) until all is taken, at most a page a call as sysfs;
                                                             plain files `loading` and `data` of tmpfs will do
   client update ROUNDS IMAGE DIRECTORY…                     a whole update; two lines a target: upload, install
   client start ROUNDS FILE COMMAND MOUNTPOINT [-- COMMAND MOUNTPOINT]…
                                                             from exec to the first read of MOUNTPOINT/FILE
   client run ROUNDS COMMAND ARGUMENT… [-- COMMAND …]…       whole commands, from exec to exit
   client beside ROUNDS READERS BYTES FILE DIRECTORY         READERS threads read FILE while DIRECTORY is uploaded to;
                                                             lines: uploads alone, uploads beside, reads (microseconds) */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <pthread.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { PAGE = 4096 };

static void fail(const char *what, const char *path) {
  fprintf(stderr, "client: %s %s: %s\n", what, path, strerror(errno));
  exit(1);
}

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static long number(const char *text) {
  char *end;
  long value = strtol(text, &end, 10);
  if (*text == 0 || *end != 0 || value < 1) {
    fprintf(stderr, "client: '%s' is not a number\n", text);
    exit(2);
  }
  return value;
}

static void *room(size_t size) {
  void *memory = calloc(1, size);
  if (memory == NULL) fail("no memory", "");
  return memory;
}

static void print(const int64_t *figures, long count) {
  for (long i = 0; i < count; i++) printf(i ? " %lld" : "%lld", (long long)figures[i]);
  putchar('\n');
}

static int open_file(const char *directory, const char *name, int flags) {
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s%s%s", directory, *name ? "/" : "", name);
  int file = open(path, flags | O_CLOEXEC);
  if (file < 0) fail("open", path);
  return file;
}

/* One write(2) to a file of `directory`, as echo does it. */
static void put(const char *directory, const char *name, const char *text) {
  int file = open_file(directory, name, O_WRONLY);
  if (write(file, text, strlen(text)) < 0) fail("write", name);
  close(file);
}

static char *contents(const char *path, size_t *size) {
  int file = open_file(path, "", O_RDONLY);
  struct stat status;
  if (fstat(file, &status) != 0) fail("stat", path);
  char *bytes = room((size_t)status.st_size + 1);
  for (*size = 0; *size < (size_t)status.st_size;) {
    ssize_t count = read(file, bytes + *size, (size_t)status.st_size - *size);
    if (count <= 0) fail("read", path);
    *size += (size_t)count;
  }
  close(file);
  return bytes;
}

/* Single calls. */

enum call { ORC, PREAD, STAT, READDIR };

static int64_t time_calls(enum call call, const char *path, int file, long iterations) {
  char buffer[4096];
  struct stat status;
  int64_t start = now();
  for (long i = 0; i < iterations; i++) switch (call) {
      case ORC: {
        int opened = open(path, O_RDONLY | O_CLOEXEC);
        if (opened < 0 || read(opened, buffer, sizeof buffer) < 0) fail("read", path);
        close(opened);
        break;
      }
      case PREAD:
        if (pread(file, buffer, sizeof buffer, 0) < 0) fail("pread", path);
        break;
      case STAT:
        if (stat(path, &status) != 0) fail("stat", path);
        break;
      case READDIR: {
        DIR *directory = opendir(path);
        if (directory == NULL) fail("opendir", path);
        while (readdir(directory) != NULL) continue;
        closedir(directory);
        break;
      }
    }
  return (now() - start) / iterations;
}

static void measure_calls(enum call call, long rounds, long iterations, char **paths, int count) {
  int files[count];
  int64_t *figures = room((size_t)(rounds * count) * sizeof *figures);
  for (int target = 0; target < count; target++) {
    files[target] = call == PREAD ? open_file(paths[target], "", O_RDONLY) : -1;
    time_calls(call, paths[target], files[target], iterations);
  }
  for (long round = 0; round < rounds; round++)
    for (int target = 0; target < count; target++)
      figures[target * rounds + round] = time_calls(call, paths[target], files[target], iterations);
  for (int target = 0; target < count; target++) print(figures + target * rounds, rounds);
}

/* Uploads. */

static int64_t time_upload(const char *directory, const char *bytes, size_t size) {
  /* Only a plain file is emptied by this. */
  int file = open_file(directory, "data", O_WRONLY | O_TRUNC);
  struct statfs place;
  if (fstatfs(file, &place) != 0) fail("statfs", directory);
  /* tmpfs would take all of it at once. */
  size_t most = place.f_type == TMPFS_MAGIC ? PAGE : size;
  int64_t start = now();
  for (size_t done = 0; done < size;) {
    ssize_t count = write(file, bytes + done, size - done < most ? size - done : most);
    if (count <= 0) fail("write", directory);
    done += (size_t)count;
  }
  int64_t taken = now() - start;
  close(file);
  return taken;
}

static int64_t time_discarded_upload(const char *directory, const char *bytes, size_t size) {
  put(directory, "loading", "1\n");
  int64_t taken = time_upload(directory, bytes, size);
  put(directory, "loading", "-1\n");
  return taken;
}

static void measure_uploads(long rounds, long size, char **directories, int count) {
  char *bytes = room((size_t)size);
  int64_t *figures = room((size_t)(rounds * count) * sizeof *figures);
  for (long round = -1; round < rounds; round++)
    for (int target = 0; target < count; target++) {
      int64_t taken = time_discarded_upload(directories[target], bytes, (size_t)size);
      if (round >= 0) figures[target * rounds + round] = taken;
    }
  for (int target = 0; target < count; target++) print(figures + target * rounds, rounds);
}

/* Waits for the end of an upload, whose `error` must be empty. */
static void await_idle(const char *directory) {
  const struct timespec pause = {.tv_nsec = 50000};
  int status = open_file(directory, "status", O_RDONLY);
  for (;;) {
    char text[64] = "";
    if (pread(status, text, sizeof text - 1, 0) < 0) fail("read status in", directory);
    if (strcmp(text, "idle\n") == 0) break;
    nanosleep(&pause, NULL);
  }
  close(status);
  char text[128] = "";
  int error = open_file(directory, "error", O_RDONLY);
  ssize_t count = read(error, text, sizeof text - 1);
  close(error);
  if (count == 0) return;
  fprintf(stderr, "client: %s: the update ended with %s", directory, text);
  exit(1);
}

static void measure_updates(long rounds, const char *image, char **directories, int count) {
  size_t size;
  const char *bytes = contents(image, &size);
  int64_t *uploads = room((size_t)(rounds * count) * sizeof *uploads);
  int64_t *installs = room((size_t)(rounds * count) * sizeof *installs);
  for (long round = 0; round < rounds; round++)
    for (int target = 0; target < count; target++) {
      const char *directory = directories[target];
      put(directory, "loading", "1\n");
      uploads[target * rounds + round] = time_upload(directory, bytes, size);
      int64_t start = now();
      put(directory, "loading", "0\n");
      await_idle(directory);
      installs[target * rounds + round] = now() - start;
    }
  for (int target = 0; target < count; target++) {
    print(uploads + target * rounds, rounds);
    print(installs + target * rounds, rounds);
  }
}

/* Commands. */

static void run(char **words) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  pid_t child;
  int status = 0, error = posix_spawnp(&child, words[0], &actions, NULL, words, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    errno = error;
    fail("spawn", words[0]);
  }
  if (waitpid(child, &status, 0) != child || status != 0) {
    fprintf(stderr, "client: %s ended with status %#x\n", words[0], status);
    exit(1);
  }
}

enum { MAXIMUM_COMMANDS = 64 };

/* Parts `words` at each "--"; gives how many commands there are, and where each begins. */
static int part_commands(char **words, int count, int starts[MAXIMUM_COMMANDS]) {
  int commands = 1;
  starts[0] = 0;
  for (int i = 0; i < count; i++)
    if (strcmp(words[i], "--") == 0 && commands < MAXIMUM_COMMANDS) {
      words[i] = NULL;
      starts[commands++] = i + 1;
    }
  return commands;
}

/* From exec to the first read of a file below the command's first argument, where it mounts. */
static int64_t time_start(const char *name, char **command) {
  const struct timespec pause = {.tv_nsec = 20000000};
  int64_t start = now();
  run(command);
  char text[64];
  int file = open_file(command[1], name, O_RDONLY);
  if (read(file, text, sizeof text) <= 0) fail("read", name);
  int64_t taken = now() - start;
  close(file);
  if (umount2(command[1], 0) != 0) fail("umount", command[1]);
  /* The daemon ends by itself; it shall not run beside the next one's start. */
  nanosleep(&pause, NULL);
  return taken;
}

static void measure_start(long rounds, const char *name, char **words, int count) {
  int starts[MAXIMUM_COMMANDS], commands = part_commands(words, count, starts);
  int64_t *figures = room((size_t)(rounds * commands) * sizeof *figures);
  for (long round = 0; round < rounds; round++)
    for (int command = 0; command < commands; command++)
      figures[command * rounds + round] = time_start(name, words + starts[command]);
  for (int command = 0; command < commands; command++) print(figures + command * rounds, rounds);
}

static void measure_commands(long rounds, char **words, int count) {
  int starts[MAXIMUM_COMMANDS], commands = part_commands(words, count, starts);
  int64_t *figures = room((size_t)(rounds * commands) * sizeof *figures);
  for (long round = -1; round < rounds; round++)
    for (int command = 0; command < commands; command++) {
      int64_t start = now();
      run(words + starts[command]);
      if (round >= 0) figures[command * rounds + round] = now() - start;
    }
  for (int command = 0; command < commands; command++) print(figures + command * rounds, rounds);
}

/* Readers beside an upload. */

enum { MAXIMUM_READS = 1 << 20 };

struct reader {
  pthread_t thread;
  const char *path;
  int32_t *microseconds;
  long count;
  volatile int *ends;
};

static void *read_until_end(void *argument) {
  struct reader *reader = argument;
  char text[4096];
  int file = open_file(reader->path, "", O_RDONLY);
  while (!*reader->ends && reader->count < MAXIMUM_READS) {
    int64_t start = now();
    if (pread(file, text, sizeof text, 0) <= 0) fail("pread", reader->path);
    reader->microseconds[reader->count++] = (int32_t)((now() - start) / 1000);
  }
  close(file);
  return NULL;
}

static void measure_beside(long rounds, long readers, long size, const char *path, const char *directory) {
  char *bytes = room((size_t)size);
  int64_t *figures = room((size_t)rounds * sizeof *figures);
  for (long round = 0; round < rounds; round++) figures[round] = time_discarded_upload(directory, bytes, (size_t)size);
  print(figures, rounds);
  volatile int ends = 0;
  struct reader *all = room((size_t)readers * sizeof *all);
  for (long i = 0; i < readers; i++) {
    all[i] = (struct reader){.path = path, .ends = &ends, .microseconds = room(MAXIMUM_READS * sizeof(int32_t))};
    if (pthread_create(&all[i].thread, NULL, read_until_end, &all[i]) != 0) fail("thread", "");
  }
  for (long round = 0; round < rounds; round++) figures[round] = time_discarded_upload(directory, bytes, (size_t)size);
  print(figures, rounds);
  ends = 1;
  int first = 1;
  for (long i = 0; i < readers; i++) {
    pthread_join(all[i].thread, NULL);
    for (long read = 0; read < all[i].count; read++, first = 0)
      printf(first ? "%d" : " %d", all[i].microseconds[read]);
  }
  putchar('\n');
}

int main(int count, char **words) {
  const char *what = count > 1 ? words[1] : "";
  long rounds = count > 2 ? number(words[2]) : 0;
  if (strcmp(what, "orc") == 0 && count > 4) measure_calls(ORC, rounds, number(words[3]), words + 4, count - 4);
  else if (strcmp(what, "pread") == 0 && count > 4) measure_calls(PREAD, rounds, number(words[3]), words + 4, count - 4);
  else if (strcmp(what, "stat") == 0 && count > 4) measure_calls(STAT, rounds, number(words[3]), words + 4, count - 4);
  else if (strcmp(what, "readdir") == 0 && count > 4)
    measure_calls(READDIR, rounds, number(words[3]), words + 4, count - 4);
  else if (strcmp(what, "upload") == 0 && count > 4) measure_uploads(rounds, number(words[3]), words + 4, count - 4);
  else if (strcmp(what, "update") == 0 && count > 4) measure_updates(rounds, words[3], words + 4, count - 4);
  else if (strcmp(what, "start") == 0 && count > 5) measure_start(rounds, words[3], words + 4, count - 4);
  else if (strcmp(what, "run") == 0 && count > 3) measure_commands(rounds, words + 3, count - 3);
  else if (strcmp(what, "beside") == 0 && count == 7)
    measure_beside(rounds, number(words[3]), number(words[4]), words[5], words[6]);
  else {
    fprintf(stderr, "client: see the head of client.c\n");
    return 2;
  }
  return fflush(stdout) == 0 ? 0 : 1;
}
