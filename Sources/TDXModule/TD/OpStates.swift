import SEAM

/// A set of OP_STATEs.
struct OpStates: OptionSet, Sendable {
  let rawValue: UInt16

  /// The set of `states`.
  init(_ states: OpState...) {
    rawValue = states.reduce(0) { $0 | 1 << UInt16($1.rawValue) }
  }

  init(rawValue: UInt16) {
    self.rawValue = rawValue
  }

  func contains(_ state: OpState) -> Bool { rawValue >> UInt16(state.rawValue) & 1 != 0 }

  /// INITIALIZED and all that follows: 1 to 10.
  static let initializedOrLater = Self(rawValue: 0x7FE)
}

extension ModuleLeaf {
  /// The OP_STATEs in which the leaf works; nil for a leaf that looks at the life cycle only, or at no TD (tdx-module.md 6.4).
  var opStates: OpStates? {
    switch self {
    case .mngInit, .importStateImmutable: OpStates(.uninitialized)
    case .servtdPrebind: OpStates(.uninitialized, .initialized)
    case .migStreamCreate: OpStates(.uninitialized, .initialized, .runnable)
    case .servtdBind: OpStates(.uninitialized, .initialized, .runnable, .liveExport, .postImport, .liveImport)
    case .memPageAdd, .mrExtend, .mrFinalize, .vpInit: OpStates(.initialized)
    case .vpCreate, .vpAddcx: OpStates(.initialized, .stateImport)
    case .memSEPTAdd:
      OpStates(.initialized, .runnable, .liveExport, .memoryImport, .stateImport, .postImport, .liveImport)
    case .memPageAug: OpStates(.initialized, .runnable, .liveExport, .liveImport)
    case .vpEnter: OpStates(.runnable, .liveExport, .liveImport)
    case .memTrack: Self.initializedToLiveImport
    case .memRangeBlock, .memRangeUnblock, .memPageRelocate, .memPageDemote, .memPagePromote: Self.mapped
    case .memPageRemove: Self.mapped.union(OpStates(.failedImport))
    case .memSEPTRemove, .memSEPTRD, .mngRD, .vpRD, .memRD: .initializedOrLater
    case .mngWR, .vpWR, .memWR: OpStates.initializedOrLater.subtracting(OpStates(.pausedExport, .postExport))
    case .vpFlush: OpStates(rawValue: 0x7FF)
    case .exportStateImmutable: OpStates(.runnable, .liveImport)
    case .exportBlockw, .exportPause: OpStates(.liveExport)
    case .exportUnblockw: OpStates(.runnable, .liveExport, .pausedExport, .postExport)
    case .exportRestore: OpStates(.runnable)
    case .exportMem, .exportAbort: OpStates(.liveExport, .pausedExport, .postExport)
    case .exportTrack: OpStates(.liveExport, .pausedExport)
    case .exportStateTD, .exportStateVP: OpStates(.pausedExport)
    case .importStateTD: OpStates(.memoryImport)
    case .importStateVP: OpStates(.stateImport)
    case .importMem: OpStates(.memoryImport, .stateImport, .postImport, .liveImport)
    case .importTrack: OpStates(.memoryImport, .stateImport)
    case .importCommit: OpStates(.postImport)
    case .importEnd: OpStates(.postImport, .liveImport)
    case .importAbort: OpStates(.memoryImport, .stateImport, .postImport, .failedImport)
    case .mngAddcx, .mngKeyConfig, .mngCreate, .mngVpflushdone, .mngKeyFreeid, .mngKeyReclaimid, .phymemPageRDMD,
      .phymemPageReclaim, .phymemCacheWB, .phymemPageWBINVD, .phymemPAMTAdd, .phymemPAMTRemove, .sysKeyConfig,
      .sysInfo, .sysInit, .sysRD, .sysLPInit, .sysTDMRInit, .sysRdall, .sysLPShutdown, .sysConfig, .sysShutdown,
      .sysUpdate, .sysDisable, .memSEPTWR, .memScanRange, .memScanComp, .memScanConfig, .memScanReset, .servtdRebind,
      .iommuSetreg, .iommuGetreg, .spdmCreate, .spdmDelete, .ideStreamCreate, .ideStreamBlock, .ideStreamDelete,
      .ideStreamIdekmreq, .ideStreamIdekmrsp, .devifCreate, .devifRemove, .devifRequest, .devifResponse, .dmarAdd,
      .dmarBlock, .dmarRead, .dmarRemove, .mmioMTAdd, .mmioMTSet, .mmioMTRD, .mmioMTRemove, .mmioMap, .mmioBlock,
      .mmioUnmap, .iqInvRequest, .iqInvProcess, .memSharedSEPTWR, .devifMTAdd, .devifMTRemove, .devifMTRD:
      nil
    }
  }

  private static let mapped = OpStates(
    .initialized, .runnable, .liveExport, .pausedExport, .postExport, .postImport, .liveImport)
  private static let initializedToLiveImport = OpStates.initializedOrLater.subtracting(OpStates(.failedImport))
}
