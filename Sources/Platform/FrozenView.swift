import ModuleImage
import Synchronization
import SystemPackage
import TDXHost

/// What the attributes showed just before an update began.
struct FrozenView: Sendable {
  var version: Result<ModuleVersion, Errno>
  var seamldrVersion: Result<ModuleVersion, Errno>
  var numRemainingUpdates: Result<UInt32, Errno>
  var compatCapable: Result<Bool, Errno>
  var program: ModuleProgram?
}

extension EmulatedMachine: HostView {
  /// `version`, as it was before a running update.
  public func version() throws(Errno) -> ModuleVersion {
    try reading({ $0.version }) { host throws(Errno) in try host.version() }
  }

  /// `seamldr_version`, as it was before a running update.
  public func seamldrVersion() throws(Errno) -> ModuleVersion {
    try reading({ $0.seamldrVersion }) { host throws(Errno) in
      try journal(.seamldrVersion) { () throws(Errno) in try host.seamldrVersion(door: silicon) }
    }
  }

  /// `num_remaining_updates`, as it was before a running update.
  public func numRemainingUpdates() throws(Errno) -> UInt32 {
    try reading({ $0.numRemainingUpdates }) { host throws(Errno) in
      try journal(.numRemainingUpdates) { () throws(Errno) in try host.numRemainingUpdates(door: silicon) }
    }
  }

  /// `compat_capable`, as it was before a running update.
  public func compatCapable() throws(Errno) -> Bool {
    try reading({ $0.compatCapable }) { host throws(Errno) in try host.compatCapable() }
  }

  /// The module that is in SEAM memory, as it was before a running update.
  func bootedProgram() -> ModuleProgram? {
    if let view = frozenView { return view.program }
    return lock.withLock {
      if let view = frozenView { return view.program }
      return silicon.machine.residentProgram
    }
  }

  /// What is shown in place of the machine while an update runs.
  private var frozenView: FrozenView? {
    isFrozen.load(ordering: .acquiring) ? frozen.withLock { $0 } : nil
  }

  private func reading<Value>(
    _ frozenValue: (FrozenView) -> Result<Value, Errno>, _ live: (inout LinuxHost) throws(Errno) -> Value
  ) throws(Errno) -> Value {
    if let view = frozenView { return try frozenValue(view).get() }
    lock.lock()
    defer { lock.unlock() }
    // The update may have begun meanwhile.
    if let view = frozenView { return try frozenValue(view).get() }
    return try live(&host)
  }

  /// Keeps what is visible now for all readers. `lock` is held.
  func freeze() {
    // Nobody asked the P-SEAMLDR here, so these calls are left out of the trace, and no fault acts at them.
    silicon.isUnobserved = true
    defer { silicon.isUnobserved = false }
    let log = host.log
    let view = FrozenView(
      version: Result { () throws(Errno) in try host.version() },
      seamldrVersion: Result { () throws(Errno) in try host.seamldrVersion(door: silicon) },
      numRemainingUpdates: Result { () throws(Errno) in try host.numRemainingUpdates(door: silicon) },
      compatCapable: Result { () throws(Errno) in try host.compatCapable() },
      program: silicon.machine.residentProgram)
    host.log = log
    show(view)
  }

  /// Readers see the machine as it is again.
  func thaw() {
    show(nil)
  }

  /// Readers see `view`; nil, the machine as it is.
  func show(_ view: FrozenView?) {
    frozen.withLock { $0 = view }
    isFrozen.store(view != nil, ordering: .releasing)
  }
}

extension FrozenView: Codable {
  private enum Key: CodingKey {
    case version, seamldrVersion, numRemainingUpdates, compatCapable, program
  }

  /// A value, or the errno instead of it.
  private struct Outcome<Value: Codable>: Codable {
    var value: Value?
    var errno: Errno?

    init(_ result: Result<Value, Errno>) {
      switch result {
      case .success(let value): self.value = value
      case .failure(let errno): self.errno = errno
      }
    }

    var result: Result<Value, Errno> { value.map { .success($0) } ?? .failure(errno ?? .ioError) }
  }

  /// All of it.
  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    try container.encode(Outcome(version), forKey: .version)
    try container.encode(Outcome(seamldrVersion), forKey: .seamldrVersion)
    try container.encode(Outcome(numRemainingUpdates), forKey: .numRemainingUpdates)
    try container.encode(Outcome(compatCapable), forKey: .compatCapable)
    try container.encode(program, forKey: .program)
  }

  /// Reads what ``encode(to:)`` wrote.
  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Key.self)
    version = try container.decode(Outcome<ModuleVersion>.self, forKey: .version).result
    seamldrVersion = try container.decode(Outcome<ModuleVersion>.self, forKey: .seamldrVersion).result
    numRemainingUpdates = try container.decode(Outcome<UInt32>.self, forKey: .numRemainingUpdates).result
    compatCapable = try container.decode(Outcome<Bool>.self, forKey: .compatCapable).result
    program = try container.decode(ModuleProgram?.self, forKey: .program)
  }
}
