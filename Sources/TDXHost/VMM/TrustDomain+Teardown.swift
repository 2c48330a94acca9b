import SEAM
import SystemPackage

/// The end of a TD (`tdx_mmu_release_hkid`, `tdx_vcpu_free`, `tdx_vm_destroy`).
extension TrustDomain {
  /// Gives everything back, in the only order that the module takes: TDH.VP.FLUSH of every vCPU, TDH.MNG.VPFLUSHDONE,
  /// TDH.PHYMEM.CACHE.WB on every package, TDH.MNG.KEY.FREEID; then TDH.PHYMEM.PAGE.RECLAIM of every page, the TDR last.
  ///
  /// When a leaf fails, the KeyID and the pages are leaked until reboot, and the log says so.
  mutating func tearDown(host: inout LinuxHost, door: some SEAMCALLDoor) {
    endMigration(host: &host)
    for index in vcpus.indices { flush(vcpu: index, host: &host, door: door) }
    releaseKeyID(host: &host, door: door)
    reclaimMemory(host: &host, door: door)
    reclaimControlPages(host: &host, door: door)
    let leaked = hostPageCount
    guard leaked > 0 else { return }
    host.tds.leakedPages += leaked
    host.log.append(.warning, "tdxfs: \(leaked) pages of TD \(name) are lost until reboot")
  }

  /// `tdx_mmu_release_hkid`, after the flushes.
  mutating func releaseKeyID(host: inout LinuxHost, door: some SEAMCALLDoor) {
    guard let keyID, let tdr else { return }
    let cpu = host.anyCPU
    let flushDone = Registers(rax: UInt64(ModuleLeaf.mngVpflushdone.rawValue), rcx: tdr)
    if let failure = host.tdh(flushDone, on: cpu, door: door).failure(of: flushDone, on: cpu) {
      guard failure.status.code != .flushvpNotDone else { return }
      bugOn(failure, in: "tdx_mmu_release_hkid", host: &host)
      host.logKVM(.error, "tdh_mng_vpflushdone() failed. HKID \(keyID) is leaked.")
      return
    }
    // An error here makes TDH.MNG.KEY.FREEID fail.
    for cpu in host.oneCPUPerPackage { writeBackCaches(on: cpu, host: &host, door: door) }
    let free = Registers(rax: UInt64(ModuleLeaf.mngKeyFreeid.rawValue), rcx: tdr)
    if let failure = host.tdh(free, on: cpu, door: door).failure(of: free, on: cpu) {
      bugOn(failure, in: "tdx_mmu_release_hkid", host: &host)
      host.logKVM(.error, "tdh_mng_key_freeid() failed. HKID \(keyID) is leaked.")
      return
    }
    host.tds.keyIDs.give(back: keyID)
    self.keyID = nil
  }

  /// `smp_func_do_phymem_cache_wb`: TDH.PHYMEM.CACHE.WB, resumed as often as it was interrupted.
  private func writeBackCaches(on cpu: Int, host: inout LinuxHost, door: some SEAMCALLDoor) {
    var call = Registers(rax: UInt64(ModuleLeaf.phymemCacheWB.rawValue))
    var result = host.tdh(call, on: cpu, door: door)
    // A module that is always interrupted gets nowhere; Linux would go on for ever.
    for _ in 0..<65536 where CompletionStatus(rawValue: result.linuxStatus).code == .interruptedResumable {
      call.rcx = 1
      result = host.tdh(call, on: cpu, door: door)
    }
    guard let failure = result.failure(of: call, on: cpu), failure.status.code != .noHKIDReadyToWbcache else { return }
    host.warnKVMOnce("smp_func_do_phymem_cache_wb", cpu: cpu)
    host.logTDXError(failure)
  }

  /// TDH.PHYMEM.PAGE.RECLAIM of the vCPUs' pages, the guest's and the secure EPT's. Not while the KeyID is assigned: then
  /// all of them are leaked.
  private mutating func reclaimMemory(host: inout LinuxHost, door: some SEAMCALLDoor) {
    guard keyID == nil else { return }
    for index in vcpus.indices {
      vcpus[index].tdcx.removeAll { host.reclaim($0, door: door) }
    }
    vcpus.removeAll { $0.tdcx.isEmpty && host.reclaim($0.tdvpr, door: door) }
    for page in memory.hostPages where !host.reclaim(page, door: door) {
      lostPages.append(page)
    }
    memory = MirrorEPT(levels: parameters.eptLevels)
    migrationStreams.removeAll { host.reclaim($0, door: door) }
  }

  /// `tdx_reclaim_td_control_pages`: the TDCS pages, then the TDR, then TDH.PHYMEM.PAGE.WBINVD of it with the global KeyID.
  mutating func reclaimControlPages(host: inout LinuxHost, door: some SEAMCALLDoor) {
    guard keyID == nil else { return }
    tdcs.removeAll { host.reclaim($0, door: door) }
    guard let page = tdr, host.reclaimOnly(page, door: door) else { return }
    let cpu = host.anyCPU
    let call = Registers(
      rax: UInt64(ModuleLeaf.phymemPageWBINVD.rawValue),
      rcx: PhysicalAddress(
        page, keyID: UInt16(truncatingIfNeeded: host.configuration.privateKeyIDs.lowerBound)
      ).rawValue)
    if let failure = host.tdh(call, on: cpu, door: door).failure(of: call, on: cpu) {
      bugOn(failure, in: "tdx_reclaim_td_control_pages", host: &host)
      return
    }
    door.clearPage(page)
    host.pages.free([page])
    tdr = nil
  }
}

extension LinuxHost {
  /// `tdx_reclaim_control_page`: the page is free again; false when it is lost.
  fileprivate mutating func reclaim(_ page: UInt64, door: some SEAMCALLDoor) -> Bool {
    guard reclaimOnly(page, door: door) else { return false }
    door.clearPage(page)
    pages.free(CollectionOfOne(page))
    return true
  }

  /// `__tdx_reclaim_page`.
  fileprivate mutating func reclaimOnly(_ page: UInt64, door: some SEAMCALLDoor) -> Bool {
    let call = Registers(rax: UInt64(ModuleLeaf.phymemPageReclaim.rawValue), rcx: page)
    let cpu = anyCPU
    let result = tdh(call, on: cpu, door: door)
    guard let failure = result.failure(of: call, on: cpu) else { return true }
    let after = result.registers(after: call)
    warnKVMOnce("__tdx_reclaim_page", cpu: cpu)
    logTDXError(failure, [("rcx", after.rcx), ("rdx", after.rdx), ("r8", after.r8)])
    return false
  }
}
