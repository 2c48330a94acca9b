import Basics

/// The loader's checks of one image, each group on its own, so that everything that is wrong shows at once. A loader
/// stops at the first failure.
public struct ImageVerification: Equatable, Sendable {
  /// What the verifier knows of the machine that the image is for; what it does not know is not checked.
  public struct Conditions: Equatable, Sendable {
    /// The keys that the loader trusts.
    public var trusted = TrustedSigners.standard
    /// The loader's rules; nil to take those of the image's line.
    public var rules: ManifestRules?
    /// SVN of the running module.
    public var runningSVN: ModuleSVN?
    /// Handoff version that the running module writes.
    public var handoffVersion: UInt16?
    /// CPUID.1.EAX of every socket, steppings do not matter.
    public var sockets: [UInt32] = []
    /// Whether the system is under debug.
    public var isSystemUnderDebug = false

    /// Nothing is known of the machine.
    public init() {}
  }

  /// How one group of checks ended.
  public enum Outcome: Equatable, Sendable {
    /// All rules are kept.
    case passed
    /// A rule is broken.
    case failed(reason: String)
    /// Nothing to check against; `option` would give it.
    case skipped(needs: String)
  }

  /// One group of checks.
  public struct Check: Equatable, Sendable {
    /// What was checked, in a few words.
    public let title: String
    /// The rows of pseamldr.md 3.4 that this group stands for; "file" for the file itself.
    public let rows: String
    /// The broken rule, if it is one of the loader's.
    public let rule: ManifestRule?
    /// How it ended.
    public let outcome: Outcome
  }

  /// The rules that were applied.
  public let rules: ManifestRules
  /// All checks in the loader's order.
  public let checks: [Check]

  /// Whether nothing failed.
  public var isPassed: Bool { failures.isEmpty }

  /// The checks that failed, in the loader's order.
  public var failures: [Check] {
    checks.filter {
      switch $0.outcome {
      case .failed: true
      case .passed, .skipped: false
      }
    }
  }

  /// Checks `file` under `conditions`.
  public init(_ file: ModuleImageFile, conditions: Conditions) {
    let sigstruct = file.sigstruct
    let rules = conditions.rules ?? Self.rules(for: sigstruct.svn)
    self.rules = rules
    var checks = [Self.fileCheck(file)]
    func check(_ title: String, _ rows: String, _ body: () throws(ManifestFailure) -> Void) {
      do {
        try body()
        checks.append(Check(title: title, rows: rows, rule: nil, outcome: .passed))
      } catch {
        checks.append(Check(title: title, rows: rows, rule: error.rule, outcome: .failed(reason: error.description)))
      }
    }
    func skip(_ title: String, _ rows: String, needs: String) {
      checks.append(Check(title: title, rows: rows, rule: nil, outcome: .skipped(needs: needs)))
    }
    check("format of the sigstruct", "A9-A18") { () throws(ManifestFailure) in try rules.format(sigstruct) }
    check("key", "A19") { () throws(ManifestFailure) in try rules.keyPin(sigstruct, trusted: conditions.trusted) }
    check("production-signed", "A20") { () throws(ManifestFailure) in
      try rules.debug(sigstruct, systemUnderDebug: conditions.isSystemUnderDebug)
    }
    if let current = conditions.runningSVN {
      check("SVN", "A21-A23") { () throws(ManifestFailure) in
        try rules.svn(sigstruct, scenario: .update, current: current, isDirty: false)
      }
    } else {
      skip("SVN", "A21-A23", needs: "--from or --at")
    }
    check("places in the image", "A25-A26") { () throws(ManifestFailure) in
      try rules.offsets(sigstruct, imageSize: file.module.count)
    }
    if conditions.sockets.isEmpty {
      skip("CPU", "A27", needs: "--cpu or --at")
      check("CPU list is there", "A28") { () throws(ManifestFailure) in try rules.cpuList(sigstruct) }
    } else {
      check("CPU", "A27-A28") { () throws(ManifestFailure) in try rules.cpu(sigstruct, sockets: conditions.sockets) }
    }
    check("signature", "A29") { () throws(ManifestFailure) in try rules.signature(sigstruct) }
    if let version = conditions.handoffVersion {
      check("handoff version", "A33") { () throws(ManifestFailure) in try rules.handoff(sigstruct, version: version) }
    } else {
      skip("handoff version", "A33", needs: "--from or --at")
    }
    let digest = ImageDigest.sha384(file.module)
    check("hash of the module", "B2") { () throws(ManifestFailure) in try rules.hash(sigstruct, digest: digest) }
    check("relocations", "B3") { () throws(ManifestFailure) in try ModuleELF.relocations(of: file.module) }
    self.checks = checks
  }

  /// The rules for which an image of this SVN was made: the 2.0 line from major SVN 3 on, else 1.5.
  public static func rules(for svn: ModuleSVN) -> ManifestRules {
    ManifestRules(svn.major >= 3 ? .v2_0 : .v1_5)
  }

  private static func fileCheck(_ file: ModuleImageFile) -> Check {
    let problems = file.problems.joined(separator: "; ")
    return Check(
      title: "file", rows: "file", rule: nil, outcome: problems.isEmpty ? .passed : .failed(reason: problems))
  }
}
