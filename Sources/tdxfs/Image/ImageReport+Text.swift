import Basics
import ModuleImage

extension ImageReport {
  /// The report for people, a fact a line.
  func text(path: String) -> String {
    let sigstruct = file.sigstruct
    var lines = [path]
    func line(_ name: String, _ value: String) {
      lines.append("  " + name + String(repeating: " ", count: max(1, 14 - name.count)) + value)
    }
    line("version", "\(program.version) (\(versionOrigin))")
    line("build", "\(program.buildNumber) of \(date)\(sigstruct.isDebugSigned ? ", debug-signed" : "")")
    line("SVN", sigstruct.svn.description)
    line("signed by", "\(signer?.name ?? "a key that tdxfs does not know") (\(signatureWords))")
    line("key pin", pin.description)
    line("for CPUs", cpuWords)
    line("handoff", handoffWords)
    line("module", "\(file.modulePages) pages, SHA-384 \(digest.hexadecimal)")
    line("", isHashRight ? "the same as SEAMHASH" : "SEAMHASH is another: the module was changed after it was signed")
    line("file", "header \(file.format.name), \(file.fileSize) bytes, checksum 0x\(file.checksum.paddedHexadecimal)")
    for problem in file.problems { line("", problem) }
    for generation in ManifestRules.Generation.allCases {
      line("\(generation.rawValue) loader", verdict(of: generation).map { "refuses: \($0)" } ?? "accepts")
    }
    return lines.joined(separator: "\n")
  }

  /// Why a loader of `generation` refuses the sigstruct whatever the machine is; nil when it accepts it.
  func verdict(of generation: ManifestRules.Generation) -> String? {
    var conditions = ImageVerification.Conditions()
    conditions.rules = ManifestRules(generation)
    let failure = ImageVerification(file, conditions: conditions).failures.first { $0.rule != nil }
    guard case .failed(let reason) = failure?.outcome else { return nil }
    return reason
  }

  private var signatureWords: String {
    switch signature {
    case .valid: "the signature is valid"
    case .mismatch: "the signature does not match"
    case .unusableKey: "the key is unusable"
    }
  }

  private var cpuWords: String {
    let table = file.sigstruct.cpuidTable
    return table.isEmpty ? "none listed" : table.map(ProcessorFamily.describe).joined(separator: ", ")
  }

  private var handoffWords: String {
    let signed = file.sigstruct.handoffRange
    var words = "writes \(signed.moduleHV), reads \(signed.minUpdateHV) to \(signed.moduleHV)"
    if signed.noDowngrade { words += ", no downgrade" }
    if program.handoff != signed {
      words += "; the module's own constants differ: \(program.moduleHV), from \(program.minUpdateHV)"
    }
    return words
  }
}

extension ModuleProgram {
  /// The built-in handoff versions.
  var handoff: HandoffRange {
    HandoffRange(moduleHV: moduleHV, minUpdateHV: minUpdateHV, noDowngrade: noDowngrade)
  }
}
