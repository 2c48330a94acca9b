import SystemPackage

/// `uevent`, 0644 for devices and 0200 for buses and drivers: shows what an event about the device carries; a written
/// word sends a synthetic one (kernel-abi 1.2). Errors: EINVAL for anything that is no action.
public struct UeventAttribute: TextAttribute {
  /// 0644, or what it was given.
  public let mode: UInt16
  private let logPrefix: String
  private let log: @Sendable (_ line: String) -> Void
  private let variables: @Sendable (_ text: inout AttributeText) -> Void

  /// The event text of `variables`; `logPrefix` is driver or subsystem and name ("firmware tdx_module"), as in the
  /// kernel's own lines.
  public init(
    mode: UInt16 = 0o644, logPrefix: String, log: @escaping @Sendable (_ line: String) -> Void,
    variables: @escaping @Sendable (_ text: inout AttributeText) -> Void = { _ in }
  ) {
    self.mode = mode
    self.logPrefix = logPrefix
    self.log = log
    self.variables = variables
  }

  /// `KEY=VALUE` lines; EIO where the mode was made without reading.
  public func show(_ text: inout AttributeText) throws(Errno) {
    guard mode & 0o444 != 0 else { throw .ioError }
    variables(&text)
  }

  /// Sends nothing to anybody; takes what the kernel takes.
  public func store(_ bytes: [UInt8], by caller: Caller) throws(Errno) -> StoreOutcome {
    guard SyntheticEvent(bytes) != nil else {
      log("\(logPrefix): uevent: failed to send synthetic uevent: -22")
      throw .invalidArgument
    }
    return .consumed(bytes.count)
  }
}

/// What is written to `uevent` (`kobject_synth_uevent`): an action, and perhaps a UUID and `KEY=VALUE` pairs of letters
/// and digits.
struct SyntheticEvent: Equatable {
  /// `enum kobject_action`.
  enum Action: String, CaseIterable {
    case add
    case remove
    case change
    case move
    case online
    case offline
    case bind
    case unbind
  }

  let action: Action

  init?(_ bytes: [UInt8]) {
    var text = bytes[...]
    if text.last == UInt8(ascii: "\n") || text.last == 0 { text = text.dropLast() }
    let word = text.prefix { $0 != UInt8(ascii: " ") }
    guard let action = Action.allCases.first(where: { word.elementsEqual($0.rawValue.utf8) }) else { return nil }
    self.action = action
    guard word.count < text.count else { return }
    guard Self.areArguments(text.dropFirst(word.count + 1)) else { return nil }
  }

  private static func areArguments(_ text: ArraySlice<UInt8>) -> Bool {
    guard text.count >= 36, isUUID(text.prefix(36)) else { return false }
    var rest = text.dropFirst(36)
    while !rest.isEmpty {
      guard rest.first == UInt8(ascii: " ") else { return false }
      rest = rest.dropFirst()
      // `action_arg_word_end`: neither a key nor a value is empty.
      let key = rest.prefix(while: isAlphanumeric)
      rest = rest.dropFirst(key.count)
      guard !key.isEmpty, rest.first == UInt8(ascii: "=") else { return false }
      rest = rest.dropFirst()
      let value = rest.prefix(while: isAlphanumeric)
      guard !value.isEmpty else { return false }
      rest = rest.dropFirst(value.count)
    }
    return true
  }

  private static func isUUID(_ text: ArraySlice<UInt8>) -> Bool {
    text.enumerated().allSatisfy { index, byte in
      switch index {
      case 8, 13, 18, 23: byte == UInt8(ascii: "-")
      case _: byte < 0x80 && isAlphanumeric(byte) && (byte | 0x20) <= UInt8(ascii: "f")
      }
    }
  }

  /// The kernel's `isalnum`, whose table is that of Latin-1.
  private static func isAlphanumeric(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
      UInt8(ascii: "A")...UInt8(ascii: "Z"), 0xC0...0xD6, 0xD8...0xF6, 0xF8...0xFF:
      true
    case _: false
    }
  }
}
