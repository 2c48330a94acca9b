import Kernfs
import SystemPackage

/// `num_remaining_updates`, 0400: how many more updates the CPU can record, asked of the P-SEAMLDR on every read. Errors as
/// ``SEAMLDRVersionAttribute``.
public struct NumRemainingUpdatesAttribute<View: HostView>: TextAttribute {
  let view: View
  /// 0400; 0444 up to v3.
  public let mode: UInt16

  /// The file over `view`.
  public init(view: View, mode: UInt16 = 0o400) {
    self.view = view
    self.mode = mode
  }

  /// `num_remaining_updates_show`
  public func show(_ text: inout AttributeText) throws(Errno) {
    let count = try view.numRemainingUpdates()
    text.append(decimal: UInt64(count))
    text.append(byte: UInt8(ascii: "\n"))
  }
}
