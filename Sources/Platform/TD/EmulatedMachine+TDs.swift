import Kernfs
import SEAM
import SystemPackage
import TDXHost

/// One TD of one boot, and never another of the same name.
public struct TDReference: Hashable, Sendable {
  /// Its name.
  public let name: String
  /// Tells it from all others that this machine has had.
  public let identity: UInt64
}

/// The TDs of a machine, which its own small monitor builds and runs: what `.tdxfs/td/` shows and does.
extension EmulatedMachine {
  /// Where those wait that got ERESTARTSYS, because an update runs.
  public var updateQueue: WaitQueue { idle }

  /// Whether one runs now.
  public var isUpdateRunning: Bool { lock.withLock { isUpdating } }

  /// Names of the TDs, in the order in which they were made.
  public func tdNames() -> [String] { lock.withLock { host.tds.inOrder.map(\.name) } }

  /// The TD of this name; nil when there is none.
  public func td(named name: String) -> TDReference? {
    lock.withLock { host.tds.byName[name].map { TDReference(name: name, identity: identity(of: $0)) } }
  }

  private func identity(of td: TrustDomain) -> UInt64 { bootNumber << 32 | td.id & 0xFFFF_FFFF }

  /// Makes the TD `name` and takes it as far as TDH.MNG.INIT.
  /// - Throws: EINVAL for a name that can't be; ERESTARTSYS while an update runs; then what KVM says.
  public func createTD(_ name: String) throws(ControlError) {
    try duringNoUpdate("td/\(Self.shown(name))") { () throws(TDError) in
      try Self.check(name)
      try host.createTD(name, door: silicon)
    }
  }

  /// Tears the TD `name` down. One that is dead goes too; what it had leaks.
  /// - Throws: ENOENT; ERESTARTSYS while an update runs.
  public func destroyTD(_ name: String) throws(ControlError) {
    try duringNoUpdate("td/\(Self.shown(name))") { () throws(TDError) in
      guard host.tds.byName[name] != nil else { throw TDError(.noSuchFileOrDirectory, "there is no such TD") }
      host.destroyTD(name, door: silicon)
    }
  }

  /// Does something with a TD, and with all that it takes for it.
  /// - Throws: ENODEV when that TD is gone; ERESTARTSYS while an update runs; what `body` throws.
  public func withTD<Result>(
    _ reference: TDReference, file: String,
    _ body: (inout TrustDomain, inout LinuxHost, Silicon) throws(TDError) -> Result
  ) throws(ControlError) -> Result {
    try duringNoUpdate("td/\(Self.shown(reference.name))/\(file)") { () throws(TDError) in
      try requireTD(reference)
      return try host.withTD(reference.name) { (td, host) throws(TDError) in try body(&td, &host, silicon) }
    }
  }

  /// ENODEV when the TD that was meant is gone, though another may have its name.
  func requireTD(_ reference: TDReference) throws(TDError) {
    guard let td = host.tds.byName[reference.name], identity(of: td) == reference.identity else {
      throw TDError(.operationNotSupportedByDevice, "that TD is gone")
    }
  }

  /// Looks at a TD without a trace: nothing that its kernel would do.
  public func lookAtTD<Result>(
    _ reference: TDReference, file: String, _ body: (TrustDomain, LinuxHost, Silicon) -> Result
  ) throws(ControlError) -> Result {
    try duringNoUpdate("td/\(Self.shown(reference.name))/\(file)") { () throws(TDError) in
      try requireTD(reference)
      guard let td = host.tds.byName[reference.name] else {
        throw TDError(.operationNotSupportedByDevice, "that TD is gone")
      }
      return silicon.unobserved { body(td, host, silicon) }
    }
  }

  /// Runs `body` with the machine to itself. While an update runs all vCPUs are outside, and everybody else waits
  /// (`stop_machine`): ERESTARTSYS, for who can wait in ``updateQueue``.
  func duringNoUpdate<Result>(
    _ place: String, _ body: () throws(TDError) -> Result
  ) throws(ControlError) -> Result {
    lock.lock()
    defer { lock.unlock() }
    guard !isUpdating else { throw .refused(.restartSystemCall, "\(place): an update is running") }
    silicon.refusals = []
    do throws(TDError) {
      return try body()
    } catch {
      throw .refused(error.errno, "\(place): \(error.reason)\(explanation(of: error))")
    }
  }

  /// What the firmware says about its refusal, which a status alone does not.
  private func explanation(of error: TDError) -> String {
    guard let failure = error.failure else { return "" }
    let told = silicon.refusals.last { $0.lp == failure.lp && $0.rax == failure.registers.rax }
    return told.map { ": \($0.reason)" } ?? ""
  }

  /// Any file name of printable characters, 255 bytes at most.
  private static func check(_ name: String) throws(TDError) {
    guard name.utf8.count <= 255 else { throw .invalid("a name has at most 255 bytes") }
    guard !name.isEmpty, name.unicodeScalars.allSatisfy(\.isPrintable) else {
      throw .invalid("a name is made of printable characters")
    }
  }

  /// `name` fit for one line.
  private static func shown(_ name: String) -> String { name[...].shown }
}

extension Unicode.Scalar {
  /// It shows on paper, or is a space.
  fileprivate var isPrintable: Bool {
    switch properties.generalCategory {
    case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .nonspacingMark,
      .spacingMark, .enclosingMark, .decimalNumber, .letterNumber, .otherNumber, .connectorPunctuation,
      .dashPunctuation, .openPunctuation, .closePunctuation, .initialPunctuation, .finalPunctuation,
      .otherPunctuation, .mathSymbol, .currencySymbol, .modifierSymbol, .otherSymbol, .spaceSeparator:
      true
    @unknown default: false
    }
  }
}

extension Silicon {
  /// Runs `body`, whose calls nobody is told of and at which no fault acts.
  func unobserved<Result>(_ body: () -> Result) -> Result {
    isUnobserved = true
    defer { isUnobserved = false }
    return body()
  }
}
