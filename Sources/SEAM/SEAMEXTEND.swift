import Basics

/// SEAM_INFO: the identity of the loaded TDX module, 128 bytes (pseamldr.md 2.2).
public struct SEAMInfo: Equatable, Sendable, Codable {
  /// Size in memory.
  public static let size = 128

  /// Offset 0: bit i says that 8-byte word i is meaningful. 0x1FF with a module, 0 without.
  public var valid: UInt64 = 0
  /// Offset 8, 16 bytes: [0] minor SVN, [1] major SVN, [2] SVN of the last SEAM-related microcode patch. A value of
  /// another length is not taken.
  public var teeTCBSVN = [UInt8](repeating: 0, count: 16) {
    didSet { if teeTCBSVN.count != 16 { teeTCBSVN = oldValue } }
  }
  /// Offset 24, 48 bytes: SEAMHASH of the module. A value of another length is not taken.
  public var mrseam = Self.noMeasurement {
    didSet { if mrseam.count != Self.noMeasurement.count { mrseam = oldValue } }
  }
  /// Offset 72, 48 bytes: zero for Intel's modules. A value of another length is not taken.
  public var mrsignerseam = Self.noMeasurement {
    didSet { if mrsignerseam.count != Self.noMeasurement.count { mrsignerseam = oldValue } }
  }
  /// Offset 120.
  public var attributes: UInt64 = 0

  /// 48 bytes of zeros.
  public static let noMeasurement = [UInt8](repeating: 0, count: 48)

  /// VALID of a loaded module: VALID, TEE_TCB_SVN and MRSEAM.
  public static let validWithModule: UInt64 = 0x1FF

  /// No module.
  public init() {}

  /// The 128 bytes.
  public var bytes: [UInt8] {
    valid.littleEndianBytes + teeTCBSVN + mrseam + mrsignerseam + attributes.littleEndianBytes
  }

  /// Puts the 128 bytes to the start of `target`, which has room for them.
  public func copy(into target: UnsafeMutableRawBufferPointer) {
    guard target.count >= Self.size else { return }
    target.storeBytes(of: valid.littleEndian, toByteOffset: 0, as: UInt64.self)
    UnsafeMutableRawBufferPointer(rebasing: target[8..<24]).copyBytes(from: teeTCBSVN)
    UnsafeMutableRawBufferPointer(rebasing: target[24..<72]).copyBytes(from: mrseam)
    UnsafeMutableRawBufferPointer(rebasing: target[72..<120]).copyBytes(from: mrsignerseam)
    target.storeBytes(of: attributes.littleEndian, toByteOffset: 120, as: UInt64.self)
  }

  /// Zeroes TEE_TCB_SVN, the part of the microcode included.
  public mutating func clearTCBSVN() {
    for index in teeTCBSVN.indices { teeTCBSVN[index] = 0 }
  }

  /// The identity without a module: all zero but for the microcode's part of TEE_TCB_SVN.
  public mutating func removeModule() {
    valid = 0
    minorSVN = 0
    majorSVN = 0
    mrseam = Self.noMeasurement
    mrsignerseam = Self.noMeasurement
    attributes = 0
  }

  /// Minor SVN of the module.
  public var minorSVN: UInt8 {
    get { teeTCBSVN[0] }
    set { teeTCBSVN[0] = newValue }
  }

  /// Major SVN of the module.
  public var majorSVN: UInt8 {
    get { teeTCBSVN[1] }
    set { teeTCBSVN[1] = newValue }
  }
}

/// SEAMEXTEND: the platform-scope register that says which firmware is ready, 136 bytes (pseamldr.md 2.2).
public struct SEAMEXTEND: Equatable, Sendable, Codable {
  /// Offset 0: the module's identity.
  public var info = SEAMInfo()
  /// Offset 128: the TDX module may be called.
  public var seamReady = false
  /// Offset 129.
  public var systemUnderDebug = false
  /// Offset 130: the P-SEAMLDR may be called.
  public var pSEAMLDRReady = false

  /// All zero, as before the NP-SEAMLDR ran.
  public init() {}

  /// The 136 bytes.
  public var bytes: [UInt8] {
    info.bytes + [seamReady ? 1 : 0, systemUnderDebug ? 1 : 0, pSEAMLDRReady ? 1 : 0] + [0, 0, 0, 0, 0]
  }
}
