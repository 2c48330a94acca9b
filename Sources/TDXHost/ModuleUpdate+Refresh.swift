import SEAM
import SystemPackage

/// Reading the metadata again after a successful TDH.SYS.UPDATE (`tdx_module_refresh_version` and its relatives).
extension ModuleUpdate {
  /// The next field to read, or the end.
  mutating func nextRefresh(_ index: Int, host: inout LinuxHost) -> Pending? {
    guard !refreshFailed, let field = refreshField(index, host: host) else {
      endRefresh(host: &host)
      return nil
    }
    // In stop_machine the lead CPU reads; afterwards the worker, on whichever CPU it is.
    return Pending(call: .read(field, on: lead), purpose: .refresh(index))
  }

  /// The field with this index of what is read; nil after the last.
  private func refreshField(_ index: Int, host: LinuxHost) -> MetadataField? {
    switch host.profile.refresh {
    case .updateVersion, .wholeVersionInStopMachine:
      return index < SysInfo.versionFields.count ? SysInfo.versionFields[index] : nil
    case .allMetadata:
      let fixed = SysInfo.versionFields + SysInfo.bootFields
      guard index >= fixed.count else { return fixed[index] }
      let count = Int(freshInfo.numCPUIDConfig)
      let rest = index - fixed.count
      if rest < count { return .cpuidConfigLeaf(UInt16(rest)) }
      if rest < 3 * count {
        return .cpuidConfigValue(UInt16((rest - count) / 2), half: UInt64((rest - count) % 2))
      }
      return rest == 3 * count && freshInfo.features.contains(.tdPreserving) ? .moduleHV : nil
    }
  }

  /// Takes one field; a failure ends the reading.
  mutating func completeRefresh(
    _ index: Int, _ call: KernelCall, _ result: SEAMCALLResult, host: inout LinuxHost
  ) {
    defer {
      let isLastOfVersion = index == SysInfo.versionFields.count - 1
      if isLastOfVersion || (refreshFailed && index < SysInfo.versionFields.count) { logFreshVersion(host: &host) }
    }
    do throws(SEAMCALLFailure) {
      let value = try host.settle(call, result).r8
      freshInfo.store(value, index: index, of: MetadataField(rawValue: call.registers.rdx))
      phase = .refresh(index + 1)
      // More than the kernel has room for: EINVAL.
      if freshInfo.numCPUIDConfig > SysInfo.maxCPUIDConfig { refreshFailed = true }
    } catch {
      record.failures.append(error)
      refreshFailed = true
    }
  }

  /// `get_tdx_sys_info` prints the version wherever it is called.
  private func logFreshVersion(host: inout LinuxHost) {
    guard case .allMetadata = host.profile.refresh, host.profile.bootFormat.printsModuleVersion else { return }
    host.log.append(.info, "virt/tdx: Module version: \(freshInfo.version)")
  }

  private mutating func endRefresh(host: inout LinuxHost) {
    switch host.profile.refresh {
    case .updateVersion:
      if refreshFailed { host.warnOnce(.refreshVersion, cpu: lead) }
      logSuccess(host: &host)
      host.sysInfo.version.update = freshInfo.version.update
      succeed(host: &host)
    case .allMetadata(let kept):
      guard !refreshFailed else {
        host.warnOnce(.postUpdate, cpu: lead)
        record.cause = record.failures.last
        record.errno = record.cause?.errno ?? .invalidArgument
        record.stage = .refresh
        return finish(host: &host)
      }
      logSuccess(host: &host)
      switch kept {
      case .updateVersion: host.sysInfo.version.update = freshInfo.version.update
      case .version: host.sysInfo.version = freshInfo.version
      }
      host.sysInfo.moduleHV = freshInfo.moduleHV
      if host.sysInfo != freshInfo {
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

extension SysInfo {
  /// Takes the value of a field that is read again after an update: of fixed place, or of the CPUID configuration, whose
  /// fields come in order.
  mutating func store(_ value: UInt64, index: Int, of field: MetadataField) {
    let first = Self.versionFields.count + Self.bootFields.count
    let count = Int(numCPUIDConfig)
    switch index - first {
    case ..<0, (3 * count)...: store(value, of: field)
    case ..<count: cpuidConfigLeaves.append(value)
    case let rest where (rest - count).isMultiple(of: 2): cpuidConfigValues.append([value])
    case _:
      guard let last = cpuidConfigValues.indices.last else { return }
      cpuidConfigValues[last].append(value)
    }
  }
}
