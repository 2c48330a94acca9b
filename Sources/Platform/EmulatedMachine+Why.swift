import FirmwareUpload
import ModuleImage
import SEAM
import TDXHost

/// Turns what an update left behind into a plain answer.
extension EmulatedMachine {
  /// The cause of `record`. `lock` is held.
  func explain(_ record: UpdateRecord) -> Why {
    var why = Why(sentence: "", result: "success", next: "-")
    why.stage = Self.word(for: record.stage)
    if let error = profile.uploadError(for: record.errno) { why.result = "transferring:\(error.name)" }
    if record.isTDXLost || record.overlooked != nil { why.lost = host.tds.byName.isEmpty ? .module : .tds }
    if let cause = record.cause {
      why.lp = cause.lp
      why.leaf = cause.leaf.name
      why.status = cause.status
      why.rdx = cause.rdx
      switch cause.result {
      case .returned: break
      case .vmFailInvalid: why.pseudoStatus = "VMfailInvalid 0x\(String(cause.status.rawValue, radix: 16))"
      case .generalProtection: why.pseudoStatus = "#GP 0x\(String(cause.status.rawValue, radix: 16))"
      case .invalidOpcode: why.pseudoStatus = "#UD 0x\(String(cause.status.rawValue, radix: 16))"
      }
    }
    guard record.errno != nil else {
      why.sentence = success(record)
      if record.overlooked != nil { why.next = "reboot (echo reboot > .tdxfs/power)" }
      return why
    }
    why.sentence = sentence(for: record)
    why.next = advice(for: record)
    return why
  }

  /// Nothing was staged when `loading` was committed.
  static let nothingStaged = Why(
    sentence: "nothing was staged: loading was committed without any byte in data, so nothing was uploaded",
    result: "nothing-staged", next: "echo 1 > loading; cat IMAGE > data; echo 0 > loading")

  /// `loading` was committed without having been begun.
  static func neverBegun(staged: Int) -> Why {
    Why(
      sentence: "loading=0 came without loading=1 before it, so the \(staged) bytes in data were not uploaded",
      result: "nothing-staged", next: "echo 1 > loading; cat IMAGE > data; echo 0 > loading")
  }

  /// A `cancel` was written before the installer was called.
  static func cancelled(_ failure: UploadFailure) -> Why {
    Why(
      sentence: "cancel was written before the installer was called (kernels v1 to v3 keep that for an upload), so the "
        + "image was not looked at",
      result: failure.text, next: "upload again")
  }

  private static func word(for stage: UpdateRecord.Stage) -> String {
    switch stage {
    case .preflight: return "preflight"
    case .refresh: return "refresh"
    case .done: return "done"
    case .lockStep(let state):
      switch state {
      case .start: return "start"
      case .shutdown: return "shutdown"
      case .cpuInstall: return "install"
      case .cpuInit: return "cpu-init"
      case .runUpdate: return "update"
      case .done: return "done"
      }
    }
  }

  private func success(_ record: UpdateRecord) -> String {
    let new = record.newVersion ?? host.sysInfo.version
    var text = "TDX module \(record.oldVersion) was updated to \(new) on all \(record.onlineCPUs) LPs; "
    let remaining = silicon.loader.remainingUpdates
    text += "\(remaining) \(remaining == 1 ? "update remains" : "updates remain")"
    if let overlooked = record.overlooked {
      text +=
        "; but TDH.SYS.UPDATE failed (\(overlooked.status.symbol)), which kernel \(profile.name) does not notice, "
        + "because it keeps the status in 32 bits: the module is not ready, and TDX is lost" + lostTDs
    }
    if silicon.machine.residentProgram?.versionSource == .unknown {
      text += "; version not known: the image carries none, \(new) is made of its major SVN"
    }
    return text
  }

  private func sentence(for record: UpdateRecord) -> String {
    if case .preflight = record.stage {
      return "the kernel refused the image before it touched anything: \(record.refusal ?? "no reason is known")"
    }
    guard let cause = record.cause else { return "the update failed (\(record.errno.map { "\($0)" } ?? "-"))" }
    let reason = silicon.refusals.first { $0.lp == cause.lp && $0.rax == cause.registers.rax }?.reason
    let because = reason.map { ": \($0)" } ?? ""
    switch record.stage {
    case .lockStep(.shutdown):
      if lacksUpdateCompatibility(cause) { return unknownFlag(record) }
      if !record.wasInitialized {
        return "TDX was lost by an earlier update, so this one could not begin\(because)"
      }
      let givenUp = record.wasInitialized && !host.isModuleInitialized
      return "TDX module \(record.oldVersion) refused to shut down; nothing was lost\(because)\(sensitiveTDs(cause))"
        + (givenUp ? "; kernel \(profile.name) gives it up all the same, until an update succeeds" : "")
    case .lockStep(.cpuInstall):
      return "the P-SEAMLDR refused the image after the old module was shut down, so TDX is lost\(lostTDs)\(because)"
    case .lockStep(.cpuInit), .lockStep(.runUpdate):
      if !record.offlineCPUs.isEmpty {
        let list = record.offlineCPUs.map(String.init).joined(separator: ", ")
        let noun = record.offlineCPUs.count == 1 ? "CPU \(list) was" : "CPUs \(list) were"
        return "\(noun) offline, which this kernel does not check, so TDX is lost\(lostTDs)\(because)"
      }
      return "the new module did not start, so TDX is lost\(lostTDs)\(because)"
    case .refresh:
      return
        "the new module runs, but the kernel could not read its metadata again at \(cause.leaf.name), tells of failure "
        + "and keeps what it knew of the old one\(because)"
    case .lockStep, .done, .preflight:
      return "the update failed at \(cause.leaf.name)\(because)"
    }
  }

  /// `, and with it the TDs a, b and c`, where a lost module took TDs with it.
  private var lostTDs: String {
    let names = host.tds.inOrder.map(\.name)
    return names.isEmpty ? "" : ", and with it \(names.count == 1 ? "the TD" : "the TDs") \(Self.list(names))"
  }

  /// Which TDs made TDH.SYS.SHUTDOWN refuse with UPDATE_COMPATIBILITY_SENSITIVE, where that is what it said. Details_L2 bit
  /// 0: builds or interrupted migrations (tdx-module.md 9).
  private func sensitiveTDs(_ cause: SEAMCALLFailure) -> String {
    guard cause.status.code == .updateCompatibilitySensitive else { return "" }
    let isBuild = cause.status.details & 0xFFFF == 0
    let names = host.tds.inOrder.filter { isBuild ? $0.isOpenBuild : $0.isMigrationInterrupted }.map(\.name)
    guard !names.isEmpty else { return "" }
    return isBuild ? "; being built: \(Self.list(names))" : "; in an interrupted migration: \(Self.list(names))"
  }

  /// `a, b and c`; of more than ten names the rest is counted.
  static func list(_ names: [String]) -> String {
    let shown = names.prefix(10)
    guard names.count <= 10 else { return shown.joined(separator: ", ") + " and \(names.count - 10) more" }
    guard let last = shown.last, shown.count > 1 else { return shown.joined() }
    return shown.dropLast().joined(separator: ", ") + " and " + last
  }

  /// TDH.SYS.SHUTDOWN with bit 16 to a module that takes all of RCX as a version.
  private func lacksUpdateCompatibility(_ cause: SEAMCALLFailure) -> Bool {
    cause.status == .operandInvalid.with(.rcx) && cause.registers.rcx >> 16 & 1 != 0
      && silicon.module.program?.hasUpdateCompatibility == false
  }

  private func unknownFlag(_ record: UpdateRecord) -> String {
    let kernels = ABIProfile.all.filter { $0.shutdownFlag != .always }.map(\.name).joined(separator: ", ")
    return "TDX module \(record.oldVersion) does not know AVOID_COMPAT_SENSITIVE (TDX_FEATURES0 bit 47), which kernel "
      + "\(profile.name) always sets in TDH.SYS.SHUTDOWN; nothing was lost; these kernels would update it: \(kernels)"
  }

  private func advice(for record: UpdateRecord) -> String {
    if record.isTDXLost || !record.wasInitialized { return "reboot (echo reboot > .tdxfs/power)" }
    if case .preflight = record.stage { return "upload an image that this kernel takes" }
    guard let cause = record.cause else { return "try again" }
    if lacksUpdateCompatibility(cause) {
      return "use one of these kernels, or a BIOS with a module from 1.5.24 or 2.0.14 on"
    }
    switch cause.status.code {
    case .updateCompatibilitySensitive: return "finish or drop the TDs that are being built, then try again"
    case .sysBusy: return "try again"
    default: return "nothing was touched; see the reason"
    }
  }
}
