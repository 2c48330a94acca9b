import SEAM
import SystemPackage

/// Taking pages away from a guest that may run.
extension TrustDomain {
  /// TDH.MEM.RANGE.BLOCK of a page.
  /// - Throws: EINVAL for a page that is not there and for what the module refuses; EBUSY, EIO.
  public mutating func block(_ gpa: UInt64, host: inout LinuxHost, door: some SEAMCALLDoor) throws(TDError) {
    try changePage(gpa, .memRangeBlock, for: .monitor, in: "tdx_range_block", host: &host, door: door)
    memory.setBlocked(true, gpa: gpa)
  }

  /// TDH.MEM.RANGE.UNBLOCK of a page.
  /// - Throws: as ``block(_:host:door:)``.
  public mutating func unblock(_ gpa: UInt64, host: inout LinuxHost, door: some SEAMCALLDoor) throws(TDError) {
    try changePage(gpa, .memRangeUnblock, for: .monitor, in: "tdx_range_unblock", host: &host, door: door)
    memory.setBlocked(false, gpa: gpa)
  }

  /// TDH.MEM.TRACK. KVM kicks all vCPUs out of the TD then; here none is inside.
  /// - Throws: EINVAL for what the module refuses; EBUSY, EIO.
  public mutating func track(host: inout LinuxHost, door: some SEAMCALLDoor) throws(TDError) {
    try requireUsable()
    try mayFail(
      Registers(rax: UInt64(ModuleLeaf.memTrack.rawValue), rcx: try requireTDR()), in: "tdx_track", host: &host,
      door: door)
  }

  /// TDH.MEM.PAGE.REMOVE, then TDH.PHYMEM.PAGE.WBINVD with the TD's KeyID; the host has the page again.
  /// - Throws: as ``block(_:host:door:)``.
  public mutating func remove(_ gpa: UInt64, host: inout LinuxHost, door: some SEAMCALLDoor) throws(TDError) {
    try remove(gpa, for: .monitor, host: &host, door: door)
  }

  /// What KVM does with a page that goes (`tdx_sept_remove_private_spte`): block, track, remove, write back.
  /// - Throws: EINVAL for a page that is not there; EBUSY; EIO, after which the VM is bugged.
  public mutating func zap(_ gpa: UInt64, host: inout LinuxHost, door: some SEAMCALLDoor) throws(TDError) {
    try changePage(gpa, .memRangeBlock, for: .kvm, in: "tdx_sept_zap_private_spte", host: &host, door: door)
    memory.setBlocked(true, gpa: gpa)
    try mustSucceed(
      Registers(rax: UInt64(ModuleLeaf.memTrack.rawValue), rcx: try requireTDR()), in: "tdx_track", host: &host,
      door: door)
    try remove(gpa, for: .kvm, host: &host, door: door)
  }

  private mutating func remove(
    _ gpa: UInt64, for account: TDCallAccount, host: inout LinuxHost, door: some SEAMCALLDoor
  ) throws(TDError) {
    let page = try changePage(
      gpa, .memPageRemove, for: account, in: "tdx_sept_drop_private_spte", host: &host, door: door)
    memory.unmap(gpa)
    lostPages.append(page)
    // A page that can't be written back is leaked.
    try mustSucceed(
      Registers(
        rax: UInt64(ModuleLeaf.phymemPageWBINVD.rawValue), rcx: PhysicalAddress(page, keyID: keyID ?? 0).rawValue),
      in: "tdx_sept_drop_private_spte", host: &host, door: door)
    lostPages.removeLast()
    door.clearPage(page)
    host.pages.free(CollectionOfOne(page))
  }

  /// A leaf on the page at `gpa`. Gives the page.
  @discardableResult
  private mutating func changePage(
    _ gpa: UInt64, _ leaf: ModuleLeaf, for account: TDCallAccount, in function: String, host: inout LinuxHost,
    door: some SEAMCALLDoor
  ) throws(TDError) -> UInt64 {
    try requireUsable()
    guard let page = memory.pages[gpa] else { throw TDError(.invalidArgument, "the guest has no page at \(gpa.hex)") }
    try call(
      Registers(rax: UInt64(leaf.rawValue), rcx: gpa, rdx: try requireTDR()), for: account, in: function, host: &host,
      door: door)
    return page.hpa
  }

  /// TDH.VP.FLUSH of a vCPU on the CPU that has it.
  /// - Throws: EINVAL when there is no such vCPU, or no CPU has it; EIO when the VM is bugged.
  public mutating func flush(_ number: Int, host: inout LinuxHost, door: some SEAMCALLDoor) throws(TDError) {
    try requireUsable()
    let index = try vcpu(number)
    guard vcpus[index].cpu != nil else { throw TDError(.invalidArgument, "vCPU \(number) is on no CPU") }
    flush(vcpu: index, host: &host, door: door)
    try requireUsable()
  }

  /// TDH.MNG.RD of the field with this id.
  /// - Throws: EINVAL for what the module refuses; EBUSY, EIO.
  public mutating func readMetadata(
    _ field: UInt64, host: inout LinuxHost, door: some SEAMCALLDoor
  ) throws(TDError) -> UInt64 {
    try requireUsable()
    return try mayFail(
      Registers(rax: UInt64(ModuleLeaf.mngRD.rawValue), rcx: try requireTDR(), rdx: field), in: "tdx_td_read_metadata",
      host: &host, door: door
    ).r8
  }
}
