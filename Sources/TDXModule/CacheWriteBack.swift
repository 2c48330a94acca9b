import SEAM

/// Cache write-back of one package, and where it was interrupted (tdx-module.md 6.8).
extension TDXModule {
  /// Parts in which the caches of a package are written back; between two of them the leaf looks for an interrupt. On silicon
  /// the number is the CPU's, tdxfs's is its own.
  static let cacheParts: UInt64 = 16

  /// TDH.PHYMEM.CACHE.WB, leaf 40: writes the caches of the caller's package back for every KeyID that is FLUSHED when it
  /// starts (RCX = 0). RCX = 1 goes on where it was interrupted; the place is handed off by an update.
  mutating func cacheWB(_ call: Call, package: Int) throws(ModuleError) -> CompletionStatus {
    let command = call.registers.rcx
    guard command <= 1 else { throw .invalid(.rcx, "RCX = \(command.text): 0 starts, 1 resumes") }
    guard !locks.packages.contains(package) else {
      throw .busy(.wbcache, "package \(package) is writing its caches back")
    }
    guard locks.kot.admitsShared else { throw .busy(.kot, "the KeyID ownership table is locked") }
    guard let entries = state?.handoff.wbt.count, (0..<entries).contains(package) else {
      throw .fatal("the module has no write-back table for package \(package)")
    }
    if command == 0 {
      guard startWriteBack(of: package) else {
        lastDiagnostic = "no KeyID is waiting for a cache write-back"
        return .noHKIDReadyToWbcache
      }
    } else if state?.handoff.wbt[package].interruptPoint == 0 {
      throw .refused(.wbcacheResumeError, "no cache write-back of package \(package) was interrupted")
    }
    var part = state?.handoff.wbt[package].interruptPoint ?? 0
    repeat {
      part &+= 1
      guard part >= Self.cacheParts || !conditions.takeInterrupt() else {
        state?.handoff.wbt[package].interruptPoint = part
        throw .refused(.interruptedResumable, "an interrupt came after part \(part) of \(Self.cacheParts)")
      }
    } while part < Self.cacheParts
    state?.handoff.wbt[package].interruptPoint = 0
    let bit: UInt32 = 1 << UInt32(truncatingIfNeeded: package & 31)
    for keyID in state?.handoff.wbt[package].flushed ?? [] where Int(keyID) < KOTEntry.count {
      state?.handoff.kot[Int(keyID)].wbinvdBitmap &= ~bit
    }
    return .success
  }

  /// Notes which KeyIDs are FLUSHED; false when none is. What was interrupted before cannot be resumed any more.
  private mutating func startWriteBack(of package: Int) -> Bool {
    state?.handoff.wbt[package].interruptPoint = 0
    var flushed: Set<UInt16> = []
    for keyID in MachineConfiguration.firstPrivateKeyID..<MachineConfiguration.endOfPrivateKeyIDs
    where state?.handoff.kot[Int(keyID)].state == .flushed {
      flushed.insert(keyID)
    }
    guard !flushed.isEmpty else { return false }
    state?.handoff.wbt[package].flushed = flushed
    return true
  }
}
