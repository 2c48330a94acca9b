import SEAM
import SystemPackage

/// The lock step of all online CPUs (`do_seamldr_install_module`).
extension ModuleUpdate {
  /// The next SEAMCALL of the lock step. CPUs with nothing to do acknowledge on the way. Nil: the phase has changed, or
  /// there is more to find.
  mutating func nextInLockStep(host: inout LinuxHost) -> Pending? {
    while true {
      guard let cpu = waiting.last else {
        guard !hasFailed, state != .done else {
          leave(host: &host)
          return nil
        }
        state = state.next
        // The last CPU of the list is the next, so that taking it is cheap.
        waiting = schedule.order(of: host.onlineCPUs, in: state).reversed()
        continue
      }
      if let call = work(of: cpu, host: &host) { return call }
      if !waiting.isEmpty { waiting.removeLast() }
    }
  }

  /// What `cpu` has to call in the current state; nil when it only acknowledges.
  private mutating func work(of cpu: Int, host: inout LinuxHost) -> Pending? {
    switch state {
    case .start, .done:
      return nil
    case .shutdown:
      guard cpu == lead else { return nil }
      guard let moduleHV else {
        return Pending(call: .read(.moduleHV, on: cpu), purpose: .readModuleHV)
      }
      let operand = UInt64(moduleHV) | host.shutdownFlag
      record.shutdownOperand = operand
      return Pending(call: KernelCall(.sysShutdown, rcx: operand, on: cpu), purpose: .shutdown)
    case .cpuInstall:
      guard let staged else { return nil }
      record.hasInstallBegun = true
      return Pending(call: KernelCall(.install, rcx: staged.page, on: cpu), purpose: .install)
    case .cpuInit:
      guard host.isLPInitialized.indices.contains(cpu), !host.isLPInitialized[cpu] else { return nil }
      guard host.isSysInitDone else { return Pending(call: KernelCall(.sysInit, on: cpu), purpose: .sysInit) }
      if let errno = host.sysInitResult {
        // The cached result: no SEAMCALL, no line.
        fail(errno, host: &host)
        return nil
      }
      return Pending(call: KernelCall(.sysLPInit, on: cpu), purpose: .lpInit)
    case .runUpdate:
      guard cpu == lead else { return nil }
      return Pending(call: KernelCall(.sysUpdate, on: cpu), purpose: .update)
    }
  }

  /// Takes what came back from `pending`.
  mutating func complete(
    _ pending: Pending, _ result: SEAMCALLResult, host: inout LinuxHost, door: some SEAMCALLDoor
  ) {
    switch pending.purpose {
    case .loaderInfo:
      completeLoaderInfo(pending.call, result, host: &host, door: door)
    case .readModuleHV:
      completeReadModuleHV(pending.call, result, host: &host)
    case .shutdown:
      completeShutdown(pending.call, result, host: &host)
    case .install:
      settle(pending.call, result, host: &host)
      acknowledge()
    case .sysInit:
      let failure = outcome(of: pending.call, result, host: &host)
      host.finishSysInit(failure?.errno)
      // On success the same CPU goes on with LP.INIT.
      guard let failure else { return }
      fail(failure.errno, host: &host)
      acknowledge()
    case .lpInit:
      if settle(pending.call, result, host: &host) == nil, host.isLPInitialized.indices.contains(pending.call.lp) {
        host.isLPInitialized[pending.call.lp] = true
      }
      acknowledge()
    case .update:
      completeUpdate(pending.call, result, host: &host)
    case .reloadInfo:
      completeReloadInfo(pending.call, result, host: &host, door: door)
    case .refresh(let index):
      completeRefresh(index, pending.call, result, host: &host)
    }
  }

  private mutating func completeReadModuleHV(_ call: KernelCall, _ result: SEAMCALLResult, host: inout LinuxHost) {
    do throws(SEAMCALLFailure) {
      moduleHV = UInt16(truncatingIfNeeded: try host.settle(call, result).r8)
    } catch {
      record.failures.append(error)
      switch host.profile.handoffVersion {
      case .readAtShutdownElseZero, .readAtBoot:
        host.warnOnce(.shutdown, cpu: call.lp)
        moduleHV = 0
      case .readAtShutdownElseFail:
        fail(error.errno, host: &host)
        acknowledge()
      }
    }
  }

  private mutating func completeShutdown(_ call: KernelCall, _ result: SEAMCALLResult, host: inout LinuxHost) {
    if result.linuxStatus == 0 {
      host.resetAfterShutdown()
      record.isShutDown = true
    } else {
      let isSensitive = CompletionStatus(rawValue: result.linuxStatus).code == .updateCompatibilitySensitive
      var errno: Errno = isSensitive ? .resourceBusy : .ioError
      switch host.profile.shutdownFailure {
      case .common:
        errno = result.linuxErrno ?? .ioError
        if errno == .ioError { host.logFailure(of: call, result) }
      case .busyElseSilentIOError:
        break
      case .busyElseLoggedIOError:
        if !isSensitive { host.logFailure(of: call, result) }
      }
      record.failures.append(
        SEAMCALLFailure(lp: call.lp, registers: call.registers, result: result, errno: errno))
      fail(errno, host: &host)
    }
    acknowledge()
  }

  private mutating func completeUpdate(_ call: KernelCall, _ result: SEAMCALLResult, host: inout LinuxHost) {
    if let (errno, number) = updateFailure(call, result, host: &host) {
      for line in host.profile.failureLog where line.occasion == .update {
        host.log.append(line.level, line.text.replacingNumber(with: number))
      }
      fail(errno, host: &host)
      acknowledge()
      return
    }
    switch host.profile.refresh {
    case .updateVersion, .allMetadata:
      host.isModuleInitialized = true
      acknowledge()
    case .wholeVersionInStopMachine:
      phase = .refresh(0)
    }
  }

  /// What `tdx_module_run_update` makes of the result: errno, and the number in its line. Nil is success, or looks like it.
  private mutating func updateFailure(
    _ call: KernelCall, _ result: SEAMCALLResult, host: inout LinuxHost
  ) -> (errno: Errno, number: Int32)? {
    switch host.profile.updateFailure {
    case .common:
      return outcome(of: call, result, host: &host).map { ($0.errno, -$0.errno.rawValue) }
    case .statusCutTo32Bits:
      guard result.linuxStatus != 0 else { return nil }
      let failure = SEAMCALLFailure(
        lp: call.lp, registers: call.registers, result: result, errno: result.linuxErrno ?? .ioError)
      record.failures.append(failure)
      let number = Int32(truncatingIfNeeded: result.linuxStatus)
      guard number != 0 else {
        record.overlooked = failure
        return nil
      }
      return (failure.errno, number)
    }
  }

  /// Maps and logs like any SEAMCALL; a failure ends the update. Nil is success.
  @discardableResult
  private mutating func settle(_ call: KernelCall, _ result: SEAMCALLResult, host: inout LinuxHost) -> Errno? {
    guard let failure = outcome(of: call, result, host: &host) else { return nil }
    fail(failure.errno, host: &host)
    return failure.errno
  }

  /// Maps and logs like any SEAMCALL, and notes a failure. Nil is success.
  private mutating func outcome(
    of call: KernelCall, _ result: SEAMCALLResult, host: inout LinuxHost
  ) -> SEAMCALLFailure? {
    do throws(SEAMCALLFailure) {
      _ = try host.settle(call, result)
      return nil
    } catch {
      record.failures.append(error)
      return error
    }
  }

  /// The CPU at work is done with the state.
  mutating func acknowledge() {
    if !waiting.isEmpty { waiting.removeLast() }
  }

  /// The CPU at work has failed: no further state is entered, and of the others only those go on that execute this state all
  /// the same. The result is that of the last one.
  private mutating func fail(_ errno: Errno, host: inout LinuxHost) {
    record.errno = errno
    guard !hasFailed else { return }
    hasFailed = true
    record.stage = .lockStep(state)
    record.cause = record.failures.last
    let others = max(0, waiting.count - 1)
    switch host.profile.afterFailure {
    case .fastForward:
      // `tdx_module_set_error`, at the latest in the last state.
      host.isModuleInitialized = false
    case .leave:
      let stragglers = min(others, max(0, schedule.stragglers(among: others, in: state)))
      waiting = Array(waiting.suffix(stragglers + 1))
      guard record.isShutDown else { return }
    }
    for line in host.profile.failureLog where line.occasion == .afterShutdown {
      host.logOnce(line.level, line.text)
    }
  }

  /// stop_machine returns.
  private mutating func leave(host: inout LinuxHost) {
    guard !hasFailed else { return finish(host: &host) }
    switch (host.profile.refresh, host.profile.seamldrReadError) {
    case (.wholeVersionInStopMachine, _): succeed(host: &host)
    case (.updateVersion, .cached), (.allMetadata, .cached): phase = .reloadInfo
    case (.updateVersion, _), (.allMetadata, _): phase = .refresh(0)
    }
  }

  /// The profile that keeps INFO asks again; a failure is a warning.
  private mutating func completeReloadInfo(
    _ call: KernelCall, _ result: SEAMCALLResult, host: inout LinuxHost, door: some SEAMCALLDoor
  ) {
    if outcome(of: call, result, host: &host) == nil {
      host.cachedInfo = SEAMLDRInfo.read(at: call.registers.rcx, door: door)
    } else {
      host.warnOnce(.loaderInfo, cpu: call.lp)
    }
    phase = .refresh(0)
  }
}

extension LinuxHost {
  /// `TDX_SYS_SHUTDOWN_AVOID_COMPAT_SENSITIVE`, or 0.
  var shutdownFlag: UInt64 {
    switch profile.shutdownFlag {
    case .never: 0
    case .always: 1 << 16
    case .ifUpdateCompatibility: sysInfo.features.contains(.updateCompatibility) ? 1 << 16 : 0
    }
  }
}
