import Kernfs
import SystemPackage

/// `version`, 0444: the version of the TDX module, a cached copy. ENXIO while the module is not initialised, which after
/// a fatal update failure is until reboot.
public struct VersionAttribute<View: HostView>: TextAttribute {
  let view: View
  /// 0444.
  public let mode: UInt16
  let format: VersionFormat

  /// The file over `view`.
  public init(view: View, mode: UInt16 = 0o444, format: VersionFormat = .padded) {
    self.view = view
    self.mode = mode
    self.format = format
  }

  /// `version_show`
  public func show(_ text: inout AttributeText) throws(Errno) {
    format.show(try view.version(), in: &text)
  }
}
