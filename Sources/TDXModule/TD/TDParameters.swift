import Basics
import SEAM

/// TD_PARAMS, the 1024 bytes that TDH.MNG.INIT takes (tdx-module.md 6.3).
struct TDParameters: Equatable, Sendable, Codable {
  /// Size in memory.
  static let size = 1024

  /// Bits of ATTRIBUTES.
  struct Attributes: OptionSet, Sendable, Codable {
    let rawValue: UInt64

    /// The host may read and write the TD's memory and registers.
    static let debug = Self(rawValue: 1 << 0)
    static let septVEDisable = Self(rawValue: 1 << 28)
    static let migratable = Self(rawValue: 1 << 29)
    static let perfmon = Self(rawValue: 1 << 63)
  }

  /// Byte offsets.
  enum Offset {
    static let attributes = 0
    static let xfam = 8
    static let maxVCPUs = 16
    static let numL2VMs = 18
    static let msrConfigCtls = 19
    static let reserved20 = 20
    static let eptpControls = 24
    static let configFlags = 32
    static let tscFrequency = 40
    static let reserved42 = 42
    static let mrConfigID = 80
    static let mrOwner = 128
    static let mrOwnerConfig = 176
    static let archCapabilities = 224
    static let reserved232 = 232
    static let cpuidValues = 256
  }

  var attributes: Attributes = []
  var xfam: UInt64 = 0
  var maxVCPUs: UInt16 = 0
  var numL2VMs: UInt8 = 0
  var eptpControls: UInt64 = 0
  var configFlags: UInt64 = 0
  /// In units of 25 MHz.
  var tscFrequency: UInt16 = 0
  var mrConfigID = [UInt8](repeating: 0, count: 48)
  var mrOwner = [UInt8](repeating: 0, count: 48)
  var mrOwnerConfig = [UInt8](repeating: 0, count: 48)
  var archCapabilities: UInt64 = 0
  /// EAX, EBX, ECX, EDX of each entry of the CPUID configuration.
  var cpuidValues: [[UInt32]] = []

  /// What nobody initialised.
  init() {}

  /// CONFIG_FLAGS bit 0: guest physical addresses have 52 bits, not 48.
  var hasGPAW52: Bool { configFlags & 1 != 0 }
  /// CONFIG_FLAGS bit 1: the guest chooses what an access to a PENDING page does.
  var hasFlexiblePendingVE: Bool { configFlags & 2 != 0 }
  /// CONFIG_FLAGS bit 2: TDG.VP.VMCALL does not touch the host's RBP.
  var hasNoRBPMod: Bool { configFlags & 4 != 0 }
  /// Level of the root table of the secure EPT: 3 with four levels, 4 with five.
  var rootLevel: UInt8 { eptpControls >> 3 & 7 == 4 ? 4 : 3 }
  /// First guest physical address that is shared with the host.
  var sharedBit: UInt64 { hasGPAW52 ? 1 << 51 : 1 << 47 }
}

extension TDParameters {
  /// What a module with its processor admits.
  struct Rules {
    let traits: ModuleTraits
    let attributesFixed0: UInt64
    let xfamFixed0: UInt64
    let cpu: CPUModel
    /// NUM_TDCX of the TD.
    let tdcxPages: Int
    /// Whether IA32_TSC_ADJUST of the calling LP is not what TDH.SYS.INIT sampled.
    let isTSCAdjusted: Bool

    init(state: ModuleState, cpu: CPUModel, tdcxPages: Int, isTSCAdjusted: Bool = false) {
      let limits = ModuleLimits(state: state, cpu: cpu)
      traits = state.traits
      attributesFixed0 = limits.attributesFixed0
      xfamFixed0 = limits.xfamFixed0
      self.cpu = cpu
      self.tdcxPages = tdcxPages
      self.isTSCAdjusted = isTSCAdjusted
    }

    /// IA32_ARCH_CAPABILITIES_CONFIG_MASK (tdx-module.md 5.3).
    static let archCapabilitiesMask: UInt64 = 0x0118_0010
  }

  /// Why TD_PARAMS were not taken.
  struct Refusal: Error {
    let status: CompletionStatus
    let reason: String
    /// RCX: leaf and subleaf of a wrong CPUID value.
    var cpuidLeaf: UInt64?

    static func invalid(_ operand: OperandID, _ reason: String) -> Refusal {
      Refusal(status: .operandInvalid.with(operand), reason: reason)
    }
  }

  /// The parameters in `bytes`, checked in the module's order.
  init(_ bytes: [UInt8], _ rules: Rules) throws(Refusal) {
    let reader = ByteReader(bytes)
    func integer<T: FixedWidthInteger & UnsignedInteger>(_ offset: Int, _ type: T.Type = T.self) -> T {
      (try? reader.integer(at: offset, as: type)) ?? 0
    }
    func isZero(_ range: Range<Int>) -> Bool { bytes[range.clamped(to: bytes.indices)].allSatisfy { $0 == 0 } }
    attributes = Attributes(rawValue: integer(Offset.attributes))
    xfam = integer(Offset.xfam)
    maxVCPUs = integer(Offset.maxVCPUs)
    numL2VMs = integer(Offset.numL2VMs)
    eptpControls = integer(Offset.eptpControls)
    configFlags = integer(Offset.configFlags)
    tscFrequency = integer(Offset.tscFrequency)
    mrConfigID = Array(bytes[Offset.mrConfigID..<Offset.mrOwner])
    mrOwner = Array(bytes[Offset.mrOwner..<Offset.mrOwnerConfig])
    mrOwnerConfig = Array(bytes[Offset.mrOwnerConfig..<Offset.archCapabilities])
    archCapabilities = integer(Offset.archCapabilities)

    try checkAttributes(rules)
    try checkXFAM(rules)
    guard (1...rules.traits.maxVCPUsPerTD).contains(UInt64(maxVCPUs)) else {
      throw .invalid(.maxVCPUs, "MAX_VCPUS = \(maxVCPUs): 1 to \(rules.traits.maxVCPUsPerTD) are possible")
    }
    guard numL2VMs <= 3 else { throw .invalid(.numL2VMs, "NUM_L2_VMS = \(numL2VMs): at most 3 are possible") }
    guard rules.tdcxPages >= rules.traits.minTDCX + Int(numL2VMs) else {
      throw Refusal(
        status: .tdcsNotAllocated, reason: "\(rules.tdcxPages) TDCX pages are too few for \(numL2VMs) L2 VMs")
    }
    let msrConfigCtls = integer(Offset.msrConfigCtls, UInt8.self)
    guard msrConfigCtls & ~1 == 0, isZero(Offset.reserved20..<Offset.eptpControls) else {
      throw .invalid(.rdx, "reserved bits of TD_PARAMS are not zero")
    }
    guard configFlags & ~rules.traits.configFlagsFixed0 == 0 else {
      throw .invalid(.configFlags, "CONFIG_FLAGS = \(configFlags.text) has bits that this module does not have")
    }
    try checkEPTPControls()
    guard (4...400).contains(tscFrequency) else {
      throw .invalid(.tscFrequency, "TSC_FREQUENCY = \(tscFrequency): 4 to 400 times 25 MHz are possible")
    }
    guard !rules.isTSCAdjusted else {
      throw Refusal(status: .inconsistentMSR.with(details: 0x3B), reason: "IA32_TSC_ADJUST of the LP was changed")
    }
    guard isZero(Offset.reserved42..<Offset.mrConfigID), isZero(Offset.reserved232..<Offset.cpuidValues) else {
      throw .invalid(.rdx, "reserved bytes of TD_PARAMS are not zero")
    }
    for (index, entry) in rules.traits.cpuidConfiguration.enumerated() {
      let values = (0..<4).map { integer(Offset.cpuidValues + 16 * index + 4 * $0, UInt32.self) }
      let configurable = entry.reported(native: rules.cpu.nativeCPUID(leaf: entry.leaf, subleaf: entry.subleaf))
      guard zip(values, configurable).allSatisfy({ $0 & ~$1 == 0 }) else {
        throw Refusal(
          status: .operandInvalid.with(.cpuidConfig),
          reason: "CPUID leaf \(UInt64(entry.leaf).text) has bits that cannot be configured",
          cpuidLeaf: entry.leafAndSubleaf)
      }
      cpuidValues.append(values)
    }
    guard isZero(Offset.cpuidValues + 16 * rules.traits.cpuidConfiguration.count..<Self.size) else {
      throw .invalid(.rdx, "reserved bytes of TD_PARAMS are not zero")
    }
    guard msrConfigCtls & 1 == 0 || archCapabilities & ~Rules.archCapabilitiesMask == 0 else {
      throw .invalid(
        .ia32ArchCapabilitiesConfig, "IA32_ARCH_CAPABILITIES_CONFIG has bits that cannot be configured")
    }
  }

  private func checkAttributes(_ rules: Rules) throws(Refusal) {
    guard attributes.rawValue & ~rules.attributesFixed0 == 0 else {
      throw .invalid(.attributes, "ATTRIBUTES = \(attributes.rawValue.text) has bits that this module does not have")
    }
    guard !attributes.contains(.migratable) || attributes.isDisjoint(with: [.debug, .perfmon]) else {
      throw .invalid(.attributes, "a MIGRATABLE TD may have neither DEBUG nor PERFMON")
    }
  }

  private func checkXFAM(_ rules: Rules) throws(Refusal) {
    func bits(_ mask: UInt64) -> UInt64 { xfam & mask }
    let avx512: UInt64 = 7 << 5
    let cet: UInt64 = 3 << 11
    let amx: UInt64 = 3 << 17
    guard bits(~rules.xfamFixed0) == 0, bits(ModuleLimits.xfamFixed1) == ModuleLimits.xfamFixed1,
      bits(avx512) == 0 || bits(avx512) == avx512 && bits(4) != 0,
      bits(cet) == 0 || bits(cet) == cet,
      bits(amx) == 0 || bits(amx) == amx
    else { throw .invalid(.xfam, "XFAM = \(xfam.text) is no combination that this processor has") }
  }

  private func checkEPTPControls() throws(Refusal) {
    let levels = eptpControls >> 3 & 7
    guard eptpControls & 7 == 6, levels == 3 || levels == 4, eptpControls >> 6 == 0, !hasGPAW52 || levels == 4 else {
      throw .invalid(.eptpControls, "EPTP_CONTROLS = \(eptpControls.text): write-back, and 4 levels or 5 are needed")
    }
  }
}
