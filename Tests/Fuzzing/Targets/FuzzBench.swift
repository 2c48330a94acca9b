import Basics
import ControlTree
import Kernfs
import ModuleImage
import Platform
import SystemPackage

/// A machine and its files, without a mount in between.
final class FuzzBench: Sendable {
  let machine: EmulatedMachine
  let files: MachineFiles
  static let root = Caller(uid: 0, gid: 0, pid: 1)

  /// A machine with the options in `text`, just powered on.
  convenience init?(_ text: String) {
    guard let options = try? MachineOptions(text: text), let machine = try? EmulatedMachine(options: options) else {
      return nil
    }
    self.init(machine)
  }

  /// A machine like `other` is now, and independent of it.
  convenience init(like other: FuzzBench) {
    self.init(EmulatedMachine(like: other.machine, in: other.machine.state))
  }

  private init(_ machine: EmulatedMachine) {
    self.machine = machine
    files = MachineFiles(
      machine: machine,
      environment: MachineFilesEnvironment(
        uid: 0, gid: 0, timeOfDay: { Timestamp(seconds: 0) }, mayWriteRawIO: { $0.uid == 0 }),
      extra: [ControlDirectory.entry(for: machine)])
  }

  var tree: Tree { files.tree }

  /// The directory of the upload device.
  var upload: String { "firmware/\(machine.profile.uploadName)" }

  /// Waits until no update runs.
  func settle() { machine.worker.drain() }

  private func node(_ path: String) throws(Errno) -> NodeID {
    var id = NodeID.root
    for name in path.split(separator: "/") { id = try tree.lookup(String(name), in: id).id }
    return id
  }

  /// cat; nil where it fails.
  @discardableResult
  func read(_ path: String) -> String? {
    guard let file = try? tree.open(node(path), flags: .largeFile, by: Self.root).id else { return nil }
    defer { tree.release(file, by: Self.root) }
    guard let bytes = try? tree.bytes(file, at: 0, count: 1 << 20, by: Self.root) else { return nil }
    return String(decoding: bytes, as: UTF8.self)
  }

  @discardableResult
  func write(_ text: String, to path: String) -> Errno? { write(Array(text.utf8), to: path) }

  /// One open, writes of `chunk` bytes, close. Gives the errno that ended it. Where a write would wait for an update, the
  /// update is waited for first.
  @discardableResult
  func write(_ bytes: [UInt8], to path: String, chunk: Int = 4096, from start: Int64 = 0) -> Errno? {
    do throws(Errno) {
      let file = try tree.open(node(path), flags: [.writeOnly, .largeFile], by: Self.root).id
      defer { tree.release(file, by: Self.root) }
      var offset = 0
      repeat {
        let part = Array(bytes[offset...].prefix(max(1, chunk)))
        do throws(Errno) {
          switch try tree.write(file, at: start &+ Int64(offset), part, by: Self.root) {
          case .consumed(let count): offset += max(1, count)
          case .wait: settle()
          }
        } catch {
          guard error == .restartSystemCall else { throw error }
          settle()
        }
      } while offset < bytes.count
      return nil
    } catch {
      return error
    }
  }

  /// The three lines of an update, and the wait for its end. Gives `error`.
  @discardableResult
  func update(to image: [UInt8], chunk: Int = 4096) -> String? {
    write("1\n", to: "\(upload)/loading")
    write(image, to: "\(upload)/data", chunk: chunk)
    write("0\n", to: "\(upload)/loading")
    settle()
    return read("\(upload)/error")
  }

  /// Every text that the machine shows; they are made, and idle means idle.
  func lookAtAll() throws {
    settle()
    for file in ["version", "seamldr_version", "num_remaining_updates"] { read(file) }
    for file in ["loading", "error", "remaining_size"] { read("\(upload)/\(file)") }
    if let status = read("\(upload)/status") {
      try Finding.unless(status == "idle\n", "no update runs, and status is '\(status)'")
    }
    _ = machine.kernelLog()
    _ = machine.kernelMessages()
    try Finding.unless(!machine.why().text.isEmpty, "why is empty")
    try Finding.unless(machine.status().values["power"] != nil, "status does not tell power")
    for line in machine.traceLines().split(separator: UInt8(ascii: "\n")) {
      try Finding.unless(JSONValue(text: line) != nil, "a line of the trace is no JSON")
    }
    let found = machine.state.silicon.module.inconsistencies
    try Finding.unless(found.isEmpty, found.joined(separator: "; "))
  }
}

/// Forged images, small so that many can be tried.
enum FuzzImages {
  static func forge(_ version: ModuleVersion, _ format: ModuleImageFile.Format, pages: Int = 2) -> [UInt8] {
    guard var forge = try? ImageForge(version: version) else { return [] }
    forge.pages = pages
    return (try? forge.file(format: format)) ?? []
  }

  /// A few that machines take, and some that some do not.
  static let small: [[UInt8]] = [
    forge(ModuleVersion(1, 5, 28), .blob), forge(ModuleVersion(1, 5, 34), .image), forge(ModuleVersion(1, 5, 6), .blob),
    forge(ModuleVersion(2, 0, 8), .image), forge(ModuleVersion(2, 0, 14), .blob),
    forge(ModuleVersion(1, 5, 28), .image),
  ]

  /// One of them with some fields changed, as the input says; signed again if it says so.
  static func changed(_ choice: inout FuzzInput) -> [UInt8] {
    let flags = choice.byte()
    guard var bytes = choice.element(of: small), bytes.count > 3 * 4096 else { return [] }
    let isSigned = flags & 1 != 0, isSummed = flags & 2 != 0, isCut = flags & 4 != 0
    for _ in 0..<(choice.byte() % 12) {
      // The header, the sigstruct, the module.
      let start = [0, 0, 4096, 4096, 4096 + 900, 8192].map { $0 }[choice.below(6)]
      let place = start + Int(choice.number(UInt16.self)) % min(4096, bytes.count - start)
      let value: [UInt8] =
        switch choice.byte() % 6 {
        case 0: [choice.byte()]
        case 1: [bytes[place] ^ 1 << (choice.byte() & 7)]
        case 2: choice.number(UInt32.self).littleEndianBytes
        case 3: choice.number(UInt64.self).littleEndianBytes
        case 4: UInt32(choice.byte()).littleEndianBytes
        default: [0xFF, 0xFF, 0xFF, 0xFF]
        }
      for (index, byte) in value.enumerated() where place + index < bytes.count { bytes[place + index] = byte }
    }
    if isSigned, bytes.count >= 4096 + SEAMSigstruct.size,
      var sigstruct = SEAMSigstruct(bytes[4096..<(4096 + SEAMSigstruct.size)])
    {
      if flags & 8 != 0 {
        sigstruct.replace(SEAMSigstruct.seamHashRange, with: ImageDigest.sha384(Array(bytes[8192...])))
      }
      _ = sigstruct.signWithDevKey()
      bytes.replaceSubrange(4096..<(4096 + SEAMSigstruct.size), with: sigstruct.bytes)
    }
    if isCut {
      let length = Int(choice.number(UInt16.self)) % (bytes.count + 4096)
      bytes =
        length <= bytes.count ? Array(bytes[..<length]) : bytes + [UInt8](repeating: 0, count: length - bytes.count)
    }
    if isSummed, bytes.count >= 4096 {
      bytes[2] = 0
      bytes[3] = 0
      let sum = (0 &- ImageChecksum.wordSum(bytes)).littleEndianBytes
      bytes[2] = sum[0]
      bytes[3] = sum[1]
    }
    return bytes
  }
}
