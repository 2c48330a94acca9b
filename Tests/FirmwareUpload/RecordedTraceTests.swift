import Kernfs
import SystemPackage
import Testing

@testable import FirmwareUpload

/// The recorded kernel's own answers, call by call, without a mount: each case on a device of its own.
@Suite(.timeLimit(.minutes(20)))
struct RecordedTraceTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let name: String
    let lines: [[String]]
    var testDescription: String { name }
  }

  static let cases: [Case] = {
    var cases: [Case] = []
    var name = ""
    var lines: [[String]] = []
    for line in recordedTrace.split(separator: "\n") {
      let fields = line.split(separator: "\t", omittingEmptySubsequences: false)
        .map { unescaped($0.drop { $0 == " " }) }
      if fields[0] == "case" {
        if !lines.isEmpty { cases.append(Case(name: name, lines: lines)) }
        (name, lines) = (fields[1], [])
      } else {
        lines.append(fields)
      }
    }
    return cases + [Case(name: name, lines: lines)]
  }()

  @Test("The trace is there, and whole")
  func wholeTrace() {
    #expect(Self.cases.count == 193)
    #expect(Self.cases.reduce(0) { $0 + $1.lines.count } == 1427)
  }

  @Test(arguments: cases)
  func replay(_ recorded: Case) {
    var client = Client()
    for (index, line) in recorded.lines.enumerated() {
      let answer = client.call(line[0], line[1], line[2])
      let expected = Client.Answer(result: Int(line[3]) ?? -2, errno: line[4], text: line[5])
      #expect(answer == expected, "\(recorded.name) call \(index + 1): \(line[0]) \(line[1]) \(line[2])")
    }
  }

  /// JSON's escapes.
  static func unescaped(_ text: Substring) -> String {
    var result = ""
    var rest = text.unicodeScalars[...]
    while let scalar = rest.popFirst() {
      guard scalar == "\\", let kind = rest.popFirst() else {
        result.unicodeScalars.append(scalar)
        continue
      }
      switch kind {
      case "n": result += "\n"
      case "t": result += "\t"
      case "r": result += "\r"
      case "u":
        let digits = rest.prefix(4)
        rest = rest.dropFirst(4)
        if let code = UInt32(String(digits), radix: 16), let scalar = Unicode.Scalar(code) {
          result.unicodeScalars.append(scalar)
        }
      case _: result.unicodeScalars.append(kind)
      }
    }
    return result
  }
}

/// A process that uses the device: descriptors and their positions are the VFS's business, and so this client's.
private struct Client {
  struct Answer: Equatable {
    var result: Int
    var errno = "OK"
    var text = ""
  }

  struct Descriptor {
    let file: OpenFileID
    let size: Int64
    var position: Int64 = 0
  }

  let bench = Bench()
  var descriptors: [String: Descriptor] = [:]

  mutating func call(_ call: String, _ file: String, _ arguments: String) -> Answer {
    do throws(Errno) {
      return try answer(call, file, arguments)
    } catch {
      return Answer(result: -1, errno: error.symbol)
    }
  }

  private mutating func answer(_ call: String, _ file: String, _ arguments: String) throws(Errno) -> Answer {
    // A duplicate shares the position; the second descriptor is an open of its own.
    let name = file.replacing("(dup)", with: "")
    let path = name.replacing("(fd2)", with: "")
    if name != path, descriptors[name] == nil { descriptors[name] = try opened(path, .largeFile) }
    switch call {
    case "open":
      var flags = OpenFlags.largeFile
      if arguments.contains("O_WRONLY") { flags.insert(.writeOnly) }
      if arguments.contains("O_RDWR") { flags.insert(.readWrite) }
      if arguments.contains("O_APPEND") { flags.insert(.append) }
      descriptors[name] = try opened(path, flags)
      return Answer(result: 0)
    case "close":
      descriptors[name] = nil
      return Answer(result: 0)
    case "read":
      return try read(name, count: Int(arguments) ?? -1, at: nil)
    case "pread":
      let (count, offset) = positioned(arguments)
      return try read(name, count: Int(count) ?? -1, at: offset)
    case "write":
      return try write(name, quoted(arguments), at: nil)
    case "pwrite":
      let (text, offset) = positioned(arguments)
      return try write(name, quoted(text), at: offset)
    case "lseek":
      return try seek(name, arguments)
    case "put":
      return Answer(result: try bench.put(path, quoted(arguments)))
    case "get":
      let text = try bench.get(path)
      return Answer(result: text.utf8.count, text: text)
    case "await":
      bench.runWorker()
      return Answer(result: 0)
    case "snap":
      return Answer(result: 0, text: bench.snap())
    case "poll":
      return try poll(name, arguments)
    case _:
      return Answer(result: -3)
    }
  }

  private func opened(_ path: String, _ flags: OpenFlags) throws(Errno) -> Descriptor {
    let size = try bench.tree.attributes(of: bench.node(bench.path(path))).size
    return Descriptor(file: try bench.open(path, flags), size: size)
  }

  private mutating func read(_ name: String, count: Int, at offset: Int64?) throws(Errno) -> Answer {
    guard let descriptor = descriptors[name] else { throw .badFileDescriptor }
    let bytes = try bench.tree.bytes(
      descriptor.file, at: offset ?? descriptor.position, count: count, by: root)
    if offset == nil { descriptors[name]?.position += Int64(bytes.count) }
    return Answer(result: bytes.count, text: String(decoding: bytes, as: UTF8.self))
  }

  private mutating func write(_ name: String, _ text: String, at offset: Int64?) throws(Errno) -> Answer {
    guard let descriptor = descriptors[name] else { throw .badFileDescriptor }
    let position = offset ?? descriptor.position
    // The VFS checks that the write ends within the range of offsets.
    guard position <= Int64.max - Int64(text.utf8.count) else { throw .invalidArgument }
    guard case .consumed(let count) = try bench.tree.write(descriptor.file, at: position, Array(text.utf8), by: root)
    else { return Answer(result: -3) }
    if offset == nil { descriptors[name]?.position += Int64(count) }
    return Answer(result: count)
  }

  private mutating func seek(_ name: String, _ arguments: String) throws(Errno) -> Answer {
    guard let descriptor = descriptors[name] else { throw .badFileDescriptor }
    let parts = arguments.split(separator: " ")
    let offset = Int64(parts[0]) ?? 0
    let target: Int64
    switch parts[1] {
    case "SEEK_SET": target = offset
    case "SEEK_CUR": target = descriptor.position + offset
    case "SEEK_END": target = descriptor.size + offset
    case "SEEK_DATA": target = try bench.tree.seek(descriptor.file, from: offset, to: .data)
    case _: target = try bench.tree.seek(descriptor.file, from: offset, to: .hole)
    }
    guard target >= 0, target <= 0x7FFF_FFFF else { throw .invalidArgument }
    descriptors[name]?.position = target
    return Answer(result: Int(target))
  }

  private func poll(_ name: String, _ arguments: String) throws(Errno) -> Answer {
    guard let descriptor = descriptors[name] else { throw .badFileDescriptor }
    let words = arguments.split(separator: " ")
    let bits: [(name: String, bit: UInt32)] = [
      ("IN", 0x1), ("PRI", 0x2), ("OUT", 0x4), ("ERR", 0x8), ("RDNORM", 0x40), ("WRNORM", 0x100),
    ]
    let asked = bits.filter { words.contains(Substring($0.name)) }.reduce(0x8) { $0 | $1.bit }
    let ready = try bench.tree.poll(descriptor.file).rawValue & asked
    let text = bits.filter { ready & $0.bit != 0 }.map { $0.name + " " }.joined()
    return Answer(result: ready == 0 ? 0 : 1, text: text)
  }

  private func positioned(_ arguments: String) -> (String, Int64) {
    guard let mark = arguments.lastIndex(of: "@") else { return (arguments, 0) }
    return (
      String(arguments[..<mark].dropLast()), Int64(arguments[arguments.index(after: mark)...]) ?? 0
    )
  }

  private func quoted(_ arguments: String) -> String { String(arguments.dropFirst().dropLast()) }
}
