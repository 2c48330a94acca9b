/// The guest-side leaf functions of the TDX module: RAX[15:0] of a TDCALL (TDX module ABI specification; tdx-module.md 1.3).
public enum GuestLeaf: UInt16, CaseIterable, Sendable {
  /// `TDG.VP.VMCALL`
  case vpVMCall = 0
  /// `TDG.VP.INFO`
  case vpInfo = 1
  /// `TDG.MR.RTMR.EXTEND`
  case mrRTMRExtend = 2
  /// `TDG.VP.VEINFO.GET`
  case vpVEInfoGet = 3
  /// `TDG.MR.REPORT`
  case mrReport = 4
  /// `TDG.VP.CPUIDVE.SET`
  case vpCPUIDVESet = 5
  /// `TDG.MEM.PAGE.ACCEPT`
  case memPageAccept = 6
  /// `TDG.VM.RD`
  case vmRD = 7
  /// `TDG.VM.WR`
  case vmWR = 8
  /// `TDG.VP.RD`
  case vpRD = 9
  /// `TDG.VP.WR`
  case vpWR = 10
  /// `TDG.SYS.RD`
  case sysRD = 11
  /// `TDG.SYS.RDALL`
  case sysRdall = 12
  /// `TDG.SERVTD.RD`
  case servtdRD = 18
  /// `TDG.SERVTD.WR`
  case servtdWR = 20
  /// `TDG.MR.VERIFYREPORT`
  case mrVerifyReport = 22
  /// `TDG.MEM.PAGE.ATTR.RD`
  case memPageAttrRD = 23
  /// `TDG.MEM.PAGE.ATTR.WR`
  case memPageAttrWR = 24
  /// `TDG.VP.ENTER`
  case vpEnter = 25
  /// `TDG.VP.INVEPT`
  case vpINVEPT = 26
  /// `TDG.VP.INVVPID`
  case vpINVVPID = 27
  /// `TDG.MR.KEY.GET`
  case mrKeyGet = 29
  /// `TDG.SERVTD.REBIND.APPROVE`
  case servtdRebindApprove = 33
  /// `TDG.SPDM.TPA.SET`
  case spdmTPASet = 64
  /// `TDG.SPDM.TPA.GET`
  case spdmTPAGet = 65
  /// `TDG.DEVIF.VALIDATE`
  case devifValidate = 66
  /// `TDG.DEVIF.RD`
  case devifRD = 67
  /// `TDG.DEVIF.REQUEST`
  case devifRequest = 68
  /// `TDG.DEVIF.RESPONSE`
  case devifResponse = 69
  /// `TDG.DMAR.ACCEPT`
  case dmarAccept = 70
  /// `TDG.TDI.MMIO.ACCEPT`
  case tdiMMIOAccept = 71
  /// `TDG.IQ.INV.REQUEST`
  case iqInvRequest = 72

  /// The leaf's name as the specification spells it.
  public var name: String {
    switch self {
    case .vpVMCall: "TDG.VP.VMCALL"
    case .vpInfo: "TDG.VP.INFO"
    case .mrRTMRExtend: "TDG.MR.RTMR.EXTEND"
    case .vpVEInfoGet: "TDG.VP.VEINFO.GET"
    case .mrReport: "TDG.MR.REPORT"
    case .vpCPUIDVESet: "TDG.VP.CPUIDVE.SET"
    case .memPageAccept: "TDG.MEM.PAGE.ACCEPT"
    case .vmRD: "TDG.VM.RD"
    case .vmWR: "TDG.VM.WR"
    case .vpRD: "TDG.VP.RD"
    case .vpWR: "TDG.VP.WR"
    case .sysRD: "TDG.SYS.RD"
    case .sysRdall: "TDG.SYS.RDALL"
    case .servtdRD: "TDG.SERVTD.RD"
    case .servtdWR: "TDG.SERVTD.WR"
    case .mrVerifyReport: "TDG.MR.VERIFYREPORT"
    case .memPageAttrRD: "TDG.MEM.PAGE.ATTR.RD"
    case .memPageAttrWR: "TDG.MEM.PAGE.ATTR.WR"
    case .vpEnter: "TDG.VP.ENTER"
    case .vpINVEPT: "TDG.VP.INVEPT"
    case .vpINVVPID: "TDG.VP.INVVPID"
    case .mrKeyGet: "TDG.MR.KEY.GET"
    case .servtdRebindApprove: "TDG.SERVTD.REBIND.APPROVE"
    case .spdmTPASet: "TDG.SPDM.TPA.SET"
    case .spdmTPAGet: "TDG.SPDM.TPA.GET"
    case .devifValidate: "TDG.DEVIF.VALIDATE"
    case .devifRD: "TDG.DEVIF.RD"
    case .devifRequest: "TDG.DEVIF.REQUEST"
    case .devifResponse: "TDG.DEVIF.RESPONSE"
    case .dmarAccept: "TDG.DMAR.ACCEPT"
    case .tdiMMIOAccept: "TDG.TDI.MMIO.ACCEPT"
    case .iqInvRequest: "TDG.IQ.INV.REQUEST"
    }
  }
}
