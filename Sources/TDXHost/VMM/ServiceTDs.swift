import SEAM
import SystemPackage

/// The service TD that is bound to a TD (TDH.SERVTD.BIND): always one for its migration.
public struct ServiceTDBinding: Equatable, Sendable, Codable {
  /// Which TD serves.
  public enum Service: Equatable, Sendable, Codable {
    /// The monitor's own migration TD, which it makes when one is needed; it is in no list.
    case monitors
    /// A TD of this host.
    case named(String)
  }

  /// Which TD serves.
  public let service: Service
  /// What TDH.SERVTD.BIND gave: the handle in RCX, the UUID of the served TD in R10 to R13.
  let answer: Registers

  /// TDG.SERVTD.RD of `field`, or TDG.SERVTD.WR with `value`, as the service TD makes it.
  func access(_ field: UInt64, writing value: UInt64? = nil) -> GuestStep {
    var call = Registers(rax: value == nil ? GuestLeaf.servtdRD : GuestLeaf.servtdWR, rcx: answer.rcx, rdx: field)
    if let value { (call.r8, call.r9) = (value, .max) }
    (call.r10, call.r11, call.r12, call.r13) = (answer.r10, answer.r11, answer.r12, answer.r13)
    return .tdcall(call)
  }
}

extension LinuxHost {
  /// Runs `body` on the TD that serves.
  mutating func withService<Result>(
    _ service: ServiceTDBinding.Service, door: some SEAMCALLDoor & GuestDoor,
    _ body: (inout TrustDomain, inout LinuxHost) throws(TDError) -> Result
  ) throws(TDError) -> Result {
    switch service {
    case .named(let name): return try withTD(name, body)
    case .monitors:
      var td: TrustDomain
      if let own = tds.migrationTD { td = own } else { td = try makeMigrationTD(door: door) }
      tds.migrationTD = nil
      defer { tds.migrationTD = td }
      return try body(&td, &self)
    }
  }

  /// The monitor's migration TD: a vCPU, and nothing that is measured.
  private mutating func makeMigrationTD(door: some SEAMCALLDoor & GuestDoor) throws(TDError) -> TrustDomain {
    var td = TrustDomain(
      name: "(migration TD)", id: 0,
      parameters: TDParameters(info: sysInfo, presentCPUs: configuration.presentCPUs), madeUnder: sysInfo.version)
    try td.initialize(host: &self, door: door)
    do throws(TDError) {
      try td.addVCPU(host: &self, door: door)
      try td.finalize(host: &self, door: door)
    } catch {
      td.tearDown(host: &self, door: door)
      throw error
    }
    return td
  }

  /// The monitor's migration TD goes with the last TD that it serves.
  mutating func dropMigrationTD(door: some SEAMCALLDoor & GuestDoor) {
    guard var td = tds.migrationTD, !tds.byName.values.contains(where: { $0.service?.service == .monitors }) else {
      return
    }
    tds.migrationTD = nil
    for vcpu in td.vcpus { door.forgetGuest(ofVCPU: vcpu.tdvpr) }
    td.tearDown(host: &self, door: door)
  }
}

extension TrustDomain {
  /// TDH.SERVTD.BIND of `service` to slot 0, as a migration TD, with SERVTD_ATTR `attributes`.
  /// - Throws: EINVAL for a TD that is not there and for what the module refuses; EBUSY, EIO; for the monitor's own as
  ///   when a TD is made.
  public mutating func bind(
    _ service: ServiceTDBinding.Service, attributes: UInt64 = 0, host: inout LinuxHost,
    door: some SEAMCALLDoor & GuestDoor
  ) throws(TDError) {
    try requireUsable()
    if case .named(let name) = service, host.tds.byName[name] == nil {
      throw TDError(.invalidArgument, "there is no TD \(name) that could serve TD \(self.name)")
    }
    let serving = try host.withService(service, door: door) { (td, _) throws(TDError) in try td.requireTDR() }
    var call = Registers(rax: UInt64(ModuleLeaf.servtdBind.rawValue), rcx: try requireTDR(), rdx: serving)
    call.r10 = attributes
    let answer = try mayFail(call, in: "tdx_servtd_bind", host: &host, door: door)
    self.service = ServiceTDBinding(service: service, answer: answer)
  }

  /// TDH.SERVTD.PREBIND: says with the 48 bytes `hash` which TD may be bound later.
  /// - Throws: as ``bind(_:attributes:host:door:)``.
  public mutating func prebind(
    hash: [UInt8], attributes: UInt64 = 0, host: inout LinuxHost, door: some SEAMCALLDoor
  ) throws(TDError) {
    try requireUsable()
    guard let page = host.pages.allocate() else { throw TDError(.noMemory, "the host has no page for the hash") }
    defer { host.pages.free(CollectionOfOne(page)) }
    door.writePhysical(hash, at: page)
    var call = Registers(rax: UInt64(ModuleLeaf.servtdPrebind.rawValue), rcx: try requireTDR(), rdx: page)
    call.r10 = attributes
    try mayFail(call, in: "tdx_servtd_prebind", host: &host, door: door)
  }
}

extension GuestLeaf {
  /// TDG.SERVTD.RD
  static let servtdRD: UInt64 = 18
  /// TDG.SERVTD.WR
  static let servtdWR: UInt64 = 20
}
