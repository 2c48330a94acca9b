import Kernfs
import SystemPackage

/// `upload_register`, 0200: makes an upload device of this name. EEXIST, EINVAL (``TestFirmware/register(_:)``).
struct UploadRegisterAttribute: TextAttribute {
  let mode: UInt16 = 0o200
  let module: TestFirmware

  func store(_ bytes: [UInt8], by caller: Caller) throws(Errno) -> StoreOutcome { try module.register(bytes) }
}

/// `upload_unregister`, 0200: takes the upload device of this name away, and returns when its worker has ended. EINVAL
/// when there is none.
struct UploadUnregisterAttribute: TextAttribute {
  let mode: UInt16 = 0o200
  let module: TestFirmware

  func store(_ bytes: [UInt8], by caller: Caller) throws(Errno) -> StoreOutcome {
    try module.unregister(bytes, by: caller)
  }
}

/// `upload_read`, 0444: what the device that `config_upload_name` names was given. EINVAL when it names none.
struct UploadReadAttribute: TextAttribute {
  let mode: UInt16 = 0o444
  let module: TestFirmware

  func show(_ text: inout AttributeText) throws(Errno) {
    guard let upload = try module.withState({ state throws(Errno) in state.shown }) else {
      module.log(.error, "Set config_upload_name before using upload_read")
      throw .invalidArgument
    }
    text.append(bytes: upload.content)
  }
}
