import Basics
import Kernfs
import SystemPackage

/// The class's fallback timeout in seconds. Uploads do not look at it; `uevent` shows it (kernel-abi 1.8).
public final class FirmwareTimeout: Sendable {
  private let value = Guarded<Int32>(60)

  /// 60 seconds.
  public init() {}

  /// Seconds; 0 is for ever.
  public var seconds: Int32 {
    get { value.withLock { $0 } }
    set { value.withLock { $0 = max(newValue, 0) } }
  }
}

/// `/sys/class/firmware/timeout`, 0644: any text is a number (`timeout_store`). No errors.
public struct TimeoutAttribute: TextAttribute {
  /// 0644.
  public let mode: UInt16 = 0o644
  private let timeout: FirmwareTimeout

  /// The file of `timeout`.
  public init(_ timeout: FirmwareTimeout) { self.timeout = timeout }

  /// Decimal.
  public func show(_ text: inout AttributeText) throws(Errno) {
    text.append(decimal: UInt64(clamping: timeout.seconds))
    text.append("\n")
  }

  /// A leading number; less than 0 is 0.
  public func store(_ bytes: [UInt8], by caller: Caller) throws(Errno) -> StoreOutcome {
    timeout.seconds = KernelText.integer(bytes)
    return .consumed(bytes.count)
  }
}
