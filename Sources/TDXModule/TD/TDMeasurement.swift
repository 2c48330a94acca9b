import Basics
import Cryptography

/// What a TD is measured into: MRTD while it is built, RTMRs while it runs, SERVTD_HASH (tdx-module.md 6.7).
struct TDMeasurement: Sendable, Codable {
  /// Bytes of a SHA-384 digest.
  static let digestSize = 48

  /// MRTD; all zero before TDH.MR.FINALIZE.
  private(set) var mrtd = Self.zero
  /// RTMR0 to RTMR3.
  private(set) var rtmrs = [[UInt8]](repeating: Self.zero, count: 4)
  /// SERVTD_HASH.
  var servtdHash = Self.zero
  /// MRTD_CONTEXT_VERSION: CRYPTO_LIB_COMPAT_VERSION of the module that initialised the TD; 0 before TDH.MNG.INIT, after
  /// TDH.MR.FINALIZE, and of a module that has no such version.
  var contextVersion: UInt16 = 0

  /// The SHA-384 context in TDCS. Nil while nothing is measured.
  private var context: SHA384?
  /// The crypto library that packed the context; 0 for that of the modules before CRYPTO_LIB_COMPAT_VERSION.
  private var library: UInt16 = 0

  private static let zero = [UInt8](repeating: 0, count: digestSize)

  /// TDH.MNG.INIT by a module whose crypto library is `library`.
  mutating func begin(library: UInt16) {
    self = Self()
    self.library = library
    context = SHA384()
  }

  /// TDH.MEM.PAGE.ADD of the page at `gpa`, by a module with `library`.
  mutating func addPage(gpa: UInt64, library: UInt16) {
    resume(library)
    update(Self.pageAddName, gpa)
  }

  /// TDH.MR.EXTEND of the 256 `bytes` at `gpa`, by a module with `library`.
  mutating func extend(gpa: UInt64, bytes: UnsafeRawBufferPointer, library: UInt16) {
    resume(library)
    update(Self.extendName, gpa)
    context?.update(bytes)
  }

  /// TDH.MR.FINALIZE by a module with `library`.
  mutating func finish(library: UInt16) {
    resume(library)
    mrtd = context.map { $0.finalize() } ?? Self.zero
    context = nil
    contextVersion = 0
  }

  /// RTMR[`index`] := SHA-384(RTMR[`index`] ‖ `bytes`).
  mutating func extendRTMR(_ index: Int, with bytes: [UInt8]) {
    guard rtmrs.indices.contains(index) else { return }
    rtmrs[index] = SHA384.digest(of: rtmrs[index] + bytes)
  }

  /// Sets what an import brings.
  mutating func restore(mrtd: [UInt8], rtmrs: [[UInt8]], servtdHash: [UInt8]) {
    self.mrtd = mrtd
    self.rtmrs = rtmrs
    self.servtdHash = servtdHash
    context = nil
  }

  /// Another library cannot go on with the packed context. What comes out is undefined on silicon; here the hash begins anew,
  /// with something that no TD is measured by, so that it is wrong, also when nothing was measured before, and always in
  /// the same way (tdx-module.md 9).
  private mutating func resume(_ library: UInt16) {
    guard library != self.library else { return }
    self.library = library
    var context = SHA384()
    Array("TDXFS CONTEXT OF ANOTHER LIBRARY".utf8).withUnsafeBytes { context.update($0) }
    self.context = context
  }

  /// A record of 128 bytes: a name filled up to 16 bytes, the address, zeros.
  private mutating func update(_ name: StaticString, _ gpa: UInt64) {
    withUnsafeTemporaryAllocation(byteCount: 128, alignment: 8) { record in
      record.initializeMemory(as: UInt8.self, repeating: 0)
      name.withUTF8Buffer { record.copyMemory(from: UnsafeRawBufferPointer($0)) }
      record.storeBytes(of: gpa.littleEndian, toByteOffset: 16, as: UInt64.self)
      context?.update(UnsafeRawBufferPointer(record))
    }
  }

  private static let pageAddName: StaticString = "MEM.PAGE.ADD"
  private static let extendName: StaticString = "MR.EXTEND"
}
