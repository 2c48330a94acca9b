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

  init(machine: EmulatedMachine, boot: UInt64, isCancelRequested: Bool = false) {
    self.machine = machine
    self.boot = boot
    cancelFlag = Guarded(CancelFlag(machine.profile.cancel, isSet: isCancelRequested))
  }

  /// `cancel_request`
  var isCancelRequested: Bool { cancelFlag.withLock { $0.isSet } }

  func prepare(image: [UInt8]) throws(FirmwareUploadError) {
    machine.enter(.prepare, boot: boot)
    try cancelFlag.withLock { flag throws(FirmwareUploadError) in try flag.prepare() }
    machine.leave(.prepare)
  }

  /// The whole image at once; the offset is not looked at.
  func write(image: [UInt8], offset: Int) throws(FirmwareUploadError) -> Int {
    if let continued = machine.continueInstallation(boot: boot) {
      if let error = machine.profile.uploadError(for: continued.errno) { throw error }
      return image.count - offset
    }
    let hasMemory = machine.enter(.transfer, boot: boot)
    try cancelFlag.withLock { flag throws(FirmwareUploadError) in try flag.write() }
    let errno = machine.install(image, boot: boot, hasMemory: hasMemory)
    if let error = machine.profile.uploadError(for: errno) { throw error }
    return image.count - offset
  }

  func pollComplete() throws(FirmwareUploadError) {}

  /// Once the installer runs, nothing cancels it.
  func cancel() { cancelFlag.withLock { $0.cancel() } }
}

extension EmulatedMachine {
  /// Keeps upload-level events of the device of boot number `boot` for the trace and for `why`.
  func observe(_ event: FirmwareUploadEvent, boot: UInt64) {
    note(event, boot: boot)
    // Before `status` says idle: who has seen that finds the outcome also after the process was killed.
    if case .ended = event { settle() }
  }

  private func note(_ event: FirmwareUploadEvent, boot: UInt64) {
    lock.withLock {
      guard boot == bootNumber else { return }
      defer { watch(event) }
      switch event {
      case .started: milestone = .started
      case .ended: milestone = .ended
      case .idle: milestone = .none
      case .loadingBegan, .loadingGivenUp, .unexpectedValue, .nothingStaged, .commitRefused, .pageAllocationFailed,
        .loadingIgnored, .entered, .transferred, .cancelled:
        break
      }
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
        if errno == .noMemory { whyReport = noMemory("map the pages of the image") }
        trace.note("commit-refused", [("errno", .number(Int(errno.rawValue)))], time: now)
      case .pageAllocationFailed(let staged):
        whyReport = noMemory("take a page for data")
        trace.note("page-allocation-failed", [("staged", .number(staged))], time: now)
      case .loadingBegan(let dropped):
        faults.withLock { $0.beginUpload() }
        trace.note("loading", [("dropped", .number(dropped))], time: now)
      case .loadingGivenUp(let staged): trace.note("given-up", [("staged", .number(staged))], time: now)
      case .loadingIgnored(let value): trace.note("loading-ignored", [("value", .number(Int(value)))], time: now)
      case .cancelled(let whileIdle): trace.note("cancel", [("idle", .number(whileIdle ? 1 : 0))], time: now)
      case .entered, .transferred, .idle: return
      }
    }
  }

  /// The upload class got no memory. `lock` is held.
  private func noMemory(_ what: String) -> Why {
    let confession = faults.withLock { $0.confession }.map { " (\($0))" } ?? ""
    return Why(
      sentence:
        "the kernel had no memory to \(what), so nothing was uploaded, and the upload device takes nothing more "
        + "until reboot" + confession,
      result: "no-memory", next: "reboot (echo reboot > .tdxfs/power)")
  }
}
