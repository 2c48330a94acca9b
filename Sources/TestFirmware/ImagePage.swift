import Basics

/// The page that images begin in. The page allocator gives the page that was freed last and does not clear it, so behind
/// a short image stands what the image before it left there.
final class ImagePage: Sendable {
  private static let size = 4096
  private let bytes = Guarded([UInt8](repeating: 0, count: size))

  /// A page of zeros.
  init() {}

  /// Puts the start of `image` into the page; gives the whole page.
  func lay(_ image: [UInt8]) -> [UInt8] {
    bytes.withLock { bytes in
      let start = image.prefix(Self.size)
      bytes.replaceSubrange(0..<start.count, with: start)
      return bytes
    }
  }
}
