import Kernfs
import SystemPackage

@testable import FirmwareUpload

/// A device on the bench and ``KernelModel`` beside it: both get the same calls, and what differs is told.
struct UploadPair {
  static let limit = 3 * 4096

  let bench: Bench
  var model = KernelModel(stagingLimit: Int64(limit))

  init(knowsEnable: Bool = false) {
    bench = Bench(limit: Self.limit, knowsEnable: knowsEnable)
    bench.driver.state.withLock { $0.step = 4096 }
  }

  /// What a call came to, as one word.
  private static func outcome<Value>(_ body: () throws(Errno) -> Value) -> String {
    do throws(Errno) { return "\(try body())" } catch { return error.symbol }
  }

  private static func modelOutcome<Value>(_ body: () throws -> Value) -> String {
    do { return "\(try body())" } catch { return (error as? KernelModel.Refusal)?.errno ?? "\(error)" }
  }

  /// open, one write of `bytes` at `offset`, close; nil where both sides do the same.
  mutating func write(_ bytes: [UInt8], to file: KernelModel.File, at offset: Int64 = 0, by caller: Caller = root)
    -> String?
  {
    let found = Self.outcome { () throws(Errno) in try bench.put(file.rawValue, bytes, at: offset, by: caller) }
    let expected = Self.modelOutcome {
      var descriptor = try model.open(file, read: false, write: true, append: false, direct: false)
      return try model.write(&descriptor, at: offset, bytes, hasRawIO: caller.uid == 0)
    }
    return found == expected ? nil : "\(found) in place of \(expected)"
  }

  /// An upload that waits goes through; nil, as there is nothing to answer.
  mutating func runWorker() -> String? {
    bench.runWorker()
    guard model.isBusy else { return nil }
    model.enter("preparing")
    let size = model.staged.count
    if size > 2048 {
      // The driver on the bench takes no more.
      model.fail("invalid-file-size")
    } else {
      model.enter("transferring")
      _ = model.transferred(size)
      model.enter("programming")
    }
    model.end()
    return nil
  }

  /// Reads every file on both sides; nil where they show the same.
  mutating func difference() -> String? {
    for file in KernelModel.File.allCases where file.isReadable {
      let found = Self.outcome { () throws(Errno) in try bench.get(file.rawValue) }
      let expected = Self.modelOutcome {
        var text: [UInt8] = []
        var descriptor = try model.open(file, read: true, write: false, append: false, direct: false)
        while true {
          let part = try model.read(&descriptor, at: Int64(text.count), 4096)
          if part.isEmpty { return String(decoding: text, as: UTF8.self) }
          text += part
        }
      }
      if found != expected { return "\(file) is \(found.prefix(80)) in place of \(expected.prefix(80))" }
    }
    let lines = bench.lines.withLock { $0 }
    return lines == model.log ? nil : "the log ends with \(lines.suffix(2)) in place of \(model.log.suffix(2))"
  }
}
