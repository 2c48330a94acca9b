import Basics
import ModuleImage
import SystemPackage

/// An image of a scenario: forged, or a file, and then broken in named ways.
struct ScenarioImage: Equatable {
  /// What the scenario's steps call it.
  var name = "image"
  /// The version that is forged, or that the file is said to have.
  var version: ModuleVersion
  /// A file instead of a forged image.
  var file: String?
  /// The version that its file name says, where that is a lie.
  var label: ModuleVersion?
  /// The header; nil for the one that the machine's kernel takes.
  var format: ModuleImageFile.Format?
  var svn: String?
  var cpus: [UInt32]?
  var hv: UInt16?
  var minHV: UInt16?
  var builtInHV: UInt16?
  var downgrade: Bool?
  var isDebugSigned = false
  var pages: Int?
  /// What is done to the bytes afterwards, in order.
  var damages: [Damage] = []
  /// Whether SEAMHASH and signature are made anew over the damage, by who has the key.
  var isSignedAnew = false

  /// One way to break a file.
  enum Damage: Equatable {
    /// The bits `mask` of the byte at `offset` are turned over.
    case flip(offset: Int, mask: UInt8)
    /// The file ends after so many bytes.
    case truncate(Int)
    /// So many zeros follow the file.
    case extend(Int)
    /// A field gets a value.
    case set(field: String, value: UInt64)
  }

  /// The version that a client takes it for.
  var shownVersion: ModuleVersion { label ?? version }

  /// What can follow the version.
  static let words = [
    "name", "as", "format", "svn", "cpus", "hv", "min-hv", "built-in-hv", "downgrade", "debug", "pages", "flip",
    "truncate", "extend", "set", "signed-anew",
  ]
  private static let flags = ["debug", "downgrade", "signed-anew"]

  /// The image that the line's `words` tell.
  init(words: ScenarioWords) throws(ScenarioProblem) {
    var words = words
    let first = words.next() ?? ""
    if first.hasPrefix("file=") {
      let rest = words.next() ?? ""
      guard let version = ModuleVersion(rest) else {
        throw ScenarioProblem("image: \(first) needs its version after it: \(first) 1.5.28")
      }
      self.version = version
      file = String(first.dropFirst(5))
    } else {
      guard let version = ModuleVersion(first) else {
        throw ScenarioProblem("image: '\(first)': a version like 1.5.28 comes first, or file=PATH and a version")
      }
      self.version = version
      do { _ = try ImageForge(version: version) } catch { throw ScenarioProblem("image: \(error)") }
    }
    while let word = words.next() {
      let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      try set(parts[0], to: parts.count > 1 ? parts[1] : nil)
    }
  }

  private mutating func set(_ key: String, to value: String?) throws(ScenarioProblem) {
    guard Self.words.contains(key) else {
      throw ScenarioProblem("image: there is no '\(key)': \(Spelling.hint(for: key, among: Self.words))")
    }
    guard let value else {
      switch key {
      case "debug": isDebugSigned = true
      case "downgrade": downgrade = true
      case "signed-anew": isSignedAnew = true
      default: throw ScenarioProblem("image: \(key) needs a value: \(key)=…")
      }
      return
    }
    guard !Self.flags.contains(key) || key == "downgrade" else {
      throw ScenarioProblem("image: \(key) takes no value")
    }
    do {
      switch key {
      case "name": name = value
      case "as": label = try ImageArguments.version(value)
      case "format": format = try ImageArguments.format(value)
      case "svn":
        _ = try ImageArguments.svn(value)
        svn = value
      case "cpus": cpus = try ImageArguments.cpus(value)
      case "hv": hv = try Self.number(value)
      case "min-hv": minHV = try Self.number(value)
      case "built-in-hv": builtInHV = try Self.number(value)
      case "downgrade": downgrade = value == "yes"
      case "pages": pages = Int(try Self.number(value) as UInt16)
      case "flip":
        let parts = value.split(separator: ":").map(String.init)
        damages.append(
          .flip(
            offset: Int(try Self.number(parts.first ?? "") as UInt32),
            mask: parts.count > 1 ? try Self.number(parts[1]) : 1))
      case "truncate": damages.append(.truncate(Int(try Self.number(value) as UInt32)))
      case "extend": damages.append(.extend(Int(try Self.number(value) as UInt16)))
      case "set":
        let parts = value.split(separator: ":", maxSplits: 1).map(String.init)
        let field = parts.first ?? ""
        guard ImageField.named(field) != nil else {
          let known = ImageField.all.map(\.name)
          throw ScenarioProblem("there is no field '\(field)': \(Spelling.hint(for: field, among: known))")
        }
        damages.append(.set(field: field, value: try Self.number(parts.count > 1 ? parts[1] : "")))
      default: throw ScenarioProblem("there is no '\(key)'")
      }
    } catch {
      let reason = (error as? ScenarioProblem)?.reason ?? "\(error)"
      throw ScenarioProblem("image: \(key)=\(value): \(reason)")
    }
  }

  private static func number<Number: FixedWidthInteger>(_ text: String) throws -> Number {
    let isHexadecimal = text.hasPrefix("0x")
    guard let number = isHexadecimal ? Number(text.dropFirst(2), radix: 16) : Number(text), !text.hasPrefix("+")
    else { throw ScenarioProblem("a number up to \(Number.max) is needed") }
    return number
  }
}

extension ScenarioImage {
  /// The file's bytes; `kernelFormat` is what the machine's kernel takes.
  func bytes(kernelFormat: ModuleImageFile.Format) throws(Failure) -> [UInt8] {
    var bytes: [UInt8]
    if let file {
      bytes = try ImageFiles.read(file)
    } else {
      do {
        bytes = try forge().file(format: format ?? kernelFormat)
      } catch {
        throw .refused("the image \(name) cannot be made: \(error)")
      }
    }
    for damage in damages { apply(damage, to: &bytes, format: format ?? kernelFormat) }
    return isSignedAnew ? try signedAnew(bytes, format: format ?? kernelFormat) : bytes
  }

  private func forge() throws -> ImageForge {
    try ForgeWishes(
      version: version, cpus: cpus, svn: svn, hv: hv, minHV: minHV, downgrade: downgrade, builtInHV: builtInHV,
      isDebugSigned: isDebugSigned, pages: pages
    ).forge()
  }

  private func apply(_ damage: Damage, to bytes: inout [UInt8], format: ModuleImageFile.Format) {
    switch damage {
    case .flip(let offset, let mask):
      if bytes.indices.contains(offset) { bytes[offset] ^= mask }
    case .truncate(let count): bytes = Array(bytes.prefix(count))
    case .extend(let count): bytes += [UInt8](repeating: 0, count: count)
    case .set(let name, let value):
      guard let field = ImageField.named(name) else { return }
      for index in 0..<field.width where bytes.indices.contains(field.offset(in: format) + index) {
        bytes[field.offset(in: format) + index] = UInt8(truncatingIfNeeded: value >> (8 * UInt64(index)))
      }
    }
  }

  /// The same sigstruct and module with a hash and a signature that fit.
  private func signedAnew(_ bytes: [UInt8], format: ModuleImageFile.Format) throws(Failure) -> [UInt8] {
    let file: ModuleImageFile
    do { file = try ModuleImageFile(bytes) } catch {
      throw .refused("the image \(name) is too broken to be signed anew: \(error)")
    }
    var sigstruct = file.sigstruct
    sigstruct.replace(SEAMSigstruct.seamHashRange, with: ImageDigest.sha384(file.module))
    guard sigstruct.signWithDevKey() else { throw .refused("the image \(name) cannot be signed") }
    return ModuleImageFile.bytes(format: format, sigstruct: sigstruct, module: file.module)
  }
}

/// A field of an image that `set=` can change.
struct ImageField: Equatable {
  let name: String
  /// Bytes.
  let width: Int
  /// Where it is in a file with a header of either kind.
  let blob: Int
  let image: Int

  func offset(in format: ModuleImageFile.Format) -> Int {
    switch format {
    case .blob: blob
    case .image: image
    }
  }

  static func named(_ name: String) -> ImageField? { all.first { $0.name == name } }

  static let all: [ImageField] = [
    header(TDXBlob.version), header(TDXBlob.checksum), header(TDXBlob.offsetOfModule), header(TDXBlob.length),
    header(TDXImage.sigstructPages), header(TDXImage.modulePages),
    ImageField(
      name: "signature", width: 8, blob: TDXBlob.signatureRange.lowerBound, image: TDXImage.signatureRange.lowerBound),
    ImageField(name: "reserved", width: 4, blob: 24, image: 24),
    signed(SEAMSigstruct.headerType), signed(SEAMSigstruct.headerLength), signed(SEAMSigstruct.headerVersion),
    signed(SEAMSigstruct.moduleType), signed(SEAMSigstruct.moduleVendor), signed(SEAMSigstruct.sizeInDwords),
    signed(SEAMSigstruct.keySize), signed(SEAMSigstruct.modulusSize), signed(SEAMSigstruct.exponentSize),
    signed(SEAMSigstruct.exponent), signed(SEAMSigstruct.attributes), signed(SEAMSigstruct.gdtIDTOffset),
    signed(SEAMSigstruct.faultWrapperOffset), signed(SEAMSigstruct.moduleHV), signed(SEAMSigstruct.minUpdateHV),
    signed(SEAMSigstruct.cpuidTableSize), signed(SEAMSigstruct.minorSVN), signed(SEAMSigstruct.majorSVN),
    signed(SEAMSigstruct.numGlobalDataPages), signed(SEAMSigstruct.numHandoffPages),
  ]

  private static func header<Value>(_ field: WireField<Value>) -> ImageField {
    ImageField(name: field.name, width: MemoryLayout<Value>.size, blob: field.offset, image: field.offset)
  }

  private static func signed<Value>(_ field: WireField<Value>) -> ImageField {
    let offset = ModuleImageFile.pageSize + field.offset
    return ImageField(name: field.name, width: MemoryLayout<Value>.size, blob: offset, image: offset)
  }
}
