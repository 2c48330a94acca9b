import Basics
import SEAM
import SystemPackage

/// KVM_TDX_INIT_VM (`__tdx_td_init`).
extension TrustDomain {
  /// Allocates a KeyID and the control pages, and makes the leaves from TDH.MNG.CREATE to TDH.MNG.INIT. A failure gives
  /// back what can be had back.
  mutating func initialize(host: inout LinuxHost, door: some SEAMCALLDoor) throws(TDError) {
    try takeResources(host: &host)
    try create(host: &host, door: door)
    do throws(TDError) {
      try configureKeys(host: &host, door: door)
      try addControlPages(host: &host, door: door)
      if state != .importing { try initializeTD(host: &host, door: door) }
    } catch {
      releaseKeyID(host: &host, door: door)
      reclaimControlPages(host: &host, door: door)
      throw error
    }
  }

  /// The KeyID and the TDR page.
  private mutating func takeResources(host: inout LinuxHost) throws(TDError) {
    guard let keyID = host.tds.keyIDs.allocate() else {
      throw TDError(.noSpace, "all private KeyIDs belong to TDs, or were leaked by dead ones")
    }
    guard let page = host.pages.allocate() else {
      host.tds.keyIDs.give(back: keyID)
      throw TDError(.noMemory, "the host has no page for a TDR")
    }
    self.keyID = keyID
    tdr = page
  }

  /// TDH.MNG.CREATE. Nothing is left behind when it fails.
  private mutating func create(host: inout LinuxHost, door: some SEAMCALLDoor) throws(TDError) {
    do throws(TDError) {
      guard host.oneCPUPerPackage.count == Set(host.configuration.packages).count else {
        host.logKVM(.warning, "All packages need to have online CPU to create TD. Online CPU and retry.")
        throw TDError(.ioError, "a package has no online CPU, so its key can't be configured")
      }
      let call = Registers(
        rax: UInt64(ModuleLeaf.mngCreate.rawValue), rcx: try requireTDR(), rdx: UInt64(keyID ?? 0))
      let lp = host.anyCPU
      if let failure = host.tdh(call, on: lp, door: door).failure(of: call, on: lp) {
        guard failure.status.code != .rndNoEntropy else { throw TDError(.resourceTemporarilyUnavailable, failure) }
        host.warnKVMOnce("__tdx_td_init", cpu: lp)
        host.logTDXError(failure)
        throw TDError(.ioError, failure)
      }
    } catch {
      if let tdr { host.pages.free([tdr]) }
      tdr = nil
      if let keyID { host.tds.keyIDs.give(back: keyID) }
      keyID = nil
      throw error
    }
  }

  /// TDH.MNG.KEY.CONFIG on the first online CPU of each package (`tdx_do_tdh_mng_key_config`).
  private mutating func configureKeys(host: inout LinuxHost, door: some SEAMCALLDoor) throws(TDError) {
    let call = Registers(rax: UInt64(ModuleLeaf.mngKeyConfig.rawValue), rcx: try requireTDR())
    for cpu in host.oneCPUPerPackage {
      guard let failure = host.tdh(call, on: cpu, door: door).failure(of: call, on: cpu) else { continue }
      bugOn(failure, in: "tdx_do_tdh_mng_key_config", host: &host)
      throw TDError(.ioError, failure)
    }
  }

  /// TDH.MNG.ADDCX for each TDCS page; their number is the module's (TDCS_BASE_SIZE).
  private mutating func addControlPages(host: inout LinuxHost, door: some SEAMCALLDoor) throws(TDError) {
    let tdr = try requireTDR()
    for _ in 0..<Int(host.sysInfo.tdcsBaseSize / 4096) {
      guard let page = host.pages.allocate() else { throw TDError(.noMemory, "the host has no page for a TDCS") }
      let call = Registers(rax: UInt64(ModuleLeaf.mngAddcx.rawValue), rcx: page, rdx: tdr)
      let lp = host.anyCPU
      if let failure = host.tdh(call, on: lp, door: door).failure(of: call, on: lp) {
        host.pages.free([page])
        guard failure.status.code != .rndNoEntropy else { throw TDError(.resourceTemporarilyUnavailable, failure) }
        host.warnKVMOnce("__tdx_td_init", cpu: lp)
        host.logTDXError(failure)
        throw TDError(.ioError, failure)
      }
      tdcs.append(page)
    }
  }

  /// TDH.MNG.INIT with TD_PARAMS. Operands are the user's, so OPERAND_INVALID is EINVAL without a line.
  private mutating func initializeTD(host: inout LinuxHost, door: some SEAMCALLDoor) throws(TDError) {
    guard let page = host.pages.allocate() else { throw TDError(.noMemory, "the host has no page for TD_PARAMS") }
    defer { host.pages.free([page]) }
    door.writePhysical(parameters.bytes, at: page)
    let call = Registers(rax: UInt64(ModuleLeaf.mngInit.rawValue), rcx: try requireTDR(), rdx: page)
    let lp = host.anyCPU
    let result = host.tdh(call, on: lp, door: door)
    guard let failure = result.failure(of: call, on: lp) else { return }
    guard failure.status.code != .operandInvalid else { throw TDError(.invalidArgument, failure) }
    host.warnKVMOnce("__tdx_td_init", cpu: lp)
    host.logTDXError(failure, [("rcx", result.registers(after: call).rcx)])
    throw TDError(.ioError, failure)
  }
}
