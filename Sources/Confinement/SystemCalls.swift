import CConfinement
import Glibc

/// The system calls that a server of a mount makes once it is mounted.
enum SystemCalls {
  /// By what they are for. A name that the architecture does not have is left out.
  static let ofServer: [String] =
    connection + callers + memory + threads + signals + time + ending

  /// Requests, answers, notices.
  private static let connection = ["read", "readv", "write", "writev", "poll", "ppoll"]
  /// /proc/PID/status and /proc/PID/ns/user of a caller; what libcrypto reads before its first hash.
  private static let callers = [
    "openat", "close", "pread64", "lseek", "readlink", "readlinkat", "fstat", "stat", "lstat", "newfstatat", "statx",
    "access", "faccessat", "faccessat2", "getuid", "geteuid", "getgid", "getegid", "getpid", "getrandom", "uname",
    "sysinfo",
  ]
  private static let memory = ["brk", "mmap", "munmap", "mremap", "mprotect", "madvise"]
  private static let threads = [
    "clone", "clone3", "futex", "set_robust_list", "get_robust_list", "rseq", "gettid", "tgkill", "sched_yield",
    "sched_getaffinity", "prlimit64", "getrlimit", "membarrier", "exit",
  ]
  private static let signals = [
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "restart_syscall",
  ]
  private static let time = ["clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday"]
  /// Into the background, and at the end: what libfuse says is kept off the terminal, and the mount is taken away.
  private static let ending = [
    "chdir", "dup", "dup2", "dup3", "fcntl", "memfd_create", "umount2", "exit_group",
  ]

  /// To write a file anew beside the old one, and to put it in its place.
  private static let files = [
    "open", "creat", "fsync", "fdatasync", "rename", "renameat", "renameat2", "unlink", "unlinkat", "ftruncate",
    "flock",
    "fchmod",
  ]

  /// Lets through only ``ofServer``, and what writing files takes if `writingFiles`.
  static func limit(writingFiles: Bool) throws(ConfinementError) {
    guard let filter = seccomp_init(cconfinement_refuse) else {
      throw ConfinementError(call: "seccomp_init", code: ENOMEM)
    }
    defer { seccomp_release(filter) }
    for name in ofServer + (writingFiles ? files : []) {
      let number = seccomp_syscall_resolve_name(name)
      // Those below zero are not of this architecture.
      guard number >= 0 else { continue }
      let result =
        name == "openat" && !writingFiles
        ? allowOpening(filter, number) : seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, 0, nil)
      guard result == 0 else { throw ConfinementError(call: "seccomp filter for \(name)", code: -result) }
    }
    let result = seccomp_load(filter)
    guard result == 0 else { throw ConfinementError(call: "seccomp_load", code: -result) }
  }

  /// openat(2), but neither to make nor to write a file.
  private static func allowOpening(_ filter: scmp_filter_ctx, _ number: Int32) -> Int32 {
    let flags: UInt32 = 2
    let writing = scmp_datum_t(O_CREAT | O_TRUNC | O_WRONLY | O_RDWR)
    var condition = scmp_arg_cmp(arg: flags, op: SCMP_CMP_MASKED_EQ, datum_a: writing, datum_b: 0)
    return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, 1, &condition)
  }
}
