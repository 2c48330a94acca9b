import ModuleImage
import Testing

@Suite(
  "Intel's eleven images", .enabled(if: IntelBinaries.isAvailable, "TDXFS_INTEL_BINARIES is not set"),
  .timeLimit(.minutes(1)))
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
