import Basics

/// The 20 public releases of the TDX module.
///
/// Sources, row by row: identity and dates pseamldr.md 6.1 and 6.3, handoff and CPU lists tdx-module.md 4.3, the last
/// four columns the newest revision of Intel's mapping file (pseamldr.md 7.3).
public enum ReleaseTable {
  /// All releases, the 1.5 line first, each line in order of version.
  public static let all: [ModuleRelease] = [
    ModuleRelease(
      version: .init(1, 5, 1), minorSVN: 4, majorSVN: 1,
      buildDate: 2023_1008, buildNumber: 595, internalVersion: 0,
      seamHash:
        "9790d89a10210ec6968a773cee2ca05b5aa97309f36727a968527be4606fc19e6f73acce350946c9d46a9bf7a63f8430",
      moduleHV: 0, minUpdateHV: 0, noDowngrade: false, cryptoVersion: nil, handoffPages: 13,
      cpus: [0x806F8, 0xC06F0], features0: 0xF0FBF, imagePages: 102, entryPoints: (0x38e24, 0x5c000),
      minVersionForTDPreserving: .init(1, 5, 1), minSEAMLDRVersions: [.init(1, 5, 0)],
      strictCompatVersions: []),
    ModuleRelease(
      version: .init(1, 5, 5), minorSVN: 5, majorSVN: 1,
      buildDate: 2024_0129, buildNumber: 698, internalVersion: 0,
      seamHash:
        "1cc6a17ab799e9a693fac7536be61c12ee1e0fabada82d0c999e08ccee2aa86de77b0870f558c570e7ffe55d6d47fa04",
      moduleHV: 0, minUpdateHV: 0, noDowngrade: false, cryptoVersion: nil, handoffPages: 13,
      cpus: [0x806F8, 0xC06F0, 0xA06F0], features0: 0x1F0FBF, imagePages: 102, entryPoints: (0x3922c, 0x5c000),
      minVersionForTDPreserving: .init(1, 5, 1), minSEAMLDRVersions: [.init(1, 5, 0), .init(2, 0, 0)],
      strictCompatVersions: [.init(1, 5, 1)]),
    ModuleRelease(
      version: .init(1, 5, 6), minorSVN: 6, majorSVN: 1,
      buildDate: 2024_0407, buildNumber: 744, internalVersion: 0,
      seamHash:
        "5b38e33a6487958b72c3c12a938eaa5e3fd4510c51aeeab58c7d5ecee41d7c436489d6c8e4f92f160b7cad34207b00c1",
      moduleHV: 0, minUpdateHV: 0, noDowngrade: false, cryptoVersion: nil, handoffPages: 13,
      cpus: [0x806F8, 0xC06F0, 0xA06F0], features0: 0x2E1F0FBF, imagePages: 101, entryPoints: (0x33b70, 0x5a000),
      minVersionForTDPreserving: .init(1, 5, 1), minSEAMLDRVersions: [.init(1, 5, 0), .init(2, 0, 0)],
      strictCompatVersions: []),
    ModuleRelease(
      version: .init(1, 5, 8), minorSVN: 7, majorSVN: 1,
      buildDate: 2024_0725, buildNumber: 784, internalVersion: 4,
      seamHash:
        "49b66faa451d19ebbdbe89371b8daf2b65aa3984ec90110343e9e2eec116af08850fa20e3b1aa9a874d77a65380ee7e6",
      moduleHV: 0, minUpdateHV: 0, noDowngrade: false, cryptoVersion: nil, handoffPages: 13,
      cpus: [0x806F8, 0xC06F0, 0xA06F0], features0: 0x22E1F0FBF, imagePages: 101, entryPoints: (0x33d58, 0x5a000),
      minVersionForTDPreserving: .init(1, 5, 1), minSEAMLDRVersions: [.init(1, 5, 0), .init(2, 0, 0)],
      strictCompatVersions: [.init(1, 5, 6)]),
    ModuleRelease(
      version: .init(1, 5, 9), minorSVN: 8, majorSVN: 1,
      buildDate: 2024_0912, buildNumber: 813, internalVersion: 0,
      seamHash:
        "bfb360ac8e6233a1bca1433caf7382d95c165b4a77fb00bf1435e5a08f300cdfead5ee68461afd9b6c728dce7534602d",
      moduleHV: 0, minUpdateHV: 0, noDowngrade: false, cryptoVersion: nil, handoffPages: 13,
      cpus: [0x806F8, 0xC06F0, 0xA06F0], features0: 0x26F1F0FBF, imagePages: 109, entryPoints: (0x35320, 0x60000),
      minVersionForTDPreserving: .init(1, 5, 1), minSEAMLDRVersions: [.init(1, 5, 0), .init(2, 0, 0)],
      strictCompatVersions: []),
    ModuleRelease(
      version: .init(1, 5, 13), minorSVN: 10, majorSVN: 1,
      buildDate: 2025_0207, buildNumber: 864, internalVersion: 0,
      seamHash:
        "27b67e0b20508f0acfb8a99df4283a7c86ae569d85d556a91d4eb20e56b5d42d5e65b31a3a6996e8e461f104f32fdeec",
      moduleHV: 0, minUpdateHV: 0, noDowngrade: false, cryptoVersion: nil, handoffPages: 13,
      cpus: [0x806F8, 0xC06F0, 0xA06F0], features0: 0x226F1F0FBF, imagePages: 109, entryPoints: (0x379dc, 0x4b000),
      minVersionForTDPreserving: .init(1, 5, 1), minSEAMLDRVersions: [.init(1, 5, 0), .init(2, 0, 0)],
      strictCompatVersions: [.init(1, 5, 6), .init(1, 5, 8)]),
    ModuleRelease(
      version: .init(1, 5, 16), minorSVN: 11, majorSVN: 1,
      buildDate: 2025_0219, buildNumber: 869, internalVersion: 0,
      seamHash:
        "7bf063280e94fb051f5dd7b1fc59ce9aac42bb961df8d44b709c9b0ff87a7b4df648657ba6d1189589feab1d5a3c9a9d",
      moduleHV: 0, minUpdateHV: 0, noDowngrade: false, cryptoVersion: nil, handoffPages: 13,
      cpus: [0x806F8, 0xC06F0, 0xA06F0], features0: 0x226F3F0FBF, imagePages: 115, entryPoints: (0x3a35c, 0x50000),
      minVersionForTDPreserving: .init(1, 5, 1), minSEAMLDRVersions: [.init(1, 5, 0), .init(2, 0, 0)],
      strictCompatVersions: []),
    ModuleRelease(
      version: .init(1, 5, 20), minorSVN: 12, majorSVN: 1,
      buildDate: 2025_0531, buildNumber: 920, internalVersion: 0,
      seamHash:
        "d0d80c085166ba78ccc69af268e5753cf0f3394523cb4ff7c50b08d9265c82489c099c377be6a400e4d2b57da924012c",
      moduleHV: 0, minUpdateHV: 0, noDowngrade: false, cryptoVersion: nil, handoffPages: 13,
      cpus: [0x806F8, 0xC06F0, 0xA06F0], features0: 0x10326F3F0FBF, imagePages: nil, entryPoints: nil,
      minVersionForTDPreserving: .init(1, 5, 1), minSEAMLDRVersions: [.init(1, 5, 0), .init(2, 0, 0)],
      strictCompatVersions: [.init(1, 5, 16)]),
    ModuleRelease(
      version: .init(1, 5, 24), minorSVN: 13, majorSVN: 1,
      buildDate: 2025_0729, buildNumber: 943, internalVersion: 0,
      seamHash:
        "489e585f1c54bc5a02066c8c6ec21619ff0334ec6f21e07e2a35202c59183789c8057e7d97dd591bb08314b185819e72",
      moduleHV: 1, minUpdateHV: 0, noDowngrade: true, cryptoVersion: 1, handoffPages: 13,
      cpus: [0x806F8, 0xC06F0], features0: 0xD1326F3F0FBF, imagePages: nil, entryPoints: nil,
      minVersionForTDPreserving: .init(1, 5, 1), minSEAMLDRVersions: [.init(1, 5, 0)],
      strictCompatVersions: [.init(1, 5, 16), .init(1, 5, 20)]),
    ModuleRelease(
      version: .init(1, 5, 25), minorSVN: 13, majorSVN: 1,
      buildDate: 2025_0902, buildNumber: 954, internalVersion: 0,
      seamHash:
        "fca4ff221293807e3d247416299ca39a236872df4eb414567ca96072d3fde7dead740f807eefe2f7d938499c03cc8aba",
      moduleHV: 1, minUpdateHV: 0, noDowngrade: true, cryptoVersion: 1, handoffPages: 13,
      cpus: [0xA06F0], features0: 0xD1326F3F0FBF, imagePages: nil, entryPoints: nil,
      minVersionForTDPreserving: .init(1, 5, 1), minSEAMLDRVersions: [.init(2, 0, 0)],
      strictCompatVersions: [.init(1, 5, 16), .init(1, 5, 20), .init(1, 5, 24)]),
    ModuleRelease(
      version: .init(1, 5, 28), minorSVN: 14, majorSVN: 1,
      buildDate: 2025_1126, buildNumber: 989, internalVersion: 0,
      seamHash:
        "346bc77a1846cac214dd2e8edeb9ee4349449d6c3f9ff2c52149a634c27b7fd1bd314c2ef6b973eeebd55742952531a1",
      moduleHV: 1, minUpdateHV: 0, noDowngrade: true, cryptoVersion: 1, handoffPages: 13,
      cpus: [0x806F8, 0xC06F0, 0xA06F0], features0: 0x18D1326F3F0FBF, imagePages: nil, entryPoints: nil,
      minVersionForTDPreserving: .init(1, 5, 1), minSEAMLDRVersions: [.init(1, 5, 0), .init(2, 0, 0)],
      strictCompatVersions: [.init(1, 5, 16), .init(1, 5, 20), .init(1, 5, 24), .init(1, 5, 25)]),
    ModuleRelease(
      version: .init(1, 5, 34), minorSVN: 15, majorSVN: 1,
      buildDate: 2026_0330, buildNumber: 1024, internalVersion: 0,
      seamHash:
        "ab62561a173acbd18ee50ff37750db44184c6cf5e886df74247cc575e163b04c34b9e18374757c235affa614d4127f6b",
      moduleHV: 2, minUpdateHV: 0, noDowngrade: true, cryptoVersion: 2, handoffPages: 13,
      cpus: [0x806F8, 0xC06F0, 0xA06F0], features0: 0x15AD9326F3F1FBF, imagePages: nil, entryPoints: nil,
      minVersionForTDPreserving: .init(1, 5, 1), minSEAMLDRVersions: [.init(1, 5, 0), .init(2, 0, 0)],
      strictCompatVersions: [.init(1, 5, 16), .init(1, 5, 20), .init(1, 5, 24), .init(1, 5, 25), .init(1, 5, 28)]),
    ModuleRelease(
      version: .init(2, 0, 2), minorSVN: 3, majorSVN: 3,
      buildDate: 2024_0814, buildNumber: 786, internalVersion: 0,
      seamHash:
        "685f891ea5c20e8fa27b151bf34bf3b50fbaf7143cc53662727cbdb167c0ad8385f1f6f3571539a91e104a1c96d75e04",
      moduleHV: 0, minUpdateHV: 0, noDowngrade: false, cryptoVersion: nil, handoffPages: 24,
      cpus: [0xA06D0], features0: 0x22E1F0FBF, imagePages: 131, entryPoints: (0x47158, 0x76000),
      minVersionForTDPreserving: .init(2, 0, 2), minSEAMLDRVersions: [.init(2, 0, 0)],
      strictCompatVersions: []),
    ModuleRelease(
      version: .init(2, 0, 4), minorSVN: 4, majorSVN: 3,
      buildDate: 2025_0109, buildNumber: 859, internalVersion: 8,
      seamHash:
        "64cae497e0c6221176fe8d3bc9d0cf25b4c97bb24cc16499f77102451f15bb24249f1aa3e5d3bf8897be74ad6c84e648",
      moduleHV: 0, minUpdateHV: 0, noDowngrade: false, cryptoVersion: nil, handoffPages: 24,
      cpus: [0xA06D0, 0xA06E0], features0: 0x26F1F0FBF, imagePages: 134, entryPoints: (0x4ab18, 0x78000),
      minVersionForTDPreserving: .init(2, 0, 4), minSEAMLDRVersions: [.init(2, 0, 0)],
      strictCompatVersions: []),
    ModuleRelease(
      version: .init(2, 0, 5), minorSVN: 4, majorSVN: 3,
      buildDate: 2025_0123, buildNumber: 863, internalVersion: 0,
      seamHash:
        "6f65e570e3bc418d2576f31aada40f7f7ce1ea810f964aa9bc70066a89ac1fc6e0d6b76d3f86a16405172b2c3e078528",
      moduleHV: 0, minUpdateHV: 0, noDowngrade: false, cryptoVersion: nil, handoffPages: 24,
      cpus: [0xA06D0, 0xA06E0], features0: 0x26F1F0FBF, imagePages: 134, entryPoints: (0x4aaf8, 0x78000),
      minVersionForTDPreserving: .init(2, 0, 4), minSEAMLDRVersions: [.init(2, 0, 0)],
      strictCompatVersions: [.init(2, 0, 4)]),
    ModuleRelease(
      version: .init(2, 0, 8), minorSVN: 5, majorSVN: 3,
      buildDate: 2025_0325, buildNumber: 882, internalVersion: 0,
      seamHash:
        "476a2997c62bccc78370913d0a80b956e3721b24272bc66c4d6307ced4be2865c40e26afac75f12df3425b03eb59ea7c",
      moduleHV: 0, minUpdateHV: 0, noDowngrade: false, cryptoVersion: nil, handoffPages: 24,
      cpus: [0xA06D0, 0xA06E0], features0: 0x10326F3F0FBF, imagePages: 146, entryPoints: (0x4f2f0, 0x69000),
      minVersionForTDPreserving: .init(2, 0, 4), minSEAMLDRVersions: [.init(2, 0, 0)],
      strictCompatVersions: []),
    ModuleRelease(
      version: .init(2, 0, 12), minorSVN: 6, majorSVN: 3,
      buildDate: 2025_0605, buildNumber: 924, internalVersion: 0,
      seamHash:
        "87bdf50356b95e264a5d0807016b9b8ab7568d0857d27eddbe847f98184a786e0f3eecf2fabd3b6d23f71f2ae50300f4",
      moduleHV: 0, minUpdateHV: 0, noDowngrade: false, cryptoVersion: nil, handoffPages: 24,
      cpus: [0xA06D0, 0xA06E0], features0: 0x10326F3F0FBF, imagePages: nil, entryPoints: nil,
      minVersionForTDPreserving: .init(2, 0, 4), minSEAMLDRVersions: [.init(2, 0, 0)],
      strictCompatVersions: [.init(2, 0, 8)]),
    ModuleRelease(
      version: .init(2, 0, 14), minorSVN: 7, majorSVN: 3,
      buildDate: 2026_0425, buildNumber: 947, internalVersion: 0,
      seamHash:
        "aef4ed3e686fe6cf44c9a8d1cc63105443b558ac4f40c282abf78271e9a4586c50408c8584c7b43fd21edb736700ba5f",
      moduleHV: 1, minUpdateHV: 0, noDowngrade: true, cryptoVersion: 1, handoffPages: 24,
      cpus: [0xA06D0, 0xA06E0], features0: 0xD1326F3F0FBF, imagePages: nil, entryPoints: nil,
      minVersionForTDPreserving: .init(2, 0, 4), minSEAMLDRVersions: [.init(2, 0, 0)],
      strictCompatVersions: [.init(2, 0, 8), .init(2, 0, 12)]),
    ModuleRelease(
      version: .init(2, 0, 16), minorSVN: 8, majorSVN: 3,
      buildDate: 2025_1204, buildNumber: 994, internalVersion: 0,
      seamHash:
        "f40772d82608da5443887dd7247be3e0092927e62409a9bb8da98eaed9017704be075466a13d3ca30501000d69407495",
      moduleHV: 1, minUpdateHV: 0, noDowngrade: true, cryptoVersion: 1, handoffPages: 24,
      cpus: [0xA06D0, 0xA06E0], features0: 0x18D1326F3F0FBF, imagePages: nil, entryPoints: nil,
      minVersionForTDPreserving: .init(2, 0, 4), minSEAMLDRVersions: [.init(2, 0, 0)],
      strictCompatVersions: [.init(2, 0, 8), .init(2, 0, 12), .init(2, 0, 14)]),
    ModuleRelease(
      version: .init(2, 0, 18), minorSVN: 9, majorSVN: 3,
      buildDate: 2026_0211, buildNumber: 1013, internalVersion: 0,
      seamHash:
        "2d2de102461684f14c8d0984a09d895e3e9e15944ce020a03b977e1f114d5e1ed32ef666a47fd19a5851b3800eda3afa",
      moduleHV: 2, minUpdateHV: 0, noDowngrade: true, cryptoVersion: 1, handoffPages: 24,
      cpus: [0xA06D0, 0xA06E0], features0: 0x15AD9326F3F1FBF, imagePages: nil, entryPoints: nil,
      minVersionForTDPreserving: .init(2, 0, 4), minSEAMLDRVersions: [.init(2, 0, 0)],
      strictCompatVersions: [.init(2, 0, 8), .init(2, 0, 12), .init(2, 0, 14), .init(2, 0, 16)]),
  ]

  /// The release `version`.
  public static func release(_ version: ModuleVersion) -> ModuleRelease? {
    all.first { $0.version == version }
  }

  /// The release whose image has the SHA-384 `hash`, 48 bytes.
  public static func release(seamHash hash: some Sequence<UInt8>) -> ModuleRelease? {
    let text = hash.hexadecimal
    return all.first { $0.seamHash == text }
  }

  /// The highest release of `version`'s line that is not above it; else the lowest of its line.
  public static func nearest(to version: ModuleVersion) -> ModuleRelease? {
    let line = all.filter { $0.version.isSameLine(as: version) }
    return line.last { $0.version <= version } ?? line.first
  }
}
