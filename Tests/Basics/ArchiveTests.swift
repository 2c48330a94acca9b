import Testing

@testable import Basics

@Suite("Archives", .timeLimit(.minutes(20)))
struct ArchiveTests {
  private enum Shape: Codable, Equatable {
    case point
    case circle(radius: UInt64)
    case named(String, [UInt8])
  }

  private struct Sample: Codable, Equatable {
    var number: UInt64 = .max
    var small: Int8 = -128
    var most: Int64 = .min
    var flag = true
    var text = "größer"
    var nothing: UInt16?
    var something: UInt16? = 7
    var bytes: [UInt8] = Array(0...255)
    var noBytes: [UInt8] = []
    var numbers: [UInt64] = [1, 2, 1 << 63]
    var noNumbers: [UInt64] = []
    var byAddress: [UInt64: Shape] = [1: .point, 1 << 40: .circle(radius: 3), 9: .named("x", [1, 2])]
    var set: Set<UInt16> = [1, 2, 3]
    var nested: [[UInt8]] = [[1], [], [2, 3]]
    var optional: [UInt8?] = [nil, 1]
    var fraction = 0.25
  }

  @Test("give back what was put in")
  func roundTrip() throws {
    #expect(try Archive.decode(Sample.self, from: try Archive.encode(Sample())) == Sample())
    #expect(try Archive.decode([Shape].self, from: try Archive.encode([Shape.point])) == [.point])
  }

  @Test("are small: bytes are kept as bytes, names once")
  func size() throws {
    let page = [UInt8](repeating: 1, count: 4096)
    #expect(try Archive.encode(page).count < 4096 + 8)
    let many = try Archive.encode([Sample](repeating: Sample(), count: 100))
    #expect(many.count < 100 * 420)
  }

  @Test("that are cut or changed are refused or read as something else, and nothing traps")
  func damaged() throws {
    let bytes = try Archive.encode([Sample(), Sample()])
    for length in 0..<bytes.count {
      #expect(throws: ArchiveError.self) { try Archive.decode([Sample].self, from: Array(bytes.prefix(length))) }
    }
    #expect(throws: ArchiveError.self) { try Archive.decode([Sample].self, from: bytes + [0]) }
    var generator = SeededGenerator(seed: 1)
    for _ in 0..<5000 {
      var changed = bytes
      for _ in 0..<Int.random(in: 1...4, using: &generator) {
        changed[Int.random(in: changed.indices, using: &generator)] = .random(in: 0...255, using: &generator)
      }
      _ = try? Archive.decode([Sample].self, from: changed)
    }
  }

  @Test("that announce more than they have, or nest too deeply, are refused at once")
  func bombs() {
    #expect(throws: ArchiveError.self) {
      try Archive.decode([UInt64].self, from: [8, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1])
    }
    let deep = [UInt8](repeating: 0, count: 0) + (0..<100_000).flatMap { _ in [UInt8(8), 1] }
    #expect(throws: ArchiveError("values are nested too deeply")) { try Archive.decode([UInt64].self, from: deep) }
  }

  @Test("say what is missing, by its place")
  func errors() throws {
    struct One: Codable { var a: Inner }
    struct Inner: Codable { var b: UInt8 }
    struct Other: Codable { var a: Wide }
    struct Wide: Codable { var b: UInt64 }
    let bytes = try Archive.encode(Other(a: Wide(b: 300)))
    #expect(throws: ArchiveError("a.b: UInt8 is expected and not there")) {
      try Archive.decode(One.self, from: bytes)
    }
  }
}
