import Basics
import Kernfs
import SystemPackage

/// `/sys/module/firmware_class/parameters/path`, 0644: where the kernel looks for firmware files first
/// (`param_set_copystring`). ENOSPC for what does not fit in 256 bytes. Nothing here is ever looked up.
struct FirmwareSearchPathAttribute: TextAttribute {
  let mode: UInt16 = 0o644
  private let path = Guarded<[UInt8]>([])

  func show(_ text: inout AttributeText) throws(Errno) {
    text.append(bytes: path.withLock { $0 })
    text.append("\n" as StaticString)
  }

  func store(_ bytes: [UInt8], by caller: Caller) throws(Errno) -> StoreOutcome {
    let text = Array(KernelText.string(bytes))
    guard text.count < 256 else { throw .noSpace }
    path.withLock { $0 = text }
    return .consumed(bytes.count)
  }
}
