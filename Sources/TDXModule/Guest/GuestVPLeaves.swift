import SEAM

/// TDG.VP.*, as far as they stay in the TD (tdx-module.md 1.3).
extension TDXModule {
  /// TDG.VP.INFO, leaf 1.
  func vpInfo(_ registers: inout Registers, _ tdvpr: UInt64, _ tdr: UInt64) -> CompletionStatus {
    let td = tds[tdr]
    registers.rcx = td?.parameters.hasGPAW52 == true ? 52 : 48
    registers.rdx = td?.parameters.attributes.rawValue ?? 0
    registers.r8 = UInt64(td?.vcpuCount ?? 0) | UInt64(td?.parameters.maxVCPUs ?? 0) << 32
    registers.r9 = UInt64(vcpus[tdvpr]?.index ?? 0)
    // Bit 0: TDG.SYS.RD and RDALL are there.
    registers.r10 = 1
    registers.r11 = 0
    return .success
  }

  /// TDG.VP.VEINFO.GET, leaf 3: takes VE_INFO.
  mutating func veInfoGet(_ registers: inout Registers, _ tdvpr: UInt64) throws(GuestStop) -> CompletionStatus {
    let info = vcpus[tdvpr]?.veInfo
    registers.rcx = UInt64(info?.exitReason ?? 0)
    registers.rdx = info?.qualification ?? 0
    registers.r8 = info?.linearAddress ?? 0
    registers.r9 = info?.gpa ?? 0
    registers.r10 = info?.instruction ?? 0
    guard info != nil else { throw .status(.noValidVEInfo) }
    vcpus[tdvpr]?.veInfo = nil
    return .success
  }

  /// TDG.VP.CPUIDVE.SET, leaf 5: RCX bit 0 for the kernel, bit 1 for its applications.
  mutating func cpuidVESet(_ registers: Registers, _ tdvpr: UInt64) throws(GuestStop) -> CompletionStatus {
    guard registers.rcx >> 2 == 0 else { throw .invalid(.rcx) }
    vcpus[tdvpr]?.cpuidVE = VCPU.CPUIDControl(rawValue: registers.rcx)
    return .success
  }
}
