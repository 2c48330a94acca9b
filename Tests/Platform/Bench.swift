import Basics
import Kernfs
import ModuleImage
import SystemPackage
import Testing

@testable import Platform

/// A machine on the bench: its files are used as clients use them, without a mount in between.
final class Bench: Sendable {
  let machine: EmulatedMachine
  let files: MachineFiles
  static let root = Caller(uid: 0, gid: 0, pid: 1)

  init(_ options: [String: String] = [:]) throws {
    var machineOptions = MachineOptions()
    machineOptions.seed = 1
    for (name, value) in options { #expect(try machineOptions.set(name, to: value)) }
    machine = try EmulatedMachine(options: machineOptions)
    files = MachineFiles(
      machine: machine,
      environment: MachineFilesEnvironment(
        uid: 0, gid: 0, timeOfDay: { Timestamp(seconds: 0) }, mayWriteRawIO: { $0.uid == 0 }))
  }

  var tree: Tree { files.tree }

  /// The directory of the upload device.
  var upload: String { "firmware/\(machine.profile.uploadName)" }

  func open(_ path: String, _ flags: OpenFlags = []) throws(Errno) -> OpenFileID {
    guard let node = tree.node(at: path) else { throw .noSuchFileOrDirectory }
    return try tree.open(node, flags: flags.union(.largeFile), by: Self.root).id
  }

  /// cat
  func read(_ path: String) throws(Errno) -> String {
    let file = try open(path)
    defer { tree.release(file, by: Self.root) }
    return String(decoding: try tree.bytes(file, at: 0, count: 4096, by: Self.root), as: UTF8.self)
  }

  /// echo TEXT >
  @discardableResult
  func write(_ text: String, to path: String) throws(Errno) -> Int {
    try write(Array(text.utf8), to: path)
  }

  /// Writes all bytes, one write call after the other, as cat does.
  @discardableResult
  func write(_ bytes: [UInt8], to path: String) throws(Errno) -> Int {
    let file = try open(path, .writeOnly)
    defer { tree.release(file, by: Self.root) }
    var offset = 0
    while offset < bytes.count {
      switch try tree.write(file, at: Int64(offset), Array(bytes[offset...].prefix(4096)), by: Self.root) {
      case .consumed(let count): offset += count
      case .wait: throw .resourceTemporarilyUnavailable
      }
    }
    return offset
  }

  /// The three lines of an update, and the wait for its end. Gives `error`.
  @discardableResult
  func update(to image: [UInt8]) throws(Errno) -> String {
    try write("1\n", to: "\(upload)/loading")
    try write(image, to: "\(upload)/data")
    try write("0\n", to: "\(upload)/loading")
    machine.worker.drain()
    return try read("\(upload)/error")
  }

  /// A key of `.tdxfs/status`.
  func status(_ key: String) -> String? { machine.status().values[key] }

  /// The kernel log without times.
  var log: [String] {
    machine.kernelLog().split(separator: "\n").compactMap { line in
      line.firstIndex(of: "]").map { String(line[line.index($0, offsetBy: 2)...]) }
    }
  }
}

/// Forged images, small ones so that thousands can be tried.
enum Images {
  static func forge(
    _ version: String, pages: Int? = 4, format: ModuleImageFile.Format = .blob,
    _ change: (inout ImageForge) -> Void = { _ in }
  ) throws -> [UInt8] {
    let version = try #require(ModuleVersion(version))
    var forge = try ImageForge(version: version)
    if let pages { forge.pages = pages }
    change(&forge)
    return try forge.file(format: format)
  }
}
