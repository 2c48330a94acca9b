import Basics
import Kernfs
import Platform
import SystemPackage

/// A machine of the recorded options in this process, without a mount.
public final class BenchTarget: ReplayTarget {
  private let machine: EmulatedMachine
  private let files: MachineFiles
  private let isDenied = Guarded(false)
  private static let root = Caller(uid: 0, gid: 0, pid: 1)

  /// A machine of `options`, just powered on.
  public init(options: MachineOptions, readFile: (String) throws -> String) throws(ReplayError) {
    do throws(OptionError) {
      machine = try EmulatedMachine(options: options, readFile: readFile)
    } catch {
      throw ReplayError("the recorded machine cannot be made: \(error)")
    }
    let isDenied = isDenied
    files = MachineFiles(
      machine: machine,
      environment: MachineFilesEnvironment(
        uid: 0, gid: 0, timeOfDay: { Timestamp(seconds: 0) }, mayWriteRawIO: { _ in !isDenied.withLock { $0 } }),
      extra: options.control ? [ControlDirectory.entry(for: machine)] : [])
  }

  /// Whether no upload runs.
  public var isIdle: Bool { files.isUploadIdle }

  /// How many records the trace has.
  public func recordCount() -> Int { machine.traceCount }

  /// The trace.
  public func trace() -> [UInt8] { machine.traceLines() }

  /// Does `step`; what is refused is in the trace.
  public func perform(_ step: Recording.Step) {
    isDenied.withLock { $0 = step.isDenied }
    _ = try? { () throws(Errno) in try performThrowing(step) }()
  }

  private func performThrowing(_ step: Recording.Step) throws(Errno) {
    let names = step.path.split(separator: "/").map(String.init)
    guard let name = names.last else { return }
    let parent = { () throws(Errno) in try self.node(names.dropLast()) }
    switch step.action {
    case .write(let bytes): try write(bytes, at: 0, to: names)
    case .data(let offset, let bytes, let chunk):
      for start in stride(from: 0, to: bytes.count, by: chunk) {
        try write(Array(bytes[start..<min(start + chunk, bytes.count)]), at: offset &+ Int64(start), to: names)
      }
    case .read:
      let file = try files.tree.open(node(names), flags: .largeFile, by: Self.root).id
      defer { files.tree.release(file, by: Self.root) }
      _ = try files.tree.read(file, at: 0, count: 4096, by: Self.root)
    case .create: _ = try files.tree.makeNode(name, mode: 0o100600, in: parent(), by: Self.root)
    case .unlink: try files.tree.unlink(name, in: parent(), by: Self.root)
    case .makeDirectory: _ = try files.tree.makeDirectory(name, in: parent(), by: Self.root)
    case .removeDirectory: try files.tree.removeDirectory(name, in: parent(), by: Self.root)
    }
  }

  private func node(_ names: some Sequence<String>) throws(Errno) -> NodeID {
    var id = NodeID.root
    for name in names { id = try files.tree.lookup(name, in: id).id }
    return id
  }

  /// A write that has to wait for an update is left to itself, as the recorded client's was.
  private func write(_ bytes: [UInt8], at offset: Int64, to names: [String]) throws(Errno) {
    let file = try files.tree.open(node(names), flags: [.writeOnly, .largeFile], by: Self.root).id
    let tree = files.tree
    tree.write(file, at: offset, bytes, by: Self.root) { _ in tree.release(file, by: Self.root) }
  }
}
