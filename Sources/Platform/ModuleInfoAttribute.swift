import Basics
import Kernfs
import ModuleImage
import SystemPackage

/// `/sys/firmware/tdx/tdx_module/*` of out-of-tree TDX kernels, 0444: what TDSYSINFO_STRUCT says of the module. Those
/// kernels could not update it; here the files follow an update.
struct ModuleInfoAttribute: TextAttribute {
  /// The files.
  enum Content: String, CaseIterable, Sendable {
    /// `initialized`, or `shutdown` once the module is lost.
    case status
    /// `0x%08x`: bit 31 for a debug module.
    case attributes
    /// `0x%08x`: Intel.
    case vendorID = "vendor_id"
    /// `%d`: yyyymmdd.
    case buildDate = "build_date"
    /// `0x%08x`
    case buildNumber = "build_num"
    /// `0x%08x`
    case minorVersion = "minor_version"
    /// `0x%08x`
    case majorVersion = "major_version"
  }

  let mode: UInt16 = 0o444
  let content: Content
  let machine: EmulatedMachine

  func show(_ text: inout AttributeText) throws(Errno) {
    guard let program = machine.bootedProgram() else { throw .noSuchAddressOrDevice }
    switch content {
    case .status: text.append((try? machine.version()) == nil ? "shutdown" : "initialized")
    case .attributes: text.append(Self.hexadecimal(program.isDebug ? 1 << 31 : 0))
    case .vendorID: text.append(Self.hexadecimal(0x8086))
    case .buildDate: text.append(decimal: UInt64(program.buildDate))
    case .buildNumber: text.append(Self.hexadecimal(UInt32(program.buildNumber)))
    case .minorVersion: text.append(Self.hexadecimal(UInt32(program.version.minor)))
    case .majorVersion: text.append(Self.hexadecimal(UInt32(program.version.major)))
    }
    text.append("\n" as StaticString)
  }

  private static func hexadecimal(_ value: UInt32) -> String { "0x" + value.paddedHexadecimal }
}
