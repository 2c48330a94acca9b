import Basics
import Kernfs
import SystemPackage
import Testing

@testable import FirmwareUpload

/// kernel-abi 2.5 to 2.7: the worker, and what everybody sees meanwhile.
@Suite(.timeLimit(.minutes(20)))
struct WorkerTests {
  private func start(_ bench: Bench, _ image: String) throws {
    try bench.put("loading", "1")
    try bench.put("data", image)
    try bench.put("loading", "0")
  }

  @Test("A good upload: prepare, writes until nothing is left, poll_complete; then idle and empty")
  func success() throws {
    let bench = Bench()
    try start(bench, String(repeating: "x", count: 80))
    #expect(bench.snap() == "receiving\n|!EBUSY|80\n|0\n|!ENODEV")
    #expect(bench.driver.calls == [])
    bench.runWorker()
    #expect(bench.driver.calls == ["prepare 80", "write 0", "write 37", "write 74", "poll_complete"])
    #expect(bench.snap() == "idle\n||0\n|0\n|0")
    #expect(
      bench.events.withLock { $0 } == [
        .loadingBegan(dropped: 0), .started(size: 80), .entered(.preparing), .entered(.transferring),
        .transferred(remaining: 43), .transferred(remaining: 6), .transferred(remaining: 0), .entered(.programming),
        .ended(nil), .idle,
      ])
  }

  @Test("A driver that takes everything at once, and one that claims more than there was")
  func oneCall() throws {
    for step in [80, 1000] {
      final class Greedy: FirmwareUploadDriver {
        let step: Int
        init(_ step: Int) { self.step = step }
        func prepare(image: [UInt8]) throws(FirmwareUploadError) {}
        func write(image: [UInt8], offset: Int) throws(FirmwareUploadError) -> Int { step }
        func pollComplete() throws(FirmwareUploadError) {}
        func cancel() {}
      }
      let device = FirmwareUploadDevice(
        name: "x", driver: Greedy(step), timeout: FirmwareTimeout(),
        environment: FirmwareUploadEnvironment(log: { _ in }, schedule: { $0() }, mayWriteRawIO: { _ in true }))
      _ = try LoadingAttribute(device).store([0x31], by: root)
      _ = try DataAttribute(device).write(Array(repeating: 1, count: 80), at: 0, by: root)
      _ = try LoadingAttribute(device).store([0x30], by: root)
      #expect(device.progress == .idle)
      #expect(device.failure == nil)
      #expect(device.remainingSize == 0)
    }
  }

  @Test("What each phase shows while it lasts")
  func phases() throws {
    let bench = Bench()
    let seen = Guarded<[String]>([])
    bench.driver.state.withLock { state in
      state.hook = { _ in
        let text = bench.snap()
        seen.withLock { $0.append(text) }
      }
    }
    try start(bench, String(repeating: "x", count: 40))
    bench.runWorker()
    bench.driver.state.withLock { $0.hook = nil }
    #expect(
      seen.withLock { $0 } == [
        "preparing\n|!EBUSY|40\n|0\n|!ENODEV", "transferring\n|!EBUSY|40\n|0\n|!ENODEV",
        "transferring\n|!EBUSY|3\n|0\n|!ENODEV", "programming\n|!EBUSY|0\n|0\n|!ENODEV",
      ])
  }

  static let failures = FirmwareUploadError.allCases.flatMap { error in
    [UploadProgress.preparing, .transferring, .programming].map { ($0, error) }
  }

  @Test("Every error in every phase, and what is left", arguments: failures)
  func failure(phase: UploadProgress, error: FirmwareUploadError) throws {
    let bench = Bench()
    let image = "inject:\(phase.name):\(error.name)"
    try start(bench, image)
    bench.runWorker()
    let left = phase == .programming ? 0 : image.utf8.count
    #expect(bench.snap() == "idle\n|\(phase.name):\(error.name)\n|\(left)\n|0\n|0")
    #expect(bench.device.failure == UploadFailure(phase: phase, error: error))
    #expect(bench.events.withLock { $0.suffix(2) } == [.ended(UploadFailure(phase: phase, error: error)), .idle])
  }

  @Test("The words and numbers of errors and phases")
  func words() {
    #expect(
      FirmwareUploadError.allCases.map { "\($0.rawValue) \($0.name)" } == [
        "1 hw-error", "2 timeout", "3 user-abort", "4 device-busy", "5 invalid-file-size", "6 read-write-error",
        "7 flash-wearout", "8 firmware-invalid",
      ])
    #expect(
      UploadProgress.allCases.map { "\($0.rawValue) \($0.name)" } == [
        "0 idle", "1 receiving", "2 preparing", "3 transferring", "4 programming",
      ])
    #expect(
      UploadFailure(phase: .transferring, error: .firmwareInvalid).text.utf8.count == 29)
  }

  @Test("A write that takes nothing is a read-write-error with a line of its own", arguments: [0, -5])
  func wroteZero(step: Int) throws {
    let bench = Bench(name: "tdx_module")
    bench.driver.state.withLock { $0.step = step }
    try start(bench, "image")
    bench.runWorker()
    #expect(bench.snap() == "idle\n|transferring:read-write-error\n|5\n|0\n|0")
    #expect(bench.lines.withLock { $0 } == ["firmware tdx_module: write-op wrote zero data"])
    #expect(bench.driver.calls == ["prepare 5", "write 0"])
  }

  @Test("error and remaining_size stay through everything but the start of a non-empty upload")
  func lifetime() throws {
    let bench = Bench()
    try start(bench, "inject:transferring:timeout")
    bench.runWorker()
    let kept = "idle\n|transferring:timeout\n|27\n"
    #expect(bench.snap() == kept + "|0\n|0")
    try bench.put("loading", "1")
    #expect(bench.snap() == kept + "|1\n|0")
    try bench.put("data", "x")
    try bench.put("loading", "-1")
    #expect(bench.snap() == kept + "|0\n|1")
    #expect(throws: Errno.operationNotSupportedByDevice) { try bench.put("cancel", "1") }
    try bench.put("loading", "7")
    try bench.put("loading", "1")
    try bench.put("loading", "0")
    #expect(bench.snap() == kept + "|0\n|0")
    try start(bench, "good")
    #expect(bench.snap() == "receiving\n|!EBUSY|4\n|0\n|!ENODEV")
    bench.runWorker()
    #expect(bench.snap() == "idle\n||0\n|0\n|0")
  }

  @Test("cancel while an upload runs: accepted each time, and it is the driver's business")
  func cancel() throws {
    let bench = Bench()
    try start(bench, "image")
    #expect(try bench.put("cancel", "1\n") == 2)
    #expect(try bench.put("cancel", "yes") == 3)
    #expect(throws: Errno.invalidArgument) { try bench.put("cancel", "0") }
    #expect(bench.driver.state.withLock { $0.cancels } == 2)
    #expect(try bench.get("status") == "receiving\n")
    bench.runWorker()
    #expect(throws: Errno.operationNotSupportedByDevice) { try bench.put("cancel", "1") }
    #expect(bench.driver.state.withLock { $0.cancels } == 3)
    #expect(bench.events.withLock { $0.filter { $0 == .cancelled(whileIdle: false) } }.count == 2)
    #expect(bench.events.withLock { $0.last } == .cancelled(whileIdle: true))
  }

  @Test("The result is told before anybody can see idle, so `why` is never behind `status`")
  func orderAtTheEnd() throws {
    let seen = Guarded<[UploadProgress]>([])
    let holder = Guarded<FirmwareUploadDevice?>(nil)
    let device = FirmwareUploadDevice(
      name: "x", driver: TestDriver(), timeout: FirmwareTimeout(),
      environment: FirmwareUploadEnvironment(
        log: { _ in }, schedule: { $0() }, mayWriteRawIO: { _ in true },
        observe: { event in
          guard let device = holder.withLock({ $0 }) else { return }
          if event == .ended(nil) || event == .idle { seen.withLock { $0.append(device.progress) } }
        }))
    holder.withLock { $0 = device }
    _ = try LoadingAttribute(device).store([0x31], by: root)
    _ = try DataAttribute(device).write([1], at: 0, by: root)
    _ = try LoadingAttribute(device).store([0x30], by: root)
    holder.withLock { $0 = nil }
    #expect(seen.withLock { $0 } == [.programming, .idle])
  }

  @Test("The moment that wedges the kernel does not exist: loading=1, data, loading=0 at the end start an upload")
  func noWedge() throws {
    let bench = Bench()
    try start(bench, "first")
    bench.driver.state.withLock { state in
      state.hook = { phase in
        guard phase == .programming else { return }
        _ = try? bench.put("loading", "1")
        #expect(throws: Errno.operationNotSupportedByDevice) { try bench.put("data", "second") }
        #expect(throws: Never.self) { try bench.put("loading", "0") }
      }
    }
    bench.runWorker()
    bench.driver.state.withLock { $0.hook = nil }
    try start(bench, "second")
    bench.runWorker()
    #expect(bench.driver.state.withLock { String(decoding: $0.image, as: UTF8.self) } == "second")
    #expect(bench.snap() == "idle\n||0\n|0\n|0")
  }
}

/// kernel-abi 2.7 and 1.1: the directory, and how it goes away.
@Suite(.timeLimit(.minutes(20)))
struct DeviceTests {
  @Test("Everything that is there (golden layout.tree)")
  func directory() throws {
    let bench = Bench()
    let directory = try bench.node("fw1")
    #expect(
      try bench.tree.readDirectory(directory).map(\.name) == [
        ".", "..", "uevent", "power", "loading", "error", "device", "cancel", "subsystem", "status", "remaining_size",
        "data",
      ])
    for (name, mode, size) in [
      ("status", UInt16(0o444), Int64(4096)), ("error", 0o444, 4096), ("remaining_size", 0o444, 4096),
      ("loading", 0o644, 4096), ("cancel", 0o200, 4096), ("data", 0o644, 0), ("uevent", 0o644, 4096),
    ] {
      let attributes = try bench.tree.attributes(of: bench.node("fw1/\(name)"))
      #expect(attributes.permissions == mode)
      #expect(attributes.size == size)
    }
    #expect(try bench.tree.attributes(of: directory).links == 3)
    #expect(try bench.tree.readLink(bench.node("fw1/device")) == "../../test_firmware")
    #expect(try bench.tree.readLink(bench.node("fw1/subsystem")) == "../../../../../class/firmware")
    #expect(try bench.get("power/runtime_usage") == "0\n")
    #expect(throws: Errno.permissionDenied) { try bench.get("cancel") }
    #expect(throws: Errno.permissionDenied) { try bench.put("status", "x") }
    #expect(bench.snap() == "idle\n||0\n|0\n|0")
  }

  @Test("power of tdx_host has five files; without the fallback uevent is empty")
  func variants() throws {
    let bench = Bench(name: "tdx_module", power: .plain)
    #expect(try bench.tree.readDirectory(bench.node("tdx_module/power")).count == 7)
    let tree = Tree(clock: { Timestamp(seconds: 1) }) {
      bench.device.directory(deviceTarget: "d", subsystemTarget: "s", showsFallback: false)
    }
    let uevent = try tree.lookup("uevent", in: try tree.lookup("tdx_module", in: .root).id).id
    let opened = try tree.open(uevent, flags: .largeFile, by: root).id
    #expect(try tree.bytes(opened, at: 0, count: 100, by: root).count == 0)
  }

  @Test("Removing an idle device: staged bytes gone, every operation ENODEV")
  func removeIdle() throws {
    let bench = Bench()
    try bench.put("loading", "1")
    try bench.put("data", "abc")
    let data = try bench.open("data", [.readWrite, .largeFile])
    bench.device.remove()
    try bench.tree.remove(at: "fw1")
    #expect(bench.device.isRemoved)
    #expect(bench.device.stagedSize == 0)
    #expect(bench.driver.state.withLock { $0.cancels } == 0)
    #expect(throws: Errno.operationNotSupportedByDevice) {
      try bench.tree.bytes(data, at: 0, count: 10, by: root).count
    }
    #expect(throws: Errno.noSuchFileOrDirectory) { try bench.get("status") }
    #expect(throws: Errno.operationNotSupportedByDevice) { try LoadingAttribute(bench.device).store([0x31], by: root) }
    #expect(throws: Errno.operationNotSupportedByDevice) {
      try DataAttribute(bench.device).write([1], at: 0, by: root)
    }
    var text = AttributeText()
    for attribute: any TextAttribute in [
      StatusAttribute(bench.device), ErrorAttribute(bench.device), RemainingSizeAttribute(bench.device),
      LoadingAttribute(bench.device),
    ] {
      #expect(throws: Errno.operationNotSupportedByDevice) { try attribute.show(&text) }
    }
  }

  @Test("Removing a busy device: cancelled, and its queue wakes when the worker has ended")
  func removeBusy() throws {
    let bench = Bench()
    try bench.put("loading", "1")
    try bench.put("data", "abc")
    try bench.put("loading", "0")
    let woken = Guarded(0)
    let queue = try #require(bench.device.beginRemoval())
    queue.park { woken.withLock { $0 += 1 } }
    #expect(bench.driver.state.withLock { $0.cancels } == 1)
    #expect(woken.withLock { $0 } == 0)
    bench.runWorker()
    #expect(woken.withLock { $0 } == 1)
    #expect(bench.device.progress == .idle)
    #expect(bench.device.beginRemoval() == nil)
  }

  @Test("remove() cancels what another thread's worker holds, and returns when that has ended")
  func removeWaits() throws {
    let bench = Bench()
    try bench.put("loading", "1")
    try bench.put("data", "abc")
    try bench.put("loading", "0")
    let driver = bench.driver
    driver.state.withLock { $0.hook = { phase in if phase == .preparing { driver.waitForCancel() } } }
    let worker = Worker()
    worker.schedule { bench.runWorker() }
    bench.device.remove()
    #expect(bench.device.progress == .idle)
    #expect(driver.calls == ["prepare 3", "write 0", "poll_complete"])
    worker.drain()
    driver.state.withLock { $0.hook = nil }
    #expect(bench.events.withLock { $0.last } == .idle)
  }
}
