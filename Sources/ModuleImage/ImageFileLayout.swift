import Basics

/// Where things lie in an update image, found and checked before anything is taken out of it.
struct ImageFileLayout {
  let format: ModuleImageFile.Format
  let checksum: UInt16
  /// The whole pages of the sigstruct.
  let sigstruct: Range<Int>
  /// The module.
  let module: Range<Int>
  /// The length that the header tells.
  let declaredSize: Int

  private static let page = ModuleImageFile.pageSize

  init(_ reader: ByteReader) throws(ModuleImageFileError) {
    format = try Self.format(reader)
    do {
      checksum = try reader.value(of: TDXBlob.checksum)
      switch format {
      case .blob:
        declaredSize = Int(try reader.value(of: TDXBlob.length))
        let start = Int(try reader.value(of: TDXBlob.offsetOfModule))
        sigstruct = Self.page..<max(Self.page, start)
        module = max(Self.page, start)..<max(Self.page, start, reader.count)
      case .image:
        let start = Self.page + Int(try reader.value(of: TDXImage.sigstructPages)) * Self.page
        declaredSize = start + Int(try reader.value(of: TDXImage.modulePages)) * Self.page
        sigstruct = Self.page..<start
        module = start..<max(start, min(declaredSize, reader.count))
      }
    } catch {
      throw .truncated(expected: Self.page, found: reader.count)
    }
    try check(size: reader.count)
  }

  /// Which of the two it is, by where the signature lies and by the version.
  private static func format(_ reader: ByteReader) throws(ModuleImageFileError) -> ModuleImageFile.Format {
    func hasSignature(_ range: Range<Int>) -> Bool {
      (try? reader.slice(at: range.lowerBound, count: range.count))?.elementsEqual(TDXBlob.signature) ?? false
    }
    let expected: ModuleImageFile.Format
    if hasSignature(TDXBlob.signatureRange) {
      expected = .blob
    } else if hasSignature(TDXImage.signatureRange) {
      expected = .image
    } else {
      throw .notAnImage(whatItIs(reader))
    }
    guard let version = try? reader.value(of: TDXBlob.version), version == expected.rawValue else {
      throw .unknownVersion((try? reader.value(of: TDXBlob.version)) ?? 0)
    }
    return expected
  }

  /// What somebody may have given instead of an image.
  private static func whatItIs(_ reader: ByteReader) -> ModuleImageFileError.Lookalike {
    if reader.count == 0 { return .empty }
    if (try? reader.slice(at: 0, count: 4))?.elementsEqual([0x7F, 0x45, 0x4C, 0x46]) ?? false { return .bareModule }
    if reader.count == SEAMSigstruct.size, (try? reader.value(of: SEAMSigstruct.headerType)) == 6 {
      return .bareSigstruct
    }
    return .unknown
  }

  private func check(size: Int) throws(ModuleImageFileError) {
    guard sigstruct.upperBound.isMultiple(of: Self.page) else {
      throw .unalignedModule(offset: sigstruct.upperBound)
    }
    guard size >= Self.page else { throw .truncated(expected: max(declaredSize, Self.page), found: size) }
    guard !sigstruct.isEmpty else { throw .noSigstruct }
    guard size >= sigstruct.upperBound, size >= declaredSize else {
      throw .truncated(expected: max(declaredSize, sigstruct.upperBound), found: size)
    }
    guard !module.isEmpty else { throw .noModule }
  }

  /// What is wrong with the file although everything was found.
  func problems(of bytes: [UInt8]) -> [String] {
    var problems: [String] = []
    let sum = ImageChecksum.wordSum(bytes)
    if sum != 0 {
      problems.append("the checksum is wrong: the 16-bit words add up to 0x\(sum.paddedHexadecimal), not 0")
    }
    if bytes.count > declaredSize {
      problems.append("the file has \(bytes.count) bytes and its header says \(declaredSize)")
    }
    // Both versions have the same reserved bytes.
    if let offset = TDXBlob.reserved.first(where: { bytes[$0] != 0 }) {
      problems.append("byte \(offset) of the header is not zero, and it is reserved")
    }
    let padding = (sigstruct.lowerBound + SEAMSigstruct.size)..<sigstruct.upperBound
    if let offset = padding.first(where: { bytes[$0] != 0 }) {
      problems.append("byte \(offset) lies in the padding after the sigstruct and is not zero")
    }
    if !module.count.isMultiple(of: Self.page) {
      problems.append("the module has \(module.count) bytes, which are no whole pages")
    }
    if module.count > ModuleImageFile.maxModulePages * Self.page {
      problems.append("the module has \(module.count / Self.page) pages; a loader takes 496")
    }
    return problems
  }
}
