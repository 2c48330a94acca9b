import ArgumentParser
import ModuleImage
import SystemPackage
import TDXHost

#if canImport(Glibc)
  import Glibc
#endif

/// `tdxfs matrix-cell`: one try, inside `tdxfs run`. Not for people.
struct MatrixCellCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "matrix-cell", abstract: "One try of the matrix, inside tdxfs run.", shouldDisplay: false)

  @Option(name: .long) var client: String
  @Option(name: .long) var kernel: String
  @Option(name: .long) var image: String
  @Option(name: .long, transform: ImageArguments.version) var version: ModuleVersion
  @Option(name: .long) var intel: String?

  func run() throws {
    guard let client = MatrixClient(rawValue: client), let profile = ABIProfile.named(kernel),
      let control = MountedMachine.environment("TDXFS_CONTROL")
    else { throw Failure.usage("matrix-cell runs inside tdxfs run, started by tdxfs matrix") }
    let before = moduleVersion(profile)
    let verdict = try verdict(of: client)
    let upload = "/sys/class/firmware/\(profile.uploadName)"
    // A client may have left without waiting.
    if access(upload, F_OK) == 0 { _ = try? ClientFiles.waitForIdle(upload) }
    let why = String(decoding: try MountedMachine.readFile(FilePath(control).appending("why")), as: UTF8.self)
    let lines = why.split(separator: "\n").map(String.init)
    func value(_ key: String) -> String {
      lines.first { $0.hasPrefix(key + "=") }.map { String($0.dropFirst(key.utf8.count + 1)) } ?? "-"
    }
    let error = (try? ClientFiles.text(upload + "/error")) ?? ""
    let report = CellReport(
      client: verdict, versionBefore: before, versionAfter: moduleVersion(profile), error: error.isEmpty ? "-" : error,
      why: lines.first ?? "-", result: value("result"), lost: value("lost"))
    Output.print(report.lines, terminator: "")
  }

  private func verdict(of client: MatrixClient) throws -> ClientVerdict {
    if let intel { return ProgramClients.intelSelector(in: intel, version: version) }
    do throws(ClientStop) {
      switch client {
      case .shell: return ProgramClients.shell(image: image)
      case .selectorOld: return try selector(.old)
      case .selectorHybrid: return try selector(.hybrid)
      case .selectorNew: return try selector(.new)
      case .heldLoading, .nulLoading, .rdwrData, .shortWrite:
        return try UploadClient(habit: client, image: image).run()
      }
    } catch {
      return error.verdict
    }
  }

  private func selector(_ revision: SelectorRevision) throws(ClientStop) -> ClientVerdict {
    let text = MountedMachine.environment("TDXFS_CPUID_1_EAX") ?? ""
    let signature = UInt32(text.dropFirst(2), radix: 16) ?? 0
    return try SelectorClient(revision: revision, image: image, version: version, signature: signature).run()
  }

  /// What the kernel's version file says, `-` when it cannot be read.
  private func moduleVersion(_ profile: ABIProfile) -> String {
    let file = profile.files.first { file in
      if case .version = file.content { return true }
      return false
    }
    guard let file else { return "no such file" }
    do throws(ClientStop) {
      return try ClientFiles.text("/sys/\(profile.root)/\(file.path)")
    } catch {
      return "-"
    }
  }
}
