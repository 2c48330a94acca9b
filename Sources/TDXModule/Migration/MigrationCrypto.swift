import Basics
import Cryptography
import SEAM

/// AES-256-GCM as a migration session uses it: IV = IV_COUNTER, stream, zero; 12 bytes.
enum MigrationCrypto {
  /// Encrypts `bytes`; nil never happens with a key of four words.
  static func seal(
    _ bytes: [UInt8], aad: [UInt8], key: [UInt64], counter: UInt64, stream: UInt16
  ) -> (ciphertext: [UInt8], tag: [UInt8])? {
    AES256GCM.seal(bytes, aad: aad, key: key.flatMap(\.littleEndianBytes), nonce: nonce(counter, stream))
  }

  /// Decrypts `bytes`; nil when `tag` is not theirs.
  static func open(
    _ bytes: [UInt8], tag: [UInt8], aad: [UInt8], key: [UInt64], counter: UInt64, stream: UInt16
  ) -> [UInt8]? {
    AES256GCM.open(bytes, tag: tag, aad: aad, key: key.flatMap(\.littleEndianBytes), nonce: nonce(counter, stream))
  }

  private static func nonce(_ counter: UInt64, _ stream: UInt16) -> [UInt8] {
    counter.littleEndianBytes + stream.littleEndianBytes + [0, 0]
  }
}

/// Migration bundle metadata (``MBMDLayout``).
struct MBMD: Equatable, Sendable, Codable {
  var size = UInt16(MBMDLayout.size)
  /// MIG_VERSION; 0 is the only one.
  var version: UInt16 = 0
  var stream: UInt16 = 0
  var type: UInt8
  var reserved: UInt8 = 0
  var counter: UInt32 = 0
  var epoch: UInt32 = 0
  var ivCounter: UInt64 = 0
  var body: UInt64 = 0
  var mac = [UInt8](repeating: 0, count: 16)

  /// A bundle of `type` without MAC.
  init(_ type: MigrationBundleType, counter: UInt32, epoch: UInt32, body: UInt64 = 0) {
    self.type = type.rawValue
    self.counter = counter
    self.epoch = epoch
    self.body = body
  }

  /// The MBMD in `bytes`, which are as many as it has.
  init(_ bytes: [UInt8]) {
    let reader = ByteReader(bytes)
    func integer<T: FixedWidthInteger & UnsignedInteger>(_ offset: Int, as type: T.Type = T.self) -> T {
      (try? reader.integer(at: offset, as: type)) ?? 0
    }
    size = integer(MBMDLayout.sizeField)
    version = integer(MBMDLayout.version)
    stream = integer(MBMDLayout.streamIndex)
    type = integer(MBMDLayout.type)
    reserved = integer(MBMDLayout.type + 1)
    counter = integer(MBMDLayout.counter)
    epoch = integer(MBMDLayout.epoch)
    ivCounter = integer(MBMDLayout.ivCounter)
    body = integer(MBMDLayout.body)
    mac = (try? reader.slice(at: MBMDLayout.mac, count: 16)).map(Array.init) ?? mac
  }

  var bytes: [UInt8] {
    var bytes = [UInt8](repeating: 0, count: MBMDLayout.size)
    bytes.store(size, at: MBMDLayout.sizeField)
    bytes.store(version, at: MBMDLayout.version)
    bytes.store(stream, at: MBMDLayout.streamIndex)
    bytes.store(type, at: MBMDLayout.type)
    bytes.store(reserved, at: MBMDLayout.type + 1)
    bytes.store(counter, at: MBMDLayout.counter)
    bytes.store(epoch, at: MBMDLayout.epoch)
    bytes.store(ivCounter, at: MBMDLayout.ivCounter)
    bytes.store(body, at: MBMDLayout.body)
    bytes.store(mac, at: MBMDLayout.mac)
    return bytes
  }

  /// Whether its MAC has the length of one.
  func check() throws(ArchiveError) { try ArchiveCheck.count(mac, is: 16, "the MAC of a migration bundle") }

  /// What the MAC covers: all before it, with MIGS_INDEX and IV_COUNTER zero.
  var authenticated: [UInt8] {
    var copy = self
    copy.stream = 0
    copy.ivCounter = 0
    return Array(copy.bytes.prefix(MBMDLayout.mac))
  }

  /// Whether the fields that every bundle has are those of a bundle of `type` on stream `index`.
  func isWellFormed(_ type: MigrationBundleType, stream index: UInt16) -> Bool {
    size == UInt16(MBMDLayout.size) && version == 0 && stream == index && self.type == type.rawValue && reserved == 0
  }
}

/// The export of a list of state pages that was begun.
struct StateExport: Sendable, Codable {
  /// What is exported, whole pages.
  private let image: [UInt8]
  /// The same under the session's key.
  private var ciphertext: [UInt8]
  /// Of which page on `ciphertext` is.
  private var firstPage = 0
  /// The bundle; its MAC is set.
  private(set) var mbmd: MBMD
  /// Pages that were written out.
  private(set) var processed = 0
  /// CRYPTO_LIB_COMPAT_VERSION of the module that keeps the context.
  private(set) var library: UInt16

  /// Begins with `image` under `key`; nil never happens.
  init?(image: [UInt8], mbmd: MBMD, key: [UInt64], library: UInt16) {
    guard
      let sealed = MigrationCrypto.seal(
        image, aad: mbmd.authenticated, key: key, counter: mbmd.ivCounter, stream: mbmd.stream)
    else { return nil }
    self.image = image
    self.mbmd = mbmd
    self.library = library
    ciphertext = sealed.ciphertext
    self.mbmd.mac = sealed.tag
  }

  /// Whether pages and progress fit together.
  func check() throws(ArchiveError) {
    let page = PhysicalMemory.pageSize
    try ArchiveCheck.require(image.count.isMultiple(of: page), "an export of no whole pages")
    try ArchiveCheck.range(processed, 0...pages, "the progress of an export")
    try ArchiveCheck.range(firstPage, 0...processed, "the first page of an export")
    try ArchiveCheck.require(ciphertext.count == image.count - firstPage * page, "the ciphertext of an export")
    try mbmd.check()
  }

  /// Number of pages in all.
  var pages: Int { image.count / PhysicalMemory.pageSize }
  /// Whether all of them were written out.
  var isComplete: Bool { processed >= pages }

  /// The next page.
  mutating func next() -> [UInt8] {
    let start = (processed - firstPage) * PhysicalMemory.pageSize
    processed += 1
    return Array(ciphertext.dropFirst(start).prefix(PhysicalMemory.pageSize))
  }

  /// Another crypto library cannot go on with the saved context, and the host did not ask to be told: the context begins anew,
  /// with the next IV and an empty header, so that the peer finds the MAC wrong (tdx-module.md 9).
  mutating func restart(counter: UInt64, key: [UInt64], library: UInt16) {
    self.library = library
    let rest = Array(image.dropFirst(processed * PhysicalMemory.pageSize))
    let aad = [UInt8](repeating: 0, count: MBMDLayout.mac)
    guard let sealed = MigrationCrypto.seal(rest, aad: aad, key: key, counter: counter, stream: mbmd.stream) else {
      return
    }
    firstPage = processed
    ciphertext = sealed.ciphertext
    mbmd.mac = sealed.tag
  }
}

/// The import of a list of state pages that was begun.
struct StateImport: Sendable, Codable {
  let mbmd: MBMD
  /// Pages read so far.
  private var ciphertext: [UInt8] = []
  /// CRYPTO_LIB_COMPAT_VERSION of the module that keeps the context.
  let library: UInt16

  init(mbmd: MBMD, library: UInt16) {
    self.mbmd = mbmd
    self.library = library
  }

  /// Number of pages read so far.
  var processed: Int { ciphertext.count / PhysicalMemory.pageSize }

  mutating func append(_ page: [UInt8]) { ciphertext += page }

  /// All pages in plain; nil when the MAC is not theirs.
  func open(key: [UInt64]) -> [UInt8]? {
    MigrationCrypto.open(
      ciphertext, tag: mbmd.mac, aad: mbmd.authenticated, key: key, counter: mbmd.ivCounter, stream: mbmd.stream)
  }
}
