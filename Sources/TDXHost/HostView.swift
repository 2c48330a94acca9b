import Kernfs
import ModuleImage
import SystemPackage

/// What the driver's attributes show. The machine implements it; while an update runs it gives what could be seen just
/// before.
public protocol HostView: Sendable {
  /// The module's version; ENXIO while the module is not initialised.
  func version() throws(Errno) -> ModuleVersion
  /// The P-SEAMLDR's version: INFO on every call.
  func seamldrVersion() throws(Errno) -> ModuleVersion
  /// How many updates remain: INFO on every call.
  func numRemainingUpdates() throws(Errno) -> UInt32
  /// Whether TDX_FEATURES0 has bit 47; ENXIO while the module is not initialised.
  func compatCapable() throws(Errno) -> Bool
}

extension VersionFormat {
  /// The version as it is printed.
  public func text(_ version: ModuleVersion) -> String {
    switch self {
    case .unpadded: "\(version.major).\(version.minor).\(version.update)"
    case .padded: version.description
    }
  }

  /// Appends the line that shows `version`.
  func show(_ version: ModuleVersion, in text: inout AttributeText) {
    text.append(decimal: UInt64(version.major))
    text.append(byte: UInt8(ascii: "."))
    text.append(decimal: UInt64(version.minor))
    text.append(byte: UInt8(ascii: "."))
    switch self {
    case .unpadded: text.append(decimal: UInt64(version.update))
    case .padded: text.append(decimal: UInt64(version.update), width: 2)
    }
    text.append(byte: UInt8(ascii: "\n"))
  }
}
