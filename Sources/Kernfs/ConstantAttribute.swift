import SystemPackage

/// An attribute whose value never changes. Writing, once its mode allows that: EIO.
public struct ConstantAttribute: TextAttribute {
  /// 0444 unless told otherwise.
  public let mode: UInt16
  private let value: [UInt8]

  /// `value`, which includes its newline.
  public init(_ value: String, mode: UInt16 = 0o444) {
    self.mode = mode
    self.value = Array(value.utf8)
  }

  /// The value.
  public func show(_ text: inout AttributeText) throws(Errno) { text.append(bytes: value) }
}

/// An attribute that can be opened, and gives EIO for reading and writing.
public struct FailingAttribute: TextAttribute {
  /// The mode that it was given.
  public let mode: UInt16

  /// An attribute of `mode` without methods.
  public init(mode: UInt16) { self.mode = mode }
}
