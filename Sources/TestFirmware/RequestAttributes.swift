import Kernfs
import SystemPackage

// The knobs of the other half of the driver, which asks for firmware files. tdxfs has none, so every request ends as it
// does in a kernel that finds no file.

/// `trigger_request`, 0200: asks for the file. ENOENT; EINVAL for an empty name.
struct TriggerRequestAttribute: TextAttribute {
  let mode: UInt16 = 0o200
  let module: TestFirmware

  func store(_ bytes: [UInt8], by caller: Caller) throws(Errno) -> StoreOutcome {
    try module.store(bytes) { _ throws(Errno) in
      let name = module.nameToLoad(bytes)
      module.log(.info, "loading '\(name)'")
      let errno: Errno = name.isEmpty ? .invalidArgument : .noSuchFileOrDirectory
      if !name.isEmpty { module.failDirectLoad(name) }
      module.log(.info, "load of '\(name)' failed: -\(errno.rawValue)")
      throw errno
    }
  }
}

/// `trigger_async_request`, 0200: ditto, later. ENOMEM, which is all that the driver learns; EINVAL for an empty name.
struct TriggerAsyncRequestAttribute: TextAttribute {
  let mode: UInt16 = 0o200
  let module: TestFirmware

  func store(_ bytes: [UInt8], by caller: Caller) throws(Errno) -> StoreOutcome {
    try module.store(bytes) { _ throws(Errno) in
      let name = module.nameToLoad(bytes)
      module.log(.info, "loading '\(name)'")
      if !name.isEmpty { module.failDirectLoad(name) }
      module.log(.error, "failed to async load firmware")
      throw .noMemory
    }
  }
}

/// `trigger_custom_fallback`, 0200: ditto, and nobody answers the fallback. ENODEV.
struct TriggerCustomFallbackAttribute: TextAttribute {
  let mode: UInt16 = 0o200
  let module: TestFirmware

  func store(_ bytes: [UInt8], by caller: Caller) throws(Errno) -> StoreOutcome {
    try module.store(bytes) { _ throws(Errno) in
      let name = module.nameToLoad(bytes)
      module.log(.info, "loading '\(name)' using custom fallback mechanism")
      if !name.isEmpty { module.failDirectLoad(name) }
      module.log(.error, "failed to async load firmware")
      throw .operationNotSupportedByDevice
    }
  }
}

/// `trigger_batched_requests`, `trigger_batched_requests_async`, 0200: `config_num_requests` requests for `config_name`,
/// whose result goes to `test_result`. EBUSY until the last batch was released.
struct TriggerBatchedRequestsAttribute: TextAttribute {
  let mode: UInt16 = 0o200
  let module: TestFirmware
  let isAsynchronous: Bool

  func store(_ bytes: [UInt8], by caller: Caller) throws(Errno) -> StoreOutcome {
    try module.store(bytes) { state throws(Errno) in
      guard !state.configuration.holdsRequests else { throw .resourceBusy }
      state.configuration.holdsRequests = true
      let (name, count) = (module.nameToLoad(state.configuration.name), state.configuration.numRequests)
      let how =
        isAsynchronous
        ? "batched loading '\(name)' custom fallback mechanism" : "batched sync firmware loading '\(name)'"
      module.log(.info, "\(how) \(count) times")
      for request in 0..<count {
        module.failDirectLoad(name)
        if !isAsynchronous { module.log(.info, "#\(request): batched sync load failed: -2") }
        if state.configuration.testResult == 0 { state.configuration.testResult = -2 }
      }
    }
  }
}

/// `release_all_firmware`, 0200: any text releases the last batch. No errors.
struct ReleaseAllFirmwareAttribute: TextAttribute {
  let mode: UInt16 = 0o200
  let module: TestFirmware

  func store(_ bytes: [UInt8], by caller: Caller) throws(Errno) -> StoreOutcome {
    try module.store(bytes) { $0.configuration.holdsRequests = false }
  }
}

/// `test_result`, 0444: 0 or a negative errno.
struct TestResultAttribute: TextAttribute {
  let mode: UInt16 = 0o444
  let module: TestFirmware

  func show(_ text: inout AttributeText) throws(Errno) {
    text.append("\(try module.withState { state throws(Errno) in state.configuration.testResult })\n")
  }
}

/// `read_firmware`, 0444: what request `config_read_fw_idx` of the batch got. ERANGE beyond the batch, EINVAL without
/// one, ENOENT for nothing.
struct ReadFirmwareAttribute: TextAttribute {
  let mode: UInt16 = 0o444
  let module: TestFirmware

  func show(_ text: inout AttributeText) throws(Errno) {
    let configuration = try module.withState { state throws(Errno) in state.configuration }
    guard configuration.readFwIdx < configuration.numRequests else { throw .outOfRange }
    guard configuration.holdsRequests else { throw .invalidArgument }
    module.log(.error, "#\(configuration.readFwIdx): failed to async load firmware")
    throw .noSuchFileOrDirectory
  }
}

extension TestFirmware {
  fileprivate func nameToLoad(_ bytes: [UInt8]) -> String { String(decoding: KernelText.string(bytes), as: UTF8.self) }

  /// What the loader says of a file that is nowhere.
  fileprivate func failDirectLoad(_ name: String) {
    environment.log(.warning, "misc \(Self.name): Direct firmware load for \(name) failed with error -2")
  }
}
