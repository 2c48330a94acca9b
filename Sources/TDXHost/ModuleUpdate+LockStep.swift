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
      let errno = settle(pending.call, result, host: &host)
      host.finishSysInit(errno)
      // On success the same CPU goes on with LP.INIT.
      if errno != nil { acknowledge() }
    case .lpInit:
      if settle(pending.call, result, host: &host) == nil, host.isLPInitialized.indices.contains(pending.call.lp) {
        host.isLPInitialized[pending.call.lp] = true
      }
      acknowledge()
    case .update:
      completeUpdate(pending.call, result, host: &host)
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
    if let errno = settle(call, result, host: &host) {
      for line in host.profile.failureLog where line.occasion == .update {
        host.log.append(.error, line.text(errno: errno))
      }
      acknowledge()
      return
    }
    switch host.profile.refresh {
    case .updateVersion, .updateVersionAndHandoff:
      host.isModuleInitialized = true
      acknowledge()
    case .wholeVersionInStopMachine:
      phase = .refresh(0)
    }
  }

  /// Maps and logs like any SEAMCALL; a failure is noted. Nil is success.
  @discardableResult
  private mutating func settle(_ call: KernelCall, _ result: SEAMCALLResult, host: inout LinuxHost) -> Errno? {
    do throws(SEAMCALLFailure) {
      _ = try host.settle(call, result)
      return nil
    } catch {
      record.failures.append(error)
      fail(error.errno, host: &host)
      return error.errno
    }
  }

  /// The CPU at work is done with the state.
  mutating func acknowledge() {
    if !waiting.isEmpty { waiting.removeLast() }
  }

  /// The CPU at work has failed: no further state is entered, and of the others only those go on that have seen this state
  /// already. The result is that of the last one.
  private mutating func fail(_ errno: Errno, host: inout LinuxHost) {
    record.errno = errno
    guard !hasFailed else { return }
    hasFailed = true
    record.stage = .lockStep(state)
    record.cause = record.failures.last
    let others = max(0, waiting.count - 1)
    let stragglers = min(others, max(0, schedule.stragglers(among: others, in: state)))
    waiting = Array(waiting.suffix(stragglers + 1))
    guard record.isShutDown else { return }
    for line in host.profile.failureLog where line.occasion == .afterShutdown {
      host.log.append(.error, line.text(errno: errno))
    }
  }

  /// stop_machine returns.
  private mutating func leave(host: inout LinuxHost) {
    guard !hasFailed else { return finish(host: &host) }
    switch host.profile.refresh {
    case .updateVersion, .updateVersionAndHandoff: phase = .refresh(0)
    case .wholeVersionInStopMachine: succeed(host: &host)
    }
  }
}

extension FailureLine {
  /// The line, with `%d` replaced by the negative errno.
  func text(errno: Errno) -> String {
    guard let place = text.firstRange(of: "%d") else { return text }
    return text[..<place.lowerBound] + "\(-errno.rawValue)" + text[place.upperBound...]
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
