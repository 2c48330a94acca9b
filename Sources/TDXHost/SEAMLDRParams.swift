import Basics
import SEAM

/// What SEAMLDR_PARAMS looks like (kernel-abi.md 4.4).
public struct SEAMLDRParamsRule: Equatable, Sendable {
  /// Entries of the list of sigstruct pages: 1 or 4.
  public var sigstructEntries: Int
  /// VERSION is 1 when the sigstruct has more than one page; else always 0.
  public var versionOneForSeveralSigstructPages: Bool
  /// NUM_MODULE_PAGES is what the image announces, even where the list was clamped.
  public var modulePagesAsAnnounced = false

  /// Such a structure.
  public init(sigstructEntries: Int, versionOneForSeveralSigstructPages: Bool) {
    self.sigstructEntries = sigstructEntries
    self.versionOneForSeveralSigstructPages = versionOneForSeveralSigstructPages
  }

  /// `SEAMLDR_SCENARIO_UPDATE`. Linux never asks for 0, a cold install.
  static let scenarioUpdate: UInt32 = 1

  /// The 4096 bytes for pages at these addresses, of an image that announces so many bytes of sigstruct and pages of module.
  public func bytes(
    sigstruct: [UInt64], module: [UInt64], sigstructSize: Int, announcedModulePages: UInt32
  ) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 4096)
    bytes.store(UInt32(versionOneForSeveralSigstructPages && sigstructSize > 4096 ? 1 : 0), at: 0)
    bytes.store(Self.scenarioUpdate, at: 4)
    for (index, page) in sigstruct.prefix(sigstructEntries).enumerated() { bytes.store(page, at: 8 + 8 * index) }
    bytes.store(modulePagesAsAnnounced ? UInt64(announcedModulePages) : UInt64(module.count), at: 120)
    for (index, page) in module.enumerated() { bytes.store(page, at: 128 + 8 * index) }
    return bytes
  }
}

/// An image in host memory, as the P-SEAMLDR gets it.
struct StagedParams: Sendable, Codable {
  /// The SEAMLDR_PARAMS page: RCX of INSTALL.
  var page: UInt64
  /// All pages that have to be given back, the params page first.
  var pages: [UInt64]
}

extension LinuxHost {
  /// Puts `image` and SEAMLDR_PARAMS into memory page by page; nil, and nothing taken, without memory.
  mutating func stage(_ image: [UInt8], door: some SEAMCALLDoor) -> StagedParams? {
    let parts = profile.layout.pages(of: image)
    // The image lies in vmalloc'ed pages, and what is handed on are the physical addresses of its parts.
    let indexes = Set((parts.sigstruct + parts.module).map { $0 / 4096 }).sorted()
    guard let pages = pages.allocate(1 + indexes.count), let params = pages.first else { return nil }
    var frames: [Int: UInt64] = [:]
    for (index, page) in zip(indexes, pages.dropFirst()) {
      let bytes = Array(image[(index * 4096)..<min(image.count, (index + 1) * 4096)])
      door.writePhysical(bytes + [UInt8](repeating: 0, count: 4096 - bytes.count), at: page)
      frames[index] = page
    }
    func addresses(_ offsets: [Int]) -> [UInt64] { offsets.map { (frames[$0 / 4096] ?? 0) + UInt64($0 % 4096) } }
    door.writePhysical(
      profile.params.bytes(
        sigstruct: addresses(parts.sigstruct), module: addresses(parts.module),
        sigstructSize: ImageLayout.partSizes(of: image).sigstruct,
        announcedModulePages: profile.layout.pageCounts(of: image).module), at: params)
    return StagedParams(page: params, pages: pages)
  }
}
