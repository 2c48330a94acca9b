import Basics
import ModuleImage

extension ImageReport {
  /// The report for machines. The names are stable.
  func json(path: String) -> JSON {
    let sigstruct = file.sigstruct
    return .object([
      .init("path", .string(path)),
      .init("version", .string(program.version.description)),
      .init("version_source", .string(program.versionSource.rawValue)),
      .init("public_release", .bool(release != nil)),
      .init("build_number", .number(Int(program.buildNumber))),
      .init("internal_version", .number(Int(program.internalVersion))),
      .init("date", .string(date)),
      .init("svn_major", .number(Int(sigstruct.svn.major))),
      .init("svn_minor", .number(Int(sigstruct.svn.minor))),
      .init("debug_signed", .bool(sigstruct.isDebugSigned)),
      .init("signer", signer.map { .string($0.name) } ?? .null),
      .init("key_pin", .string(pin.description)),
      .init("signature", .string(signature.rawValue)),
      .init("cpus", .array(sigstruct.cpuidTable.map { .string(String($0, radix: 16, uppercase: true)) })),
      .init("handoff", Self.json(sigstruct.handoffRange)),
      .init("built_in_handoff", Self.json(program.handoff)),
      .init("features0", .string("0x" + String(program.features0, radix: 16, uppercase: true))),
      .init("module_pages", .number(file.modulePages)),
      .init("module_sha384", .string(digest.hexadecimal)),
      .init("seamhash_matches", .bool(isHashRight)),
      .init("header", .string(file.format.name)),
      .init("file_bytes", .number(file.fileSize)),
      .init("checksum", .string("0x" + file.checksum.paddedHexadecimal)),
      .init("problems", .array(file.problems.map { .string($0) })),
      .init("refused_by_1_5", verdict(of: .v1_5).map { .string($0) } ?? .null),
      .init("refused_by_2_0", verdict(of: .v2_0).map { .string($0) } ?? .null),
    ])
  }

  private static func json(_ range: HandoffRange) -> JSON {
    .object([
      .init("module_hv", .number(Int(range.moduleHV))),
      .init("min_update_hv", .number(Int(range.minUpdateHV))),
      .init("no_downgrade", .bool(range.noDowngrade)),
    ])
  }
}
