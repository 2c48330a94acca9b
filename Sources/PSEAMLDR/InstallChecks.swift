import Basics
import ModuleImage
import SEAM

/// What stage A of INSTALL found good (pseamldr.md 3.4).
struct InstallPlan: Sendable {
  var params: SEAMLDRParams
  var sigstruct: SEAMSigstruct
  var memory: MemoryPlan
  var bases: LinearBases
  /// Bytes at the start of the data region that survive; nil where everything is cleared.
  var handoffBytes: UInt64?
}

extension PSEAMLDR {
  /// Stage A: everything that can fail while the old module is still whole.
  func checkInstall(
    params rcx: UInt64, scenario: inout ManifestRules.Scenario?, machine: inout Machine
  ) throws(InstallRefusal) -> InstallPlan {
    let (found, page) = try SEAMLDRParams.scenario(at: rcx, machine: machine)
    scenario = found
    let params = try SEAMLDRParams(scenario: found, page: page, machine: machine)
    guard found == .load || data.snapshot.seamReady else {
      throw InstallRefusal(
        .moduleToUpdate, .badParam, "there is no module to update (SEAM_READY was 0 before the first LP called)")
    }
    guard let sigstruct = SEAMSigstruct(machine.memory.read(params.sigstructPA, count: SEAMSigstruct.size)) else {
      throw InstallRefusal(.sigstructAddress, .badParam, "the sigstruct is shorter than \(SEAMSigstruct.size) bytes")
    }
    try checkManifest(
      sigstruct, scenario: found, imageSize: params.imageSize, signers: trustedSigners, machine: machine)
    let bases = try drawBases(&machine)
    let keepsTDs = found == .update && sigstruct[SEAMSigstruct.majorSVN] != 0
    let memory = try planMemory(sigstruct, imageSize: params.imageSize, keepsTDs: keepsTDs, machine.configuration)
    let handoffBytes = keepsTDs ? try checkHandoff(sigstruct, machine: machine) : nil
    return InstallPlan(
      params: params, sigstruct: sigstruct, memory: memory, bases: bases, handoffBytes: handoffBytes)
  }

  /// A9 to A29 in the loader's order. A module of the BIOS comes without `signers`: its key and signature are not looked at.
  func checkManifest(
    _ sigstruct: SEAMSigstruct, scenario: ManifestRules.Scenario, imageSize: Int, signers: TrustedSigners?,
    machine: Machine
  ) throws(InstallRefusal) {
    let configuration = machine.configuration
    let current = data.snapshot.info
    do throws(ManifestFailure) {
      try rules.format(sigstruct)
      if let signers { try rules.keyPin(sigstruct, trusted: signers) }
      try rules.debug(sigstruct, systemUnderDebug: configuration.systemUnderDebug)
      try rules.svn(
        sigstruct, scenario: scenario, current: ModuleSVN(major: current.majorSVN, minor: current.minorSVN),
        isDirty: data.isDirty)
      try rules.offsets(sigstruct, imageSize: imageSize)
      try rules.cpu(sigstruct, sockets: configuration.socketSignatures)
      if signers != nil { try rules.signature(sigstruct) }
    } catch {
      throw InstallRefusal(error)
    }
  }

  /// A30.
  func drawBases(_ machine: inout Machine) throws(InstallRefusal) -> LinearBases {
    guard let random = machine.entropy.rdrand() else {
      throw InstallRefusal(.randomAddresses, .noEntropy, "RDRAND gave no entropy for the module's linear addresses")
    }
    return LinearBases(random: random)
  }

  /// A31.
  func planMemory(
    _ sigstruct: SEAMSigstruct, imageSize: Int, keepsTDs: Bool, _ configuration: MachineConfiguration
  ) throws(InstallRefusal) -> MemoryPlan {
    var handoffPages = MemoryPlan.handoffPages(of: sigstruct)
    switch rules.generation {
    case .v1_5: break
    case .v2_0: if keepsTDs { handoffPages = max(handoffPages, data.reservedHandoffPages) }
    }
    let plan = MemoryPlan(
      sigstruct: sigstruct, imageSize: imageSize, handoffPages: handoffPages, configuration: configuration)
    guard plan.fits else {
      throw InstallRefusal(
        .fits, .noMemory,
        "the module needs \(plan.requiredSize) bytes for \(plan.lps) LPs, the SEAM range has \(MemoryPlan.available)")
    }
    return plan
  }

  /// A32 and A33; the number of bytes to keep.
  private func checkHandoff(_ sigstruct: SEAMSigstruct, machine: Machine) throws(InstallRefusal) -> UInt64 {
    guard data.remainingUpdates != 0 else {
      throw InstallRefusal(
        .remainingUpdates, .badCall,
        "no updates remain: the CPU has recorded \(machine.seamdb.count) module loads and has room for no more "
          + "until the next power-on")
    }
    typealias Header = SEAMLayout.HandoffHeader
    let header = machine.memory.read(machine.dataRegionBase, count: Header.size)
    guard header[Header.valid] != 0 else {
      throw InstallRefusal(
        .handoffValid, .badHandoff,
        "there is no valid handoff data: the running module was not shut down (TDH.SYS.SHUTDOWN)")
    }
    let kept = UInt64(UInt32(littleEndianBytes: header[Header.dataSize...])) + UInt64(Header.size)
    let reserved = reservedHandoffBytes(machine)
    guard kept <= reserved else {
      throw InstallRefusal(
        .handoffSize, .badHandoff,
        "the handoff data has \(kept) bytes, the running module has \(reserved) bytes reserved for it")
    }
    do throws(ManifestFailure) {
      try rules.handoff(sigstruct, version: UInt16(littleEndianBytes: header[Header.version...].prefix(2)))
    } catch {
      throw InstallRefusal(error)
    }
    return kept
  }

  /// Room that the last install reserved: the 1.5 loaders look it up in the old SYS_INFO table, 2.0 remembers it.
  private func reservedHandoffBytes(_ machine: Machine) -> UInt64 {
    let pages: UInt64
    switch rules.generation {
    case .v1_5:
      let field = machine.sysInfoBase + UInt64(SEAMLayout.SysInfo.numHandoffPages)
      pages = UInt64(UInt16(littleEndianBytes: machine.memory.read(field, count: 2))) + 1
    case .v2_0:
      pages = UInt64(clamping: data.reservedHandoffPages)
    }
    return pages * UInt64(PhysicalMemory.pageSize)
  }
}
