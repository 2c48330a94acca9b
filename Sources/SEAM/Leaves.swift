/// The host-side leaf functions of the TDX module: RAX[15:0] of a SEAMCALL
/// with RAX[63] = 0 (TDX module ABI specification; tdx-module.md 1.1, 1.2).
public enum ModuleLeaf: UInt16, CaseIterable, Sendable {
  /// `TDH.VP.ENTER`
  case vpEnter = 0
  /// `TDH.MNG.ADDCX`
  case mngAddcx = 1
  /// `TDH.MEM.PAGE.ADD`
  case memPageAdd = 2
  /// `TDH.MEM.SEPT.ADD`
  case memSEPTAdd = 3
  /// `TDH.VP.ADDCX`
  case vpAddcx = 4
  /// `TDH.MEM.PAGE.RELOCATE`
  case memPageRelocate = 5
  /// `TDH.MEM.PAGE.AUG`
  case memPageAug = 6
  /// `TDH.MEM.RANGE.BLOCK`
  case memRangeBlock = 7
  /// `TDH.MNG.KEY.CONFIG`
  case mngKeyConfig = 8
  /// `TDH.MNG.CREATE`
  case mngCreate = 9
  /// `TDH.VP.CREATE`
  case vpCreate = 10
  /// `TDH.MNG.RD`
  case mngRD = 11
  /// `TDH.MEM.RD`
  case memRD = 12
  /// `TDH.MNG.WR`
  case mngWR = 13
  /// `TDH.MEM.WR`
  case memWR = 14
  /// `TDH.MEM.PAGE.DEMOTE`
  case memPageDemote = 15
  /// `TDH.MR.EXTEND`
  case mrExtend = 16
  /// `TDH.MR.FINALIZE`
  case mrFinalize = 17
  /// `TDH.VP.FLUSH`
  case vpFlush = 18
  /// `TDH.MNG.VPFLUSHDONE`
  case mngVpflushdone = 19
  /// `TDH.MNG.KEY.FREEID`
  case mngKeyFreeid = 20
  /// `TDH.MNG.INIT`
  case mngInit = 21
  /// `TDH.VP.INIT`
  case vpInit = 22
  /// `TDH.MEM.PAGE.PROMOTE`
  case memPagePromote = 23
  /// `TDH.PHYMEM.PAGE.RDMD`
  case phymemPageRDMD = 24
  /// `TDH.MEM.SEPT.RD`
  case memSEPTRD = 25
  /// `TDH.VP.RD`
  case vpRD = 26
  /// `TDH.MNG.KEY.RECLAIMID`
  case mngKeyReclaimid = 27
  /// `TDH.PHYMEM.PAGE.RECLAIM`
  case phymemPageReclaim = 28
  /// `TDH.MEM.PAGE.REMOVE`
  case memPageRemove = 29
  /// `TDH.MEM.SEPT.REMOVE`
  case memSEPTRemove = 30
  /// `TDH.SYS.KEY.CONFIG`
  case sysKeyConfig = 31
  /// `TDH.SYS.INFO`
  case sysInfo = 32
  /// `TDH.SYS.INIT`
  case sysInit = 33
  /// `TDH.SYS.RD`
  case sysRD = 34
  /// `TDH.SYS.LP.INIT`
  case sysLPInit = 35
  /// `TDH.SYS.TDMR.INIT`
  case sysTDMRInit = 36
  /// `TDH.SYS.RDALL`
  case sysRdall = 37
  /// `TDH.MEM.TRACK`
  case memTrack = 38
  /// `TDH.MEM.RANGE.UNBLOCK`
  case memRangeUnblock = 39
  /// `TDH.PHYMEM.CACHE.WB`
  case phymemCacheWB = 40
  /// `TDH.PHYMEM.PAGE.WBINVD`
  case phymemPageWBINVD = 41
  /// `TDH.MEM.SEPT.WR`
  case memSEPTWR = 42
  /// `TDH.VP.WR`
  case vpWR = 43
  /// `TDH.SYS.LP.SHUTDOWN`
  case sysLPShutdown = 44
  /// `TDH.SYS.CONFIG`
  case sysConfig = 45
  /// `TDH.SERVTD.BIND`
  case servtdBind = 48
  /// `TDH.SERVTD.PREBIND`
  case servtdPrebind = 49
  /// `TDH.SYS.SHUTDOWN`
  case sysShutdown = 52
  /// `TDH.SYS.UPDATE`
  case sysUpdate = 53
  /// `TDH.PHYMEM.PAMT.ADD`
  case phymemPAMTAdd = 58
  /// `TDH.PHYMEM.PAMT.REMOVE`
  case phymemPAMTRemove = 59
  /// `TDH.EXPORT.ABORT`
  case exportAbort = 64
  /// `TDH.EXPORT.BLOCKW`
  case exportBlockw = 65
  /// `TDH.EXPORT.RESTORE`
  case exportRestore = 66
  /// `TDH.EXPORT.MEM`
  case exportMem = 68
  /// `TDH.SYS.DISABLE`
  case sysDisable = 69
  /// `TDH.EXPORT.PAUSE`
  case exportPause = 70
  /// `TDH.EXPORT.TRACK`
  case exportTrack = 71
  /// `TDH.EXPORT.STATE.IMMUTABLE`
  case exportStateImmutable = 72
  /// `TDH.EXPORT.STATE.TD`
  case exportStateTD = 73
  /// `TDH.EXPORT.STATE.VP`
  case exportStateVP = 74
  /// `TDH.EXPORT.UNBLOCKW`
  case exportUnblockw = 75
  /// `TDH.IMPORT.ABORT`
  case importAbort = 80
  /// `TDH.IMPORT.END`
  case importEnd = 81
  /// `TDH.IMPORT.COMMIT`
  case importCommit = 82
  /// `TDH.IMPORT.MEM`
  case importMem = 83
  /// `TDH.IMPORT.TRACK`
  case importTrack = 84
  /// `TDH.IMPORT.STATE.IMMUTABLE`
  case importStateImmutable = 85
  /// `TDH.IMPORT.STATE.TD`
  case importStateTD = 86
  /// `TDH.IMPORT.STATE.VP`
  case importStateVP = 87
  /// `TDH.MEM.SCAN.RANGE`
  case memScanRange = 92
  /// `TDH.MEM.SCAN.COMP`
  case memScanComp = 93
  /// `TDH.MEM.SCAN.CONFIG`
  case memScanConfig = 94
  /// `TDH.MEM.SCAN.RESET`
  case memScanReset = 95
  /// `TDH.MIG.STREAM.CREATE`
  case migStreamCreate = 96
  /// `TDH.SERVTD.REBIND`
  case servtdRebind = 97
  /// `TDH.IOMMU.SETREG`
  case iommuSetreg = 128
  /// `TDH.IOMMU.GETREG`
  case iommuGetreg = 129
  /// `TDH.SPDM.CREATE`
  case spdmCreate = 130
  /// `TDH.SPDM.DELETE`
  case spdmDelete = 131
  /// `TDH.IDE.STREAM.CREATE`
  case ideStreamCreate = 132
  /// `TDH.IDE.STREAM.BLOCK`
  case ideStreamBlock = 133
  /// `TDH.IDE.STREAM.DELETE`
  case ideStreamDelete = 134
  /// `TDH.IDE.STREAM.IDEKMREQ`
  case ideStreamIdekmreq = 135
  /// `TDH.IDE.STREAM.IDEKMRSP`
  case ideStreamIdekmrsp = 136
  /// `TDH.DEVIF.CREATE`
  case devifCreate = 137
  /// `TDH.DEVIF.REMOVE`
  case devifRemove = 138
  /// `TDH.DEVIF.REQUEST`
  case devifRequest = 139
  /// `TDH.DEVIF.RESPONSE`
  case devifResponse = 140
  /// `TDH.DMAR.ADD`
  case dmarAdd = 150
  /// `TDH.DMAR.BLOCK`
  case dmarBlock = 151
  /// `TDH.DMAR.READ`
  case dmarRead = 152
  /// `TDH.DMAR.REMOVE`
  case dmarRemove = 153
  /// `TDH.MMIO.MT.ADD`
  case mmioMTAdd = 154
  /// `TDH.MMIO.MT.SET`
  case mmioMTSet = 155
  /// `TDH.MMIO.MT.RD`
  case mmioMTRD = 156
  /// `TDH.MMIO.MT.REMOVE`
  case mmioMTRemove = 157
  /// `TDH.MMIO.MAP`
  case mmioMap = 158
  /// `TDH.MMIO.BLOCK`
  case mmioBlock = 159
  /// `TDH.MMIO.UNMAP`
  case mmioUnmap = 160
  /// `TDH.IQ.INV.REQUEST`
  case iqInvRequest = 161
  /// `TDH.IQ.INV.PROCESS`
  case iqInvProcess = 162
  /// `TDH.MEM.SHARED.SEPT.WR`
  case memSharedSEPTWR = 163
  /// `TDH.DEVIF.MT.ADD`
  case devifMTAdd = 164
  /// `TDH.DEVIF.MT.REMOVE`
  case devifMTRemove = 165
  /// `TDH.DEVIF.MT.RD`
  case devifMTRD = 166

  /// The leaf's name as the specification spells it.
  public var name: String {
    switch self {
    case .vpEnter: "TDH.VP.ENTER"
    case .mngAddcx: "TDH.MNG.ADDCX"
    case .memPageAdd: "TDH.MEM.PAGE.ADD"
    case .memSEPTAdd: "TDH.MEM.SEPT.ADD"
    case .vpAddcx: "TDH.VP.ADDCX"
    case .memPageRelocate: "TDH.MEM.PAGE.RELOCATE"
    case .memPageAug: "TDH.MEM.PAGE.AUG"
    case .memRangeBlock: "TDH.MEM.RANGE.BLOCK"
    case .mngKeyConfig: "TDH.MNG.KEY.CONFIG"
    case .mngCreate: "TDH.MNG.CREATE"
    case .vpCreate: "TDH.VP.CREATE"
    case .mngRD: "TDH.MNG.RD"
    case .memRD: "TDH.MEM.RD"
    case .mngWR: "TDH.MNG.WR"
    case .memWR: "TDH.MEM.WR"
    case .memPageDemote: "TDH.MEM.PAGE.DEMOTE"
    case .mrExtend: "TDH.MR.EXTEND"
    case .mrFinalize: "TDH.MR.FINALIZE"
    case .vpFlush: "TDH.VP.FLUSH"
    case .mngVpflushdone: "TDH.MNG.VPFLUSHDONE"
    case .mngKeyFreeid: "TDH.MNG.KEY.FREEID"
    case .mngInit: "TDH.MNG.INIT"
    case .vpInit: "TDH.VP.INIT"
    case .memPagePromote: "TDH.MEM.PAGE.PROMOTE"
    case .phymemPageRDMD: "TDH.PHYMEM.PAGE.RDMD"
    case .memSEPTRD: "TDH.MEM.SEPT.RD"
    case .vpRD: "TDH.VP.RD"
    case .mngKeyReclaimid: "TDH.MNG.KEY.RECLAIMID"
    case .phymemPageReclaim: "TDH.PHYMEM.PAGE.RECLAIM"
    case .memPageRemove: "TDH.MEM.PAGE.REMOVE"
    case .memSEPTRemove: "TDH.MEM.SEPT.REMOVE"
    case .sysKeyConfig: "TDH.SYS.KEY.CONFIG"
    case .sysInfo: "TDH.SYS.INFO"
    case .sysInit: "TDH.SYS.INIT"
    case .sysRD: "TDH.SYS.RD"
    case .sysLPInit: "TDH.SYS.LP.INIT"
    case .sysTDMRInit: "TDH.SYS.TDMR.INIT"
    case .sysRdall: "TDH.SYS.RDALL"
    case .memTrack: "TDH.MEM.TRACK"
    case .memRangeUnblock: "TDH.MEM.RANGE.UNBLOCK"
    case .phymemCacheWB: "TDH.PHYMEM.CACHE.WB"
    case .phymemPageWBINVD: "TDH.PHYMEM.PAGE.WBINVD"
    case .memSEPTWR: "TDH.MEM.SEPT.WR"
    case .vpWR: "TDH.VP.WR"
    case .sysLPShutdown: "TDH.SYS.LP.SHUTDOWN"
    case .sysConfig: "TDH.SYS.CONFIG"
    case .servtdBind: "TDH.SERVTD.BIND"
    case .servtdPrebind: "TDH.SERVTD.PREBIND"
    case .sysShutdown: "TDH.SYS.SHUTDOWN"
    case .sysUpdate: "TDH.SYS.UPDATE"
    case .phymemPAMTAdd: "TDH.PHYMEM.PAMT.ADD"
    case .phymemPAMTRemove: "TDH.PHYMEM.PAMT.REMOVE"
    case .exportAbort: "TDH.EXPORT.ABORT"
    case .exportBlockw: "TDH.EXPORT.BLOCKW"
    case .exportRestore: "TDH.EXPORT.RESTORE"
    case .exportMem: "TDH.EXPORT.MEM"
    case .sysDisable: "TDH.SYS.DISABLE"
    case .exportPause: "TDH.EXPORT.PAUSE"
    case .exportTrack: "TDH.EXPORT.TRACK"
    case .exportStateImmutable: "TDH.EXPORT.STATE.IMMUTABLE"
    case .exportStateTD: "TDH.EXPORT.STATE.TD"
    case .exportStateVP: "TDH.EXPORT.STATE.VP"
    case .exportUnblockw: "TDH.EXPORT.UNBLOCKW"
    case .importAbort: "TDH.IMPORT.ABORT"
    case .importEnd: "TDH.IMPORT.END"
    case .importCommit: "TDH.IMPORT.COMMIT"
    case .importMem: "TDH.IMPORT.MEM"
    case .importTrack: "TDH.IMPORT.TRACK"
    case .importStateImmutable: "TDH.IMPORT.STATE.IMMUTABLE"
    case .importStateTD: "TDH.IMPORT.STATE.TD"
    case .importStateVP: "TDH.IMPORT.STATE.VP"
    case .memScanRange: "TDH.MEM.SCAN.RANGE"
    case .memScanComp: "TDH.MEM.SCAN.COMP"
    case .memScanConfig: "TDH.MEM.SCAN.CONFIG"
    case .memScanReset: "TDH.MEM.SCAN.RESET"
    case .migStreamCreate: "TDH.MIG.STREAM.CREATE"
    case .servtdRebind: "TDH.SERVTD.REBIND"
    case .iommuSetreg: "TDH.IOMMU.SETREG"
    case .iommuGetreg: "TDH.IOMMU.GETREG"
    case .spdmCreate: "TDH.SPDM.CREATE"
    case .spdmDelete: "TDH.SPDM.DELETE"
    case .ideStreamCreate: "TDH.IDE.STREAM.CREATE"
    case .ideStreamBlock: "TDH.IDE.STREAM.BLOCK"
    case .ideStreamDelete: "TDH.IDE.STREAM.DELETE"
    case .ideStreamIdekmreq: "TDH.IDE.STREAM.IDEKMREQ"
    case .ideStreamIdekmrsp: "TDH.IDE.STREAM.IDEKMRSP"
    case .devifCreate: "TDH.DEVIF.CREATE"
    case .devifRemove: "TDH.DEVIF.REMOVE"
    case .devifRequest: "TDH.DEVIF.REQUEST"
    case .devifResponse: "TDH.DEVIF.RESPONSE"
    case .dmarAdd: "TDH.DMAR.ADD"
    case .dmarBlock: "TDH.DMAR.BLOCK"
    case .dmarRead: "TDH.DMAR.READ"
    case .dmarRemove: "TDH.DMAR.REMOVE"
    case .mmioMTAdd: "TDH.MMIO.MT.ADD"
    case .mmioMTSet: "TDH.MMIO.MT.SET"
    case .mmioMTRD: "TDH.MMIO.MT.RD"
    case .mmioMTRemove: "TDH.MMIO.MT.REMOVE"
    case .mmioMap: "TDH.MMIO.MAP"
    case .mmioBlock: "TDH.MMIO.BLOCK"
    case .mmioUnmap: "TDH.MMIO.UNMAP"
    case .iqInvRequest: "TDH.IQ.INV.REQUEST"
    case .iqInvProcess: "TDH.IQ.INV.PROCESS"
    case .memSharedSEPTWR: "TDH.MEM.SHARED.SEPT.WR"
    case .devifMTAdd: "TDH.DEVIF.MT.ADD"
    case .devifMTRemove: "TDH.DEVIF.MT.REMOVE"
    case .devifMTRD: "TDH.DEVIF.MT.RD"
    }
  }
}

/// The leaf functions of the P-SEAMLDR: the whole RAX of a SEAMCALL with RAX[63] = 1.
public enum LoaderLeaf: UInt64, CaseIterable, Sendable {
  /// `SEAMLDR.INFO`
  case info = 0x8000_0000_0000_0000
  /// `SEAMLDR.INSTALL`
  case install = 0x8000_0000_0000_0001
  /// `SEAMLDR.SHUTDOWN`
  case shutdown = 0x8000_0000_0000_0002
  /// `SEAMLDR.SEAMINFO`
  case seamInfo = 0x8000_0000_0000_0003
  /// `SEAMLDR.CLEANUP`
  case cleanup = 0x8000_0000_0000_0004

  /// The leaf's name as the specification spells it.
  public var name: String {
    switch self {
    case .info: "SEAMLDR.INFO"
    case .install: "SEAMLDR.INSTALL"
    case .shutdown: "SEAMLDR.SHUTDOWN"
    case .seamInfo: "SEAMLDR.SEAMINFO"
    case .cleanup: "SEAMLDR.CLEANUP"
    }
  }
}

/// The leaf that a SEAMCALL selects, of whichever firmware.
public enum Leaf: Equatable, Sendable {
  /// A leaf of the TDX module.
  case module(ModuleLeaf)
  /// A leaf of the P-SEAMLDR.
  case loader(LoaderLeaf)
  /// No leaf that any specification names.
  case unknown(UInt64)

  /// The leaf that `rax` selects; the version bits 23:16 of a module leaf are left out.
  public init(rax: UInt64) {
    if rax >> 63 != 0 {
      self = LoaderLeaf(rawValue: rax).map(Self.loader) ?? .unknown(rax)
    } else {
      self = ModuleLeaf(rawValue: UInt16(truncatingIfNeeded: rax)).map(Self.module) ?? .unknown(rax)
    }
  }

  /// The leaf's name, or its number where it has none.
  public var name: String {
    switch self {
    case .module(let leaf): leaf.name
    case .loader(let leaf): leaf.name
    case .unknown(let rax): "LEAF.0x\(String(rax, radix: 16))"
    }
  }
}
