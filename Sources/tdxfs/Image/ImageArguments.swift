import ArgumentParser
import Basics
import ModuleImage

/// How the image verbs read words of their command line; what is thrown ends with status 2 and one line.
enum ImageArguments {
  /// `1.5.24`.
  static func version(_ text: String) throws -> ModuleVersion {
    guard let version = ModuleVersion(text) else { throw ValidationError("a version is written like 1.5.24") }
    return version
  }

  /// `0x100` or `0x200`.
  static func format(_ text: String) throws -> ModuleImageFile.Format {
    guard let format = ModuleImageFile.Format(named: text) else {
      throw ValidationError("the header formats are 0x100 and 0x200")
    }
    return format
  }

  /// A name of `cpu=`, or CPUID.1.EAX in hexadecimal.
  static func cpu(_ text: String) throws -> UInt32 {
    if let family = ProcessorFamily(named: text) { return family.listedSignature }
    let digits = text.hasPrefix("0x") || text.hasPrefix("0X") ? text.dropFirst(2) : text[...]
    guard let signature = UInt32(digits, radix: 16), !digits.hasPrefix("+") else {
      let names = ProcessorFamily.allCases.map(\.shortName)
      throw ValidationError(
        "'\(text)' is no CPU: \(Spelling.hint(for: text, among: names)), or CPUID.1.EAX in hexadecimal")
    }
    return signature
  }

  /// `spr,emr`, separated by commas or colons; `none` for an empty list.
  static func cpus(_ text: String) throws -> [UInt32] {
    guard text != "none" else { return [] }
    return try text.split(omittingEmptySubsequences: false) { $0 == "," || $0 == ":" }.map { try cpu(String($0)) }
  }

  /// `1.13`, or the minor SVN alone.
  static func svn(_ text: String) throws -> (major: UInt8?, minor: UInt8) {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false).map { UInt8($0) }
    switch (parts.count, parts.first ?? nil, parts.last ?? nil) {
    case (1, _, let minor?): return (nil, minor)
    case (2, let major?, let minor?): return (major, minor)
    default: throw ValidationError("an SVN is written like 1.13, or 13 alone; both numbers go up to 255")
    }
  }
}
