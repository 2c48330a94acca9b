import Basics
import SEAM
import SystemPackage

/// Why KVM, or the virtual machine monitor above it, did not do something with a TD.
public struct TDError: Error, Equatable, Sendable {
  /// What the ioctl gives.
  public var errno: Errno
  /// One line for people: what happened, to what, and what to do.
  public var reason: String
  /// The SEAMCALL that was refused; nil when none was.
  public var failure: SEAMCALLFailure?

  /// `errno`, because of `reason`.
  public init(_ errno: Errno, _ reason: String) {
    self.errno = errno
    self.reason = reason
  }

  /// `errno`, because `failure` was all that the firmware answered.
  init(_ errno: Errno, _ failure: SEAMCALLFailure) {
    self.errno = errno
    self.failure = failure
    reason = "\(failure.leaf.name) on LP \(failure.lp): \(failure.statusText)"
  }
}

extension SEAMCALLFailure {
  /// Name and value of the status: `TDX_NO_VCPUS 0xc000060900000000`, `VMfailInvalid 0x8000ff00ffff0000`.
  public var statusText: String {
    let name =
      switch result {
      case .returned: status.symbol
      case .vmFailInvalid: "VMfailInvalid"
      case .generalProtection: "#GP"
      case .invalidOpcode: "#UD"
      }
    return "\(name) 0x\(status.rawValue.paddedHexadecimal)"
  }
}
