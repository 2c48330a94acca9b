/// The fields of a vCPU, TD VMCS and TDVPS, in the module's order (tdx-module.md 6.9; module source 1.5.01).
///
/// Of the TD VMCS there are those that the host writes; of the TDVPS, those that describe what tdxfs has of a vCPU.
enum VCPUField: MetadataField {
  case postedInterruptVector, postedInterruptDescriptor, sharedEPTP, pinBasedControls, secondaryControls
  case instructionTimeout
  case veExitReason, veValid, veQualification, veLinearAddress, veGPA
  case rax, rcx, rdx, rbx, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15
  case vcpuStateDetails
  case vcpuState, vcpuIndex, numTDVPSPages, assocLPID, vcpuEpoch, cpuidSupervisorVE, cpuidUserVE, pendNMI, xfam
  case lastTDExit, tdvpsPagePA, lastSEAMDBIndex, currVM

  static let context: UInt64 = 2

  func description(_ traits: ModuleTraits) -> MetadataDescription {
    switch self {
    case .postedInterruptVector: .init(0x0024_0001_0000_0002, host: .readWrite)
    case .postedInterruptDescriptor: .init(0x0024_0003_0000_2016, host: .init(read: .max, write: ~0x3F))
    case .sharedEPTP:
      .init(
        0x0024_0003_0000_203C, host: .init(read: Self.pageMask, write: Self.pageMask),
        debugger: .init(read: .max, write: Self.pageMask))
    case .pinBasedControls:
      .init(
        0x0024_0002_0000_4000, host: .init(read: 1 << 7, write: 1 << 7), debugger: .init(read: .max, write: 1 << 7))
    case .secondaryControls:
      .init(
        0x0024_0002_0000_401E, host: .init(read: 3 << 30, write: 3 << 30), debugger: .init(read: .max, write: 3 << 30))
    case .instructionTimeout: .init(0x0024_0002_0000_4024, host: .readWrite)
    case .veExitReason: .init(0x0220_0002_0000_0000, host: .none, debugger: .all)
    case .veValid: .init(0x0220_0002_0000_0001, host: .none, debugger: .all)
    case .veQualification: .init(0x0220_0003_0000_0002, host: .none, debugger: .all)
    case .veLinearAddress: .init(0x0220_0003_0000_0003, host: .none, debugger: .all)
    case .veGPA: .init(0x0220_0003_0000_0004, host: .none, debugger: .all)
    case .rax: Self.register(0)
    case .rcx: Self.register(1)
    case .rdx: Self.register(2)
    case .rbx: Self.register(3)
    case .rsi: Self.register(6)
    case .rdi: Self.register(7)
    case .r8: Self.register(8)
    case .r9: Self.register(9)
    case .r10: Self.register(10)
    case .r11: Self.register(11)
    case .r12: Self.register(12)
    case .r13: Self.register(13)
    case .r14: Self.register(14)
    case .r15: Self.register(15)
    case .vcpuStateDetails: .init(0x9120_0003_0000_0100)
    case .vcpuState: .init(0xA020_0000_0000_0000, host: .none, debugger: .all)
    case .vcpuIndex: .init(0xA020_0002_0000_0002, guest: .all)
    case .numTDVPSPages: .init(0xA020_0000_0000_0003)
    case .assocLPID: .init(0xA020_0002_0000_0004)
    case .vcpuEpoch: .init(0xA020_0003_0000_0006)
    case .cpuidSupervisorVE: .init(0xA020_0000_0000_0007, guest: .readWrite)
    case .cpuidUserVE: .init(0xA020_0000_0000_0008, guest: .readWrite)
    case .pendNMI: .init(0x2020_0000_0000_000B, host: .readWrite)
    case .xfam: .init(0x2020_0003_0000_000C)
    case .lastTDExit: .init(0xA020_0000_0000_000F, host: .none, debugger: .all)
    case .tdvpsPagePA: .init(0xA020_0003_0000_0010, UInt64(VCPU.maxPages))
    case .lastSEAMDBIndex: .init(0xA020_0003_0000_0032, host: .none, debugger: .all)
    case .currVM: .init(0xA020_0001_0000_0041, host: .none, debugger: .all)
    }
  }

  /// Bits 51:12.
  private static let pageMask: UInt64 = 0x000F_FFFF_FFFF_F000

  /// A general-purpose register by its number.
  private static func register(_ number: UInt64) -> MetadataDescription {
    .init(0x1020_0003_0000_0000 | number, host: .none, debugger: .readWrite)
  }

  /// Where the register is among those of a vCPU; nil for another field.
  var register: WritableKeyPath<VCPU, UInt64>? {
    switch self {
    case .rax: \.registers.rax
    case .rcx: \.registers.rcx
    case .rdx: \.registers.rdx
    case .rbx: \.registers.rbx
    case .rsi: \.registers.rsi
    case .rdi: \.registers.rdi
    case .r8: \.registers.r8
    case .r9: \.registers.r9
    case .r10: \.registers.r10
    case .r11: \.registers.r11
    case .r12: \.registers.r12
    case .r13: \.registers.r13
    case .r14: \.registers.r14
    case .r15: \.registers.r15
    default: nil
    }
  }
}
