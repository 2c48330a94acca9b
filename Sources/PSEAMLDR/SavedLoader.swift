import Basics
import SEAM

/// What of a P-SEAMLDR can be archived: its data. Version, rules and signers are those of the machine.
public struct SavedLoader: Sendable, Codable {
  private let data: LoaderData
  private let lastInstall: InstallReport?
  private let pendingInterrupts: Int

  /// The data of `loader`.
  public init(_ loader: PSEAMLDR) {
    data = loader.data
    lastInstall = loader.lastInstall
    pendingInterrupts = loader.pendingInterrupts
  }

  /// `loader` with this data instead of its own.
  /// - Throws: an error for data that no loader of `machine` has.
  public func loader(like loader: PSEAMLDR, on machine: MachineConfiguration) throws(ArchiveError) -> PSEAMLDR {
    try data.check(machine)
    try ArchiveCheck.range(pendingInterrupts, 0...(1 << 32), "the number of interrupts for SEAMLDR.CLEANUP")
    var result = loader
    result.data = data
    result.lastInstall = lastInstall
    result.pendingInterrupts = pendingInterrupts
    return result
  }
}

extension LoaderData {
  /// Whether a loader of `machine` can have this data.
  fileprivate func check(_ machine: MachineConfiguration) throws(ArchiveError) {
    try ArchiveCheck.count(packages, is: Self.maxPackages, "the P-SEAMLDR's packages")
    let lps = 0...machine.logicalProcessors
    for package in packages {
      try ArchiveCheck.range(package.lps, lps, "the number of LPs of a package")
      try ArchiveCheck.range(package.lpsInCleanup, lps, "the number of LPs in SEAMLDR.CLEANUP")
      try ArchiveCheck.range(package.nextKID, 0...Self.mostSteps, "the KeyID of SEAMLDR.CLEANUP")
      try ArchiveCheck.range(package.nextBlock, 0...Self.mostSteps, "the cache block of SEAMLDR.CLEANUP")
    }
    for bitmap in [update, shutdown, cleanup] {
      try ArchiveCheck.range(bitmap.count, lps, "the number of LPs that have called the P-SEAMLDR")
    }
    try ArchiveCheck.range(reservedHandoffPages, 0...65_536, "the number of handoff pages")
    try snapshot.info.check()
  }

  /// More steps than CLEANUP has.
  private static let mostSteps = 1 << 20
}
