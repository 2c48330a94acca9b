/// The processors for which there are TDX modules, by CPUID.1.EAX without the stepping (pseamldr.md 6.1).
public enum ProcessorFamily: UInt32, CaseIterable, Sendable {
  /// Sapphire Rapids.
  case spr = 0x806F0
  /// Emerald Rapids.
  case emr = 0xC06F0
  /// Sierra Forest.
  case srf = 0xA06F0
  /// Granite Rapids.
  case gnr = 0xA06D0
  /// Granite Rapids-D.
  case gnrd = 0xA06E0

  /// The family of the CPU with this CPUID.1.EAX; nil where tdxfs does not know it.
  public init?(signature: UInt32) {
    self.init(rawValue: signature & ~0xF)
  }

  /// The family that `cpu=` calls `name`.
  public init?(named name: String) {
    guard let family = Self.allCases.first(where: { $0.shortName == name }) else { return nil }
    self = family
  }

  /// What `cpu=` calls it.
  public var shortName: String { "\(self)" }

  /// The product's name.
  public var name: String {
    switch self {
    case .spr: "Sapphire Rapids"
    case .emr: "Emerald Rapids"
    case .srf: "Sierra Forest"
    case .gnr: "Granite Rapids"
    case .gnrd: "Granite Rapids-D"
    }
  }

  /// How the public releases list it: Sapphire Rapids with stepping 8, the others with 0.
  public var listedSignature: UInt32 { self == .spr ? 0x806F8 : rawValue }

  /// `806F8 (Sapphire Rapids)`, or the number alone.
  public static func describe(_ signature: UInt32) -> String {
    let number = String(signature, radix: 16, uppercase: true)
    guard let family = Self(signature: signature) else { return number }
    return "\(number) (\(family.name))"
  }

  /// Whether a sigstruct's CPUID `table` covers the CPU: some entry is equal but for the stepping, bits 3:0.
  public static func table(_ table: [UInt32], covers signature: UInt32) -> Bool {
    table.contains { $0 & ~0xF == signature & ~0xF }
  }
}
