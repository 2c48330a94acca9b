import Basics
import SEAM

/// TDSYSINFO_STRUCT, what TDH.SYS.INFO writes (tdx-module.md 5.1). 1024 bytes.
enum TDSysInfo {
  static let size = 1024
  static let alignment: UInt64 = 1024
  /// The CMR array behind R8: 32 entries of base and size.
  static let cmrArraySize = 512

  /// Byte offsets.
  enum Offset {
    static let attributes = 0
    static let vendorID = 4
    static let buildDate = 8
    static let buildNumber = 12
    static let minorVersion = 14
    static let majorVersion = 16
    static let sysRD = 18
    static let maxTDMRs = 32
    static let maxReservedPerTDMR = 34
    static let pamtEntrySize = 36
    static let tdcsBaseSize = 48
    static let tdvpsBaseSize = 52
    static let attributesFixed0 = 64
    static let attributesFixed1 = 72
    static let xfamFixed0 = 80
    static let xfamFixed1 = 88
    static let numCPUIDConfig = 128
    /// 24 bytes each: leaf, subleaf, EAX, EBX, ECX, EDX.
    static let cpuidConfig = 132
  }
}

extension TDXModule {
  /// TDH.SYS.INFO, leaf 32 (tdx-module.md 5.1), the enumeration from before TDH.SYS.RD.
  mutating func sysInfo(_ call: inout Call, machine: inout Machine) throws(ModuleError) -> CompletionStatus {
    let operands = call.registers
    call.registers.rdx = 0
    call.registers.r9 = 0
    let state = try requireInitializedLP(call)
    try requireShared(
      operands.rcx, size: UInt64(TDSysInfo.size), alignment: TDSysInfo.alignment, .rcx, in: machine)
    guard operands.rdx >= UInt64(TDSysInfo.size) else {
      throw .invalid(.rdx, "RDX = \(operands.rdx): TDSYSINFO_STRUCT needs \(TDSysInfo.size) bytes")
    }
    let target = PhysicalAddress(rawValue: operands.rcx)
    machine.memory.write(
      [UInt8](repeating: 0, count: TDSysInfo.size), at: target.withoutKeyID, keyID: target.keyID)
    try requireShared(
      operands.r8, size: UInt64(TDSysInfo.cmrArraySize), alignment: UInt64(TDSysInfo.cmrArraySize), .r8, in: machine)
    guard operands.r9 >= UInt64(SysInfoTable.maxCMRs) else {
      throw .invalid(.r9, "R9 = \(operands.r9): the CMR array needs \(SysInfoTable.maxCMRs) entries")
    }
    machine.memory.write(
      sysInfoBytes(state, cpu: machine.configuration.cpu), at: target.withoutKeyID, keyID: target.keyID)
    let table = SysInfoTable(machine)
    var cmrs: [UInt8] = []
    for index in 0..<SysInfoTable.maxCMRs {
      let (base, size) = table.cmr(index)
      cmrs += base.littleEndianBytes + size.littleEndianBytes
    }
    let cmrTarget = PhysicalAddress(rawValue: operands.r8)
    machine.memory.write(cmrs, at: cmrTarget.withoutKeyID, keyID: cmrTarget.keyID)
    call.registers.rdx = UInt64(TDSysInfo.size)
    call.registers.r9 = UInt64(SysInfoTable.maxCMRs)
    return .success
  }

  /// TDH.SYS.INFO, RD and RDALL work only on an LP that did TDH.SYS.LP.INIT.
  func requireInitializedLP(_ call: Call) throws(ModuleError) -> ModuleState {
    guard let state, state.initializedLPs.contains(call.lp) else {
      throw .refused(.sysLPInitNotDone, "LP \(call.lp) did not do TDH.SYS.LP.INIT with this image")
    }
    return state
  }

  private func sysInfoBytes(_ state: ModuleState, cpu: CPUModel) -> [UInt8] {
    typealias Offset = TDSysInfo.Offset
    let program = state.program
    let limits = ModuleLimits(state: state, cpu: cpu)
    var bytes = [UInt8](repeating: 0, count: TDSysInfo.size)
    bytes.store(UInt32(program.isDebug ? 1 << 31 : 0), at: Offset.attributes)
    bytes.store(UInt32(0x8086), at: Offset.vendorID)
    bytes.store(program.buildDate, at: Offset.buildDate)
    bytes.store(program.buildNumber, at: Offset.buildNumber)
    bytes.store(program.version.minor, at: Offset.minorVersion)
    bytes.store(program.version.major, at: Offset.majorVersion)
    bytes.store(UInt8(1), at: Offset.sysRD)
    bytes.store(UInt16(TDMR.maximum), at: Offset.maxTDMRs)
    bytes.store(UInt16(TDMR.maxReserved), at: Offset.maxReservedPerTDMR)
    bytes.store(UInt16(ModuleLimits.pamtEntrySize), at: Offset.pamtEntrySize)
    bytes.store(UInt16(truncatingIfNeeded: state.traits.tdcsBaseSize), at: Offset.tdcsBaseSize)
    bytes.store(UInt16(ModuleLimits.tdvpsBaseSize), at: Offset.tdvpsBaseSize)
    bytes.store(limits.attributesFixed0, at: Offset.attributesFixed0)
    bytes.store(UInt64(0), at: Offset.attributesFixed1)
    bytes.store(limits.xfamFixed0, at: Offset.xfamFixed0)
    bytes.store(ModuleLimits.xfamFixed1, at: Offset.xfamFixed1)
    let list = state.traits.cpuidConfiguration
    bytes.store(UInt32(truncatingIfNeeded: list.count), at: Offset.numCPUIDConfig)
    for (index, entry) in list.enumerated() {
      let offset = Offset.cpuidConfig + 24 * index
      bytes.store(entry.leaf, at: offset)
      bytes.store(entry.subleaf, at: offset + 4)
      let native = cpu.nativeCPUID(leaf: entry.leaf, subleaf: entry.subleaf)
      for (register, value) in entry.reported(native: native).enumerated() {
        bytes.store(value, at: offset + 8 + 4 * register)
      }
    }
    return bytes
  }
}

/// Figures of the module that several enumerations report (tdx-module.md 5.3, 10).
struct ModuleLimits {
  /// ATTRIBUTES_FIXED0: bits that a TD may set.
  let attributesFixed0: UInt64
  /// XFAM_FIXED0: bits that a TD may set.
  let xfamFixed0: UInt64

  /// XFAM_FIXED1: x87 and SSE are always on.
  static let xfamFixed1: UInt64 = 3
  static let pamtEntrySize: UInt64 = 16
  static let tdrBaseSize: UInt64 = 4096
  static let tdvpsBaseSize: UInt64 = 6 * 4096
  static let tdcsSizePerL2VM: UInt64 = 4096
  static let tdvpsSizePerL2VM: UInt64 = 3 * 4096

  init(state: ModuleState, cpu: CPUModel) {
    // DEBUG, SEPT_VE_DISABLE, MIGRATABLE, PKS, PERFMON.
    var attributes: UInt64 = 0x8000_0000_7000_0001
    if state.traits.isAtLeast1505, cpu.hasLASS { attributes |= 1 << 27 }
    if state.traits.has(.icssd) { attributes |= 1 << 16 }
    attributesFixed0 = attributes
    xfamFixed0 = 0x6DBE7 & cpu.supportedXFAM
  }
}
