import Kernfs
import SystemPackage

/// `config`, 0444: all settings in words.
struct ConfigAttribute: TextAttribute {
  let mode: UInt16 = 0o444
  let module: TestFirmware

  func show(_ text: inout AttributeText) throws(Errno) {
    let (configuration, shown) = try module.withState { state throws(Errno) in (state.configuration, state.shown) }
    func line(_ name: StaticString, _ value: String) {
      text.append(name)
      text.append(value)
      text.append("\n" as StaticString)
    }
    line("Custom trigger configuration for: ", TestFirmware.name)
    text.append("name:\t" as StaticString)
    text.append(bytes: configuration.name)
    text.append("\n" as StaticString)
    line("num_requests:\t", "\(configuration.numRequests)")
    line("send_uevent:\t\t", configuration.sendUevent ? "FW_ACTION_UEVENT" : "FW_ACTION_NOUEVENT")
    line("into_buf:\t\t", "\(configuration.intoBuf)")
    line("buf_size:\t", "\(configuration.bufSize)")
    line("file_offset:\t", "\(configuration.fileOffset)")
    line("partial:\t\t", "\(configuration.partial)")
    line("sync_direct:\t\t", "\(configuration.syncDirect)")
    line("read_fw_idx:\t", "\(configuration.readFwIdx)")
    text.append("upload_name:\t" as StaticString)
    text.append(bytes: shown?.name ?? Array("EMPTY".utf8))
    text.append("\n" as StaticString)
  }
}

/// `config_name`, 0644: any text, a newline included. No errors.
struct ConfigNameAttribute: TextAttribute {
  let mode: UInt16 = 0o644
  let module: TestFirmware

  func show(_ text: inout AttributeText) throws(Errno) {
    text.append(bytes: try module.withState { state throws(Errno) in state.configuration.name })
    text.append("\n" as StaticString)
  }

  func store(_ bytes: [UInt8], by caller: Caller) throws(Errno) -> StoreOutcome {
    try module.store(bytes) { $0.configuration.name = Array(KernelText.string(bytes)) }
  }
}

/// `config_upload_name`, 0644: the device that `upload_read` shows, named by any text that begins with its name. EINVAL
/// when there is none.
struct ConfigUploadNameAttribute: TextAttribute {
  let mode: UInt16 = 0o644
  let module: TestFirmware

  func show(_ text: inout AttributeText) throws(Errno) {
    // printk's own word for a null pointer.
    text.append(bytes: try module.withState { state throws(Errno) in state.shown?.name } ?? Array("(null)".utf8))
    text.append("\n" as StaticString)
  }

  func store(_ bytes: [UInt8], by caller: Caller) throws(Errno) -> StoreOutcome {
    try module.store(bytes) { state throws(Errno) in
      guard let index = state.upload(named: Array(KernelText.string(bytes))) else { throw .invalidArgument }
      state.shown = state.uploads[index].driver
    }
  }
}

/// `config_into_buf`, `config_partial`, `config_sync_direct`, `config_send_uevent`, 0644: a truth value. EINVAL for what
/// is none.
struct ConfigBoolAttribute: TextAttribute {
  let mode: UInt16 = 0o644
  let module: TestFirmware
  let setting: WritableKeyPath<TestConfiguration, Bool> & Sendable

  func show(_ text: inout AttributeText) throws(Errno) {
    let value = try module.withState { state throws(Errno) in state.configuration[keyPath: setting] }
    text.append(value ? "1\n" : "0\n" as StaticString)
  }

  func store(_ bytes: [UInt8], by caller: Caller) throws(Errno) -> StoreOutcome {
    try module.store(bytes) { state throws(Errno) in
      guard let value = KernelText.boolean(bytes, knowsEnable: false) else { throw .invalidArgument }
      state.configuration[keyPath: setting] = value
    }
  }
}

/// `config_num_requests`, `config_read_fw_idx`, 0644: a number up to 255. EINVAL, ERANGE; the former also EINVAL while a
/// batch was not released.
struct ConfigByteAttribute: TextAttribute {
  let mode: UInt16 = 0o644
  let module: TestFirmware
  let setting: WritableKeyPath<TestConfiguration, UInt8> & Sendable
  var isHeldByRequests = false

  func show(_ text: inout AttributeText) throws(Errno) {
    let value = try module.withState { state throws(Errno) in state.configuration[keyPath: setting] }
    text.append(decimal: UInt64(value))
    text.append("\n" as StaticString)
  }

  func store(_ bytes: [UInt8], by caller: Caller) throws(Errno) -> StoreOutcome {
    try module.store(bytes) { state throws(Errno) in
      if isHeldByRequests { try module.checkReleased(state) }
      state.configuration[keyPath: setting] = try KernelNumber.byte(bytes)
    }
  }
}

/// `config_buf_size`, `config_file_offset`, 0644: a signed number that is shown as an unsigned one. EINVAL, also while a
/// batch was not released; ERANGE.
struct ConfigSizeAttribute: TextAttribute {
  let mode: UInt16 = 0o644
  let module: TestFirmware
  let setting: WritableKeyPath<TestConfiguration, UInt> & Sendable

  func show(_ text: inout AttributeText) throws(Errno) {
    let value = try module.withState { state throws(Errno) in state.configuration[keyPath: setting] }
    text.append(decimal: UInt64(value))
    text.append("\n" as StaticString)
  }

  func store(_ bytes: [UInt8], by caller: Caller) throws(Errno) -> StoreOutcome {
    try module.store(bytes) { state throws(Errno) in
      try module.checkReleased(state)
      state.configuration[keyPath: setting] = UInt(bitPattern: try KernelNumber.long(bytes))
    }
  }
}

/// `reset`, 0200: any text sets everything back but `config_read_fw_idx`. Devices stay. No errors.
struct ResetAttribute: TextAttribute {
  let mode: UInt16 = 0o200
  let module: TestFirmware

  func store(_ bytes: [UInt8], by caller: Caller) throws(Errno) -> StoreOutcome {
    try module.store(bytes) { state in
      state.configuration.reset()
      state.shown = nil
      module.log(.info, "reset")
    }
  }
}

extension TestFirmware {
  /// - Throws: EINVAL while a batch of requests was not released.
  fileprivate func checkReleased(_ state: State) throws(Errno) {
    guard state.configuration.holdsRequests else { return }
    log(.error, "Must call release_all_firmware prior to changing config")
    throw .invalidArgument
  }
}
