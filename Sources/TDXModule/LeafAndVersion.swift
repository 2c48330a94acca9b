import SEAM

/// RAX on entry (TDX module ABI specification, "SEAMCALL instruction").
struct LeafAndVersion: RawRepresentable, Equatable {
  let rawValue: UInt64

  /// Bits 15:0.
  var number: UInt16 { UInt16(truncatingIfNeeded: rawValue) }
  /// Bits 23:16.
  var version: UInt8 { UInt8(truncatingIfNeeded: rawValue >> 16) }
  /// Bits 31:24 and 63:32, must be 0.
  var reserved: UInt64 { rawValue & 0xFFFF_FFFF_FF00_0000 }
  /// The leaf that a specification names under the number.
  var leaf: ModuleLeaf? { ModuleLeaf(rawValue: number) }
  /// Name for people.
  var name: String { leaf?.name ?? "leaf \(number)" }
}

extension ModuleLeaf {
  /// Leaves that the dispatcher lets through before SYS_READY (tdx-module.md 1.0 (d)).
  var isAllowedEarly: Bool {
    switch self {
    case .sysKeyConfig, .sysInfo, .sysInit, .sysRD, .sysLPInit, .sysRdall, .sysLPShutdown, .sysConfig, .sysUpdate: true
    default: false
    }
  }

  /// Whether the dispatcher of a module with `traits` lets versions above 0 through to this leaf (tdx-module.md 1.0).
  func hasVersions(_ traits: ModuleTraits) -> Bool {
    switch self {
    case .memSEPTAdd, .mngRD, .memPagePromote, .vpRD, .memSEPTRemove: true
    case .vpInit: traits.isAtLeast1505
    case .sysInit, .sysConfig, .sysUpdate: traits.hasSysVersion1
    case .memSharedSEPTWR: traits.hasSysVersion1 && traits.line == .line20
    default: false
    }
  }

  /// Whether a module with `traits` has the leaf; one that lacks it answers as for a number that nobody ever assigned.
  ///
  /// TDX Connect is answered on the 2.0 line too as if it were not there, and dynamic PAMT is not there until
  /// TDH.SYS.CONFIG switches it on, which no kernel profile does (tdx-module.md 11).
  func isKnown(_ traits: ModuleTraits) -> Bool {
    switch self {
    case .memSEPTWR: false
    case .phymemPAMTAdd, .phymemPAMTRemove: false
    case .sysDisable: traits.hasSysDisable
    case .memScanRange, .memScanComp, .memScanConfig, .memScanReset, .servtdRebind: traits.hasScanAndRebind
    case .iommuSetreg, .iommuGetreg, .spdmCreate, .spdmDelete, .ideStreamCreate, .ideStreamBlock, .ideStreamDelete,
      .ideStreamIdekmreq, .ideStreamIdekmrsp, .devifCreate, .devifRemove, .devifRequest, .devifResponse, .dmarAdd,
      .dmarBlock, .dmarRead, .dmarRemove, .mmioMTAdd, .mmioMTSet, .mmioMTRD, .mmioMTRemove, .mmioMap, .mmioBlock,
      .mmioUnmap, .iqInvRequest, .iqInvProcess, .memSharedSEPTWR, .devifMTAdd, .devifMTRemove, .devifMTRD:
      false
    default: true
    }
  }
}

extension TDXModule {
  /// A leaf with versions 0 and 1 refuses others itself.
  func requireVersion1(_ call: Call) throws(ModuleError) {
    guard call.leaf.version <= 1 else {
      throw .invalid(.rax, "\(call.leaf.name) has no version \(call.leaf.version)")
    }
  }
}
