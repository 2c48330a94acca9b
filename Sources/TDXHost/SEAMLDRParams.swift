import Basics
import SEAM

/// What SEAMLDR_PARAMS looks like (kernel-abi.md 4.4).
public struct SEAMLDRParamsRule: Equatable, Sendable {
  /// Entries of the list of sigstruct pages: 1 or 4.
  public var sigstructEntries: Int
  /// VERSION is 1 when the sigstruct has more than one page; else always 0.
  public var versionOneForSeveralSigstructPages: Bool

  /// Such a structure.
  public init(sigstructEntries: Int, versionOneForSeveralSigstructPages: Bool) {
    self.sigstructEntries = sigstructEntries
    self.versionOneForSeveralSigstructPages = versionOneForSeveralSigstructPages
  }

  /// `SEAMLDR_SCENARIO_UPDATE`. Linux never asks for 0, a cold install.
  static let scenarioUpdate: UInt32 = 1

  /// The 4096 bytes for pages at these addresses.
  public func bytes(sigstruct: [UInt64], module: [UInt64]) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 4096)
    bytes.store(UInt32(versionOneForSeveralSigstructPages && sigstruct.count > 1 ? 1 : 0), at: 0)
    bytes.store(Self.scenarioUpdate, at: 4)
    for (index, page) in sigstruct.prefix(sigstructEntries).enumerated() { bytes.store(page, at: 8 + 8 * index) }
    bytes.store(UInt64(module.count), at: 120)
    for (index, page) in module.enumerated() { bytes.store(page, at: 128 + 8 * index) }
    return bytes
  }
}

/// An image in host memory, as the P-SEAMLDR gets it.
struct StagedParams: Sendable {
  /// The SEAMLDR_PARAMS page: RCX of INSTALL.
  var page: UInt64
  /// All pages that have to be given back, the params page first.
  var pages: [UInt64]
}

extension LinuxHost {
  /// Puts `image` and SEAMLDR_PARAMS into memory page by page; nil, and nothing taken, without memory.
  mutating func stage(_ image: [UInt8], door: some SEAMCALLDoor) -> StagedParams? {
    let parts = profile.layout.pages(of: image)
    guard let pages = pages.allocate(1 + parts.sigstruct.count + parts.module.count) else { return nil }
    for (offset, page) in zip(parts.sigstruct + parts.module, pages.dropFirst()) {
      door.writePhysical(Array(image[offset..<(offset + 4096)]), at: page)
    }
    let sigstruct = Array(pages.dropFirst().prefix(parts.sigstruct.count))
    let module = Array(pages.dropFirst(1 + parts.sigstruct.count))
    guard let params = pages.first else { return nil }
    door.writePhysical(profile.params.bytes(sigstruct: sigstruct, module: module), at: params)
    return StagedParams(page: params, pages: pages)
  }
}
