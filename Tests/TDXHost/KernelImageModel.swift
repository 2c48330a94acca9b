/// What each kernel looks at before it stops any CPU, kernel-abi.md 4.3, told a second time for tests: the lists of that
/// section row by row, in its words. The first row that fails wins.
///
/// Written from the reference alone: it shares nothing with ImageCheck and the profiles. Bytes beyond the end of an image
/// are zeros.
struct KernelImageModel {
  /// A row of a list.
  enum Row: String {
    /// v4 to v8: too small, or no place for the module. merged, v10: smaller than a page.
    case size
    /// sig_size ≤ 0 or module_size ≤ 0 or length ≠ size.
    case parts
    /// v8: offset_of_module ≥ size or ≤ 4096.
    case offset
    /// v9 to merged: pages and size.
    case sum
    case version, reserved, signature, checksum
    /// Too many pages of module or sigstruct.
    case limits
    /// v1, v2: the sigstruct has exactly a page.
    case sigstruct
    case alignment
  }

  static let names = ["v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "merged", "selector"]

  static let rows: [String: [Row]] = [
    "v1": [.parts, .signature, .checksum, .limits, .sigstruct],
    "v2": [.version, .reserved, .parts, .signature, .checksum, .limits, .alignment, .sigstruct],
    "v3": [.version, .reserved, .parts, .signature, .checksum, .limits, .alignment],
    "v4": [.size, .version, .reserved, .parts, .signature, .limits, .alignment],
    "v5": [.size, .version, .parts, .limits], "v6": [.size, .version, .parts, .limits],
    "v7": [.size, .version, .reserved, .parts, .signature, .limits, .alignment],
    "v8": [.size, .signature, .offset, .alignment, .version, .reserved],
    "selector": [.size, .signature, .offset, .alignment, .version, .reserved],
    "v9": [.sum, .version, .signature, .reserved],
    "v10": [.size, .sum, .version, .limits, .signature, .reserved],
    "merged": [.size, .sum, .version, .limits, .signature, .reserved],
  ]

  /// The lines that 4.3 states, and the kernels of which it says that nothing is logged.
  static let lines: [String: [Row: String]] = [
    "v2": [
      .version: "seamldr: unsupported blob version: %u", .reserved: "seamldr: non-zero reserved fields",
      .signature: "seamldr: invalid signature", .checksum: "seamldr: invalid checksum",
    ],
    "v3": [
      .version: "seamldr: unsupported blob version: %x", .reserved: "seamldr: non-zero reserved fields",
      .signature: "seamldr: invalid signature", .checksum: "seamldr: invalid checksum",
    ],
    "v7": [:], "v8": [:], "selector": [:], "v9": [:], "v10": [:], "merged": [:],
  ]

  let name: String

  /// Format 0x200.
  var isNew: Bool { ["v9", "v10", "merged"].contains(name) }

  static func number(_ image: [UInt8], _ offset: Int, _ size: Int) -> Int {
    var value = 0
    for index in 0..<size where offset + index < image.count { value |= Int(image[offset + index]) << (8 * index) }
    return value
  }

  /// The row that refuses `image`; nil where it goes to the P-SEAMLDR.
  func refusal(of image: [UInt8]) -> Row? {
    for row in Self.rows[name] ?? [] where !passes(row, image) { return row }
    return nil
  }

  private func passes(_ row: Row, _ image: [UInt8]) -> Bool {
    let size = image.count
    let offset = Self.number(image, 4, 4)
    let sigPages = Self.number(image, 12, 4)
    let modPages = Self.number(image, 16, 4)
    switch row {
    case .size:
      return switch name {
      case "v10", "merged": size >= 4096
      case "v4": size >= 4096 && offset < size
      case "v8", "selector": size > 4096
      default: size > 4096 && size > offset
      }
    case .parts: return offset > 4096 && offset < size && Self.number(image, 16, 4) == size
    case .offset: return offset > 4096 && offset < size
    case .sum:
      // The products wrap at 32 bits, the sum does not.
      return 4096 + (sigPages * 4096) % (1 << 32) + (modPages * 4096) % (1 << 32) == size
    case .version: return Self.number(image, 0, 2) == (isNew ? 0x200 : 0x100)
    case .reserved:
      for index in 20..<max(20, min(4096, size)) where image[index] != 0 { return false }
      return true
    case .signature:
      let place = isNew ? 4 : 8
      return size >= place + 8 && Array(image[place..<(place + 8)]) == Array("TDX-BLOB".utf8)
    case .checksum:
      var sum = 0
      for index in 0..<size { sum += index % 2 == 0 ? Int(image[index]) : Int(image[index]) << 8 }
      return sum % 65536 == 0
    case .limits:
      return switch name {
      case "v10", "merged": sigPages <= 1 && modPages <= 496
      // Exactly a page is another row.
      case "v1", "v2": size - offset <= 496 * 4096
      default: size - offset <= 496 * 4096 && offset - 4096 <= 4 * 4096
      }
    case .sigstruct: return offset - 4096 == 4096
    case .alignment:
      return name == "v8" || name == "selector" ? offset % 4096 == 0 : offset % 4096 == 0 && size % 4096 == 0
    }
  }

  /// 4.4: params.version and NUM_MODULE_PAGES of an image that passes; nil where the section does not say it.
  func params(of image: [UInt8]) -> (version: Int, pages: Int)? {
    let offset = Self.number(image, 4, 4)
    switch name {
    case "v9": return nil
    case "v10", "merged": return (0, Self.number(image, 16, 4))
    case "v1": return (0, (image.count - offset + 4095) / 4096)
    default:
      let hasVersionOne = ["v5", "v6", "v7", "v8", "selector"].contains(name)
      return (hasVersionOne && offset - 4096 > 4096 ? 1 : 0, min((image.count - offset) / 4096, 496))
    }
  }

  /// The line of a refusal; nil where 4.3 does not say it, empty for none.
  func line(_ row: Row, _ image: [UInt8]) -> String? {
    guard let lines = Self.lines[name] else { return nil }
    let version = Self.number(image, 0, 2)
    return (lines[row] ?? "").replacing("%u", with: "\(version)").replacing("%x", with: String(version, radix: 16))
  }
}
