import SEAM

extension PSEAMLDR {
  /// SEAMLDR.SHUTDOWN (pseamldr.md 3.8): every LP calls it, the LP of the NP-SEAMLDR last. There is no undo: from the
  /// first call on, INSTALL and CLEANUP are refused.
  mutating func shutdown(on lp: Int, machine: inout Machine) -> CompletionStatus {
    let id = machine.configuration.x2apicID(of: lp)
    guard id < LPBitmap.capacity else { return .unspecifiedError }
    switch data.flow {
    case .ready, .shutdown: break
    case .install, .cleanup: return .badCall
    }
    guard !data.isDirty else { return .cleanupRequired }

    _ = data.shutdown.insert(id)
    if data.shutdown.count == 1 {
      machine.seamExtend.seamReady = false
      data.flow = .shutdown
    }
    guard data.shutdown.count >= machine.configuration.logicalProcessors else { return .success }
    guard id == Self.acmX2APICID else { return .badCall }
    machine.seamExtend = SEAMEXTEND()
    return .success
  }
}
