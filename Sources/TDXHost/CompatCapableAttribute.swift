import Kernfs
import SystemPackage

/// `compat_capable`, 0444, v3 only: 1 if TDX_FEATURES0 has bit 47, else 0. ENXIO while the module is not initialised.
public struct CompatCapableAttribute<View: HostView>: TextAttribute {
  let view: View
  /// 0444.
  public let mode: UInt16

  /// The file over `view`.
  public init(view: View, mode: UInt16 = 0o444) {
    self.view = view
    self.mode = mode
  }

  /// `compat_capable_show`
  public func show(_ text: inout AttributeText) throws(Errno) {
    let isCapable = try view.compatCapable()
    text.append(decimal: isCapable ? 1 : 0)
    text.append("\n" as StaticString)
  }
}
