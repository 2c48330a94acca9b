import Basics
import Fuzzing
import SystemPackage
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// What fuzzers found worth keeping, run again: inputs that reach what others do not, and those that once found something.
@Suite("The fuzzers' corpus", .timeLimit(.minutes(20)))
struct CorpusTests {
  private static let corpus = FilePath(#filePath).removingLastComponent().removingLastComponent().appending("Corpus")

  @Test("runs without a finding", arguments: FuzzTarget.allCases)
  func corpus(target: FuzzTarget) throws {
    let inputs = try Self.inputs(of: target)
    #expect(inputs.count >= 10, "the corpus of \(target) is missing")
    for (name, bytes) in inputs {
      #expect(throws: Never.self, "\(target) \(name)") { try target.run(bytes) }
    }
  }

  /// How many; as many as `TDXFS_FUZZ_RANDOM` says.
  private static let count = getenv("TDXFS_FUZZ_RANDOM").flatMap { Int(String(cString: $0)) } ?? 25

  @Test("is not all that finds nothing: random inputs do neither", arguments: FuzzTarget.allCases)
  func random(target: FuzzTarget) throws {
    var generator = SeededGenerator(seed: UInt64(Self.count))
    for number in 0..<Self.count {
      let input = (0..<(8 << Int.random(in: 0...7, using: &generator))).map { _ in
        UInt8.random(in: 0...(Bool.random(using: &generator) ? 255 : 15), using: &generator)
      }
      #expect(throws: Never.self, "\(target), random input \(number)") { try target.run(input) }
    }
  }

  private static func inputs(of target: FuzzTarget) throws -> [(name: String, bytes: [UInt8])] {
    let directory = corpus.appending(target.rawValue)
    guard let stream = opendir(directory.string) else { return [] }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      if !name.hasPrefix(".") { names.append(name) }
    }
    return try names.sorted().map { ($0, try bytes(of: directory.appending($0))) }
  }

  private static func bytes(of path: FilePath) throws -> [UInt8] {
    let file = try FileDescriptor.open(path, .readOnly)
    defer { try? file.close() }
    var content: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while case let count = try buffer.withUnsafeMutableBytes({ try file.read(into: $0) }), count > 0 {
      content += buffer[..<count]
    }
    return content
  }
}
