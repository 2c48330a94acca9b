import Kernfs
import SystemPackage

/// `seamldr_version`, 0400: the version of the P-SEAMLDR, which is asked on every read. ENODEV, EOPNOTSUPP, EACCES, EIO as
/// the SEAMCALL ends (kernel-abi.md 5.5).
public struct SEAMLDRVersionAttribute<View: HostView>: TextAttribute {
  let view: View
  /// 0400; 0444 up to v3.
  public let mode: UInt16
  let format: VersionFormat

  /// The file over `view`.
  public init(view: View, mode: UInt16 = 0o400, format: VersionFormat = .padded) {
    self.view = view
    self.mode = mode
    self.format = format
  }

  /// `seamldr_version_show`
  public func show(_ text: inout AttributeText) throws(Errno) {
    format.show(try view.seamldrVersion(), in: &text)
  }
}
