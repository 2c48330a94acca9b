import ArgumentParser
import FuseKit
import ModuleImage

/// `tdxfs image verify`
struct ImageVerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify", abstract: "Run the P-SEAMLDR's checks on images and say which fails.",
    discussion: "The rules are those of the image's line, 1.5 or 2.0; with --at those of the machine's loader.")

  @Option(name: .long, help: "A mounted machine: its loader, CPU and running module count.")
  var at: String?

  @Option(
    name: .long, help: "The CPU to run on: spr, emr, srf, gnr, gnrd, or CPUID.1.EAX.", transform: ImageArguments.cpu)
  var cpu: UInt32?

  @Option(
    name: .long, help: "The running module, a public release: checks SVN and handoff.",
    transform: ImageArguments.version)
  var from: ModuleVersion?

  @Argument(help: "The images.")
  var files: [String]

  func run() throws {
    Heap.keepBlocks(upTo: 4 << 20)
    let conditions = try conditions()
    var failed = 0
    for path in files {
      do {
        let verification = ImageVerification(try ImageFiles.image(at: path), conditions: conditions)
        Output.print(verification.text(path: path))
        if !verification.isPassed { failed += 1 }
      } catch {
        Output.print("\(error)")
        failed += 1
      }
    }
    guard failed == 0 else { throw Failure.refused("\(failed) of \(files.count) images failed") }
  }

  /// What the options tell of the machine. `--cpu` and `--from` win over `--at`.
  private func conditions() throws -> ImageVerification.Conditions {
    var conditions = ImageVerification.Conditions()
    if let at { conditions.apply(status: try MountedMachine.find(at: at).read("status")) }
    if let cpu { conditions.sockets = [cpu] }
    if let from {
      guard let release = ReleaseTable.release(from) else {
        let known = ReleaseTable.all.map(\.version.description).joined(separator: ", ")
        throw Failure.usage("--from \(from) is no public release (known are \(known))")
      }
      conditions.apply(running: release)
    }
    return conditions
  }
}

extension ImageVerification.Conditions {
  /// Takes over what a machine's `.tdxfs/status` tells: loader, CPU and running module, as far as there are any. A
  /// running module that is no public release has the SVN and handoff version of the highest one below it.
  mutating func apply(status: [UInt8]) {
    for line in String(decoding: status, as: UTF8.self).split(separator: "\n") {
      let parts = line.split(separator: "=", maxSplits: 1)
      guard parts.count == 2 else { continue }
      switch parts[0] {
      case "cpu": if let signature = try? ImageArguments.cpu(String(parts[1])) { sockets = [signature] }
      case "seamldr": if let version = ModuleVersion(parts[1]) { rules = ManifestRules(loaderVersion: version) }
      case "module": if let version = ModuleVersion(parts[1]) { apply(running: ReleaseTable.metadata(for: version)) }
      default: continue
      }
    }
  }

  /// Takes `release` for the running module, which hands off its own MODULE_HV as Linux asks it to.
  mutating func apply(running release: ModuleRelease) {
    runningSVN = release.svn
    handoffVersion = release.moduleHV
  }
}

extension ImageVerification {
  /// The checks for people, one a line, and the verdict.
  func text(path: String) -> String {
    let verdict = isPassed ? "passes" : "fails"
    let lines = checks.map { check in
      let padding = String(repeating: " ", count: max(1, 9 - check.rows.count))
      let name = "\(check.rows)\(padding)\(check.title)"
      switch check.outcome {
      case .passed: return "  ok       \(name)"
      case .failed(let reason): return "  FAILED   \(name): \(reason)"
      case .skipped(let needs): return "  skipped  \(name): needs \(needs)"
      }
    }
    return (["\(path): \(verdict) the checks of a \(rules.generation.rawValue) loader"] + lines).joined(separator: "\n")
  }
}
