import ArgumentParser
import ControlTree
import Platform
import SystemPackage

#if canImport(Glibc)
  import Glibc
#endif

/// `tdxfs replay FILE`: does a recorded run again and says where it first differs.
struct ReplayCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "replay", abstract: "Repeat a recorded run on a fresh machine and compare.",
    discussion: """
      FILE is what `tdxfs trace` printed. With clock=virtual the runs have to be the same to the byte, else but for times. \
      Status 0 when they are, 1 when they differ.
      """)

  @Argument(help: "The recorded trace.")
  var file: String

  @Option(name: .long, help: "A directory with the images that were uploaded, if the trace has them not itself.")
  var images: String?

  @Option(name: .long, help: "A mounted machine, fresh and of the same options, in place of one of our own.")
  var at: String?

  func run() throws {
    let library = try images.map { try ImageLibrary(directory: $0) } ?? ImageLibrary()
    let recording: Recording
    do throws(RecordingError) {
      recording = try Recording(text: Self.file(file)) { library.image($0) }
    } catch {
      throw Failure.refused("\(file): \(error)")
    }
    let difference: ReplayDifference?
    do throws(ReplayError) {
      if let at {
        let target = MountTarget(machine: try Self.machine(at: at), options: recording.options)
        try target.checkFreshness(of: recording)
        difference = try recording.replay(on: target) { usleep(1000) }
      } else {
        let target = try BenchTarget(options: recording.options) {
          String(decoding: try MountedMachine.readFile(FilePath($0)), as: UTF8.self)
        }
        difference = try recording.replay(on: target) { usleep(1000) }
      }
    } catch {
      throw Failure.refused("\(file): \(error)")
    }
    let times = recording.options.clock == .virtual ? "" : ", but for times"
    guard let difference else {
      Output.print("identical: \(recording.lines.count) records\(times)")
      return
    }
    Output.print("record \(difference.record) differs")
    Output.print("recorded: \(difference.recorded ?? "(the end)")")
    Output.print("replayed: \(difference.replayed ?? "(the end)")")
    throw ExitCode(1)
  }

  /// The bytes of the trace at `path`.
  static func file(_ path: String) throws(RecordingError) -> [UInt8] {
    do { return try MountedMachine.readFile(FilePath(path)) } catch { throw RecordingError("cannot be read: \(error)") }
  }

  private static func machine(at path: String) throws(ReplayError) -> MountedMachine {
    do { return try MountedMachine.find(at: path) } catch { throw ReplayError("\(error)") }
  }
}

/// A mounted machine as the place of a replay.
struct MountTarget: ReplayTarget {
  let machine: MountedMachine
  let options: MachineOptions

  /// Refuses a machine that is not as the recorded one was at its beginning.
  func checkFreshness(of recording: Recording) throws(ReplayError) {
    let lines = try trace().split(separator: UInt8(ascii: "\n"))
    let options = lines.first.map { String(decoding: $0, as: UTF8.self) }.flatMap(Recording.options(in:))
    guard let options, options == recording.lines.first.flatMap(Recording.options(in:)) else {
      throw ReplayError(
        "the machine on \(machine.mountPoint) has other options; mount one with -o "
          + (recording.lines.first.flatMap(Recording.options(in:)) ?? ""))
    }
    guard lines.count == 1 else {
      throw ReplayError("the machine on \(machine.mountPoint) is not fresh: something was done on it already")
    }
  }

  var isIdle: Bool {
    guard let path = options.uploadPath else { return true }
    // Without device there is no upload either.
    guard let status = try? MountedMachine.readFile(machine.mountPoint.appending(path + "/status")) else { return true }
    return status == Array("idle\n".utf8)
  }

  func recordCount() throws(ReplayError) -> Int { try trace().count { $0 == UInt8(ascii: "\n") } }

  func trace() throws(ReplayError) -> [UInt8] {
    do { return try machine.read("trace") } catch { throw ReplayError("\(error)") }
  }

  func perform(_ step: Recording.Step) {
    let path = machine.mountPoint.appending(step.path)
    switch step.action {
    case .write(let bytes): try? write(bytes, chunk: bytes.count, at: 0, to: path)
    case .data(let offset, let bytes, let chunk): try? write(bytes, chunk: chunk, at: offset, to: path)
    case .read: _ = try? MountedMachine.readFile(path)
    case .create:
      let file = try? FileDescriptor.open(
        path, .writeOnly, options: [.create, .exclusiveCreate], permissions: .ownerReadWrite)
      try? file?.close()
    case .unlink: unlink(path.string)
    case .makeDirectory: mkdir(path.string, 0o700)
    case .removeDirectory: rmdir(path.string)
    }
  }

  private func write(_ bytes: [UInt8], chunk: Int, at offset: Int64, to path: FilePath) throws {
    let file = try FileDescriptor.open(path, .writeOnly)
    defer { try? file.close() }
    for start in stride(from: 0, to: bytes.count, by: max(1, chunk)) {
      let part = bytes[start..<min(start + chunk, bytes.count)]
      _ = try part.withUnsafeBytes { try file.write(toAbsoluteOffset: offset &+ Int64(start), $0) }
    }
  }
}
