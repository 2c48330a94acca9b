import Basics
import CConfinement
import Glibc

/// Giving up what a process does not need any more, for good.
public enum Confinement {
  /// Confines this process, which must have one thread only (else it fails with EBUSY, before anything is given up), as
  /// ``confineThread(keeping:writingFiles:)`` does a thread.
  public static func confine(keeping kept: [KeptCapability], writingFiles: Bool = false) throws(ConfinementError) {
    guard ThreadCount.now == 1 else { throw ConfinementError(call: "threads are running", code: EBUSY) }
    try confineThread(keeping: kept, writingFiles: writingFiles)
  }

  /// Confines the calling thread, and all threads that it starts later:
  /// * no program that it would execute gains privileges (`no_new_privs`);
  /// * it has the capabilities of `kept` and can get no others;
  /// * system calls that are not in ``SystemCalls/ofServer`` fail with EPERM, and no file can be made nor opened for
  ///   writing, unless it is `writingFiles`.
  ///
  /// What could be done stays done when something fails.
  public static func confineThread(
    keeping kept: [KeptCapability], writingFiles: Bool = false
  ) throws(ConfinementError) {
    try check(cconfinement_no_new_privileges(), "prctl(PR_SET_NO_NEW_PRIVS)")
    dropBoundingSet()
    try check(
      cconfinement_keep_capabilities(kept.reduce(0) { $0 | 1 << UInt64($1.rawValue) }), "capset")
    try SystemCalls.limit(writingFiles: writingFiles)
  }

  /// Needs CAP_SETPCAP; where that is missing, nothing can be gained from the set anyway once ``confine(keeping:)`` is done.
  private static func dropBoundingSet() {
    var capability: Int32 = 0
    while capability < 64, cconfinement_drop_from_bounding_set(capability) == 0 { capability += 1 }
  }

  private static func check(_ result: Int32, _ call: String) throws(ConfinementError) {
    guard result != 0 else { return }
    throw ConfinementError(call: call, code: errno)
  }
}

/// A capability that a server of a mount still needs.
public enum KeptCapability: Int32, Sendable {
  /// CAP_DAC_OVERRIDE: to write a state file in a directory of somebody else's.
  case override = 1
  /// CAP_DAC_READ_SEARCH: to reach a mount point in a directory that only its owner may enter, to unmount it.
  case readSearch = 2
  /// CAP_SYS_PTRACE: to see in which user namespace a caller is.
  case ptrace = 19
  /// CAP_SYS_ADMIN: to unmount.
  case admin = 21
}

/// Why a process could not be confined.
public struct ConfinementError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The call that failed.
  public let call: String
  /// Its errno.
  public let code: Int32

  /// What happened.
  public var description: String { "\(call): \(String(cString: strerror(code)))" }
}
