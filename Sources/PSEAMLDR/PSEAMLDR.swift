import ModuleImage
import SEAM

/// Intel's persistent SEAM loader: the firmware behind every SEAMCALL with RAX[63] = 1 (pseamldr.md).
///
/// A value: a copy is a snapshot. The caller decides, by ``SEAM/Machine/route(rax:)``, whether the CPU enters it at all.
public struct PSEAMLDR: Sendable {
  /// Version in SEAMLDR.INFO.
  public let version: ModuleVersion
  /// BUILD_DATE in SEAMLDR.INFO, decimal yyyymmdd.
  public let buildDate: UInt32
  /// BUILD_NUM in SEAMLDR.INFO.
  public let buildNumber: UInt16
  /// The generation whose checks it makes, which follows from the version's major.
  public let rules: ManifestRules
  /// Whose modules it loads.
  public let trustedSigners: TrustedSigners

  /// How the last INSTALL call ended and why. No leaf gives it: it is there for people (`why`).
  public internal(set) var lastInstall: InstallReport?

  /// How many of CLEANUP's next interruptible steps find an interrupt pending. One step is one KeyID programmed or one
  /// cache block written back; after it CLEANUP returns EINTERRUPT and goes on at its next call.
  public var pendingInterrupts = 0

  var data = LoaderData()

  /// x2APIC id of the LP on which the NP-SEAMLDR was started, which must be the last one to call SEAMLDR.SHUTDOWN.
  static let acmX2APICID: UInt32 = 0

  /// A loader of `version` as the NP-SEAMLDR leaves it. `buildDate` (decimal yyyymmdd) and `buildNumber` are those of the
  /// 1.5.02 sources unless given.
  public init(
    version: ModuleVersion, buildDate: UInt32 = 2024_0130, buildNumber: UInt16 = 212, trustedSigners: TrustedSigners
  ) {
    self.version = version
    self.buildDate = buildDate
    self.buildNumber = buildNumber
    self.trustedSigners = trustedSigners
    rules = ManifestRules(loaderVersion: version)
  }

  /// What is left of the update budget as the loader remembers it; SEAMLDR.INFO asks the CPU again when it is 0.
  public var remainingUpdates: UInt32 { data.remainingUpdates }

  /// LPs that have joined an INSTALL session which is not complete yet; 0 when there is none.
  public var installCallers: Int { data.update.count }

  /// Executes the leaf in `registers.rax` on the LP with dense index `lp`, which the CPU has entered the loader on.
  ///
  /// RAX is the completion status afterwards. INSTALL also writes RDX; all other registers stay as they were
  /// (pseamldr.md 1.2).
  public mutating func seamcall(_ registers: inout Registers, on lp: Int, machine: inout Machine) {
    guard drawCanary(&machine) else {
      registers.status = .unspecifiedError
      return
    }
    switch LoaderLeaf(rawValue: registers.rax) {
    case .info:
      registers.status = info(buffer: registers.rcx, machine: &machine)
    case .install:
      let outcome = install(params: registers.rcx, on: lp, machine: &machine)
      registers.status = outcome.status
      registers.rdx = outcome.isUnrecoverable ? 1 : 0
    case .shutdown:
      registers.status = shutdown(on: lp, machine: &machine)
    case .seamInfo:
      registers.status = seamInfo(buffer: registers.rcx, machine: &machine)
    case .cleanup:
      registers.status = cleanup(on: lp, machine: &machine)
    case nil:
      registers.status = .badParam
    }
  }

  /// The stack canary of the very first entry (pseamldr.md 1.4). Without it no leaf runs.
  mutating func drawCanary(_ machine: inout Machine) -> Bool {
    guard data.canary == nil else { return true }
    guard let canary = machine.entropy.rdrand(), canary != 0 else { return false }
    data.canary = canary
    return true
  }
}
