import Basics
import SystemPackage

/// The `power` directory of a device without runtime power management (kernel-abi 1.1).
public enum PowerDirectory {
  /// Which files it has.
  public enum Variant: Hashable, Sendable {
    /// Five files.
    case plain
    /// Nine files, with `CONFIG_PM_ADVANCED_DEBUG`.
    case advancedDebug
  }

  /// The directory of one device.
  public static func directory(_ variant: Variant = .plain) -> Entry {
    let device = Guarded(PowerState())
    return Kernfs.directory("power") {
      file("autosuspend_delay_ms", FailingAttribute(mode: 0o644))
      file("control", PowerControlAttribute(device: device))
      file("runtime_active_time", ConstantAttribute("0\n"))
      file("runtime_status", ConstantAttribute("unsupported\n"))
      file("runtime_suspended_time", ConstantAttribute("0\n"))
      switch variant {
      case .plain:
        []
      case .advancedDebug:
        file("async", PowerAsyncAttribute(device: device))
        file("runtime_active_kids", ConstantAttribute("0\n"))
        file("runtime_enabled", ConstantAttribute("disabled\n"))
        file("runtime_usage", RuntimeUsageAttribute(device: device))
      }
    }
  }
}

/// What can be changed in `struct dev_pm_info` from here.
struct PowerState {
  /// `runtime_auto`.
  var isAutomatic = true
  /// `async_suspend`.
  var isAsynchronous = false
}

/// `control`, 0644: "auto" or "on"; EINVAL for anything else.
struct PowerControlAttribute: TextAttribute {
  let mode: UInt16 = 0o644
  let device: Guarded<PowerState>

  func show(_ text: inout AttributeText) throws(Errno) {
    text.append(device.withLock { $0.isAutomatic } ? "auto\n" : "on\n")
  }

  func store(_ bytes: [UInt8], by caller: Caller) throws(Errno) -> StoreOutcome {
    if KernelText.isEqual(bytes, to: "auto") {
      device.withLock { $0.isAutomatic = true }
    } else if KernelText.isEqual(bytes, to: "on") {
      device.withLock { $0.isAutomatic = false }
    } else {
      throw .invalidArgument
    }
    return .consumed(bytes.count)
  }
}

/// `async`, 0644: "disabled" or "enabled"; EINVAL for anything else.
struct PowerAsyncAttribute: TextAttribute {
  let mode: UInt16 = 0o644
  let device: Guarded<PowerState>

  func show(_ text: inout AttributeText) throws(Errno) {
    text.append(device.withLock { $0.isAsynchronous } ? "enabled\n" : "disabled\n")
  }

  func store(_ bytes: [UInt8], by caller: Caller) throws(Errno) -> StoreOutcome {
    if KernelText.isEqual(bytes, to: "enabled") {
      device.withLock { $0.isAsynchronous = true }
    } else if KernelText.isEqual(bytes, to: "disabled") {
      device.withLock { $0.isAsynchronous = false }
    } else {
      throw .invalidArgument
    }
    return .consumed(bytes.count)
  }
}

/// `runtime_usage`, 0444: "on" in `control` holds one reference (`pm_runtime_forbid`).
struct RuntimeUsageAttribute: TextAttribute {
  let mode: UInt16 = 0o444
  let device: Guarded<PowerState>

  func show(_ text: inout AttributeText) throws(Errno) {
    text.append(device.withLock { $0.isAutomatic } ? "0\n" : "1\n")
  }
}
