import Basics
import ModuleImage
import SEAM

/// SEAMLDR_PARAMS, version 0 (pseamldr.md 2.3), as far as the checks A1 to A7 let it pass.
struct SEAMLDRParams: Equatable, Sendable {
  /// Byte offsets, and the one count that the layout fixes.
  enum Layout {
    static let size = 4096
    static let version = 0
    static let scenario = 4
    static let sigstructPA = 8
    static let reserved = 16..<120
    static let numModulePages = 120
    static let modulePages = 128
    static let maxModulePages = 496
  }

  var scenario: ManifestRules.Scenario
  /// Without key-id bits.
  var sigstructPA: UInt64
  /// Without key-id bits, in list order.
  var modulePages: [UInt64]

  /// Size of the image in bytes.
  var imageSize: Int { modulePages.count * PhysicalMemory.pageSize }

  /// Reads the SCENARIO at `hpa` as A1 to A4 do.
  static func scenario(at hpa: UInt64, machine: Machine) throws(InstallRefusal) -> (
    ManifestRules.Scenario, page: [UInt8]
  ) {
    guard machine.isSharedAddress(hpa, size: UInt64(Layout.size), alignment: UInt64(Layout.size)) else {
      throw InstallRefusal(
        .paramsAddress, .badParam, "RCX is \(hex(hpa)), which is no 4 KiB aligned host page outside the SEAM range")
    }
    let page = machine.memory.read(PhysicalAddress(rawValue: hpa).withoutKeyID, count: Layout.size)
    let version: UInt32 = integer(page, Layout.version)
    guard version == 0 else {
      throw InstallRefusal(.paramsVersion, .badParam, "SEAMLDR_PARAMS has version \(version), the loader takes 0 only")
    }
    guard page[Layout.reserved].allSatisfy({ $0 == 0 }) else {
      throw InstallRefusal(.paramsReserved, .badParam, "reserved bytes 16 to 119 of SEAMLDR_PARAMS are not all zero")
    }
    let value: UInt32 = integer(page, Layout.scenario)
    guard let scenario = ManifestRules.Scenario(rawValue: value) else {
      throw InstallRefusal(.scenario, .badParam, "SCENARIO is \(value), there are only 0 (LOAD) and 1 (UPDATE)")
    }
    return (scenario, page)
  }

  /// Reads the rest of the params page as A5 to A7 do.
  init(scenario: ManifestRules.Scenario, page: [UInt8], machine: Machine) throws(InstallRefusal) {
    self.scenario = scenario
    let count: UInt64 = Self.integer(page, Layout.numModulePages)
    guard (1...UInt64(Layout.maxModulePages)).contains(count) else {
      throw InstallRefusal(
        .modulePageCount, .badParam, "NUM_MODULE_PAGES is \(count), the loader takes 1 to \(Layout.maxModulePages)")
    }
    modulePages = []
    modulePages.reserveCapacity(Int(count))
    for index in 0..<Int(count) {
      let hpa: UInt64 = Self.integer(page, Layout.modulePages + 8 * index)
      guard Self.isPage(hpa, machine) else {
        throw InstallRefusal(
          .modulePageAddress, .badParam,
          "page \(index) of the image is at \(Self.hex(hpa)), which is no aligned host page outside the SEAM range")
      }
      modulePages.append(PhysicalAddress(rawValue: hpa).withoutKeyID)
    }
    let hpa: UInt64 = Self.integer(page, Layout.sigstructPA)
    guard Self.isPage(hpa, machine) else {
      throw InstallRefusal(
        .sigstructAddress, .badParam,
        "SIGSTRUCT_PA is \(Self.hex(hpa)), which is no aligned host page outside the SEAM range")
    }
    sigstructPA = PhysicalAddress(rawValue: hpa).withoutKeyID
  }

  private static func isPage(_ hpa: UInt64, _ machine: Machine) -> Bool {
    machine.isSharedAddress(hpa, size: 4096, alignment: 4096)
  }

  /// The fields lie inside the page by the layout above.
  private static func integer<T: FixedWidthInteger & UnsignedInteger>(_ page: [UInt8], _ offset: Int) -> T {
    T(littleEndianBytes: page.dropFirst(offset).prefix(MemoryLayout<T>.size))
  }

  private static func hex(_ value: UInt64) -> String { "0x\(String(value, radix: 16))" }
}
