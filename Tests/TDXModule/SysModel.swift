/// The platform life cycle of tdx-module.md 1.0, 3.3 and 3.4 to 3.8 for two LPs in one package, told a second time for tests:
/// which TDH.SYS leaf is answered with what in which order. Operands are good.
struct SysModel {
  enum State: Equatable { case pending, initDone, configDone, ready, shutdown }

  /// One SEAMCALL.
  enum Call: String, CaseIterable {
    case sysInit, lpInit0, lpInit1, config, keyConfig, update, shutdown, read1, tdmrInit, unknown

    /// Leaf number, and the LP.
    var leaf: UInt64 {
      switch self {
      case .sysInit: 33
      case .lpInit0, .lpInit1: 35
      case .config: 45
      case .keyConfig: 31
      case .update: 53
      case .shutdown: 52
      case .read1: 34
      case .tdmrInit: 36
      case .unknown: 42
      }
    }
    var lp: Int { self == .lpInit1 || self == .read1 ? 1 : 0 }
  }

  var state = State.pending
  var initialized: Set<Int> = []
  var isHandoffValid: Bool

  private static func status(_ upper: UInt64) -> UInt64 { upper << 32 }

  /// RAX.
  mutating func call(_ call: Call) -> UInt64 {
    if state == .shutdown { return Self.status(0xC000_0506) }
    let isEarly = [31, 33, 34, 35, 45, 53].contains(call.leaf)
    if state != .ready && !isEarly { return Self.status(0xC000_0505) }
    let areAllInitialized = initialized.count == 2
    switch call {
    case .sysInit:
      if state != .pending { return Self.status(0xC000_0500) }
      state = .initDone
      initialized = []
    case .lpInit0, .lpInit1:
      if state != .initDone { return Self.status(0xC000_050B) }
      if initialized.contains(call.lp) { return Self.status(0xC000_0503) }
      initialized.insert(call.lp)
    case .config:
      if state != .initDone || !areAllInitialized { return Self.status(0xC000_050C) }
      state = .configDone
    case .keyConfig:
      if state != .configDone { return Self.status(0xC000_0507) }
      state = .ready
    case .update:
      if state != .initDone || !areAllInitialized { return Self.status(0xC000_0508) }
      if !isHandoffValid { return Self.status(0xC000_0509) }
      isHandoffValid = false
      state = .ready
    case .shutdown:
      state = .shutdown
      isHandoffValid = true
    case .read1:
      if state == .pending || !initialized.contains(1) { return Self.status(0xC000_0502) }
    case .tdmrInit: break
    case .unknown: return Self.status(0xC000_0100)
    }
    return 0
  }
}
