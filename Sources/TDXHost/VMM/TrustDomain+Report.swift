import SEAM
import SystemPackage

extension TrustDomain {
  /// The guest's page for reports, just above 4 GiB, where firmware and small guests have nothing: KVM adds it when the guest
  /// first touches it. REPORTDATA is in its second half.
  public static let reportPage: UInt64 = 1 << 32

  /// Has the guest make a report with `reportData` (TDG.MR.REPORT on the vCPU 0, which may be any CPU's).
  ///
  /// - Throws: as ``runGuest(_:vcpu:on:endsAtVMCall:host:door:)``; EIO for a report that the module does not make.
  public mutating func report(
    with reportData: [UInt8], host: inout LinuxHost, door: some SEAMCALLDoor & GuestDoor
  ) throws(TDError) -> TDReport {
    let page = Self.reportPage
    let data = page + 2048
    let outcomes = try runGuest(
      [
        .tdcall(Registers(rax: GuestLeaf.memPageAccept, rcx: page)),
        .write(gpa: data, bytes: reportData),
        .tdcall(Registers(rax: GuestLeaf.mrReport, rcx: page, rdx: data)),
        .read(gpa: page, count: TDReport.size),
      ], host: &host, door: door)
    guard outcomes.count == 4 else {
      throw TDError(.ioError, "the guest of TD \(name) was interrupted while it made a report")
    }
    if case .registers(let accepted) = outcomes[0], accepted.status.isError {
      throw TDError(.ioError, "the guest of TD \(name) can't accept its report page: \(accepted.status)")
    }
    guard case .registers(let made) = outcomes[2], made.rax == 0 else {
      let status = if case .registers(let made) = outcomes[2] { "\(made.status)" } else { "a #VE" }
      throw TDError(.ioError, "TDG.MR.REPORT of TD \(name) gave \(status)")
    }
    guard case .bytes(let bytes) = outcomes[3], let report = TDReport(bytes) else {
      throw TDError(.ioError, "the guest of TD \(name) can't read its report")
    }
    return report
  }
}

/// The TDCALL leaves that steps of the monitor are made of (tdx-module.md 1.3).
public enum GuestLeaf {
  /// TDG.VP.VMCALL
  public static let vpVMCall: UInt64 = 0
  /// TDG.VP.INFO
  public static let vpInfo: UInt64 = 1
  /// TDG.MR.RTMR.EXTEND
  public static let mrRTMRExtend: UInt64 = 2
  /// TDG.MR.REPORT
  public static let mrReport: UInt64 = 4
  /// TDG.MEM.PAGE.ACCEPT
  public static let memPageAccept: UInt64 = 6
  /// TDG.VM.RD
  public static let vmRD: UInt64 = 7
  /// TDG.SYS.RD
  public static let sysRD: UInt64 = 11
  /// TDG.MR.VERIFYREPORT
  public static let mrVerifyReport: UInt64 = 22
}
