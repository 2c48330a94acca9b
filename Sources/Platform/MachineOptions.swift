import Basics
import ModuleImage
import SEAM
import TDXHost

/// Why the options of a machine were refused; its description is one line for people.
public struct OptionError: Error, Equatable, CustomStringConvertible, Sendable {
  /// What is wrong and what to do.
  public let description: String

  /// The refusal `description`.
  public init(_ description: String) {
    self.description = description
  }
}

/// What the mount point shows.
public enum Layout: String, CaseIterable, Sendable {
  /// The `tdx_host` directory itself.
  case device
  /// A `/sys` tree around it.
  case sys
}

/// Processor errata under which Linux hides updates.
public enum Erratum: String, CaseIterable, Sendable {
  /// SEAMRET clears the current-VMCS pointer (`X86_BUG_SEAMRET_INVD_VMCS`).
  case seamretInvdVMCS = "seamret_invd_vmcs"
}

/// In which order the LPs run in each lock-step state of an update.
public enum LPOrder: String, CaseIterable, Sendable {
  /// 0, 1, 2…
  case ascending
  /// As the machine's seed says, in each state and update anew.
  case seed
}

/// What a machine is made of: the options of a mount that are about the machine (DESIGN.md section 5, "Mount").
public struct MachineOptions: Equatable, Sendable {
  /// `abi=`: the kernel's ABI profile.
  public var abi = "v8"
  /// `device=`: what the machine's kernel has for firmware uploads.
  public var device = EmulatedDevice.tdxHost
  /// `layout=`.
  public var layout = Layout.device
  /// `cpu=`.
  public var cpu = CPUModel.spr
  /// `module=`: the module that the BIOS loads; nil for the default of the CPU.
  public var module: ModuleVersion?
  /// `seamldr=`: version of the P-SEAMLDR; nil for the default of the CPU.
  public var seamldr: ModuleVersion?
  /// `lps=`: logical processors.
  public var lps = 4
  /// `memory=`: GiB of memory.
  public var memoryGiB = 16
  /// `updates=`: remaining updates after power-on.
  public var updates = 15
  /// `keys=`: trusted signers, each `intel`, `dev` or the path of a PEM file.
  public var keys = "intel:dev"
  /// `erratum=`.
  public var errata: Set<Erratum> = []
  /// `td_preserving=`: off makes the module say that it can't be updated.
  public var tdPreserving = true
  /// `alias=`: extra names over the profile's.
  public var aliases: Set<Alias> = []
  /// `seed=`: nil for a random one.
  public var seed: UInt64?
  /// `clock=`.
  public var clock = ClockKind.real
  /// `order=`.
  public var order = LPOrder.ascending
  /// `control=`: whether there is a control directory.
  public var control = true

  /// The default machine.
  public init() {}

  /// The module that the BIOS loads.
  public var effectiveModule: ModuleVersion {
    if let module { return module }
    return switch cpu {
    case .spr, .emr: ModuleVersion(1, 5, 24)
    case .srf: ModuleVersion(1, 5, 25)
    case .gnr, .gnrd: ModuleVersion(2, 0, 14)
    }
  }

  /// The P-SEAMLDR.
  public var effectiveSEAMLDR: ModuleVersion {
    if let seamldr { return seamldr }
    return switch cpu {
    case .spr, .emr: ModuleVersion(1, 5, 2)
    case .srf, .gnr, .gnrd: ModuleVersion(2, 0, 0)
    }
  }

  /// The names of the options that are about the machine.
  public static let names = [
    "abi", "device", "layout", "cpu", "module", "seamldr", "lps", "memory", "updates", "keys", "erratum",
    "td_preserving", "alias", "seed", "clock", "order", "control",
  ]

  /// Takes the option `name=value`; false when the name is none of ``names``.
  public mutating func set(_ name: String, to value: String?) throws(OptionError) -> Bool {
    guard Self.names.contains(name) else { return false }
    guard let value, !value.isEmpty else {
      throw OptionError("option '\(name)' needs a value: \(name)=\(Self.expectation(of: name))")
    }
    let shown = Spelling.shown(value)
    switch name {
    case "abi":
      guard ABIProfile.named(value) != nil else {
        throw OptionError("abi=\(shown): \(Spelling.hint(for: value, among: ABIProfile.all.map(\.name)))")
      }
      abi = value
    case "device": device = try Self.choice(name, value)
    case "layout": layout = try Self.choice(name, value)
    case "cpu": cpu = try Self.choice(name, value)
    case "module":
      let version = try Self.version(name, value)
      guard ReleaseTable.release(version) != nil else {
        let known = ReleaseTable.all.map(\.version.description)
        throw OptionError("module=\(shown): \(Spelling.hint(for: value, among: known))")
      }
      module = version
    case "seamldr":
      let version = try Self.version(name, value)
      guard version.isSameLine(as: ModuleVersion(1, 5, 0)) || version.isSameLine(as: ModuleVersion(2, 0, 0)) else {
        throw OptionError("seamldr=\(shown): there are P-SEAMLDRs 1.5.x and 2.0.x")
      }
      seamldr = version
    case "lps": lps = try Self.number(name, value, in: 1...1024)
    case "memory": memoryGiB = try Self.number(name, value, in: 1...1024)
    case "updates": updates = try Self.number(name, value, in: 0...65535)
    case "keys": keys = value
    case "erratum":
      errata = Set(
        try value.split(separator: ":", omittingEmptySubsequences: false).map { item throws(OptionError) in
          try Self.choice(name, String(item))
        })
    case "alias":
      aliases = Set(
        try value.split(separator: ":", omittingEmptySubsequences: false).map { item throws(OptionError) in
          guard let alias = Alias(name: String(item)) else {
            throw OptionError(
              "alias=\(shown): \(Spelling.shown(item)): \(Spelling.hint(for: String(item), among: Alias.allCases.map(\.rawValue)))"
            )
          }
          return alias
        })
    case "td_preserving": tdPreserving = try Self.onOff(name, value)
    case "control": control = try Self.onOff(name, value)
    case "clock": clock = try Self.choice(name, value)
    case "order": order = try Self.choice(name, value)
    case "seed":
      guard Self.isDecimal(value), let number = UInt64(value) else {
        throw OptionError("seed=\(shown): a number from 0 to 18446744073709551615 is needed")
      }
      seed = number
    default: return false
    }
    return true
  }

  private static func expectation(of name: String) -> String {
    switch name {
    case "device": EmulatedDevice.allCases.map(\.rawValue).joined(separator: "|")
    case "layout": Layout.allCases.map(\.rawValue).joined(separator: "|")
    case "cpu": CPUModel.allCases.map(\.rawValue).joined(separator: "|")
    case "module", "seamldr": "M.m.uu"
    case "lps": "1…1024"
    case "memory": "GIB, 1…1024"
    case "updates": "0…65535"
    case "keys": "intel:dev:FILE.pem"
    case "erratum": Erratum.allCases.map(\.rawValue).joined(separator: ":")
    case "alias": Alias.allCases.map(\.rawValue).joined(separator: ":")
    case "td_preserving", "control": "on|off"
    case "clock": ClockKind.allCases.map(\.rawValue).joined(separator: "|")
    case "order": LPOrder.allCases.map(\.rawValue).joined(separator: "|")
    case "seed": "N"
    default: "NAME"
    }
  }

  private static func choice<Choice: RawRepresentable<String> & CaseIterable>(
    _ name: String, _ value: String
  ) throws(OptionError) -> Choice {
    guard let choice = Choice(rawValue: value) else {
      let known = Choice.allCases.map(\.rawValue)
      throw OptionError("\(name)=\(Spelling.shown(value)): \(Spelling.hint(for: value, among: known))")
    }
    return choice
  }

  private static func version(_ name: String, _ value: String) throws(OptionError) -> ModuleVersion {
    guard let version = ModuleVersion(value) else {
      throw OptionError("\(name)=\(Spelling.shown(value)): a version like 1.5.24 is needed")
    }
    return version
  }

  private static func number(
    _ name: String, _ value: String, in range: ClosedRange<Int>
  ) throws(OptionError) -> Int {
    guard isDecimal(value), let number = Int(value), range.contains(number) else {
      throw OptionError(
        "\(name)=\(Spelling.shown(value)): a number from \(range.lowerBound) to \(range.upperBound) is needed")
    }
    return number
  }

  /// Digits alone: Swift's integers would take a sign too.
  private static func isDecimal(_ text: String) -> Bool {
    text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
  }

  private static func onOff(_ name: String, _ value: String) throws(OptionError) -> Bool {
    switch value {
    case "on": return true
    case "off": return false
    default: throw OptionError("\(name)=\(Spelling.shown(value)): on or off is needed")
    }
  }
}
