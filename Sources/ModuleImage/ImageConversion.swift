import Basics

/// An update image in the other header format: a new header before the same sigstruct area and the same module.
///
/// Hash and signature cover neither header nor checksum, so a genuine image stays genuine. Reserved bytes lie at the
/// same place in both headers and are kept. What the new header can't say is refused, never guessed.
public struct ImageConversion: Equatable, Sendable {
  /// The new file.
  public let bytes: [UInt8]
  /// What the user should know of the result, each a sentence that begins with the file's name. Empty for an ordinary
  /// image.
  public let notes: [String]

  private static let page = ModuleImageFile.pageSize

  /// Converts the file `bytes` to `format`; to the format that it has, too, which makes its checksum right.
  public init(_ bytes: [UInt8], to format: ModuleImageFile.Format) throws(ImageConversionError) {
    let layout: ImageFileLayout
    do throws(ModuleImageFileError) {
      layout = try ImageFileLayout(ByteReader(bytes))
    } catch {
      throw .notReadable(error)
    }
    try Self.check(layout, size: bytes.count, format: format)
    var header = [UInt8](repeating: 0, count: Self.page)
    header.replaceSubrange(TDXBlob.reserved, with: bytes[TDXBlob.reserved])
    header.store(format.rawValue, in: TDXBlob.version)
    switch format {
    case .blob:
      header.store(UInt32(truncatingIfNeeded: layout.module.lowerBound), in: TDXBlob.offsetOfModule)
      header.store(TDXBlob.signature, at: TDXBlob.signatureRange.lowerBound)
      header.store(UInt32(truncatingIfNeeded: layout.module.upperBound), in: TDXBlob.length)
    case .image:
      header.store(TDXImage.signature, at: TDXImage.signatureRange.lowerBound)
      header.store(UInt32(truncatingIfNeeded: layout.sigstruct.count / Self.page), in: TDXImage.sigstructPages)
      header.store(UInt32(truncatingIfNeeded: layout.module.count / Self.page), in: TDXImage.modulePages)
    }
    var converted = header + bytes[layout.sigstruct.lowerBound...]
    converted.store(0 &- ImageChecksum.wordSum(converted), in: TDXBlob.checksum)
    self.bytes = converted
    notes = Self.notes(on: layout, of: bytes)
  }

  /// What one of the two headers can't say, or no kernel that reads it would take (kernel-abi.md 4.1 to 4.3).
  private static func check(
    _ layout: ImageFileLayout, size: Int, format: ModuleImageFile.Format
  ) throws(ImageConversionError) {
    guard layout.declaredSize == size else { throw .sizeDiffers(declared: layout.declaredSize, found: size) }
    switch format {
    case .blob: break
    case .image:
      guard layout.module.count.isMultiple(of: page) else { throw .partialPage(moduleBytes: layout.module.count) }
      guard layout.sigstruct.count == page else { throw .severalSigstructPages(layout.sigstruct.count / page) }
    }
  }

  private static func notes(on layout: ImageFileLayout, of bytes: [UInt8]) -> [String] {
    var notes: [String] = []
    if ImageChecksum.wordSum(bytes) != 0 {
      notes.append("had a wrong checksum and the new file has a right one; check with verify that it is not damaged")
    }
    let pages = layout.module.count / page
    if pages > ModuleImageFile.maxModulePages {
      notes.append("has a module of \(pages) pages; both formats have room for it, but no kernel takes more than 496")
    }
    if let offset = TDXBlob.reserved.first(where: { bytes[$0] != 0 }) {
      notes.append("has a reserved byte (\(offset)) that is not zero; it was kept, and kernels refuse it")
    }
    return notes
  }
}

/// Why an image can't be converted.
public enum ImageConversionError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The file is no image.
  case notReadable(ModuleImageFileError)
  /// The header tells another size than the file has: where the module ends is not certain.
  case sizeDiffers(declared: Int, found: Int)
  /// A 0x200 header counts the module's pages.
  case partialPage(moduleBytes: Int)
  /// Kernels that read 0x200 take one page of sigstruct.
  case severalSigstructPages(Int)

  /// The rest of a sentence that begins with the file's name.
  public var description: String {
    switch self {
    case .notReadable(let error): error.description
    case .sizeDiffers(let declared, let found):
      "has \(found) bytes and its header says \(declared): where the module ends is not certain"
    case .partialPage(let bytes):
      "has a module of \(bytes) bytes, which are no whole pages: a 0x200 header can only count pages"
    case .severalSigstructPages(let pages):
      "has a sigstruct area of \(pages) pages: kernels that read 0x200 take one page only"
    }
  }
}
