import Basics
import Kernfs
import SystemPackage

@testable import FirmwareUpload

let root = Caller(uid: 0, gid: 0, pid: 1)
let nobody = Caller(uid: 65534, gid: 65534, pid: 2)

/// A driver that does what the image asks for, as the kernel's test driver does: 2048 bytes at most, 37 bytes a write,
/// and `inject:<phase>:<error>` fails there.
final class TestDriver: FirmwareUploadDriver {
  struct State {
    var cancels = 0
    var calls: [String] = []
    var injected: (phase: UploadProgress, error: FirmwareUploadError)?
    /// Bytes taken a write; 0 makes a driver that writes nothing.
    var step = 37
    /// Runs in each call, before it does anything.
    var hook: (@Sendable (UploadProgress) -> Void)?
    var image: [UInt8] = []
  }

  let state = Guarded(State())
  private let gate = Lock()

  func prepare(image: [UInt8]) throws(FirmwareUploadError) {
    try enter(.preparing, "prepare \(image.count)")
    state.withLock { $0.image = image }
    if image.count > 2048 { throw .invalidFileSize }
    let parts = String(decoding: image, as: UTF8.self).split(separator: ":", maxSplits: 2)
    if parts.count == 3, parts[0] == "inject",
      let phase = UploadProgress.allCases.first(where: { "\($0.name)" == parts[1] }),
      let error = FirmwareUploadError.allCases.first(where: { parts[2].hasPrefix($0.name) })
    {
      state.withLock { $0.injected = (phase, error) }
      if phase == .preparing { throw error }
    } else {
      state.withLock { $0.injected = nil }
    }
  }

  func write(image: [UInt8], offset: Int) throws(FirmwareUploadError) -> Int {
    try enter(.transferring, "write \(offset)")
    if let error = state.withLock({ $0.injected?.phase == .transferring ? $0.injected?.error : nil }) { throw error }
    return min(state.withLock { $0.step }, image.count - offset)
  }

  func pollComplete() throws(FirmwareUploadError) {
    try enter(.programming, "poll_complete")
    if let error = state.withLock({ $0.injected?.phase == .programming ? $0.injected?.error : nil }) { throw error }
  }

  func cancel() {
    gate.withLock {
      state.withLock { $0.cancels += 1 }
      gate.wakeAll()
    }
  }

  /// Holds the phase until cancel, as the test driver's `user-abort` does.
  func waitForCancel() {
    gate.withLock {
      while state.withLock({ $0.cancels }) == 0 { gate.wait() }
    }
  }

  var calls: [String] { state.withLock { $0.calls } }

  private func enter(_ phase: UploadProgress, _ call: String) throws(FirmwareUploadError) {
    let hook = state.withLock { state in
      state.calls.append(call)
      return state.hook
    }
    hook?(phase)
  }
}

/// An upload device in a tree, whose worker runs when the test says so.
final class Bench: Sendable {
  let driver = TestDriver()
  let timeout = FirmwareTimeout()
  let lines = Guarded<[String]>([])
  let events = Guarded<[FirmwareUploadEvent]>([])
  let work = Guarded<[@Sendable () -> Void]>([])
  let device: FirmwareUploadDevice
  let tree: Tree

  init(
    name: String = "fw1", limit: Int = FirmwareUploadDevice.defaultStagingLimit, knowsEnable: Bool = false,
    power: PowerDirectory.Variant = .advancedDebug
  ) {
    let (lines, events, work) = (lines, events, work)
    let device = FirmwareUploadDevice(
      name: name, driver: driver, timeout: timeout,
      environment: FirmwareUploadEnvironment(
        log: { line in lines.withLock { $0.append(line) } },
        schedule: { item in work.withLock { $0.append(item) } },
        mayWriteRawIO: { $0.uid == 0 },
        observe: { event in events.withLock { $0.append(event) } }),
      stagingLimit: limit, knowsEnable: knowsEnable)
    self.device = device
    let timeout = timeout
    tree = Tree(clock: { Timestamp(seconds: 1) }) {
      file("timeout", TimeoutAttribute(timeout))
      device.directory(
        deviceTarget: "../../test_firmware", subsystemTarget: "../../../../../class/firmware", power: power)
    }
  }

  /// Runs every work item that was queued.
  func runWorker() {
    let items = work.withLock { items in
      defer { items = [] }
      return items
    }
    for item in items { item() }
  }

  func node(_ name: String) throws(Errno) -> NodeID {
    var id = NodeID.root
    for part in name.split(separator: "/") { id = try tree.lookup(String(part), in: id).id }
    return id
  }

  func path(_ name: String) -> String { name == "timeout" ? name : "\(device.name)/\(name)" }

  func open(_ name: String, _ flags: OpenFlags = .largeFile) throws(Errno) -> OpenFileID {
    try tree.open(try node(path(name)), flags: flags, by: root).id
  }

  /// open, read, close.
  func get(_ name: String) throws(Errno) -> String {
    let file = try open(name)
    defer { tree.release(file, by: root) }
    var text: [UInt8] = []
    while true {
      let part = try tree.bytes(file, at: Int64(text.count), count: 4096, by: root)
      if part.isEmpty { return String(decoding: text, as: UTF8.self) }
      text += part
    }
  }

  /// open, write, close.
  @discardableResult
  func put(_ name: String, _ text: String, by caller: Caller = root) throws(Errno) -> Int {
    try put(name, Array(text.utf8), by: caller)
  }

  @discardableResult
  func put(_ name: String, _ bytes: [UInt8], at offset: Int64 = 0, by caller: Caller = root) throws(Errno) -> Int {
    let file = try open(name, [.writeOnly, .largeFile])
    defer { tree.release(file, by: root) }
    switch try tree.write(file, at: offset, bytes, by: caller) {
    case .consumed(let count): return count
    case .wait: return -1
    }
  }

  /// status, error, remaining_size, loading, and how much can be read from data.
  func snap() -> String {
    func text(_ name: String) -> String {
      do throws(Errno) { return try get(name) } catch { return "!\(error.symbol)" }
    }
    let data = (try? get("data").utf8.count).map(String.init) ?? text("data")
    return [text("status"), text("error"), text("remaining_size"), text("loading"), data].joined(separator: "|")
  }
}

extension Errno {
  /// The name that traces have.
  var symbol: String {
    switch self {
    case .resourceBusy: "EBUSY"
    case .operationNotSupportedByDevice: "ENODEV"
    case .invalidArgument: "EINVAL"
    case .permissionDenied: "EACCES"
    case .notPermitted: "EPERM"
    case .noSuchAddressOrDevice: "ENXIO"
    case .badFileDescriptor: "EBADF"
    case .ioError: "EIO"
    case .fileTooLarge: "EFBIG"
    case .noMemory: "ENOMEM"
    case _: "errno \(rawValue)"
    }
  }
}
