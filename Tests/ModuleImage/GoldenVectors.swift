import Testing
import ModuleImage

/// What pseamldr.md 6.1 and 6.2 say of one of Intel's eleven images.
struct GoldenImage: Sendable, CustomTestStringConvertible {
  var version: String
  var fileBytes: Int
  var checksum: UInt16
  var signedDigest: String
  var svn: (major: UInt8, minor: UInt8)
  var date: UInt32
  var cpus: [UInt32]
  var pages: Int
  var handoffPages: UInt16
  var globalPages: UInt16
  var rip: UInt32
  var gdtIDT: UInt32
  var faultWrapper: UInt32

  var testDescription: String { version }
  var isVersion2: Bool { version.hasPrefix("2.") }

  static let all: [GoldenImage] = [
    GoldenImage(
      version: "1.5.01", fileBytes: 425984, checksum: 0xD229,
      signedDigest:
        "fb9ea84d49700abfc71e0c4ad612eabb16e12b3f4a4d1bbabcb7454ced3b915057f3f8925f0f9d4dc39796bfdfce3789",
      svn: (1, 4), date: 0x20231008, cpus: [0x806F8, 0xC06F0], pages: 102, handoffPages: 13, globalPages: 21,
      rip: 0x38e24, gdtIDT: 0x5c000, faultWrapper: 0x38f84),
    GoldenImage(
      version: "1.5.05", fileBytes: 425984, checksum: 0x564C,
      signedDigest:
        "6073208546dd2ea34dc580073eb571cc773bf92a3a1192b436c5b22ccc59c54fd41bc4c46abd4cbf02d62db4d02291e0",
      svn: (1, 5), date: 0x20240129, cpus: [0x806F8, 0xC06F0, 0xA06F0], pages: 102, handoffPages: 13, globalPages: 21,
      rip: 0x3922c, gdtIDT: 0x5c000, faultWrapper: 0x3938c),
    GoldenImage(
      version: "1.5.06", fileBytes: 421888, checksum: 0x06D5,
      signedDigest:
        "cb33775d9f1da6526726afcbe63f89f9b39d68a358e9837a18aec3a25a222888e3a1adf243b160af0cbef0aea41a2775",
      svn: (1, 6), date: 0x20240407, cpus: [0x806F8, 0xC06F0, 0xA06F0], pages: 101, handoffPages: 13, globalPages: 21,
      rip: 0x33b70, gdtIDT: 0x5a000, faultWrapper: 0x33cd0),
    GoldenImage(
      version: "1.5.08", fileBytes: 421888, checksum: 0x86D5,
      signedDigest:
        "12dad2c7a5d1c6ecceca78c07c66794287fd68221145670ed0f8c152d0b045a27ff6d4a3c3b64c21a49afdb0b953e7e3",
      svn: (1, 7), date: 0x20240725, cpus: [0x806F8, 0xC06F0, 0xA06F0], pages: 101, handoffPages: 13, globalPages: 21,
      rip: 0x33d58, gdtIDT: 0x5a000, faultWrapper: 0x33eb8),
    GoldenImage(
      version: "1.5.09", fileBytes: 454656, checksum: 0x041D,
      signedDigest:
        "d7e00dd1cfc9fbf08b45d5b9528128d476119750dc6b93b46c5f5c83383e2de37a02ec7b610857fd2423b742daf92376",
      svn: (1, 8), date: 0x20240912, cpus: [0x806F8, 0xC06F0, 0xA06F0], pages: 109, handoffPages: 13, globalPages: 21,
      rip: 0x35320, gdtIDT: 0x60000, faultWrapper: 0x35480),
    GoldenImage(
      version: "1.5.13", fileBytes: 454656, checksum: 0x73EE,
      signedDigest:
        "df088a6bb2655242d2029a4aa5c5b860e7d7187380ae5f1a6fdbc84fbc827f9fc8411c5bb9555623bfb48fd7199ae9e8",
      svn: (1, 10), date: 0x20250207, cpus: [0x806F8, 0xC06F0, 0xA06F0], pages: 109, handoffPages: 13, globalPages: 21,
      rip: 0x379dc, gdtIDT: 0x4b000, faultWrapper: 0x37b3c),
    GoldenImage(
      version: "1.5.16", fileBytes: 479232, checksum: 0x56A7,
      signedDigest:
        "3b54ddd6f1edef235d8b9d90e9f0a2da0b5304417e4bb796e05ef9d023ab173d64575c412c474ca9a737c3d6b287ea3b",
      svn: (1, 11), date: 0x20250219, cpus: [0x806F8, 0xC06F0, 0xA06F0], pages: 115, handoffPages: 13, globalPages: 21,
      rip: 0x3a35c, gdtIDT: 0x50000, faultWrapper: 0x3a4bc),
    GoldenImage(
      version: "2.0.02", fileBytes: 544768, checksum: 0xF5B6,
      signedDigest:
        "3ef7b0dd52a52eff4d17b41e879bf802ec42a65e777c7899858e4423436d5e0d34259ae82489f89690c73d50fa53f941",
      svn: (3, 3), date: 0x20240814, cpus: [0xA06D0], pages: 131, handoffPages: 24, globalPages: 33,
      rip: 0x47158, gdtIDT: 0x76000, faultWrapper: 0x472b8),
    GoldenImage(
      version: "2.0.04", fileBytes: 557056, checksum: 0xD97D,
      signedDigest:
        "e03ea31a33203bada90c3d2744ac4386f76c9df83e06cc420d94c706b60b38a8a6bb3637b27d3e2e2e2e31f12b37ab66",
      svn: (3, 4), date: 0x20250109, cpus: [0xA06D0, 0xA06E0], pages: 134, handoffPages: 24, globalPages: 33,
      rip: 0x4ab18, gdtIDT: 0x78000, faultWrapper: 0x4ac78),
    GoldenImage(
      version: "2.0.05", fileBytes: 557056, checksum: 0x6208,
      signedDigest:
        "6af6d6aa0e326c634a7459e356bc1646e3202a6b7cbf62a31692e3aa8b38ecc681b3a3285c773004bb7f8eac66ecb542",
      svn: (3, 4), date: 0x20250123, cpus: [0xA06D0, 0xA06E0], pages: 134, handoffPages: 24, globalPages: 33,
      rip: 0x4aaf8, gdtIDT: 0x78000, faultWrapper: 0x4ac58),
    GoldenImage(
      version: "2.0.08", fileBytes: 606208, checksum: 0x6C81,
      signedDigest:
        "c39e963a30f9ca64be165cc375d1233de595f8f1b3469ac1039ba48008fbb519b7f2ab0f0165479704d8a1331eddb1c3",
      svn: (3, 5), date: 0x20250325, cpus: [0xA06D0, 0xA06E0], pages: 146, handoffPages: 24, globalPages: 33,
      rip: 0x4f2f0, gdtIDT: 0x69000, faultWrapper: 0x4f450),
  ]
}
