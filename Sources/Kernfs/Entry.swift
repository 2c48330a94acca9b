/// One name of a tree and everything below it, as it is written down: the tree is built from one nested literal.
///
///     Tree(clock: clock) {
///       directory("tdx_host") {
///         file("version", VersionAttribute(machine))
///         symlink("subsystem", to: "../../../bus/faux")
///         if profile.hasUpload { device.directory(…) }
///       }
///     }
public struct Entry: Sendable {
  enum Content: Sendable {
    case directory([Entry])
    case dynamicDirectory(any DynamicDirectory)
    case symlink(target: String)
    case text(any TextAttribute)
    case binary(any BinaryAttribute)
    case snapshot(any SnapshotFile)
  }

  /// The name in its directory.
  public let name: String
  let mode: UInt16
  let isHidden: Bool
  let content: Content

  /// What kind of file it is.
  public var kind: FileKind { content.kind }
}

extension Entry.Content {
  var kind: FileKind {
    switch self {
    case .directory, .dynamicDirectory: .directory
    case .symlink: .symlink
    case .text, .binary, .snapshot: .regular
    }
  }
}

/// What `d_type` and `st_mode` tell apart.
public enum FileKind: Hashable, Sendable {
  case directory
  case symlink
  case regular

  /// The type bits of `st_mode` (`S_IFMT`).
  public var modeBits: UInt32 {
    switch self {
    case .directory: 0o040000
    case .symlink: 0o120000
    case .regular: 0o100000
    }
  }
}

/// Puts entries into a list, with `if` and `for`.
@resultBuilder
public enum EntryBuilder {
  /// One entry.
  public static func buildExpression(_ entry: Entry) -> [Entry] { [entry] }
  /// Several entries that somebody else listed.
  public static func buildExpression(_ entries: [Entry]) -> [Entry] { entries }
  /// Entries in the order in which they are written.
  public static func buildBlock(_ parts: [Entry]...) -> [Entry] { parts.flatMap { $0 } }
  /// `if` without `else`.
  public static func buildOptional(_ part: [Entry]?) -> [Entry] { part ?? [] }
  /// `if`.
  public static func buildEither(first part: [Entry]) -> [Entry] { part }
  /// `else`.
  public static func buildEither(second part: [Entry]) -> [Entry] { part }
  /// `for`.
  public static func buildArray(_ parts: [[Entry]]) -> [Entry] { parts.flatMap { $0 } }
}

/// A directory. A hidden one is found by its name, but it is neither listed nor counted in its parent's link count.
public func directory(
  _ name: String, mode: UInt16 = 0o755, hidden: Bool = false, @EntryBuilder _ children: () -> [Entry] = { [] }
) -> Entry {
  Entry(name: name, mode: mode, isHidden: hidden, content: .directory(children()))
}

/// A directory whose children come and go by themselves, or by mkdir(2) and creat(2).
public func directory(_ name: String, _ children: some DynamicDirectory, hidden: Bool = false) -> Entry {
  Entry(name: name, mode: children.mode, isHidden: hidden, content: .dynamicDirectory(children))
}

/// A symbolic link.
public func symlink(_ name: String, to target: String) -> Entry {
  Entry(name: name, mode: 0o777, isHidden: false, content: .symlink(target: target))
}

/// A text attribute.
public func file(_ name: String, _ attribute: some TextAttribute) -> Entry {
  Entry(name: name, mode: attribute.mode, isHidden: false, content: .text(attribute))
}

/// A binary attribute of size 0.
public func file(_ name: String, _ attribute: some BinaryAttribute) -> Entry {
  Entry(name: name, mode: attribute.mode, isHidden: false, content: .binary(attribute))
}

/// A file whose content is fixed at open.
public func file(_ name: String, _ snapshot: some SnapshotFile) -> Entry {
  Entry(name: name, mode: snapshot.mode, isHidden: false, content: .snapshot(snapshot))
}
