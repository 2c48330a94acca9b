import Basics
import Kernfs
import SystemPackage
import Testing

@testable import FirmwareUpload

/// Several clients on one device and on the model of it, in one random order that follows from a seed. The worker runs
/// on the same thread: in each call of the driver the clients go on for a few operations.
final class ModelClients: FirmwareUploadDriver, @unchecked Sendable {
  /// A client's descriptor: the same open file on both sides, and the position that the VFS keeps.
  private struct Client {
    let file: OpenFileID
    let caller: Caller
    var descriptor: KernelModel.Descriptor
    var position: Int64 = 0
  }

  static let stagingLimit = 10_000

  private var random: SeededGenerator
  private var model = KernelModel(stagingLimit: Int64(stagingLimit))
  private var clients: [Client] = []
  private var work: [@Sendable () -> Void] = []
  private var lines: [String] = []
  private var budget: Int
  private var device: FirmwareUploadDevice?
  private let tree = Tree(clock: { Timestamp(seconds: 1) })
  private var nodes: [KernelModel.File: NodeID] = [:]
  /// The device has asked its driver to stop.
  private var isAsked = false
  private var directory: NodeID?
  /// What was done so far, for a failure's message.
  private(set) var history: [String] = []
  /// Where device and model differ first.
  private(set) var difference: String?
  /// How often what happened, so that a test sees that the sequences reach everything.
  private(set) var reached: Set<String> = []

  init(seed: UInt64, operations: Int) throws {
    random = SeededGenerator(seed: seed)
    budget = operations
    let device = FirmwareUploadDevice(
      name: "fw1", driver: self, timeout: FirmwareTimeout(),
      environment: FirmwareUploadEnvironment(
        log: { [unowned self] in lines.append($0) }, schedule: { [unowned self] in work.append($0) },
        mayWriteRawIO: { $0.uid == 0 }),
      stagingLimit: Self.stagingLimit, knowsEnable: false)
    self.device = device
    let directory = try tree.add(
      device.directory(deviceTarget: "../../test_firmware", subsystemTarget: "../../../../../class/firmware"),
      to: .root)
    self.directory = directory
    for file in KernelModel.File.allCases { nodes[file] = try tree.lookup(file.rawValue, in: directory).id }
  }

  /// Does everything; nil when device and model never differed.
  func run() -> String? {
    while budget > 0, difference == nil { step() }
    runWorker()
    compare("log", lines, model.log)
    for client in clients { tree.release(client.file, by: client.caller) }
    device = nil
    return difference
  }

  // MARK: Operations

  private func step() {
    budget -= 1
    switch Int.random(in: 0..<32, using: &random) {
    case 0..<5: open()
    case 5..<11: read()
    case 11..<20: write()
    case 20..<22: seek()
    case 22..<23: close()
    case 23..<25: poll()
    case 25..<26: truncate()
    case 26..<28: runWorker()
    case 28..<31: converse()
    case _: if Int.random(in: 0..<12, using: &random) == 0 { remove() }
    }
    lookAround()
  }

  private func open() {
    let file = pick(KernelModel.File.allCases, .status)
    let (access, append) = (Int32.random(in: 0...3, using: &random), Int.random(in: 0..<6, using: &random) == 0)
    let direct = Int.random(in: 0..<12, using: &random) == 0
    let isRoot = Int.random(in: 0..<5, using: &random) > 0
    var flags = OpenFlags(rawValue: access)
    flags.insert(.largeFile)
    if append { flags.insert(.append) }
    if direct { flags.insert(.direct) }
    guard let node = nodes[file] else { return }
    let caller = isRoot ? root : nobody
    let call = "open \(file) access \(access)\(append ? " O_APPEND" : "")\(direct ? " O_DIRECT" : "") uid \(caller.uid)"
    let wanted = attempt {
      try model.open(
        file, read: access == 0 || access == 2, write: access == 1 || access == 2, append: append, direct: direct)
    }
    let got = attempt { () throws(Errno) in try tree.open(node, flags: flags, by: caller).id }
    compare(call, got.map { _ in "ok" }, wanted.map { _ in "ok" })
    guard case .success(let descriptor) = wanted, case .success(let id) = got else { return }
    clients.append(Client(file: id, caller: caller, descriptor: descriptor))
    if clients.count > 12 { close() }
  }

  private func read() {
    guard let index = anyClient() else { return }
    let isPositioned = Bool.random(using: &random)
    let offset: Int64 =
      isPositioned ? pick([0, 1, 2, 3, 5, 4095, 4096, 7000, 100_000, .max - 1, -1], 0) : clients[index].position
    let count = pick([1, 2, 3, 10, 100, 4096, 5000, 65536], 1)
    let file = clients[index].file
    let got = attempt { () throws(Errno) in
      try tree.bytes(file, at: offset, count: count, by: clients[index].caller)
    }
    let wanted = attempt { try model.read(&clients[index].descriptor, at: offset, count) }
    compare("\(isPositioned ? "pread" : "read") \(count) @\(offset) of \(told(index))", got, wanted)
    if case .success(let bytes) = wanted, !isPositioned { clients[index].position += Int64(bytes.count) }
  }

  private func write() {
    guard let index = anyClient() else { return }
    write(text(for: clients[index].descriptor.file), with: index)
  }

  private func write(_ bytes: [UInt8], with index: Int) {
    let client = clients[index]
    // What FUSE can't give on these is in README's table.
    let isPositioned = !client.descriptor.appends && Int.random(in: 0..<3, using: &random) == 0
    let far = Int64(Self.stagingLimit)
    let offset: Int64 =
      isPositioned ? pick([0, 0, 3, 37, 4000, 4096, far - 7, far, 1 << 31, .max - 1, -1], 0) : client.position
    let got = attempt { () throws(Errno) in
      switch try tree.write(client.file, at: offset, bytes, by: client.caller) {
      case .consumed(let count): return count
      case .wait: return -1
      }
    }
    let wanted = attempt {
      try model.write(&clients[index].descriptor, at: offset, bytes, hasRawIO: client.caller.uid == 0)
    }
    let start = client.descriptor.file == .data ? "bytes" : "\(String(decoding: bytes.prefix(24), as: UTF8.self))"
    compare(
      "\(isPositioned ? "pwrite" : "write") \(bytes.count) \(start.debugDescription) @\(offset) to \(told(index))", got,
      wanted)
    if case .success(let count) = wanted, !isPositioned { clients[index].position += Int64(count) }
  }

  private func text(for file: KernelModel.File) -> [UInt8] {
    switch file {
    case .data:
      let length = pick([1, 7, 36, 37, 38, 100, 3000, 4096, 5000, 9000], 1)
      let first = UInt8.random(in: 0...255, using: &random)
      return (0..<length).map { first &+ UInt8(truncatingIfNeeded: $0 &* 7) }
    case .cancel:
      return Array(
        pick(
          [
            "1", "1\n", "y", "Yes", "t", "on", "ON", "oN\n", "0", "n", "off", "o", "e", "d", "2", "-1", " 1", "\n",
            "abc", "\0" + "1",
          ], "1"
        )
        .utf8)
    case .loading, .status, .error, .remainingSize:
      let texts = [
        "1", "1\n", "1 ", "01", "1junk", "1\n0\n", "1\0", "4294967297", "18446744073709551617", "9223372036854775809",
        "-1", "-1\n", "4294967295", "0", "0\n", " 1", "+1", "--1", "-0", "0x1", "abc", "\n", "\0" + "1", "2", "-2",
        "10",
        "2147483648", "-4294967297", "-", "1" + String(repeating: " ", count: 5000),
      ]
      return Array(pick(texts, "1").utf8)
    }
  }

  private func seek() {
    guard let index = anyClient(), !clients[index].descriptor.appends else { return }
    let offset = pick([0, 1, 2, 5, 4095, 4096, 9000], Int64(0))
    let file = clients[index].file
    switch Int.random(in: 0..<4, using: &random) {
    case 0, 1: clients[index].position = offset
    case let kind:
      let got = attempt { () throws(Errno) in try tree.seek(file, from: offset, to: kind == 2 ? .data : .hole) }
      let wanted = attempt { try model.seek(clients[index].descriptor, from: offset, toHole: kind == 3) }
      compare("lseek \(kind == 2 ? "SEEK_DATA" : "SEEK_HOLE") \(offset) of \(told(index))", got, wanted)
      if case .success(let position) = wanted { clients[index].position = position }
    }
  }

  private func close() {
    guard let index = anyClient() else { return }
    history.append("close \(told(index))")
    tree.release(clients[index].file, by: clients[index].caller)
    clients.remove(at: index)
  }

  private func poll() {
    guard let index = anyClient() else { return }
    let file = clients[index].file
    let got = attempt { () throws(Errno) in try tree.poll(file).contains(.changed) }
    let wanted = attempt { model.isChanged(clients[index].descriptor) }
    compare("poll \(told(index))", got, wanted)
  }

  private func truncate() {
    guard let file = KernelModel.File.allCases.randomElement(using: &random), let node = nodes[file] else { return }
    let got = attempt { () throws(Errno) in try tree.change(node, InodeChange(size: 5)).size }
    // A dead inode lives as long as somebody holds it, which is not the device's matter.
    if model.isRemoved { return }
    compare("truncate \(file)", got, attempt { file.size })
  }

  /// What a client means to do: begin, some bytes, commit.
  private func converse() {
    guard !model.isRemoved else { return }
    for (file, text) in [(KernelModel.File.loading, "1"), (.data, ""), (.loading, "0")] {
      guard let node = nodes[file] else { return }
      let got = attempt { () throws(Errno) in
        try tree.open(node, flags: [.writeOnly, .largeFile], by: root).id
      }
      let wanted = attempt { try model.open(file, read: false, write: true, append: false, direct: false) }
      compare("open \(file)", got.map { _ in "ok" }, wanted.map { _ in "ok" })
      guard case .success(let id) = got, case .success(let descriptor) = wanted else { return }
      clients.append(Client(file: id, caller: root, descriptor: descriptor))
      write(text.isEmpty ? self.text(for: file) : Array(text.utf8), with: clients.count - 1)
      tree.release(id, by: root)
      clients.removeLast()
    }
  }

  private func remove() {
    guard let directory, !model.isRemoved else { return }
    history.append("unregister")
    reached.insert("removed \(model.phase)")
    model.remove()
    device?.beginRemoval()
    do { try tree.remove(directory) } catch { difference = "remove: \(error)" }
  }

  // MARK: The worker and its driver

  private func runWorker() {
    guard let item = work.popLast() else { return }
    history.append("the worker runs")
    item()
    model.end()
    history.append("the worker has ended")
    reached.insert(model.error.isEmpty ? "success" : String(model.error.dropLast()))
    lookAround(everywhere: true)
  }

  /// The clients go on while the driver is in a call; what it answers then.
  private func inCall(_ phase: String) throws(FirmwareUploadError) {
    model.enter(phase)
    lookAround(everywhere: true)
    for _ in 0..<Int.random(in: 0..<4, using: &random) where budget > 0 && difference == nil { step() }
    compare("asked to stop", isAsked, model.isCancelled)
    if isAsked {
      model.fail("user-abort")
      throw .userAbort
    }
    guard Int.random(in: 0..<12, using: &random) == 0 else { return }
    let (error, name) = pick(
      [
        (.hwError, "hw-error"), (.timeout, "timeout"), (.deviceBusy, "device-busy"),
        (.invalidFileSize, "invalid-file-size"), (.readWriteError, "read-write-error"),
        (.flashWearout, "flash-wearout"), (.firmwareInvalid, "firmware-invalid"),
      ], (FirmwareUploadError.hwError, "hw-error"))
    model.fail(name)
    throw error
  }

  func prepare(image: [UInt8]) throws(FirmwareUploadError) {
    compare("the image", image, model.staged)
    // As both of the kernel's test drivers do.
    model.isCancelled = false
    isAsked = false
    try inCall("preparing")
  }

  func write(image: [UInt8], offset: Int) throws(FirmwareUploadError) -> Int {
    compare("offset", offset, image.count - model.remaining)
    try inCall("transferring")
    let taken = pick([1000, 4096, 20_000, 37 * 20, 0], 4096)
    history.append("the driver takes \(taken)")
    // The device itself turns nothing into read-write-error.
    _ = model.transferred(taken)
    return taken
  }

  func pollComplete() throws(FirmwareUploadError) { try inCall("programming") }

  func cancel() { isAsked = true }

  // MARK: Comparing

  /// What a file shows to a client that comes new; where the phase has changed, every file.
  private func lookAround(everywhere: Bool = false) {
    guard difference == nil, !model.isRemoved else { return }
    let files = everywhere ? KernelModel.File.allCases : [pick(KernelModel.File.allCases, .status)]
    for file in files where file.isReadable {
      guard let node = nodes[file] else { continue }
      let got = attempt { () throws(Errno) in
        let id = try tree.open(node, flags: .largeFile, by: nobody).id
        defer { tree.release(id, by: nobody) }
        return try tree.bytes(id, at: 0, count: 4096, by: nobody)
      }
      let wanted = attempt {
        var descriptor = try model.open(file, read: true, write: false, append: false, direct: false)
        return try model.read(&descriptor, at: 0, 4096)
      }
      compare("a look at \(file)", got, wanted)
    }
    if let device { compare("staged", device.stagedSize, model.isBusy ? 0 : model.staged.count) }
  }

  private func compare<Value: Equatable>(_ call: String, _ got: Value, _ wanted: Value) {
    if !call.hasPrefix("a look"), call != "staged" { history.append(call) }
    guard got != wanted, difference == nil else { return }
    difference = "\(call): want \(wanted), got \(got)"
  }

  private func attempt<Value>(_ body: () throws(Errno) -> Value) -> Result<Value, KernelModel.Refusal> {
    do throws(Errno) {
      return .success(try body())
    } catch {
      reached.insert(error.symbol)
      return .failure(KernelModel.Refusal(errno: error == .staleNFSFileHandle ? "ESTALE" : error.symbol))
    }
  }

  private func attempt<Value>(_ body: () throws -> Value) -> Result<Value, KernelModel.Refusal> {
    do {
      return .success(try body())
    } catch {
      return .failure(error as? KernelModel.Refusal ?? KernelModel.Refusal(errno: "\(error)"))
    }
  }

  private func anyClient() -> Int? { clients.indices.randomElement(using: &random) }

  private func pick<Value>(_ values: [Value], _ fallback: Value) -> Value {
    values.randomElement(using: &random) ?? fallback
  }

  private func told(_ index: Int) -> String { "\(clients[index].descriptor.file)#\(clients[index].file.rawValue)" }
}
