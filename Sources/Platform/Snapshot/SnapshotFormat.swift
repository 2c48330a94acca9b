import Basics
import Cryptography
import ModuleImage

/// Why a snapshot was refused, or not made. The description is one line for people.
public struct SnapshotError: Error, Equatable, CustomStringConvertible, Sendable {
  /// What is wrong and what to do.
  public let description: String

  /// The error `description`.
  public init(_ description: String) {
    self.description = description
  }
}

/// A snapshot as bytes.
///
/// | offset | size | what |
/// |---|---|---|
/// | 0 | 8 | `TDXFSNAP` |
/// | 8 | 4 | ``version`` |
/// | 12 | 4 | bytes of the options |
/// | 16 | 8 | bytes in all |
/// | 24 | | the machine's options, as `-o` takes them |
/// | | | an ``Basics/Archive`` of the machine |
/// | end - 48 | 48 | SHA-384 of all before it |
public struct SnapshotFormat: Sendable {
  /// Version of the format and of what is archived. It counts up whenever either changes.
  public static let version: UInt32 = 2
  /// Bytes before the options: from these on ``length(_:)`` can be told.
  public static let headerSize = 24

  private static let magic = Array("TDXFSNAP".utf8)
  private static let checksumSize = SHA384.byteCount
  /// More than the options ever need.
  private static let longestOptions = 65_536

  /// The machine's options, as `-o` takes them.
  public let options: String
  /// The archive.
  package let body: [UInt8]

  /// The snapshot of a machine.
  package static func bytes(options: String, body: [UInt8]) -> [UInt8] {
    let text = Array(options.utf8)
    var bytes = magic
    bytes.reserveCapacity(headerSize + text.count + body.count + checksumSize)
    bytes += version.littleEndianBytes
    bytes += UInt32(clamping: text.count).littleEndianBytes
    bytes += UInt64(clamping: headerSize + text.count + body.count + checksumSize).littleEndianBytes
    bytes += text
    bytes += body
    bytes += bytes.withUnsafeBytes { SHA384.digest(of: $0) }
    return bytes
  }

  /// How many bytes the snapshot has that begins with `bytes`, at least ``headerSize`` of them.
  public static func length(_ bytes: [UInt8]) throws(SnapshotError) -> Int {
    let reader = ByteReader(bytes)
    guard let start = try? reader.slice(at: 0, count: magic.count), start.elementsEqual(magic),
      let version = try? reader.integer(at: 8, as: UInt32.self),
      let length = try? reader.integer(at: 16, as: UInt64.self)
    else { throw SnapshotError("this is no snapshot of tdxfs: it does not begin with TDXFSNAP") }
    guard version == Self.version else {
      throw SnapshotError(
        "the snapshot was made by another version of tdxfs: its format is \(version), and this one reads "
          + "\(Self.version)")
    }
    guard length >= UInt64(headerSize + checksumSize), let count = Int(exactly: length) else {
      throw SnapshotError("the snapshot is damaged: it says that it has \(length) bytes")
    }
    return count
  }

  /// Takes a snapshot apart. An error says why it is none, or no whole one.
  public init(_ bytes: [UInt8]) throws(SnapshotError) {
    let length = try Self.length(bytes)
    guard bytes.count >= length else {
      throw SnapshotError("the snapshot is cut: \(bytes.count) of \(length) bytes are there")
    }
    guard bytes.count == length else {
      throw SnapshotError("\(bytes.count - length) bytes follow the end of the snapshot")
    }
    let end = length - Self.checksumSize
    guard bytes[..<end].withUnsafeBytes({ SHA384.digest(of: $0) }).elementsEqual(bytes[end...]) else {
      throw SnapshotError("the snapshot is damaged: its checksum is not that of its bytes")
    }
    let count = (try? ByteReader(bytes).integer(at: 12, as: UInt32.self)).map { Int(clamping: $0) } ?? 0
    guard count <= Self.longestOptions, count <= end - Self.headerSize,
      let options = String(validating: bytes[Self.headerSize..<(Self.headerSize + count)], as: UTF8.self)
    else { throw SnapshotError("the snapshot is damaged: its options are no text") }
    self.options = options
    body = Array(bytes[(Self.headerSize + count)..<end])
  }
}

extension MachineOptions {
  /// Options that a snapshot can differ in: they are about the mount, or the machine takes them over.
  private static let free: Set<String> = ["control", "seed"]

  /// Whether a machine with these options can be in a state of the machine with the options in `text`.
  func requireSame(as text: String) throws(SnapshotError) {
    let theirs = Self.words(text)
    let ours = Self.words(self.text(seed: seed ?? 0))
    for name in Self.names where !Self.free.contains(name) || name == "seed" && seed != nil {
      guard theirs[name] != ours[name] else { continue }
      func shown(_ value: String?) -> String { value.map { "\(name)=\($0)" } ?? "no \(name)=" }
      throw SnapshotError(
        "the snapshot is of another machine: it has \(shown(theirs[name])), and this one has \(shown(ours[name]))")
    }
  }

  /// The seed of the machine with the options in `text`.
  static func seed(in text: String) -> UInt64? { words(text)["seed"].flatMap { UInt64($0) } }

  private static func words(_ text: String) -> [String: String] {
    var words: [String: String] = [:]
    for word in text.split(separator: ",") {
      let parts = word.split(separator: "=", maxSplits: 1)
      if parts.count == 2 { words[String(parts[0])] = String(parts[1]) }
    }
    return words
  }
}
