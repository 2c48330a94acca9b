import Basics
import Kernfs
import SystemPackage
import Testing

@testable import FirmwareUpload

/// A second, plain telling of kernel-abi 2.1 to 2.6 to compare the device with: no enums, no worker, only what a client
/// can see.
private struct Model {
  var isLoading = false
  var isBusy = false
  var bytes: [UInt8] = []
  var size = 0
  var left = 0
  var error = ""
  var pending = ""
  var phase = "idle"

  mutating func loading(_ value: Int32) {
    if isBusy { return }
    if value == 1 {
      bytes = []
      isLoading = true
    } else if value == 0 && isLoading {
      isLoading = false
      if bytes.isEmpty { return }
      isBusy = true
      phase = "receiving"
      left = bytes.count
      size = bytes.count
      error = ""
      pending = String(decoding: bytes, as: UTF8.self)
    } else {
      isLoading = false
    }
  }

  mutating func write(_ source: [UInt8], _ offset: Int) -> Int? {
    if isBusy { return nil }
    for (index, byte) in source.enumerated() {
      let place = offset + index
      if place >= bytes.count { bytes += Array(repeating: 0, count: place + 1 - bytes.count) }
      bytes[place] = byte
    }
    return source.count
  }

  mutating func work() {
    if !isBusy { return }
    let words = pending.split(separator: ":")
    // Overwritten images mix their tokens; the driver looks at how the last one begins.
    let tokens = ["timeout", "hw-error", "flash-wearout", "firmware-invalid"]
    if size > 2048 {
      error = "preparing:invalid-file-size\n"
    } else if words.count == 3, words[0] == "inject", ["preparing", "transferring", "programming"].contains(words[1]),
      let token = tokens.first(where: { words[2].hasPrefix($0) })
    {
      error = "\(words[1]):\(token)\n"
      if words[1] == "programming" { left = 0 }
    } else {
      left = 0
    }
    bytes = []
    isBusy = false
    phase = "idle"
  }

  var snap: String {
    [
      phase + "\n", isBusy ? "!EBUSY" : error, "\(left)\n", isLoading ? "1\n" : "0\n",
      isBusy ? "!ENODEV" : "\(bytes.count)",
    ].joined(separator: "|")
  }
}

@Suite(.timeLimit(.minutes(1)))
struct ModelTests {
  private static let images = [
    "x", "image", "inject:preparing:timeout", "inject:transferring:hw-error", "inject:programming:flash-wearout",
    "inject:transferring:firmware-invalid",
  ]
  private static let values: [(String, Int32)] = [
    ("1", 1), ("0", 0), ("-1", -1), ("2", 2), ("foo", 0), ("1\n", 1), ("4294967297", 1), ("-7", -7),
  ]

  @Test("2400 random sequences: device and model never differ", arguments: [UInt64(0), 1, 2])
  func random(shard: UInt64) throws {
    for seed in (shard &* 800)..<(shard &* 800 &+ 800) {
      var generator = SeededGenerator(seed: seed)
      let bench = Bench()
      var model = Model()
      for step in 0..<8 {
        let label: Comment = "seed \(seed), step \(step)"
        switch Int.random(in: 0..<10, using: &generator) {
        case 0...3:
          // Mostly the conversation that a client means to have.
          let pick = Bool.random(using: &generator) ? 0 : Int.random(in: 0..<Self.values.count, using: &generator)
          let (text, value) = model.isLoading && Bool.random(using: &generator) ? ("0", 0) : Self.values[pick]
          model.loading(value)
          #expect(try bench.put("loading", text) == text.utf8.count, label)
        case 4...6:
          let image = Array(Self.images[Int.random(in: 0..<Self.images.count, using: &generator)].utf8)
          let offset = [0, 0, 0, 3, 2047].randomElement(using: &generator) ?? 0
          let expected = model.write(image, offset)
          #expect((try? bench.put("data", image, at: Int64(offset))) == expected, label)
        case 7:
          let expected: Errno = model.isBusy ? .invalidArgument : .operationNotSupportedByDevice
          #expect(throws: expected, label) { try bench.put("cancel", model.isBusy ? "0" : "1") }
        case _:
          model.work()
          bench.runWorker()
        }
        let snap = bench.snap()
        #expect(snap == model.snap, label)
        guard snap == model.snap else { return }
        if !model.isBusy, step == 7 {
          #expect(try bench.get("data") == String(decoding: model.bytes, as: UTF8.self), label)
        }
      }
    }
  }
}
