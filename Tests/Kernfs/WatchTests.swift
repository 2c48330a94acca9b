import Basics
import SystemPackage
import Testing

@testable import Kernfs

/// Keeps what it is told, and when operations began.
private final class Keeper: OperationWatcher {
  let operations = Guarded<[(place: UInt64, operation: FileOperation)]>([])
  private let next = Guarded<UInt64>(0)

  func began() -> UInt64 {
    next.withLock { next in
      defer { next += 1 }
      return next
    }
  }

  func ended(_ operation: FileOperation, _ place: UInt64) { operations.withLock { $0.append((place, operation)) } }

  /// Each operation in a few words.
  var told: [String] {
    operations.withLock { $0 }.sorted { $0.place < $1.place }.map { _, operation in
      let result =
        switch operation.result {
        case .success(let count): "\(count)"
        case .failure(let error): "\(error)"
        }
      return "\(operation.kind) \(operation.path) \(operation.offset)+\(operation.asked) = \(result) "
        + String(decoding: operation.head, as: UTF8.self)
    }
  }
}

@Suite("A watcher of a tree", .timeLimit(.minutes(20)))
struct WatchTests {
  private let knob = Knob()
  private let bytes = Bytes()
  private let keeper = Keeper()
  private let tree: Tree

  init() {
    let (knob, bytes) = (knob, bytes)
    tree = Tree(clock: Clock().now) {
      directory("device") {
        file("status", knob)
        file("data", bytes)
      }
      directory(".hidden", hidden: true) { file("status", knob) }
    }
  }

  @Test("sees every operation on an open file with its path, its answer and the start of its text")
  func all() throws {
    tree.setWatcher(keeper)
    let status = try tree.open("device/status", [.readWrite, .largeFile])
    #expect(try tree.write(status, "1\n") == 2)
    _ = try tree.read(status, at: 0, count: 100, by: root)
    tree.release(status, by: root)
    let data = try tree.open("device/data", .writing)
    #expect(try tree.write(data, String(repeating: "x", count: 5000), at: 7) == 4096)
    knob.fail(.resourceBusy)
    let again = try tree.open("device/status", [.largeFile])
    #expect(throws: Errno.resourceBusy) { _ = try tree.read(again, at: 0, count: 100, by: root) }
    let flags = OpenFlags([.readWrite, .largeFile]).rawValue
    #expect(
      keeper.told == [
        "open device/status 0+\(flags) = 0 ", "write device/status 0+2 = 2 1\n", "read device/status 0+100 = 5 idle\n",
        "close device/status 0+0 = 0 ", "open device/data 0+\(OpenFlags.writing.rawValue) = 0 ",
        "write device/data 7+5000 = 4096 ", "open device/status 0+\(OpenFlags.largeFile.rawValue) = 0 ",
        "read device/status 0+100 = \(Errno.resourceBusy) ",
      ])
  }

  @Test("hears of an open that is refused, of nothing below a hidden directory, and of nothing at all when it has gone")
  func limits() throws {
    tree.setWatcher(keeper)
    #expect(throws: Errno.invalidArgument) { try tree.open("device/status", [.direct, .largeFile]) }
    let hidden = try tree.open(".hidden/status", [.largeFile])
    _ = try tree.read(hidden, at: 0, count: 100, by: root)
    #expect(keeper.told.count == 1 && keeper.told.first?.contains("= \(Errno.invalidArgument)") == true)
    tree.setWatcher(nil)
    _ = try tree.open("device/status", [.largeFile])
    #expect(keeper.told.count == 1)
  }

  @Test("has an operation in the place where it began, before what it sets off")
  func order() throws {
    let keeper = keeper
    let nested = Nested(keeper)
    let tree = Tree(clock: Clock().now) { file("loading", nested) }
    tree.setWatcher(keeper)
    let handle = try tree.open("loading", .writing)
    #expect(try tree.write(handle, "0") == 1)
    let write = try #require(keeper.operations.withLock { $0 }.last { $0.operation.kind == .write })
    #expect(nested.place.withLock { $0 } == write.place + 1)
  }
}

/// Something happens while it is written.
private final class Nested: TextAttribute {
  let mode: UInt16 = 0o644
  let place = Guarded<UInt64>(0)
  private let keeper: Keeper

  init(_ keeper: Keeper) { self.keeper = keeper }

  func store(_ bytes: [UInt8], by caller: Caller) throws(Errno) -> StoreOutcome {
    let now = keeper.began()
    place.withLock { $0 = now }
    return .consumed(bytes.count)
  }
}
