import Basics
import ModuleImage
import Testing

@Suite("Forged images", .timeLimit(.minutes(20)))
struct ImageForgeTests {
  private static let versions = ReleaseTable.all.map(\.version)

  /// The version, SVN, date and CPU list of some releases, from pseamldr.md 6.1 and 6.3.
  private static let expectations: [(ModuleVersion, ModuleSVN, UInt32, [UInt32], UInt16)] = [
    (ModuleVersion(1, 5, 1), ModuleSVN(major: 1, minor: 4), 0x2023_1008, [0x806F8, 0xC06F0], 0),
    (ModuleVersion(1, 5, 24), ModuleSVN(major: 1, minor: 13), 0x2025_0729, [0x806F8, 0xC06F0], 1),
    (ModuleVersion(1, 5, 25), ModuleSVN(major: 1, minor: 13), 0x2025_0902, [0xA06F0], 1),
    (ModuleVersion(1, 5, 34), ModuleSVN(major: 1, minor: 15), 0x2026_0330, [0x806F8, 0xC06F0, 0xA06F0], 2),
    (ModuleVersion(2, 0, 2), ModuleSVN(major: 3, minor: 3), 0x2024_0814, [0xA06D0], 0),
    (ModuleVersion(2, 0, 18), ModuleSVN(major: 3, minor: 9), 0x2026_0211, [0xA06D0, 0xA06E0], 2),
  ]

  @Test("The twin of a release says what the release says", arguments: expectations)
  func twin(version: ModuleVersion, svn: ModuleSVN, date: UInt32, cpus: [UInt32], hv: UInt16) throws {
    let (sigstruct, _) = try ImageForge(version: version).forge()
    #expect(sigstruct.svn == svn)
    #expect(sigstruct[SEAMSigstruct.date] == date)
    #expect(sigstruct.cpuidTable == cpus)
    #expect(sigstruct[SEAMSigstruct.moduleHV] == hv)
    #expect(sigstruct[SEAMSigstruct.minUpdateHV] == 0)
  }

  @Test("A forged release is taken by its line's loader and found out by content", arguments: versions)
  func identified(version: ModuleVersion) throws {
    let (sigstruct, module) = try ImageForge(version: version).forge()
    let program = ModuleProgram.identify(sigstruct: sigstruct, image: module)
    #expect(program.version == version)
    #expect(program.versionSource == (version.major == 2 ? .sigstruct : .constantBlock))
    let release = try #require(ReleaseTable.release(version))
    var expected = ModuleProgram(release: release)
    expected.versionSource = program.versionSource
    #expect(program == expected)

    var conditions = ImageVerification.Conditions()
    conditions.runningSVN = release.svn
    conditions.sockets = release.cpus
    conditions.handoffVersion = 0
    for format in ModuleImageFile.Format.allCases {
      let bytes = ModuleImageFile.bytes(format: format, sigstruct: sigstruct, module: module)
      let file = try ModuleImageFile(bytes)
      #expect(ImageVerification(file, conditions: conditions).failures == [])
      #expect(file.module == module)
      #expect(file.sigstruct == sigstruct)
      #expect(file.format == format)
    }
  }

  @Test("A 2.0 twin's constant block says the same as its sigstruct, and there is exactly one", arguments: versions)
  func constantBlock(version: ModuleVersion) throws {
    let (sigstruct, module) = try ImageForge(version: version).forge()
    let block = try #require(ConstantBlock.find(in: module, sigstruct: sigstruct))
    #expect(block.version == version)
    #expect(block.handoff == sigstruct.handoffRange)
    #expect(block.minorSVN == sigstruct[SEAMSigstruct.minorSVN])
  }

  @Test(
    "A version that is not known yet is told all the same",
    arguments: [
      (ModuleVersion(1, 5, 26), ModuleVersion(1, 5, 25)), (ModuleVersion(1, 5, 99), ModuleVersion(1, 5, 34)),
      (ModuleVersion(1, 5, 300), ModuleVersion(1, 5, 34)), (ModuleVersion(1, 5, 0), ModuleVersion(1, 5, 1)),
      (ModuleVersion(2, 0, 20), ModuleVersion(2, 0, 18)), (ModuleVersion(2, 0, 65535), ModuleVersion(2, 0, 18)),
      (ModuleVersion(2, 1, 3), ModuleVersion(2, 0, 18)), (ModuleVersion(3, 0, 0), ModuleVersion(2, 0, 18)),
    ])
  func future(version: ModuleVersion, metadata: ModuleVersion) throws {
    let (sigstruct, module) = try ImageForge(version: version).forge()
    let program = ModuleProgram.identify(sigstruct: sigstruct, image: module)
    #expect(program.version == version)
    #expect(program.metadataRelease == metadata)
    #expect(program.features0 == ReleaseTable.release(metadata)?.features0)
    #expect(module.count == 115 * 4096)
  }

  @Test("The same values give the same bytes, other values others")
  func deterministic() throws {
    let forge = try ImageForge(version: ModuleVersion(1, 5, 24))
    let bytes = try forge.file(format: .blob)
    #expect(try ImageForge(version: ModuleVersion(1, 5, 24)).file(format: .blob) == bytes)
    var other = forge
    other.svn.minor = 14
    #expect(try other.forge().module != forge.forge().module)
    #expect(try ImageForge(version: ModuleVersion(1, 5, 25)).forge().module != forge.forge().module)
  }

  @Test("Everything can be chosen, and the image tells it back")
  func chosen() throws {
    var forge = try ImageForge(version: ModuleVersion(2, 0, 30))
    forge.svn = ModuleSVN(major: 3, minor: 200)
    forge.cpus = [0x806F8, 0xA06D1]
    forge.handoff = HandoffRange(moduleHV: 7, minUpdateHV: 3, noDowngrade: false)
    forge.builtInHandoff = HandoffRange(moduleHV: 8, minUpdateHV: 3, noDowngrade: true)
    forge.pages = 3
    let (sigstruct, module) = try forge.forge()
    #expect(module.count == 3 * 4096)
    #expect(sigstruct.svn == ModuleSVN(major: 3, minor: 200))
    #expect(sigstruct.cpuidTable == [0x806F8, 0xA06D1])
    #expect(sigstruct.handoffRange == HandoffRange(moduleHV: 7, minUpdateHV: 3, noDowngrade: false))
    let program = ModuleProgram.identify(sigstruct: sigstruct, image: module)
    #expect(program.version == ModuleVersion(2, 0, 30))
    #expect((program.moduleHV, program.minUpdateHV) == (8, 3))
    #expect(program.noDowngrade)
    #expect(!program.isDebug)
  }

  @Test("Images of every size are taken by the loader", arguments: [1, 2, 3, 80, 496])
  func sizes(pages: Int) throws {
    for version in [ModuleVersion(1, 5, 24), ModuleVersion(2, 0, 14)] {
      var forge = try ImageForge(version: version)
      forge.pages = pages
      let file = try ModuleImageFile(try forge.file(format: .image))
      #expect(file.modulePages == pages)
      #expect(ImageVerification(file, conditions: .init()).failures == [])
      #expect(ModuleELF.entryPoint(of: file.module) == UInt64(file.sigstruct[SEAMSigstruct.ripOffset]))
    }
  }

  @Test("A debug-signed image says so, and is refused on a production machine only")
  func debugSigned() throws {
    var forge = try ImageForge(version: ModuleVersion(1, 5, 24))
    forge.isDebugSigned = true
    forge.cpus = []
    let file = try ModuleImageFile(try forge.file(format: .blob))
    #expect(ModuleProgram.identify(sigstruct: file.sigstruct, image: file.module).isDebug)
    #expect(ImageVerification(file, conditions: .init()).failures.map(\.rule) == [.debugSigned])
    var underDebug = ImageVerification.Conditions()
    underDebug.isSystemUnderDebug = true
    #expect(ImageVerification(file, conditions: underDebug).isPassed)
  }

  @Test("What no image can be is refused")
  func refused() throws {
    #expect(throws: ForgeError.unknownLine(ModuleVersion(1, 6, 0))) { try ImageForge(version: ModuleVersion(1, 6, 0)) }
    #expect(throws: ForgeError.versionTooHigh(ModuleVersion(256, 0, 0))) {
      try ImageForge(version: ModuleVersion(256, 0, 0))
    }
    func error(_ change: (inout ImageForge) -> Void) -> ForgeError? {
      guard var forge = try? ImageForge(version: ModuleVersion(2, 1, 0)) else { return nil }
      change(&forge)
      do {
        _ = try forge.forge()
        return nil
      } catch {
        return error
      }
    }
    #expect(error { $0.pages = 0 } == .pages(0))
    #expect(error { $0.pages = 497 } == .pages(497))
    #expect(error { $0.pages = .min } == .pages(.min))
    #expect(error { $0.cpus = [] } == .noCPUs)
    #expect(error { $0.cpus = Array(repeating: 0x806F8, count: 256) } == .tooManyCPUs(256))
    #expect(error { $0.cpus = Array(repeating: 0x806F8, count: 255) } == nil)
    let backwards = HandoffRange(moduleHV: 1, minUpdateHV: 2, noDowngrade: false)
    #expect(error { $0.handoff = backwards } == .handoffRange(backwards))
    #expect(error { $0.builtInHandoff = $0.handoff } == .builtInsNotTold(ModuleVersion(2, 1, 0)))
  }

  @Test("Two blocks that fit are no answer; a block that does not fit the sigstruct neither")
  func ambiguousBlock() throws {
    let (sigstruct, module) = try ImageForge(version: ModuleVersion(1, 5, 40)).forge()
    #expect(ConstantBlock.find(in: module, sigstruct: sigstruct) != nil)
    var twice = module
    twice.store(Array(module[0x200..<0x250]), at: 0x8008)
    #expect(ConstantBlock.find(in: twice, sigstruct: sigstruct) == nil)
    var unaligned = module
    unaligned.store(Array(module[0x200..<0x250]), at: 0x8004)
    #expect(ConstantBlock.find(in: unaligned, sigstruct: sigstruct) != nil)
    var other = sigstruct
    other.svn.minor = 99
    #expect(ConstantBlock.find(in: module, sigstruct: other) == nil)
    other = sigstruct
    other[SEAMSigstruct.date] = 0x2031_0101
    #expect(ConstantBlock.find(in: module, sigstruct: other) == nil)
    other[SEAMSigstruct.date] = 0x20FF_0101
    #expect(ConstantBlock.find(in: module, sigstruct: other) == nil)
    // A block at the very end of an image, with and without its handoff words.
    let ending = [UInt8](repeating: 0, count: 64) + module[0x200..<0x250]
    #expect(ConstantBlock.find(in: ending, sigstruct: sigstruct)?.handoff == sigstruct.handoffRange)
    let short = Array(ending.dropLast(24))
    #expect(ConstantBlock.find(in: short, sigstruct: sigstruct)?.version == ModuleVersion(1, 5, 40))
    #expect(ConstantBlock.find(in: short, sigstruct: sigstruct)?.handoff == nil)
    #expect(ConstantBlock.find(in: Array(short.dropLast(8)), sigstruct: sigstruct) == nil)
    #expect(ConstantBlock.find(in: [], sigstruct: sigstruct) == nil)
  }
}

@Suite("Images that do not tell their version", .timeLimit(.minutes(20)))
struct IdentificationTests {
  private func program(_ change: (inout SEAMSigstruct) -> Void) -> ModuleProgram {
    var sigstruct = SEAMSigstruct()
    change(&sigstruct)
    return ModuleProgram.identify(sigstruct: sigstruct, image: [UInt8](repeating: 0, count: 4096))
  }

  @Test("An SVN that one release has is that release")
  func uniqueSVN() {
    let found = program { $0.svn = ModuleSVN(major: 1, minor: 8) }
    #expect(found.version == ModuleVersion(1, 5, 9))
    #expect(found.versionSource == .svnTable)
    #expect(found.buildNumber == 813)
  }

  @Test("3.4 is told apart by the date, 1.13 by the CPU list")
  func ties() {
    for (date, update) in [(UInt32(0x2025_0109), UInt16(4)), (0x2025_0123, 5)] {
      let found = program {
        $0.svn = ModuleSVN(major: 3, minor: 4)
        $0[SEAMSigstruct.date] = date
      }
      #expect(found.version == ModuleVersion(2, 0, update))
    }
    for (cpus, update) in [([UInt32(0x806F8), 0xC06F0], UInt16(24)), ([0xA06F3], 25)] {
      let found = program {
        $0.svn = ModuleSVN(major: 1, minor: 13)
        $0[SEAMSigstruct.cpuidTableSize] = UInt32(cpus.count)
        $0.replace(1028..<(1028 + 4 * cpus.count), with: cpus.flatMap(\.littleEndianBytes))
      }
      #expect(found.version == ModuleVersion(1, 5, update))
    }
  }

  @Test("A tie that nothing breaks, or an SVN that nobody has, leaves the line and update 0")
  func unknown() {
    for (svn, version) in [
      (ModuleSVN(major: 3, minor: 4), ModuleVersion(2, 0, 0)), (ModuleSVN(major: 1, minor: 13), ModuleVersion(1, 5, 0)),
      (ModuleSVN(major: 1, minor: 77), ModuleVersion(1, 5, 0)),
      (ModuleSVN(major: 3, minor: 77), ModuleVersion(2, 0, 0)),
    ] {
      let found = program { $0.svn = svn }
      #expect(found.version == version)
      #expect(found.versionSource == .unknown)
    }
  }

  @Test("Bytes 1000 to 1007 go before everything but the hash: the word of 2.0.04")
  func sigstructWord() {
    let found = program {
      $0.svn = ModuleSVN(major: 1, minor: 8)
      $0[SEAMSigstruct.moduleVersion] = 0x0200_0004
      $0[SEAMSigstruct.releaseInfo] = 0x0008_035B
      $0[SEAMSigstruct.date] = 0x2025_0109
    }
    #expect(found.version == ModuleVersion(2, 0, 4))
    #expect(found.versionSource == .sigstruct)
    #expect((found.buildNumber, found.internalVersion, found.buildDate) == (859, 8, 2025_0109))
  }

  @Test("No sigstruct and no image make identification crash")
  func randomBytes() throws {
    var generator = SeededGenerator(seed: 7)
    for _ in 0..<300 {
      let bytes = (0..<2048).map { _ in UInt8.random(in: 0...255, using: &generator) }
      let image = (0..<Int.random(in: 0...200, using: &generator)).map { _ in
        UInt8.random(in: 0...255, using: &generator)
      }
      _ = ModuleProgram.identify(sigstruct: try #require(SEAMSigstruct(bytes)), image: image)
    }
  }
}
