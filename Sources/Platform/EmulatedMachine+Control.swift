import Kernfs
import ModuleImage
import SEAM
import SystemPackage
import TDXHost
import TDXModule

/// What the control directory shows and does.
extension EmulatedMachine {
  /// `status`
  public func status() -> StatusReport {
    lock.withLock {
      var report = StatusReport()
      report.values = [
        "power": powerState,
        "abi": options.device == .tdxHost ? profile.name : "-",
        "cpu": options.cpu.rawValue,
        "module":
          (silicon.machine.seamExtend.seamReady
          ? silicon.machine.residentProgram?.version.description : nil) ?? "-",
        "seamldr": silicon.loader.version.description,
        "remaining_updates": "\(silicon.loader.remainingUpdates)",
        "sys_state": silicon.machine.seamExtend.seamReady
          ? Self.name(of: silicon.module.sysState(in: silicon.machine)) : "-",
        "seam_ready": silicon.machine.seamExtend.seamReady ? "1" : "0",
        "lps": "\(options.lps)",
        "online": cpuList(host.onlineCPUs),
        "tds": "\(host.tds.byName.count)",
        "open_builds": "\(host.tds.openBuilds)",
      ]
      return report
    }
  }

  /// SYS_STATE as the specification spells it.
  private static func name(of state: SysState) -> String {
    switch state {
    case .initPending: "SYSINIT_PENDING"
    case .initDone: "SYSINIT_DONE"
    case .configDone: "SYSCONFIG_DONE"
    case .ready: "SYS_READY"
    case .shutdown: "SYS_SHUTDOWN"
    }
  }

  /// `log`
  public func kernelLog() -> String { lock.withLock { host.log.text } }

  /// The kernel log as `/dev/kmsg` has it.
  public func kernelMessages() -> String {
    lock.withLock { host.log.records.map { $0.kmsg + "\n" }.joined() }
  }

  /// Appends `line`, which the upload class or the driver core says, to the kernel log.
  func appendLog(_ line: String, level: KernelLog.Level = .error) { lock.withLock { host.log.append(level, line) } }

  /// The `tdx_host` device that the kernel made; nil where there is none.
  public func hostDevice() -> (device: HostDevice, boot: UInt64)? {
    lock.withLock { host.device.map { ($0, bootNumber) } }
  }

  /// `why`
  public func why() -> Why { lock.withLock { whyReport } }

  /// `trace`
  public func traceLines() -> [UInt8] {
    // Rendering takes long, a copy does not.
    let trace = lock.withLock { self.trace }
    return trace.jsonLines
  }

  /// How many records the trace has had since the machine was made, those that it does not keep any more included.
  public var traceCount: Int { lock.withLock { trace.total } }

  /// `last_error`
  public func lastControlError() -> String { lock.withLock { controlError.isEmpty ? "" : controlError + "\n" } }

  /// Remembers why a control write was refused.
  public func record(controlError error: ControlError) { lock.withLock { controlError = error.reason } }

  /// The last control write was not refused.
  public func clearControlError() { lock.withLock { controlError = "" } }

  /// Whether CPU `cpu` is online.
  public func isOnline(_ cpu: Int) -> Bool { lock.withLock { host.onlineCPUs.contains(cpu) } }

  /// The online CPUs in the kernel's list format.
  public func onlineList() -> String { lock.withLock { cpuList(host.onlineCPUs) } }

  /// Takes CPU `cpu` online or offline, as a write to `devices/system/cpu/cpuN/online` does.
  public func setOnline(_ online: Bool, cpu: Int) throws(ControlError) -> ControlOutcome {
    lock.lock()
    defer { lock.unlock() }
    guard !isUpdating else { return .afterUpdate(idle) }
    let wasOnline = host.onlineCPUs.contains(cpu)
    do throws(Errno) {
      if online {
        try host.takeOnline(cpu, door: silicon)
      } else {
        try host.takeOffline(cpu, door: silicon)
      }
    } catch {
      throw .refused(error, "cpu/\(cpu)/online: \(Self.hotplugRefusal(online: online, cpu: cpu, error))")
    }
    if wasOnline != online {
      trace.note("cpu", [("lp", .number(cpu)), ("online", .number(online ? 1 : 0))], time: now)
    }
    return .done
  }

  private static func hotplugRefusal(online: Bool, cpu: Int, _ errno: Errno) -> String {
    if cpu == 0, !online { return "CPU 0 is always online" }
    if online {
      return "the kernel could not initialise TDX on this CPU (\(errno)); after a lost module only reboot helps"
    }
    return "\(errno)"
  }

  /// Reboots or kexecs. Neither waits for an update: it ends with the power.
  public func power(_ event: PowerEvent) throws(ControlError) -> ControlOutcome {
    do {
      lock.lock()
      defer { lock.unlock() }
      switch event {
      case .reboot:
        do throws(OptionError) {
          silicon.state = try Self.powerOnSilicon(
            options: options, release: release, signers: signers, seed: seed &+ boots)
        } catch {
          throw .refused(.ioError, "\(error)")
        }
        powerState = "on"
      case .kexec: powerState = "kexec"
      }
      trace.note("power", [("power", .text(event.rawValue))], time: now)
      operations.note("power", [("power", .text(event.rawValue))])
      if isUpdating { abandonUpdate(at: event) }
      thaw()
      bootHost(event.rawValue)
    }
    onPowerOn?()
    idle.wake()
    settle()
    return .done
  }
}

extension EmulatedMachine {
  /// Something has changed that should outlive the process. No lock may be held.
  public func settle() { onSettled?() }
}
