/// The processors that tdxfs emulates, as `cpu=` names them.
public enum CPUModel: String, CaseIterable, Sendable, Codable {
  /// Sapphire Rapids.
  case spr
  /// Emerald Rapids.
  case emr
  /// Sierra Forest.
  case srf
  /// Granite Rapids.
  case gnr
  /// Granite Rapids-D.
  case gnrd

  /// CPUID.1.EAX of the silicon: family, model, stepping.
  public var signature: UInt32 {
    switch self {
    case .spr: 0x0008_06F8
    case .emr: 0x000C_06F2
    case .srf: 0x000A_06F3
    case .gnr: 0x000A_06D1
    case .gnrd: 0x000A_06E1
    }
  }

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

  /// Whether `listed`, an entry of a sigstruct's CPUID table, covers `signature`: equal but for the stepping, bits 3:0.
  public static func matches(listed: UInt32, signature: UInt32) -> Bool {
    listed & ~0xF == signature & ~0xF
  }
}
