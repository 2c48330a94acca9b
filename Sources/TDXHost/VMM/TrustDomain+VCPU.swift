import SEAM
import SystemPackage

/// KVM_TDX_INIT_VCPU (`tdx_td_vcpu_init`), and a vCPU's place on a CPU.
extension TrustDomain {
  /// Makes the next vCPU on `cpu`, whose guest begins with `rcx` in RCX and R8 (QEMU: the address of the TD HOB).
  ///
  /// Version 1 of TDH.VP.INIT, with the x2APIC id, where the module has TOPOLOGY_ENUM.
  /// - Throws: EINVAL after TDH.MR.FINALIZE and when there are MAX_VCPUS already; ENOMEM; EIO, after which the VM is bugged.
  public mutating func addVCPU(
    rcx: UInt64 = 0, on cpu: Int? = nil, host: inout LinuxHost, door: some SEAMCALLDoor
  ) throws(TDError) {
    try requireUsable()
    guard state == .initialized else {
      throw TDError(.invalidArgument, "TD \(name) is finalized: vCPUs come before TDH.MR.FINALIZE (tdx_vcpu_create)")
    }
    guard vcpus.count < Int(parameters.maxVCPUs) else {
      throw TDError(.invalidArgument, "TD \(name) has \(vcpus.count) vCPUs already, which is its max_vcpus")
    }
    let lp: Int
    if let cpu { lp = try host.requireOnline(cpu) } else { lp = host.anyCPU(for: vcpus.count) }
    let index = try createVCPU(on: lp, host: &host, door: door)
    var call = Registers(rax: UInt64(ModuleLeaf.vpInit.rawValue), rcx: vcpus[index].tdvpr, rdx: rcx)
    if host.sysInfo.features.contains(.topologyEnum) {
      call.rax |= 1 << 16
      call.r8 = UInt64(index)
    }
    try mustSucceed(call, in: "tdx_td_vcpu_init", on: lp, host: &host, door: door)
    vcpus[index].isInitialized = true
    vcpus[index].cpu = lp
  }

  /// TDH.VP.CREATE, and TDH.VP.ADDCX for each TDCX page, whose number is the module's (TDVPS_BASE_SIZE). Gives the index.
  mutating func createVCPU(
    on lp: Int, host: inout LinuxHost, door: some SEAMCALLDoor
  ) throws(TDError) -> Int {
    let tdr = try requireTDR()
    guard let tdvpr = host.pages.allocate() else { throw TDError(.noMemory, "the host has no page for a TDVPR") }
    do throws(TDError) {
      try mustSucceed(
        Registers(rax: UInt64(ModuleLeaf.vpCreate.rawValue), rcx: tdvpr, rdx: tdr), in: "tdx_td_vcpu_init", on: lp,
        host: &host, door: door)
    } catch {
      host.pages.free([tdvpr])
      throw error
    }
    let index = vcpus.count
    // What the module has taken comes back with the TD, whatever follows.
    vcpus.append(VirtualCPU(index: index, tdvpr: tdvpr))
    for _ in 0..<max(0, Int(host.sysInfo.tdvpsBaseSize / 4096) - 1) {
      guard let page = host.pages.allocate() else { throw TDError(.noMemory, "the host has no page for a TDCX") }
      do throws(TDError) {
        try mustSucceed(
          Registers(rax: UInt64(ModuleLeaf.vpAddcx.rawValue), rcx: page, rdx: tdvpr), in: "tdx_td_vcpu_init", on: lp,
          host: &host, door: door)
      } catch {
        host.pages.free([page])
        throw error
      }
      vcpus[index].tdcx.append(page)
    }
    return index
  }

  /// The index `number` of a vCPU that was initialised.
  /// - Throws: EINVAL.
  func vcpu(_ number: Int) throws(TDError) -> Int {
    guard vcpus.indices.contains(number), vcpus[number].isInitialized else {
      throw TDError(.invalidArgument, "TD \(name) has no vCPU \(number)")
    }
    return number
  }

  /// `tdx_flush_vp_on_cpu`: TDH.VP.FLUSH on the CPU with which the vCPU is associated. A flush that fails marks the VM as
  /// bugged; KVM forgets the association all the same.
  mutating func flush(vcpu index: Int, host: inout LinuxHost, door: some SEAMCALLDoor) {
    guard let cpu = vcpus[index].cpu else { return }
    vcpus[index].cpu = nil
    let call = Registers(rax: UInt64(ModuleLeaf.vpFlush.rawValue), rcx: vcpus[index].tdvpr)
    guard let failure = host.tdh(call, on: cpu, door: door).failure(of: call, on: cpu) else { return }
    guard failure.status.code != .vcpuNotAssociated else { return }
    bugOn(failure, in: "tdx_flush_vp_on_cpu", host: &host)
  }
}

extension LinuxHost {
  /// `cpu`, if it is online.
  /// - Throws: EINVAL.
  func requireOnline(_ cpu: Int) throws(TDError) -> Int {
    guard isOnline.indices.contains(cpu), isOnline[cpu] else {
      throw TDError(.invalidArgument, "CPU \(cpu) is not online")
    }
    return cpu
  }

  /// Where the vCPU `index` of a TD starts: the online CPUs in turn.
  func anyCPU(for index: Int) -> Int {
    let online = onlineCPUs
    return online.isEmpty ? 0 : online[index % online.count]
  }
}
