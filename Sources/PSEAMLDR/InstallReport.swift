import ModuleImage
import SEAM

/// The checks of SEAMLDR.INSTALL, with their rows in pseamldr.md 3.3 and 3.4.
public enum InstallCheck: Equatable, Hashable, Sendable, Codable {
  /// 1: the LP's x2APIC id is below 1024.
  case x2apicID
  /// 2: no LP has called SHUTDOWN.
  case noShutdown
  /// 3: no other flow is in progress.
  case flow
  /// 4: the LP calls for the first time in this session.
  case firstCall
  /// A1: RCX is an address that the loader takes.
  case paramsAddress
  /// A2: VERSION.
  case paramsVersion
  /// A3: reserved bytes.
  case paramsReserved
  /// A4: SCENARIO.
  case scenario
  /// A5: NUM_MODULE_PAGES.
  case modulePageCount
  /// A6: MODULE_PAGES_PA_LIST.
  case modulePageAddress
  /// A7: SIGSTRUCT_PA.
  case sigstructAddress
  /// A8: UPDATE finds a module to update.
  case moduleToUpdate
  /// A rule of the image: A9 to A29, the handoff version of A33, B2, B3.
  case manifest(ManifestRule)
  /// A30: RDRAND for the addresses.
  case randomAddresses
  /// A31: the module fits into the SEAM range.
  case fits
  /// A32: updates remain.
  case remainingUpdates
  /// A33: the handoff data is valid.
  case handoffValid
  /// A33: the handoff data is not larger than what the last install reserved.
  case handoffSize
  /// B1: the module's page tables.
  case pageTables
  /// B7: the entry in the SEAMDB.
  case seamdbInsert

  /// The check's row in pseamldr.md 3.3 and 3.4.
  public var row: String {
    switch self {
    case .x2apicID: "1"
    case .noShutdown: "2"
    case .flow: "3"
    case .firstCall: "4"
    case .paramsAddress: "A1"
    case .paramsVersion: "A2"
    case .paramsReserved: "A3"
    case .scenario: "A4"
    case .modulePageCount: "A5"
    case .modulePageAddress: "A6"
    case .sigstructAddress: "A7"
    case .moduleToUpdate: "A8"
    case .manifest(let rule): rule.row
    case .randomAddresses: "A30"
    case .fits: "A31"
    case .remainingUpdates: "A32"
    case .handoffValid, .handoffSize: "A33"
    case .pageTables: "B1"
    case .seamdbInsert: "B7"
    }
  }
}

/// Why SEAMLDR.INSTALL failed.
public struct InstallRefusal: Error, Equatable, Sendable, Codable {
  /// The first check that failed.
  public let check: InstallCheck
  /// What RAX says.
  public let status: CompletionStatus
  /// One sentence for people: what was found and what was expected.
  public let reason: String
  /// Whether the old state was kept (RDX = 0); otherwise there is no module any more (RDX = 1).
  public let isRecoverable: Bool

  /// A sigstruct or image that breaks a rule.
  init(_ failure: ManifestFailure) {
    self.init(
      .manifest(failure.rule), failure.rule.status, failure.description, isRecoverable: failure.rule.isRecoverable)
  }

  init(_ check: InstallCheck, _ status: CompletionStatus, _ reason: String, isRecoverable: Bool = true) {
    self.check = check
    self.status = status
    self.reason = reason
    self.isRecoverable = isRecoverable
  }
}

/// One INSTALL call, as people want to know of it.
public struct InstallReport: Equatable, Sendable, Codable {
  /// What became of the call.
  public enum Outcome: Equatable, Sendable, Codable {
    /// The LP joined the session, in which `callers` of `total` LPs are now. Nothing was looked at.
    case joined(callers: Int, total: Int)
    /// The last LP called, and the module is installed.
    case installed(ModuleProgram)
    /// Something was refused.
    case refused(InstallRefusal)
  }

  /// The LP that called, dense index.
  public let lp: Int
  /// LOAD or UPDATE; nil when nobody looked at it.
  public let scenario: ManifestRules.Scenario?
  /// What became of it.
  public let outcome: Outcome

  /// RAX.
  public var status: CompletionStatus {
    switch outcome {
    case .joined, .installed: .success
    case .refused(let refusal): refusal.status
    }
  }

  /// RDX: 1 when there is no module any more.
  public var isUnrecoverable: Bool {
    switch outcome {
    case .joined, .installed: false
    case .refused(let refusal): !refusal.isRecoverable
    }
  }

  /// What failed, if anything did.
  public var refusal: InstallRefusal? {
    switch outcome {
    case .joined, .installed: nil
    case .refused(let refusal): refusal
    }
  }
}
