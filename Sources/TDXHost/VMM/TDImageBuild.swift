import SEAM
import SystemPackage

/// A TD firmware image as the monitor has read it, and how much of it is in the TD.
public struct TDImageBuild: Equatable, Sendable, Codable {
  /// The most bytes that an image can have: four times what a flash chip holds.
  public static let maximumSize = 64 << 20

  /// The image.
  public private(set) var bytes: [UInt8] = []
  /// Its metadata, once the build has begun.
  public internal(set) var metadata: TDVFImage?
  /// Pages that are in the TD.
  public internal(set) var pagesAdded = 0
  /// The section at which the build is, and its page.
  var section = 0
  var page = 0

  /// No image.
  public init() {}

  /// Puts `chunk` at `offset`; a gap is filled with zeros.
  /// - Throws: EFBIG beyond ``maximumSize``; EBUSY once the build has begun.
  public mutating func write(_ chunk: [UInt8], at offset: Int64) throws(TDError) {
    guard metadata == nil else { throw TDError(.resourceBusy, "the TD is being built from the image") }
    let (end, overflow) = offset.addingReportingOverflow(Int64(chunk.count))
    guard offset >= 0, !overflow, end <= Int64(Self.maximumSize) else {
      throw TDError(.fileTooLarge, "an image has at most \(Self.maximumSize >> 20) MiB")
    }
    let start = Int(offset)
    if bytes.count < Int(end) { bytes.append(contentsOf: repeatElement(0, count: Int(end) - bytes.count)) }
    bytes.replaceSubrange(start..<Int(end), with: chunk)
  }
}

extension TrustDomain {
  /// Adds the next pages of ``image``, `limit` of them at most: section by section, page by page, each measured where its
  /// section says so (QEMU's `tdx_finalize_vm`, one KVM_TDX_INIT_MEM_REGION a section). Sections with PAGE.AUG are
  /// left to the guest. True when all are in.
  /// - Throws: EINVAL without an image or for one that is no TD firmware; ENOMEM when the host is too small; then as
  ///   ``addPages(at:count:content:isMeasured:host:door:)``.
  @discardableResult
  public mutating func addImagePages(
    _ limit: Int = .max, host: inout LinuxHost, door: some SEAMCALLDoor
  ) throws(TDError) -> Bool {
    guard var build = image else { throw TDError(.invalidArgument, "TD \(name) has no image") }
    // Held here alone, so that it is not copied.
    image = nil
    defer { image = build }
    let metadata = try metadata(of: build, host: host)
    build.metadata = metadata
    var rest = limit
    while build.section < metadata.sections.count {
      let section = metadata.sections[build.section]
      if section.attributes.contains(.augmented) || build.page >= section.pageCount {
        build.section += 1
        build.page = 0
        continue
      }
      guard rest > 0 else { return false }
      let count = min(rest, section.pageCount - build.page, Self.pagesAtOnce)
      let first = build.page * 4096
      let piece = build.bytes[section.dataOffset..<(section.dataOffset + section.dataSize)]
        .dropFirst(first).prefix(count * 4096)
      try addPages(
        at: section.address + UInt64(first), count: count, content: .bytes(Array(piece)),
        isMeasured: section.attributes.contains(.measured), host: &host, door: door)
      build.page += count
      build.pagesAdded += count
      rest -= count
    }
    return true
  }

  /// Pages whose bytes are taken out of the image in one go.
  private static let pagesAtOnce = 1024

  private func metadata(of build: TDImageBuild, host: LinuxHost) throws(TDError) -> TDVFImage {
    if let metadata = build.metadata { return metadata }
    let metadata: TDVFImage
    do throws(TDVFError) {
      metadata = try TDVFImage(build.bytes)
    } catch {
      throw TDError(.invalidArgument, "the image of TD \(name) is no TD firmware: \(error)")
    }
    guard metadata.pagesToAdd <= host.pages.freePages else {
      throw TDError(
        .noMemory, "the image asks for \(metadata.pagesToAdd) pages, and the host has \(host.pages.freePages) free")
    }
    return metadata
  }
}
