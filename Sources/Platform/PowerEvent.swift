import Kernfs
import SystemPackage

/// What can be done to the power of a machine.
public enum PowerEvent: String, CaseIterable, Sendable {
  /// A power cycle: module and updates as at power-on, TDs gone, upload device made anew, log starts again. Faults, trace and
  /// `why` stay.
  case reboot
  /// A new kernel on the same firmware: it can't initialise the module, so there is no `tdx_host` until reboot.
  case kexec
}

/// Why a control write was refused.
public struct ControlError: Error, Equatable, Sendable {
  /// What the write gets.
  public let errno: Errno
  /// One line for `last_error`.
  public let reason: String

  /// EINVAL, because of `reason`.
  public static func invalid(_ reason: String) -> ControlError {
    ControlError(errno: .invalidArgument, reason: reason)
  }

  /// `errno`, because of `reason`.
  public static func refused(_ errno: Errno, _ reason: String) -> ControlError {
    ControlError(errno: errno, reason: reason)
  }
}

/// What became of a control operation.
public enum ControlOutcome: Sendable {
  /// Its effect is complete.
  case done
  /// An update is running: try again when this queue is woken.
  case afterUpdate(WaitQueue)
}
