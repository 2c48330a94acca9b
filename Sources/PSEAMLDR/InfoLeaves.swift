import Basics
import SEAM

/// SEAMLDR_INFO, 256 bytes (pseamldr.md 2.1): byte offsets of its fields.
enum SEAMLDRInfoLayout {
  static let size = 256
  static let version = 0
  static let attributes = 4
  static let vendorID = 8
  static let buildDate = 12
  static let buildNumber = 16
  static let minor = 18
  static let major = 20
  static let update = 22
  static let acmX2APICID = 24
  static let remainingUpdates = 28
  static let seamInfo = 32
  static let seamReady = 160
  static let seamDebug = 161
  static let pSEAMLDRReady = 162
  static let features0 = 168

  /// FEATURES0 bit 1: SEAMLDR.CLEANUP is supported.
  static let featureCleanup: UInt64 = 1 << 1
  static let intel: UInt32 = 0x8086
}

extension PSEAMLDR {
  /// SEAMLDR.INFO (pseamldr.md 1.6). Works in any state, on any LP.
  mutating func info(buffer: UInt64, machine: inout Machine) -> CompletionStatus {
    typealias Layout = SEAMLDRInfoLayout
    guard machine.isSharedAddress(buffer, size: UInt64(Layout.size), alignment: UInt64(Layout.size)) else {
      return .badParam
    }
    if data.remainingUpdates == 0 { data.refreshRemainingUpdates(machine.seamdb) }

    // Asked on every read of two attributes, so it is written in place and takes no memory.
    let address = PhysicalAddress(rawValue: buffer)
    let extend = machine.seamExtend
    machine.memory.changePage(at: address.withoutKeyID, keyID: address.keyID) { page in
      let start = Int(address.withoutKeyID % UInt64(PhysicalMemory.pageSize))
      let info = UnsafeMutableRawBufferPointer(rebasing: page[start..<(start + Layout.size)])
      info.initializeMemory(as: UInt8.self, repeating: 0)
      info.store(Layout.intel, at: Layout.vendorID)
      info.store(buildDate, at: Layout.buildDate)
      info.store(buildNumber, at: Layout.buildNumber)
      info.store(version.minor, at: Layout.minor)
      info.store(version.major, at: Layout.major)
      info.store(version.update, at: Layout.update)
      info.store(Self.acmX2APICID, at: Layout.acmX2APICID)
      info.store(data.remainingUpdates, at: Layout.remainingUpdates)
      extend.info.copy(into: UnsafeMutableRawBufferPointer(rebasing: info[Layout.seamInfo...]))
      info.store(UInt8(extend.seamReady ? 1 : 0), at: Layout.seamReady)
      info.store(UInt8(extend.systemUnderDebug ? 1 : 0), at: Layout.seamDebug)
      info.store(UInt8(extend.pSEAMLDRReady ? 1 : 0), at: Layout.pSEAMLDRReady)
      info.store(Layout.featureCleanup, at: Layout.features0)
    }
    return .success
  }

  /// SEAMLDR.SEAMINFO (pseamldr.md 1.7). Works in any state, on any LP.
  func seamInfo(buffer: UInt64, machine: inout Machine) -> CompletionStatus {
    let size = UInt64(MCHECKTable.size)
    guard machine.isSharedAddress(buffer, size: size, alignment: size) else { return .badParam }
    machine.write(MCHECKTable.bytes(of: machine.configuration), atShared: buffer)
    return .success
  }
}

extension Machine {
  /// Writes a host buffer under the KeyID that its address selects.
  fileprivate mutating func write(_ bytes: [UInt8], atShared hpa: UInt64) {
    let address = PhysicalAddress(rawValue: hpa)
    memory.write(bytes, at: address.withoutKeyID, keyID: address.keyID)
  }
}

extension UnsafeMutableRawBufferPointer {
  /// Stores `value` little-endian at `offset`.
  fileprivate func store(_ value: some FixedWidthInteger & BitwiseCopyable, at offset: Int) {
    storeBytes(of: value.littleEndian, toByteOffset: offset, as: type(of: value))
  }
}
