import SEAM
import SystemPackage

/// Reading the metadata again after a successful TDH.SYS.UPDATE (`tdx_module_refresh_version` and its relatives).
extension ModuleUpdate {
  /// The next field to read, or the end.
  mutating func nextRefresh(_ index: Int, host: inout LinuxHost) -> Pending? {
    let fields = Self.refreshFields(host.profile.refresh)
    guard index < fields.count, !refreshFailed else {
      endRefresh(host: &host)
      return nil
    }
    // In stop_machine the lead CPU reads; afterwards the worker, on whichever CPU it is.
    return Pending(call: .read(fields[index], on: lead), purpose: .refresh(index))
  }

  /// What is read, in order.
  static func refreshFields(_ rule: Refresh) -> [MetadataField] {
    switch rule {
    case .updateVersion, .wholeVersionInStopMachine: SysInfo.versionFields
    case .updateVersionAndHandoff: SysInfo.versionFields + SysInfo.bootFields + [.moduleHV]
    }
  }

  /// Takes one field; a failure ends the reading.
  mutating func completeRefresh(
    _ index: Int, _ call: KernelCall, _ result: SEAMCALLResult, host: inout LinuxHost
  ) {
    do throws(SEAMCALLFailure) {
      let fields = Self.refreshFields(host.profile.refresh)
      freshInfo.store(try host.settle(call, result).r8, of: fields[min(index, fields.count - 1)])
      phase = .refresh(index + 1)
    } catch {
      record.failures.append(error)
      refreshFailed = true
    }
  }

  private mutating func endRefresh(host: inout LinuxHost) {
    let old = host.sysInfo
    switch host.profile.refresh {
    case .updateVersion:
      if refreshFailed { host.warnOnce(.refreshVersion, cpu: lead) }
      logSuccess(host: &host)
      host.sysInfo.version.update = freshInfo.version.update
      succeed(host: &host)
    case .updateVersionAndHandoff:
      guard !refreshFailed else {
        host.warnOnce(.postUpdate, cpu: lead)
        record.cause = record.failures.last
        record.errno = record.cause?.errno ?? .ioError
        record.stage = .refresh
        return finish(host: &host)
      }
      logSuccess(host: &host)
      host.sysInfo.version.update = freshInfo.version.update
      host.sysInfo.moduleHV = freshInfo.moduleHV
      var expected = host.sysInfo
      expected.version = old.version
      var found = freshInfo
      found.version = old.version
      if expected != found {
        for line in host.profile.featureDiffWarning { host.log.append(.info, "virt/tdx: " + line) }
      }
      succeed(host: &host)
    case .wholeVersionInStopMachine:
      if refreshFailed { host.warnOnce(.runUpdate, cpu: lead) }
      host.sysInfo.version = freshInfo.version
      host.isModuleInitialized = true
      phase = .lockStep
      acknowledge()
    }
  }

  private func logSuccess(host: inout LinuxHost) {
    switch host.profile.successLog {
    case .none: break
    case .versions(let format):
      host.log.append(
        .info,
        "virt/tdx: version \(format.text(host.sysInfo.version)) -> \(format.text(freshInfo.version))")
    }
  }

  /// The installer returns 0.
  mutating func succeed(host: inout LinuxHost) {
    record.stage = .done
    record.newVersion = freshInfo.version
    finish(host: &host)
  }
}
