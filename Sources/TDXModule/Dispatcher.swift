import SEAM

extension TDXModule {
  /// The checks that come before every leaf, in the module's order (tdx-module.md 1.0), then the leaf.
  mutating func dispatch(_ call: inout Call, machine: inout Machine) throws(ModuleError) -> CompletionStatus {
    // No copy of the whole state: it would have to be copied again at the first change.
    guard let traits = state?.traits, let version = state?.program.version else { throw .fatal("no TDX module") }
    let rax = call.leaf
    guard rax.reserved == 0 else {
      throw .invalid(.rax, "RAX = \(rax.rawValue.text): bits 63:24 are not zero")
    }
    if rax.version > 0, rax.leaf?.hasVersions(traits) != true {
      throw .invalid(.rax, "module \(version) has no version \(rax.version) of \(rax.name)")
    }
    if sysState == .shutdown, rax.leaf != .sysLPShutdown {
      throw .refused(
        .sysShutdown, "module \(version) was shut down; it answers no leaf until another image is loaded")
    }
    if sysState != .ready, rax.leaf?.isAllowedEarly != true {
      throw .refused(.sysNotReady, "\(rax.name) needs SYS_READY, the module is in \(sysState.name)")
    }
    guard let leaf = rax.leaf, leaf.isKnown(traits) else {
      throw .invalid(.rax, "module \(version) has no \(rax.name)")
    }
    return try execute(leaf, &call, machine: &machine)
  }

  /// Runs `leaf`. One function per leaf, in the file of its group.
  private mutating func execute(
    _ leaf: ModuleLeaf, _ call: inout Call, machine: inout Machine
  ) throws(ModuleError) -> CompletionStatus {
    switch leaf {
    case .sysInit: try sysInit(&call, machine: &machine)
    case .sysLPInit: try sysLPInit(&call, machine: &machine)
    case .sysConfig: try sysConfig(&call, machine: &machine)
    case .sysKeyConfig: try sysKeyConfig(&call, machine: &machine)
    case .sysTDMRInit: try sysTDMRInit(&call)
    case .sysInfo: try sysInfo(&call, machine: &machine)
    case .sysRD: try sysRD(&call, machine: machine)
    case .sysRdall: try sysRdall(&call, machine: &machine)
    case .sysShutdown: try sysShutdown(&call, machine: &machine)
    case .sysUpdate: try sysUpdate(&call, machine: &machine)
    case .sysLPShutdown: .success
    case .sysDisable: sysDisable(machine: &machine)

    case .mngCreate: try mngCreate(call, machine: &machine)
    case .mngKeyConfig: try mngKeyConfig(call, machine: &machine)
    case .mngAddcx: try mngAddcx(call, machine: &machine)
    case .mngInit: try mngInit(&call, machine: &machine)
    case .mngVpflushdone: try mngVpflushdone(call)
    case .mngKeyFreeid: try mngKeyFreeid(call)
    case .mngKeyReclaimid: .success
    case .mngRD, .mngWR, .vpRD, .vpWR:
      try metadataLeaf(leaf, &call, machine: &machine)
    case .vpCreate: try vpCreate(call, machine: &machine)
    case .vpAddcx: try vpAddcx(call, machine: &machine)
    case .vpInit: try vpInit(call, machine: machine)
    case .vpFlush: try vpFlush(call)
    case .vpEnter: try vpEnter(&call, machine: &machine)
    case .memPageAdd, .memSEPTAdd, .memPageRelocate, .memPageAug, .memRangeBlock, .memRD, .memWR, .memPageDemote,
      .memPagePromote, .memSEPTRD, .memPageRemove, .memSEPTRemove, .memTrack, .memRangeUnblock, .memSEPTWR:
      try memoryLeaf(leaf, &call, machine: &machine)
    case .mrExtend, .mrFinalize:
      try measurementLeaf(leaf, &call, machine: &machine)
    case .phymemPageRDMD: try pageRDMD(&call)
    case .phymemPageReclaim: try pageReclaim(&call, machine: &machine)
    case .phymemCacheWB: try cacheWB(call, package: machine.configuration.package(of: call.lp))
    case .phymemPageWBINVD: try pageWBINVD(call)
    case .phymemPAMTAdd, .phymemPAMTRemove: throw notEmulated(leaf)
    case .servtdBind, .servtdPrebind, .servtdRebind:
      try serviceTDLeaf(leaf, &call, machine: &machine)
    case .exportAbort, .exportBlockw, .exportRestore, .exportMem, .exportPause, .exportTrack, .exportStateImmutable,
      .exportStateTD, .exportStateVP, .exportUnblockw, .importAbort, .importEnd, .importCommit, .importMem,
      .importTrack, .importStateImmutable, .importStateTD, .importStateVP, .memScanRange, .memScanComp,
      .memScanConfig, .memScanReset, .migStreamCreate:
      try migrationLeaf(leaf, &call, machine: &machine)

    case .iommuSetreg, .iommuGetreg, .spdmCreate, .spdmDelete, .ideStreamCreate, .ideStreamBlock, .ideStreamDelete,
      .ideStreamIdekmreq, .ideStreamIdekmrsp, .devifCreate, .devifRemove, .devifRequest, .devifResponse, .dmarAdd,
      .dmarBlock, .dmarRead, .dmarRemove, .mmioMTAdd, .mmioMTSet, .mmioMTRD, .mmioMTRemove, .mmioMap, .mmioBlock,
      .mmioUnmap, .iqInvRequest, .iqInvProcess, .memSharedSEPTWR, .devifMTAdd, .devifMTRemove, .devifMTRD:
      throw notEmulated(leaf)
    }
  }

  /// The answer of a leaf that got past every check tdxfs has for it: that of a module without the leaf.
  func notEmulated(_ leaf: ModuleLeaf) -> ModuleError {
    .invalid(.rax, "tdxfs does not emulate what \(leaf.name) would do now")
  }

  /// Takes the global lock as a writer would; it is let go when the leaf returns.
  func requireGlobalLockExclusive() throws(ModuleError) {
    guard locks.global.admitsExclusive else {
      throw .refused(.sysBusy, "another LP is in a TDH.SYS leaf and holds the global lock")
    }
  }
}
