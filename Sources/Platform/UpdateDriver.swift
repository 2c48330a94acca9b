import Basics
import FirmwareUpload
import SEAM
import SystemPackage
import TDXHost

/// `tdx_fw_ops`: what joins the firmware upload class with the installer of the TDX module (kernel-abi.md 3.3).
final class UpdateDriver: FirmwareUploadDriver {
  private let machine: EmulatedMachine
  /// The boot to which the device belongs.
  private let boot: UInt64
  private let cancelFlag: Guarded<CancelFlag>

  init(machine: EmulatedMachine, boot: UInt64) {
    self.machine = machine
    self.boot = boot
    cancelFlag = Guarded(CancelFlag(machine.profile.cancel))
  }

  func prepare(image: [UInt8]) throws(FirmwareUploadError) {
    try cancelFlag.withLock { flag throws(FirmwareUploadError) in try flag.prepare() }
  }

  /// The whole image at once; the offset is not looked at.
  func write(image: [UInt8], offset: Int) throws(FirmwareUploadError) -> Int {
    try cancelFlag.withLock { flag throws(FirmwareUploadError) in try flag.write() }
    let errno = machine.install(image, boot: boot)
    if let error = machine.profile.uploadError(for: errno) { throw error }
    return image.count - offset
  }

  func pollComplete() throws(FirmwareUploadError) {}

  /// Once the installer runs, nothing cancels it.
  func cancel() { cancelFlag.withLock { $0.cancel() } }
}

extension EmulatedMachine {
  /// `seamldr_install_module` on the upload worker: steps the update, with the lock held for one SEAMCALL at a time.
  /// A device of an earlier boot has nothing to install on.
  func install(_ image: [UInt8], boot: UInt64) -> Errno? {
    lock.lock()
    guard boot == bootNumber else {
      lock.unlock()
      return .operationNotSupportedByDevice
    }
    isUpdating = true
    freeze()
    silicon.refusals = []
    var update = ModuleUpdate(image: image, host: host)
    trace.note("update-start", [("bytes", .number(image.count))], time: now)
    while boot == bootNumber {
      if case .finished(let record) = update.step(host: &host, door: silicon) {
        finish(record)
        lock.unlock()
        idle.wake()
        return record.errno
      }
      lock.unlock()
      lock.lock()
    }
    // The machine was powered on anew meanwhile: there is nobody left to whom the result could matter.
    lock.unlock()
    return .operationNotSupportedByDevice
  }

  /// The power goes in the middle of an update. `lock` is held.
  func abandonUpdate(at event: PowerEvent) {
    whyReport = Why(
      sentence:
        "the machine was given \(event.rawValue == "kexec" ? "another kernel" : "a power cycle") in the middle of an "
        + "update, which ended there", result: "-", next: event == .kexec ? "reboot (echo reboot > .tdxfs/power)" : "-")
    trace.note("update-end", [("result", .text("abandoned")), ("event", .text(event.rawValue))], time: now)
    isUpdating = false
  }

  /// Publishes the end of an update. `lock` is held.
  private func finish(_ record: UpdateRecord) {
    whyReport = explain(record)
    trace.note(
      "update-end",
      [
        ("result", .text(whyReport.result)), ("stage", .text(whyReport.stage ?? "-")),
        ("lost", .text(whyReport.lost.rawValue)),
      ], time: now)
    silicon.refusals = []
    isUpdating = false
    thaw()
  }
}

extension EmulatedMachine {
  /// Keeps upload-level events of the device of boot number `boot` for the trace and for `why`.
  func observe(_ event: FirmwareUploadEvent, boot: UInt64) {
    lock.withLock {
      guard boot == bootNumber else { return }
      defer { watch(event) }
      switch event {
      case .started(let size):
        trace.note("upload", [("bytes", .number(size))], time: now)
      case .ended(let failure):
        let result = failure.map(\.text) ?? "success"
        if let failure, failure.error == .userAbort { whyReport = Self.cancelled(failure) }
        trace.note("upload-end", [("result", .text(result))], time: now)
      case .nothingStaged:
        whyReport = Self.nothingStaged
        trace.note("nothing-staged", time: now)
      case .unexpectedValue(0, let staged, wasLoading: false) where staged > 0:
        whyReport = Self.neverBegun(staged: staged)
        trace.note("unexpected-value", [("value", .number(0)), ("staged", .number(staged))], time: now)
      case .unexpectedValue(let value, let staged, _):
        trace.note("unexpected-value", [("value", .number(Int(value))), ("staged", .number(staged))], time: now)
      case .commitRefused(let errno):
        trace.note("commit-refused", [("errno", .number(Int(errno.rawValue)))], time: now)
      case .loadingBegan(let dropped): trace.note("loading", [("dropped", .number(dropped))], time: now)
      case .loadingGivenUp(let staged): trace.note("given-up", [("staged", .number(staged))], time: now)
      case .loadingIgnored(let value): trace.note("loading-ignored", [("value", .number(Int(value)))], time: now)
      case .cancelled(let whileIdle): trace.note("cancel", [("idle", .number(whileIdle ? 1 : 0))], time: now)
      case .entered, .transferred, .idle: return
      }
    }
  }
}
