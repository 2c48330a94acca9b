import ModuleImage
import Testing

@Suite(
  "Intel's eleven images", .enabled(if: IntelBinaries.isAvailable, "TDXFS_INTEL_BINARIES is not set"),
  .timeLimit(.minutes(20)))
struct IntelImageTests {
  @Test("A genuine sigstruct has the golden digest, Intel's pin and a valid signature", arguments: GoldenImage.all)
  func signature(golden: GoldenImage) throws {
    let sigstruct = try #require(SEAMSigstruct(try IntelBinaries.sigstructBytes(golden.version)))
    #expect(sigstruct.signedDigest.map { hex($0) }.joined() == golden.signedDigest)
    #expect(
      sigstruct.keyPin.description
        == "c8572f548869a0beca19376b81c2dffc2a23b5a5f71da0b87579b43f408daa1a33bad9c149eb56c634f883737968a34c")
    #expect(sigstruct.verifySignature() == .valid)
    #expect(TrustedSigners.standard.signer(with: sigstruct.keyPin)?.name == "Intel")
  }

  @Test("A genuine image is identified by its hash", arguments: GoldenImage.all)
  func identifiedByHash(golden: GoldenImage) throws {
    let sigstruct = try #require(SEAMSigstruct(try IntelBinaries.sigstructBytes(golden.version)))
    let program = ModuleProgram.identify(sigstruct: sigstruct, image: try IntelBinaries.moduleBytes(golden.version))
    #expect(program.version.description == golden.version)
    #expect(program.versionSource == .releaseHash)
  }

  @Test("Were the hashes not known, each would still be identified by content", arguments: GoldenImage.all)
  func identifiedByContent(golden: GoldenImage) throws {
    let sigstruct = try #require(SEAMSigstruct(try IntelBinaries.sigstructBytes(golden.version)))
    let program = ModuleProgram.identify(
      sigstruct: sigstruct, image: try IntelBinaries.moduleBytes(golden.version), hash: [])
    #expect(program.version.description == golden.version)
    #expect(program.versionSource == (golden.isVersion2 ? .sigstruct : .svnTable))
    #expect(program.moduleHV == 0)
    #expect(program.minUpdateHV == 0)
    #expect(!program.noDowngrade)
  }

  @Test("A genuine blob reads as the golden table says", arguments: GoldenImage.all)
  func blob(golden: GoldenImage) throws {
    let bytes = try IntelBinaries.blob(golden.version)
    #expect(bytes.count == golden.fileBytes)
    let file = try ModuleImageFile(bytes)
    #expect(file.problems == [])
    #expect(file.format == .blob)
    #expect(file.checksum == golden.checksum)
    #expect(file.modulePages == golden.pages)
    #expect(file.module == (try IntelBinaries.moduleBytes(golden.version)))
    let sigstruct = file.sigstruct
    #expect(sigstruct.bytes == (try IntelBinaries.sigstructBytes(golden.version)))
    #expect(sigstruct.svn == ModuleSVN(major: golden.svn.major, minor: golden.svn.minor))
    #expect(sigstruct[SEAMSigstruct.date] == golden.date)
    #expect(sigstruct.cpuidTable == golden.cpus)
    #expect(sigstruct[SEAMSigstruct.numHandoffPages] == golden.handoffPages)
    #expect(sigstruct[SEAMSigstruct.numGlobalDataPages] == golden.globalPages)
    #expect(sigstruct[SEAMSigstruct.ripOffset] == golden.rip)
    #expect(sigstruct[SEAMSigstruct.gdtIDTOffset] == golden.gdtIDT)
    #expect(sigstruct[SEAMSigstruct.faultWrapperOffset] == golden.faultWrapper)
    #expect(ModuleELF.entryPoint(of: file.module) == UInt64(golden.rip))
  }

  @Test("1.5 and 2.0 loaders take and refuse as the golden table says", arguments: GoldenImage.all)
  func verdicts(golden: GoldenImage) throws {
    let file = try ModuleImageFile(try IntelBinaries.blob(golden.version))
    var conditions = ImageVerification.Conditions()
    conditions.sockets = golden.cpus
    conditions.rules = ManifestRules(.v1_5)
    let old = ImageVerification(file, conditions: conditions)
    #expect(old.failures.map(\.rule) == (golden.isVersion2 ? [.reservedNotZero] : []))
    conditions.rules = ManifestRules(.v2_0)
    #expect(ImageVerification(file, conditions: conditions).isPassed)
    conditions.trusted = TrustedSigners([.dev])
    #expect(ImageVerification(file, conditions: conditions).failures.map(\.rule) == [.keyPin])
    conditions.trusted = TrustedSigners([.intel])
    conditions.rules = nil
    #expect(ImageVerification(file, conditions: conditions).isPassed)
  }

  @Test(
    "A genuine image with one changed bit, in the module or in the sigstruct, is refused", arguments: GoldenImage.all)
  func flipped(golden: GoldenImage) throws {
    let intact = try ModuleImageFile(try IntelBinaries.blob(golden.version))
    var module = intact.module
    module[module.count / 2] ^= 1
    let changed = ModuleImageFile.bytes(format: .image, sigstruct: intact.sigstruct, module: module)
    #expect(ImageVerification(try ModuleImageFile(changed), conditions: .init()).failures.map(\.rule) == [.imageHash])
    var sigstruct = intact.sigstruct
    sigstruct[SEAMSigstruct.minorSVN] += 1
    let resigned = ModuleImageFile.bytes(format: .blob, sigstruct: sigstruct, module: intact.module)
    #expect(ImageVerification(try ModuleImageFile(resigned), conditions: .init()).failures.map(\.rule) == [.signature])
  }

  @Test("A forged twin has the golden fields", arguments: GoldenImage.all)
  func twin(golden: GoldenImage) throws {
    let genuine = try #require(SEAMSigstruct(try IntelBinaries.sigstructBytes(golden.version)))
    let version = try #require(ModuleVersion(golden.version))
    var (forged, module) = try ImageForge(version: version).forge()
    #expect(module.count == golden.pages * 4096)
    // Everything but key, signature and hash is the same to the byte.
    forged.replace(SEAMSigstruct.modulusRange, with: genuine.slice(SEAMSigstruct.modulusRange))
    forged.replace(SEAMSigstruct.signatureRange, with: genuine.slice(SEAMSigstruct.signatureRange))
    forged.replace(SEAMSigstruct.seamHashRange, with: genuine.slice(SEAMSigstruct.seamHashRange))
    #expect(forged == genuine)
  }

  @Test("2.0.08 is the one with a constant block, and its ten words read as the reference says")
  func constantBlock() throws {
    for golden in GoldenImage.all {
      let sigstruct = try #require(SEAMSigstruct(try IntelBinaries.sigstructBytes(golden.version)))
      let block = ConstantBlock.find(in: try IntelBinaries.moduleBytes(golden.version), sigstruct: sigstruct)
      #expect((block != nil) == (golden.version == "2.0.08"))
      if let block {
        #expect(block.version == ModuleVersion(2, 0, 8))
        #expect(block.buildNumber == 882)
        #expect(block.internalVersion == 0)
        #expect(block.buildDate == 2025_0325)
        #expect(block.minorSVN == 5)
        #expect(block.handoff == HandoffRange(moduleHV: 0, minUpdateHV: 0, noDowngrade: false))
      }
    }
  }
}

/// Two hexadecimal digits.
func hex(_ byte: UInt8) -> String {
  let digits = String(byte, radix: 16)
  return digits.count == 1 ? "0" + digits : digits
}
