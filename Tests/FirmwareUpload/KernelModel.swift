/// kernel-abi section 2 and groundtruth 3 and 7, told a second time for tests: what clients of an upload device see.
///
/// Written from the reference alone. It shares no code with FirmwareUpload or Kernfs: no state machine, no locks, no
/// seq_file; errnos are their names. A refused call is a thrown ``Refusal``.
struct KernelModel {
  struct Refusal: Error, Equatable {
    let errno: String
  }

  enum File: String, CaseIterable {
    case status, error, loading, cancel, data
    case remainingSize = "remaining_size"

    var isReadable: Bool { self != .cancel }
    var isWritable: Bool { self == .loading || self == .cancel || self == .data }
    /// `st_size`, whatever is in it.
    var size: Int64 { self == .data ? 0 : 4096 }
  }

  /// An open file: for text, what was read last is kept until a read begins anew.
  struct Descriptor {
    let file: File
    let mayRead: Bool
    let mayWrite: Bool
    let appends: Bool
    var text: [UInt8] = []
    /// Where the last read stopped.
    var end: Int64 = 0
    /// Nothing was ever read: poll shows PRI and ERR.
    var isFresh = true
    var appended: Int64 = 0
  }

  static let pageSize = 4096
  let stagingLimit: Int64

  // What the device is.
  var isLoading = false
  /// `idle` when no upload runs.
  var phase = "idle"
  var staged: [UInt8] = []
  var error = ""
  var remaining = 0
  var isRemoved = false
  // What the driver is asked for.
  var isCancelled = false
  var log: [String] = []

  init(stagingLimit: Int64) { self.stagingLimit = stagingLimit }

  var isBusy: Bool { phase != "idle" }

  // MARK: System calls

  func open(_ file: File, read: Bool, write: Bool, append: Bool, direct: Bool) throws -> Descriptor {
    // The path is looked up once more and is not there; in process that is ESTALE.
    if isRemoved { throw Refusal(errno: "ESTALE") }
    if read && !file.isReadable || write && !file.isWritable { throw Refusal(errno: "EACCES") }
    if direct { throw Refusal(errno: "EINVAL") }
    return Descriptor(file: file, mayRead: read, mayWrite: write, appends: append)
  }

  func read(_ descriptor: inout Descriptor, at offset: Int64, _ count: Int) throws -> [UInt8] {
    if !descriptor.mayRead { throw Refusal(errno: "EBADF") }
    if offset < 0 { throw Refusal(errno: "EINVAL") }
    if descriptor.file == .data {
      if isRemoved { throw Refusal(errno: "ENODEV") }
      descriptor.isFresh = false
      if isBusy { throw Refusal(errno: "ENODEV") }
      if offset >= staged.count { return [] }
      return Array(staged.dropFirst(Int(offset)).prefix(min(count, Self.pageSize)))
    }
    let goesOn = offset > 0 && offset == descriptor.end
    if goesOn {
      let isAtEnd = offset >= descriptor.text.count
      if isAtEnd && isRemoved { throw Refusal(errno: "ENODEV") }
    } else {
      descriptor.text = []
      descriptor.end = 0
      if isRemoved { throw Refusal(errno: "ENODEV") }
      descriptor.isFresh = false
      descriptor.text = Array(try value(of: descriptor.file).utf8)
    }
    let part = offset >= descriptor.text.count ? [] : Array(descriptor.text.dropFirst(Int(offset)).prefix(count))
    descriptor.end = offset + Int64(part.count)
    return part
  }

  mutating func write(
    _ descriptor: inout Descriptor, at offset: Int64, _ bytes: [UInt8], hasRawIO: Bool
  ) throws -> Int {
    if !descriptor.mayWrite { throw Refusal(errno: "EBADF") }
    if offset < 0 { throw Refusal(errno: "EINVAL") }
    if isRemoved { throw Refusal(errno: "ENODEV") }
    let part = Array(bytes.prefix(Self.pageSize))
    switch descriptor.file {
    case .data:
      let place = descriptor.appends ? descriptor.appended : offset
      if !hasRawIO { throw Refusal(errno: "EPERM") }
      if isBusy { throw Refusal(errno: "ENODEV") }
      if place > stagingLimit - Int64(part.count) { throw Refusal(errno: "EFBIG") }
      for (index, byte) in part.enumerated() {
        let position = Int(place) + index
        while staged.count <= position { staged.append(0) }
        staged[position] = byte
      }
      descriptor.appended = place + Int64(part.count)
    case .loading: storeLoading(Self.number(part))
    case .cancel: try storeCancel(part)
    case .status, .error, .remainingSize: throw Refusal(errno: "EIO")
    }
    return part.count
  }

  /// Whether poll shows PRI and ERR besides IN and OUT.
  func isChanged(_ descriptor: Descriptor) -> Bool { isRemoved || descriptor.isFresh }

  func seek(_ descriptor: Descriptor, from offset: Int64, toHole: Bool) throws -> Int64 {
    if isRemoved { throw Refusal(errno: "ENODEV") }
    if offset < 0 || offset >= descriptor.file.size { throw Refusal(errno: "ENXIO") }
    return toHole ? descriptor.file.size : offset
  }

  // MARK: Files

  private func value(of file: File) throws -> String {
    switch file {
    case .status: return phase + "\n"
    case .loading: return isLoading ? "1\n" : "0\n"
    case .remainingSize: return "\(remaining)\n"
    case .error:
      if isBusy { throw Refusal(errno: "EBUSY") }
      return error
    case .cancel, .data: throw Refusal(errno: "EIO")
    }
  }

  private mutating func storeLoading(_ number: Int32) {
    if isBusy { return }
    if number == 1 {
      staged = []
      isLoading = true
      return
    }
    if number == 0 && isLoading {
      isLoading = false
      if staged.isEmpty { return }
      phase = "receiving"
      error = ""
      remaining = staged.count
      return
    }
    isLoading = false
    if number != -1 { log.append("firmware fw1: firmware_loading_store: unexpected value (\(number))") }
  }

  private mutating func storeCancel(_ text: [UInt8]) throws {
    let word = String(decoding: text.prefix { $0 != 0 }.prefix(2), as: UTF8.self)
    let isTrue = ["1", "y", "Y", "t", "T"].contains(String(word.prefix(1))) || word.lowercased() == "on"
    if !isTrue { throw Refusal(errno: "EINVAL") }
    isCancelled = true
    if !isBusy { throw Refusal(errno: "ENODEV") }
  }

  /// Digits behind one '-' or none, modulo 2^32: whatever wraps at 64 bits wraps there too.
  private static func number(_ text: [UInt8]) -> Int32 {
    var digits = String(decoding: text.prefix { $0 != 0 && $0 < 0x80 }, as: UTF8.self)
    let isNegative = digits.hasPrefix("-")
    if isNegative { digits.removeFirst() }
    var value: Int64 = 0
    for character in digits {
      guard character.isASCII, let digit = character.wholeNumberValue else { break }
      value = (value * 10 + Int64(digit)) % (1 << 32)
    }
    return Int32(truncatingIfNeeded: isNegative ? -value : value)
  }

  // MARK: The worker (kernel-abi 2.5)

  mutating func enter(_ name: String) { phase = name }

  /// The driver has taken `count` bytes, or has written nothing, which ends the upload.
  mutating func transferred(_ count: Int) -> Bool {
    if count <= 0 {
      log.append("firmware fw1: write-op wrote zero data")
      fail("read-write-error")
      return false
    }
    remaining -= min(count, remaining)
    return true
  }

  mutating func fail(_ reason: String) { error = "\(phase):\(reason)\n" }

  mutating func end() {
    staged = []
    phase = "idle"
  }

  mutating func remove() {
    isRemoved = true
    staged = isBusy ? staged : []
    isCancelled = isCancelled || isBusy
  }
}
