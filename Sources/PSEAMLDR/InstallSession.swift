import ModuleImage
import SEAM

extension PSEAMLDR {
  /// SEAMLDR.INSTALL (pseamldr.md 3.3): joins the session; the last LP of the platform does everything.
  mutating func install(params: UInt64, on lp: Int, machine: inout Machine) -> InstallReport {
    let total = machine.configuration.logicalProcessors
    if let refusal = join(lp, machine: &machine) {
      return report(InstallReport(lp: lp, scenario: nil, outcome: .refused(refusal)))
    }
    guard data.update.count >= total else {
      return report(InstallReport(lp: lp, scenario: nil, outcome: .joined(callers: data.update.count, total: total)))
    }
    data.initDone = true
    defer {
      data.update.removeAll()
      data.flow = .ready
    }
    var scenario: ManifestRules.Scenario?
    do throws(InstallRefusal) {
      let program = try installAsLastLP(params: params, scenario: &scenario, machine: &machine)
      return report(InstallReport(lp: lp, scenario: scenario, outcome: .installed(program)))
    } catch {
      restore(after: error, machine: &machine)
      return report(InstallReport(lp: lp, scenario: scenario, outcome: .refused(error)))
    }
  }

  /// Rows 1 to 7, which every LP goes through; row 8, VMCLEAR, has no effect that anybody could see. A refusal here leaves
  /// the session as it was.
  private mutating func join(_ lp: Int, machine: inout Machine) -> InstallRefusal? {
    let id = machine.configuration.x2apicID(of: lp)
    guard id < LPBitmap.capacity else {
      return InstallRefusal(
        .x2apicID, .unspecifiedError,
        "LP \(lp) has x2APIC id \(id), the loader has room for ids below \(LPBitmap.capacity)")
    }
    guard data.shutdown.count == 0 else {
      return InstallRefusal(
        .noShutdown, .badCall, "SEAMLDR.SHUTDOWN has begun, nothing can be installed until the next power-on")
    }
    switch data.flow {
    case .ready, .install: break
    case .shutdown, .cleanup:
      return InstallRefusal(
        .flow, .badCall, "SEAMLDR.CLEANUP is in progress: \(data.cleanup.count) LPs called it, all LPs have to first")
    }
    guard !data.update.contains(id) else {
      return InstallRefusal(
        .firstCall, .badCall,
        "LP \(lp) has called already in this session, which waits for the other LPs: "
          + "\(data.update.count) of \(machine.configuration.logicalProcessors) have called")
    }
    if data.update.count == 0 {
      data.snapshot = machine.seamExtend
      machine.seamExtend.seamReady = false
      data.flow = .install
    }
    _ = data.update.insert(id)
    if !data.initDone { learnPackage(of: lp, machine.configuration) }
    return nil
  }

  /// MSR 0x35 of the LP: how many LPs its package has.
  private mutating func learnPackage(of lp: Int, _ configuration: MachineConfiguration) {
    let package = configuration.package(of: lp)
    guard data.packages.indices.contains(package) else { return }
    data.packages[package].lps = configuration.logicalProcessors(in: package)
  }

  /// The end of a session that failed (pseamldr.md 3.4, epilogue).
  private func restore(after refusal: InstallRefusal, machine: inout Machine) {
    if refusal.isRecoverable {
      machine.seamExtend = data.snapshot
    } else if refusal.check != .seamdbInsert {
      machine.seamExtend = data.snapshot
      machine.seamExtend.seamReady = false
      machine.seamExtend.info.removeModule()
    }
  }

  private mutating func report(_ report: InstallReport) -> InstallReport {
    lastInstall = report
    return report
  }
}
