import SEAM

/// TDH.VP.*: a vCPU, from its first page to its last LP (tdx-module.md 6.2, 6.8). TDH.VP.ENTER has a file of its own.
extension TDXModule {
  /// TDH.VP.CREATE, leaf 10: makes a vCPU of the TD RDX out of the page RCX.
  mutating func vpCreate(_ call: Call, machine: inout Machine) throws(ModuleError) -> CompletionStatus {
    let tdvpr = call.registers.rcx
    let tdr = try requireTD(call.registers.rdx, .rdx, .shared, for: .vpCreate)
    try requirePage(tdvpr, .nda, .rcx, .exclusive)
    assignPage(tdvpr, .tdvpr, to: tdr, machine: &machine)
    vcpus[tdvpr] = VCPU(tdr: tdr, tdvpr: tdvpr)
    // What ran on an earlier vCPU in the same page is gone.
    machine.guests[tdvpr] = nil
    return .success
  }

  /// TDH.VP.ADDCX, leaf 4: gives the page RCX to the TDVPS of the vCPU RDX.
  mutating func vpAddcx(_ call: Call, machine: inout Machine) throws(ModuleError) -> CompletionStatus {
    let page = call.registers.rcx
    let (tdvpr, tdr) = try requireTDVPR(call.registers.rdx, .rdx, .exclusive)
    try requireTD(tdr, for: .vpAddcx)
    try requireUninitialized(tdvpr)
    guard let count = vcpus[tdvpr]?.pages.count, count < VCPU.maxPages else {
      throw .refused(.tdcxNumIncorrect, "the vCPU at \(tdvpr.text) has all of its \(VCPU.maxPages) pages")
    }
    try requirePage(page, .nda, .rcx, .exclusive)
    assignPage(page, .tdcx, to: tdr, machine: &machine)
    vcpus[tdvpr]?.pages.append(page)
    return .success
  }

  /// TDH.VP.INIT, leaf 22: numbers the vCPU RCX and gives it its first registers; RDX is what the TD finds in RCX and R8.
  /// Version 1: R8 is its x2APIC id.
  mutating func vpInit(_ call: Call, machine: Machine) throws(ModuleError) -> CompletionStatus {
    try requireVersion1(call)
    let operands = call.registers
    let (tdvpr, tdr) = try requireTDVPR(operands.rcx, .rcx, .exclusive)
    try requireTD(tdr, for: .vpInit)
    try requireVCPUPages(tdvpr)
    try requireUninitialized(tdvpr)
    guard let td = tds[tdr] else { throw .fatal("no TD") }
    guard td.vcpuCount < UInt32(td.parameters.maxVCPUs) else {
      throw .refused(.maxVCPUsExceeded, "the TD at \(tdr.text) has all of its \(td.parameters.maxVCPUs) vCPUs")
    }
    var x2apicID: UInt32?
    if call.leaf.version == 1 {
      guard let id = UInt32(exactly: operands.r8) else {
        throw .invalid(.r8, "R8 = \(operands.r8.text) is no x2APIC id")
      }
      guard !td.x2apicIDs.contains(id) else {
        throw .refused(.x2apicIDNotUnique, "x2APIC id \(id) is that of another vCPU")
      }
      x2apicID = id
    }
    try requireTSCAdjust(call.lp)
    var registers = Registers(
      rax: 0, rcx: operands.rdx, rdx: UInt64(machine.configuration.cpu.signature), r8: operands.rdx)
    registers.rbx = td.parameters.hasGPAW52 ? 52 : 48
    registers.rsi = UInt64(td.vcpuCount)
    vcpus[tdvpr]?.index = td.vcpuCount
    vcpus[tdvpr]?.x2apicID = x2apicID
    vcpus[tdvpr]?.registers = registers
    vcpus[tdvpr]?.state = .ready
    vcpus[tdvpr]?.lastExit = .asyncFault
    vcpus[tdvpr]?.associatedLP = call.lp
    vcpus[tdvpr]?.lastSEAMDBIndex = state?.seamdb?.index
    tds[tdr]?.vcpuCount &+= 1
    tds[tdr]?.associatedVCPUs &+= 1
    if let x2apicID { tds[tdr]?.x2apicIDs.insert(x2apicID) }
    return .success
  }

  /// TDH.VP.FLUSH, leaf 18: the caller's LP has nothing of the vCPU RCX any more.
  mutating func vpFlush(_ call: Call) throws(ModuleError) -> CompletionStatus {
    let (tdvpr, tdr) = try requireTDVPR(call.registers.rcx, .rcx, .exclusive)
    guard tds[tdr]?.lifecycle == .keysConfigured else {
      throw .refused(.tdKeysNotConfigured, "the TD at \(tdr.text) is not in TD_KEYS_CONFIGURED")
    }
    try requireVCPUPages(tdvpr)
    guard vcpus[tdvpr]?.associatedLP == call.lp else {
      throw .refused(.vcpuNotAssociated, "the vCPU at \(tdvpr.text) is not associated with LP \(call.lp)")
    }
    vcpus[tdvpr]?.associatedLP = nil
    if let count = tds[tdr]?.associatedVCPUs { tds[tdr]?.associatedVCPUs = count - min(1, count) }
    return .success
  }
}

extension TDXModule {
  /// Whether the TDVPS has the pages that it needs.
  func requireVCPUPages(_ tdvpr: UInt64) throws(ModuleError) {
    guard let vcpu = vcpus[tdvpr], let td = tds[vcpu.tdr] else { throw .fatal("no vCPU") }
    let needed = VCPU.minPages(l2VMs: td.parameters.numL2VMs)
    guard vcpu.pages.count >= needed else {
      throw .refused(.tdcxNumIncorrect, "the vCPU at \(tdvpr.text) has \(vcpu.pages.count) of \(needed) pages")
    }
  }

  private func requireUninitialized(_ tdvpr: UInt64) throws(ModuleError) {
    guard vcpus[tdvpr]?.state == .uninitialized else {
      throw .refused(.vcpuStateIncorrect, "the vCPU at \(tdvpr.text) was initialised already")
    }
  }

  /// IA32_TSC_ADJUST of `lp` is what TDH.SYS.INIT sampled.
  func requireTSCAdjust(_ lp: Int) throws(ModuleError) {
    guard !conditions.tscAdjusted.contains(lp) else {
      throw .refused(.inconsistentMSR.with(details: 0x3B), "IA32_TSC_ADJUST of LP \(lp) was changed")
    }
  }

  /// IA32_MISC_ENABLE of `lp` does not limit CPUID.
  func requireUnlimitedCPUID(_ lp: Int) throws(ModuleError) {
    guard !conditions.limitCPUIDMaxval.contains(lp) else {
      throw .refused(.limitCPUIDMaxvalSet, "IA32_MISC_ENABLE of LP \(lp) limits CPUID to leaf 2")
    }
  }

  /// Associates the vCPU with `lp`, which then has its VMCS: TDH.VP.ENTER, and TDH.VP.RD and WR too. A vCPU that was last
  /// used under another load of the module remembers this one from now on.
  mutating func associate(_ tdvpr: UInt64, with lp: Int, allowingDisabled: Bool = false) throws(ModuleError) {
    guard let vcpu = vcpus[tdvpr] else { throw .fatal("no vCPU") }
    guard vcpu.state == .ready || vcpu.state == .disabled && allowingDisabled else {
      throw .refused(.vcpuStateIncorrect, "the vCPU at \(tdvpr.text) is in state \(vcpu.state)")
    }
    if let other = vcpu.associatedLP, other != lp {
      throw .refused(.vcpuAssociated, "the vCPU at \(tdvpr.text) is associated with LP \(other)")
    }
    vcpus[tdvpr]?.lastSEAMDBIndex = state?.seamdb?.index
    guard vcpu.associatedLP == nil else { return }
    vcpus[tdvpr]?.associatedLP = lp
    tds[vcpu.tdr]?.associatedVCPUs &+= 1
  }
}
