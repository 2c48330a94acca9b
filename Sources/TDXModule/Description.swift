/// A module in one line. Its tables have thousands of entries, which nobody wants in a log or in a failed test.
extension TDXModule: CustomStringConvertible, CustomReflectable {
  /// Version and state: `TDX module 1.5.34 SYS_READY`.
  public var description: String {
    guard let program else { return "TDX module, never entered" }
    return "TDX module \(program.version) \(isDead ? "dead" : sysState.name)"
  }

  /// Nothing: what there is to see is in ``description``.
  public var customMirror: Mirror { Mirror(self, children: [:]) }
}

extension HandoffData: CustomStringConvertible, CustomReflectable {
  var description: String {
    "handoff data of \(tdmrs.count) TDMRs, KeyID \(hkid), \(tdBuildCount) builds, \(migInterruptedCount) migrations"
  }

  var customMirror: Mirror { Mirror(self, children: [:]) }
}

extension ModuleState: CustomStringConvertible, CustomReflectable {
  var description: String { "module \(program.version) in \(sysState.name), \(handoff)" }

  var customMirror: Mirror { Mirror(self, children: [:]) }
}
