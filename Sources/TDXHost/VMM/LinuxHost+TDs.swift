import SEAM
import SystemPackage

/// The TDs of a kernel.
public struct TDTable: Sendable, Codable {
  /// `tdx_guest_keyid_pool`
  public internal(set) var keyIDs: KeyIDPool
  /// The TDs by name.
  public internal(set) var byName: [String: TrustDomain] = [:]
  /// The monitor's own TD, which serves those that are MIGRATABLE; nil as long as there is none.
  public internal(set) var migrationTD: TrustDomain?
  /// Pages that were not given back by TDs that could not be torn down.
  public internal(set) var leakedPages = 0
  /// TDs that were made since boot.
  var made: UInt64 = 0
  /// WARN_ON_ONCE and KVM_BUG_ON warn once a site.
  var warned: Set<String> = []
  /// Lines of the operation under way, a leaf.
  var logged: [String: Int] = [:]

  init(privateKeyIDs: Range<UInt32>) { keyIDs = KeyIDPool(privateKeyIDs: privateKeyIDs) }

  /// The TDs in the order in which they were made.
  public var inOrder: [TrustDomain] { byName.values.sorted { $0.id < $1.id } }

  /// Number of TDs between TDH.MNG.INIT and TDH.MR.FINALIZE.
  public var openBuilds: Int { byName.values.count(where: \.isOpenBuild) }
}

extension LinuxHost {
  /// TDs exist, or KeyIDs of TDs were leaked (`tdx_guest_keyid_pool` is not empty): the rule of kernel-abi.md 5.8 looks at
  /// it.
  public var tdsExist: Bool { tds.keyIDs.inUse > 0 }

  /// Runs `body` on the TD `name`, which is out of the list meanwhile, so that nothing of it is copied.
  /// - Throws: ENOENT when there is no such TD; what `body` throws.
  public mutating func withTD<Result>(
    _ name: String, _ body: (inout TrustDomain, inout LinuxHost) throws(TDError) -> Result
  ) throws(TDError) -> Result {
    guard var td = tds.byName.removeValue(forKey: name) else {
      throw TDError(.noSuchFileOrDirectory, "there is no TD \(name)")
    }
    tds.logged = [:]
    defer { tds.byName[name] = td }
    return try body(&td, &self)
  }

  /// Makes the TD `name` and takes it as far as TDH.MNG.INIT (KVM_CREATE_VM, KVM_TDX_INIT_VM).
  /// - Throws: EEXIST; ENODEV where TDX did not come up; EBUSY, EAGAIN, ENOSPC, ENOMEM, EIO; EINVAL for parameters that
  ///   the module does not take.
  public mutating func createTD(
    _ name: String, parameters: TDParameters? = nil, door: some SEAMCALLDoor
  ) throws(TDError) {
    guard tds.byName[name] == nil else { throw TDError(.fileExists, "there is a TD \(name) already") }
    let made = try makeTD(name, parameters: parameters, door: door)
    tds.byName[name] = made
  }

  /// Makes the TD `name` anew with other parameters, or for an import. A monitor would close the VM and open another.
  /// - Throws: EINVAL when it has a vCPU or a page already; then as ``createTD(_:parameters:door:)``, and there is no TD of
  ///   that name any more.
  public mutating func remakeTD(
    _ name: String, parameters: TDParameters, isForImport: Bool = false, door: some SEAMCALLDoor & GuestDoor
  ) throws(TDError) {
    guard let old = tds.byName[name] else { throw TDError(.noSuchFileOrDirectory, "there is no TD \(name)") }
    guard old.isOpenBuild || old.state == .importing, old.vcpus.isEmpty, old.memory.tableCount == 0 else {
      throw TDError(.invalidArgument, "TD \(name) has vCPUs or memory already: make a new one")
    }
    destroyTD(name, door: door)
    let made = try makeTD(name, id: old.id, parameters: parameters, isForImport: isForImport, door: door)
    tds.byName[name] = made
  }

  private mutating func makeTD(
    _ name: String, id: UInt64? = nil, parameters: TDParameters?, isForImport: Bool = false, door: some SEAMCALLDoor
  ) throws(TDError) -> TrustDomain {
    guard hasHotplugCallbacks else {
      throw TDError(.operationNotSupportedByDevice, "TDX did not come up when this kernel booted, so it has no TDs")
    }
    if id == nil { tds.made &+= 1 }
    tds.logged = [:]
    var td = TrustDomain(
      name: name, id: id ?? tds.made,
      parameters: parameters ?? TDParameters(info: sysInfo, presentCPUs: configuration.presentCPUs),
      madeUnder: sysInfo.version, isForImport: isForImport)
    try td.initialize(host: &self, door: door)
    return td
  }

  /// Tears the TD `name` down in the legal order and forgets it (`vm_destroy`). What can't be had back leaks, and the log
  /// says so; there is no error.
  public mutating func destroyTD(_ name: String, door: some SEAMCALLDoor & GuestDoor) {
    guard var td = tds.byName.removeValue(forKey: name) else { return }
    tds.logged = [:]
    for vcpu in td.vcpus { door.forgetGuest(ofVCPU: vcpu.tdvpr) }
    td.tearDown(host: &self, door: door)
    dropMigrationTD(door: door)
  }

  /// `tdx_disable_virtualization_cpu`: the vCPUs that are associated with `cpu`, which goes offline, are flushed there.
  mutating func flushVCPUs(on cpu: Int, door: some SEAMCALLDoor) {
    for td in tds.inOrder where td.vcpus.contains(where: { $0.cpu == cpu }) {
      guard var td = tds.byName.removeValue(forKey: td.name) else { continue }
      for index in td.vcpus.indices where td.vcpus[index].cpu == cpu {
        td.flush(vcpu: index, host: &self, door: door)
      }
      tds.byName[td.name] = td
    }
    guard var service = tds.migrationTD else { return }
    tds.migrationTD = nil
    for index in service.vcpus.indices where service.vcpus[index].cpu == cpu {
      service.flush(vcpu: index, host: &self, door: door)
    }
    tds.migrationTD = service
  }
}
