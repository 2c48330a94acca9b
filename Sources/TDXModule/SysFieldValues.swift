import SEAM

/// The values of the global metadata (tdx-module.md 5.3).
struct SysFieldValues {
  let state: ModuleState
  let machine: Machine
  private let limits: ModuleLimits

  init(state: ModuleState, machine: Machine) {
    self.state = state
    self.machine = machine
    limits = ModuleLimits(state: state, cpu: machine.configuration.cpu)
  }

  private var table: SysInfoTable { SysInfoTable(machine) }
  private var header: HandoffHeader { HandoffHeader(machine) }

  /// The value of element `index` of `field`, counted over all its fields, cut to the size of an element.
  func value(_ field: SysField, _ index: Int) -> UInt64 {
    let bits = 8 << field.description.id.elementSizeCode
    let mask: UInt64 = bits >= 64 ? .max : (1 << bits) - 1
    return fullValue(field, index) & mask
  }

  private func fullValue(_ field: SysField, _ index: Int) -> UInt64 {
    let program = state.program
    let traits = state.traits
    switch field {
    case .numPkgs: return UInt64(table.totalSockets)
    case .pkgFMS: return UInt64(table.socketCPUID(index))
    case .vendorID: return 0x8086
    case .buildDate: return UInt64(program.buildDate)
    case .buildNum: return UInt64(program.buildNumber)
    case .minorVersion: return UInt64(program.version.minor)
    case .majorVersion: return UInt64(program.version.major)
    case .updateVersion: return UInt64(program.version.update)
    case .internalVersion: return UInt64(program.internalVersion)
    case .moduleHV: return UInt64(program.moduleHV)
    case .minUpdateHV: return UInt64(program.minUpdateHV)
    case .noDowngrade: return program.noDowngrade ? 1 : 0
    case .numHandoffPages: return UInt64(state.negotiation.numHandoffPages)
    case .handoffDataValid: return header.valid ? 1 : 0
    case .handoffDataHV: return UInt64(header.version)
    case .handoffDataSize: return UInt64(header.size)
    case .sysAttributes: return program.isDebug ? 1 << 31 : 0
    case .numTDXFeatures: return 1
    case .tdxFeatures0: return traits.features0
    case .numCMRs: return UInt64(SysInfoTable.maxCMRs)
    case .cmrBase: return table.cmr(index).base
    case .cmrSize: return table.cmr(index).size
    case .maxTDMRs: return UInt64(TDMR.maximum)
    case .maxReservedPerTDMR: return UInt64(TDMR.maxReserved)
    case .pamt4KEntrySize, .pamt2MEntrySize, .pamt1GEntrySize: return ModuleLimits.pamtEntrySize
    case .pamtPageBitmapEntryBits: return 1
    // Bits that an address without KeyID may have at most are 48.
    case .minDynamicPAMTNumHKIDBits: return MachineConfiguration.maxPA - 48
    case .tdrBaseSize: return ModuleLimits.tdrBaseSize
    case .tdcsBaseSize: return traits.tdcsBaseSize
    case .tdcsSizePerL2VM: return ModuleLimits.tdcsSizePerL2VM
    case .tdvpsBaseSize: return ModuleLimits.tdvpsBaseSize
    case .tdvpsSizePerL2VM: return ModuleLimits.tdvpsSizePerL2VM
    case .attributesFixed0: return limits.attributesFixed0
    case .attributesFixed1: return 0
    case .xfamFixed0: return limits.xfamFixed0
    case .xfamFixed1: return ModuleLimits.xfamFixed1
    case .numCPUIDConfig: return UInt64(traits.cpuidConfiguration.count)
    case .configFlagsFixed0: return traits.configFlagsFixed0
    case .configFlagsFixed1: return 0
    case .maxVCPUsPerTD: return traits.maxVCPUsPerTD
    // Not known; the smallest width that a physical address of any TDX machine has.
    case .minVirtMaxPA: return 46
    case .maxEventFilters: return 512
    case .cpuidConfigLeaves, .cpuidConfigValues: return cpuidConfiguration(field, index)
    // RDCL_NO-like bits 4, 19, 20, 24 (1.5.01).
    case .ia32ArchCapabilitiesConfigMask: return 0x0118_0010
    case .numAllowedFMS: return UInt64(AllowedFMS.list(machine.configuration.cpu).count)
    case .numDisallowedFMS, .disallowedFMS: return 0
    case .allowedFMS:
      let list = AllowedFMS.list(machine.configuration.cpu)
      return list.indices.contains(index) ? UInt64(list[index]) : 0
    case .migAttributes, .minExportVersion, .maxExportVersion, .minImportVersion, .maxImportVersion: return 0
    case .maxMigs: return 512
    case .numImmutableStatePages: return 3
    case .numTDStatePages: return 2
    case .numVPStatePages: return 5
    case .memScan30: return 2
    case .memScan31: return 128
    case .memScan32: return 256
    case .maxServTDs: return 1
    case .servTDAttrFixed0: return 0x0000_07FF_0000_0001
    case .servTDAttrFixed1: return 0
    case .guestL2GPAAttrMask: return 0x807F
    case .vmCtlsFixed0: return 1
    case .vcpuL2CtlsFixed0: return 3
    case .vcpuL2DebugCtlsFixed0: return 7
    case .vmCtlsFixed1, .vcpuL2CtlsFixed1, .vcpuL2DebugCtlsFixed1: return 0
    }
  }

  private func cpuidConfiguration(_ field: SysField, _ index: Int) -> UInt64 {
    let list = state.traits.cpuidConfiguration
    if field == .cpuidConfigLeaves {
      return list.indices.contains(index) ? list[index].leafAndSubleaf : .max
    }
    return list.indices.contains(index / 2) ? list[index / 2].directValue(index % 2) : 0
  }
}

/// Processors that a TD can be told it runs on: the own one, then older ones (module source 1.5.01).
enum AllowedFMS {
  /// Newest first, with the latest stepping.
  private static let known: [UInt32] = [0xD06D0, 0xA06E0, 0xA06D0, 0xA06F0, 0xC06F2, 0x806F8]

  /// ALLOWED_FMS on `cpu`.
  static func list(_ cpu: CPUModel) -> [UInt32] {
    guard let start = known.firstIndex(where: { CPUModel.matches(listed: $0, signature: cpu.signature) }) else {
      return [cpu.signature]
    }
    return [cpu.signature] + known[(start + 1)...]
  }
}
