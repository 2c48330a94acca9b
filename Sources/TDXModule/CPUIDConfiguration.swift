import SEAM

/// One CPUID leaf of which a host chooses bits for its TDs (tdx-module.md 5.3).
struct CPUIDConfiguration: Equatable, Sendable {
  /// Leaf.
  let leaf: UInt32
  /// Subleaf; 0xFFFF_FFFF where the leaf has none.
  let subleaf: UInt32
  /// EAX, EBX, ECX, EDX: bits that a host chooses freely.
  let direct: [UInt32]
  /// EAX, EBX, ECX, EDX: bits that a host may leave out if the CPU has them.
  let allow: [UInt32]

  /// As CPUID_CONFIG_LEAVES has it.
  var leafAndSubleaf: UInt64 { UInt64(leaf) | UInt64(subleaf) << 32 }

  /// The free bits as CPUID_CONFIG_VALUES has them: EAX | EBX << 32, ECX | EDX << 32.
  func directValue(_ element: Int) -> UInt64 { Self.pair(direct, element) }

  /// Registers as TDH.SYS.INFO has them: the free bits and those that `native` has of the others.
  func reported(native: [UInt32]) -> [UInt32] {
    (0..<4).map { register in
      let native = register < native.count ? native[register] : 0
      return direct[register] | allow[register] & native
    }
  }

  private static func pair(_ registers: [UInt32], _ element: Int) -> UInt64 {
    let low = element == 0 ? registers[0] : registers[2]
    let high = element == 0 ? registers[1] : registers[3]
    return UInt64(low) | UInt64(high) << 32
  }

  private init(_ leaf: UInt32, _ subleaf: UInt32, direct: [UInt32] = [0, 0, 0, 0], allow: [UInt32] = [0, 0, 0, 0]) {
    self.leaf = leaf
    self.subleaf = subleaf
    self.direct = direct
    self.allow = allow
  }

  /// CPUID_CONFIG in the order of TD_PARAMS: the 12 leaves of 1.5.01, or the 18 of 1.5.05 and later.
  static func list(isAtLeast1505: Bool) -> [CPUIDConfiguration] {
    let none: UInt32 = 0xFFFF_FFFF
    let cache: [UInt32] = [0xFFFF_C3FF, 0xFFFF_F000, 0xFFFF_FFFF, 0xFFFF_FFFB]
    var list = [
      Self(1, none, direct: [0x0FFF_3FFF, 0x00FF_0000, 0, 0], allow: [0, 0, 0x3104_4D88, 0xB844_0000]),
      Self(4, 0, direct: cache),
      Self(4, 1, direct: cache),
      Self(4, 2, direct: cache),
      Self(4, 3, direct: [0xFFFF_C3FF, 0xFFFF_F000, 0xFFFF_FFFF, 7]),
      Self(7, 0, allow: [0, 0xDC2B_9B18, 0x0241_7F65, 0x0005_411C]),
      Self(7, 1, allow: isAtLeast1505 ? [0x0400_1D30, 0, 0, 0x430] : [0x1D30, 0, 0, 0]),
      Self(0xA, none),
      Self(0x1C, none, allow: [0xFF, 0, 0, 0]),
      Self(0x8000_0008, none, allow: [0, 0x200, 0, 0]),
      Self(7, 2, allow: [0, 0, 0, 0x28]),
      Self(0x23, 0, allow: [0xF, 0, 0, 0]),
    ]
    if isAtLeast1505 {
      for subleaf: UInt32 in 0...5 {
        list.append(Self(0x1F, subleaf, direct: [0x1F, 0xFFFF, 0xFFFF, 0]))
      }
    }
    return list
  }
}

extension CPUModel {
  /// Whether the cores are the small ones: no AVX-512, no AMX.
  var isEfficient: Bool { self == .srf }

  /// Bits that XCR0 and IA32_XSS can have, of those that the module knows.
  var supportedXFAM: UInt64 { isEfficient ? 0xDB07 : 0x6DBE7 }

  /// LASS, CPUID.(7,1).EAX[6].
  var hasLASS: Bool { self == .srf }

  /// The CPU's own EAX, EBX, ECX, EDX of a configurable leaf, as far as ``CPUIDConfiguration/allow`` asks. From memory of
  /// published CPUID dumps; nothing but the legacy TDH.SYS.INFO depends on them.
  func nativeCPUID(leaf: UInt32, subleaf: UInt32) -> [UInt32] {
    switch (leaf, subleaf) {
    case (1, _): [signature, 0, 0x7FFE_FBFF, 0xBFEB_FBFF]
    case (7, 0):
      isEfficient ? [2, 0x239C_A7EB, 0x98C0_27AC, 0xFC1C_C410] : [2, 0xF3BF_BFEF, 0xFB41_7FFE, 0xFFDD_4432]
    case (7, 1): isEfficient ? [0x04C0_1DD0, 0, 0, 0x30] : [0x1C30, 0, 0, 0]
    case (7, 2): [0, 0, 0, isEfficient ? 0x37 : 0x17]
    case (0x1C, _): [0x4000_000B, 7, 7, 0]
    case (0x23, 0): isEfficient ? [0xB, 0, 0, 0] : [0, 0, 0, 0]
    case (0x8000_0008, _): [0, 0x200, 0, 0]
    default: [0, 0, 0, 0]
    }
  }
}
