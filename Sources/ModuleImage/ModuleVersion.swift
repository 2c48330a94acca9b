/// The version of a TDX module or of a P-SEAMLDR, printed `%u.%u.%02u` as Linux does.
public struct ModuleVersion: Hashable, Sendable, Codable {
  /// Major: 1 or 2.
  public var major: UInt16
  /// Minor.
  public var minor: UInt16
  /// Update.
  public var update: UInt16

  /// Version `major.minor.update`.
  public init(_ major: UInt16, _ minor: UInt16, _ update: UInt16) {
    self.major = major
    self.minor = minor
    self.update = update
  }

  /// Reads `M.m.u`, three decimal numbers of which the last may have a leading zero; nil for anything else.
  public init?(_ text: some StringProtocol) {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 3 else { return nil }
    var numbers: [UInt16] = []
    for part in parts {
      guard !part.isEmpty, part.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
        let number = UInt16(part)
      else { return nil }
      numbers.append(number)
    }
    self.init(numbers[0], numbers[1], numbers[2])
  }

  /// Whether both are of one line, 1.5 or 2.0.
  public func isSameLine(as other: ModuleVersion) -> Bool {
    major == other.major && minor == other.minor
  }
}

extension ModuleVersion: Comparable, CustomStringConvertible {
  /// By major, minor, update.
  public static func < (left: Self, right: Self) -> Bool {
    (left.major, left.minor, left.update) < (right.major, right.minor, right.update)
  }

  /// `%u.%u.%02u`.
  public var description: String {
    "\(major).\(minor).\(update < 10 ? "0" : "")\(update)"
  }
}
