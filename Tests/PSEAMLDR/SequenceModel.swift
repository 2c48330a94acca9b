/// INSTALL, SHUTDOWN and CLEANUP of a platform of two LPs as pseamldr.md 3.2 to 3.9 describe them, told a second time for
/// tests: which call is answered with what in which order. The image is good, whatever it is asked for.
struct SequenceModel {
  enum Flow { case ready, install, shutdown, cleanup }

  /// One call on LP 0 or 1.
  enum Call: Int, CaseIterable {
    case install0, install1, shutdown0, shutdown1, cleanup0, cleanup1

    var lp: Int { rawValue % 2 }
  }

  /// RAX, and RDX of INSTALL.
  struct Answer: Equatable {
    var rax: UInt64
    var rdx: UInt64?
  }

  /// SCENARIO 1 in the params page; else 0.
  let isUpdate: Bool
  /// SEAMDB's size.
  let size: UInt32
  var isAlive = true
  var isReady: Bool
  var isHandoffValid: Bool
  var isDirty: Bool
  /// An INSTALL session was complete once.
  var initDone: Bool
  var remaining: UInt32
  var flow = Flow.ready
  var installers: Set<Int> = []
  var shutters: Set<Int> = []
  var cleaners: Set<Int> = []
  /// SEAM_READY before the session.
  var snapshot = false

  static let badParam: UInt64 = 0x8000_0000_0000_0000
  static let badCall: UInt64 = 0x8000_0000_0000_0003
  static let badHandoff: UInt64 = 0x8000_0000_0000_0004
  static let cleanupRequired: UInt64 = 0x8000_0000_0000_0005

  mutating func call(_ call: Call) -> Answer {
    switch call {
    case .install0, .install1: Answer(rax: install(call.lp), rdx: 0)
    case .shutdown0, .shutdown1: Answer(rax: shutdown(call.lp), rdx: nil)
    case .cleanup0, .cleanup1: Answer(rax: cleanup(call.lp), rdx: nil)
    }
  }

  /// 3.3, 3.4.
  private mutating func install(_ lp: Int) -> UInt64 {
    if !shutters.isEmpty { return Self.badCall }
    if flow != .ready && flow != .install { return Self.badCall }
    if installers.contains(lp) { return Self.badCall }
    if installers.isEmpty {
      snapshot = isReady
      isReady = false
      flow = .install
    }
    installers.insert(lp)
    if installers.count < 2 { return 0 }
    initDone = true
    installers = []
    flow = .ready
    if isUpdate {
      if !snapshot { return Self.badParam }
      // A recoverable failure puts the old SEAM_READY back.
      isReady = true
      if remaining == 0 { return Self.badCall }
      if !isHandoffValid { return Self.badHandoff }
    } else {
      remaining = size
      isHandoffValid = false
    }
    remaining -= 1
    isReady = true
    isDirty = true
    return 0
  }

  /// 3.8. The NP-SEAMLDR was started on LP 0.
  private mutating func shutdown(_ lp: Int) -> UInt64 {
    if flow != .ready && flow != .shutdown { return Self.badCall }
    if isDirty { return Self.cleanupRequired }
    shutters.insert(lp)
    if shutters.count == 1 {
      isReady = false
      flow = .shutdown
    }
    if shutters.count < 2 { return 0 }
    if lp != 0 { return Self.badCall }
    isAlive = false
    return 0
  }

  /// 3.9.
  private mutating func cleanup(_ lp: Int) -> UInt64 {
    if flow != .ready && flow != .cleanup { return Self.badCall }
    if cleaners.contains(lp) || !initDone { return Self.badCall }
    if cleaners.isEmpty {
      flow = .cleanup
      isReady = false
      isHandoffValid = false
    }
    cleaners.insert(lp)
    if cleaners.count < 2 { return 0 }
    cleaners = []
    isDirty = false
    remaining = size
    flow = .ready
    return 0
  }
}
