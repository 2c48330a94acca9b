import Basics
import Kernfs
import SystemPackage

/// `drivers_probe` of a bus, 0200: the name of a device to probe (`drivers_probe_store`). A device that has its driver, or
/// for which there is none, is left alone; ENODEV for a name that is no device of the bus.
struct DriversProbeAttribute: TextAttribute {
  let mode: UInt16 = 0o200
  /// The one device that the bus can have.
  let device: String?
  let machine: EmulatedMachine

  func store(_ bytes: [UInt8], by caller: Caller) throws(Errno) -> StoreOutcome {
    guard let device, KernelText.isEqual(bytes, to: device), machine.hostDevice() != nil else {
      throw .operationNotSupportedByDevice
    }
    return .consumed(bytes.count)
  }
}

/// `drivers_autoprobe` of a bus, 0644 (`drivers_autoprobe_store`): a text that begins with 0 switches it off, any other
/// on. No errors.
struct DriversAutoprobeAttribute: TextAttribute {
  let mode: UInt16 = 0o644
  private let isOn = Guarded(true)

  func show(_ text: inout AttributeText) throws(Errno) {
    text.append(isOn.withLock { $0 } ? "1\n" : "0\n" as StaticString)
  }

  func store(_ bytes: [UInt8], by caller: Caller) throws(Errno) -> StoreOutcome {
    isOn.withLock { $0 = bytes.first != UInt8(ascii: "0") }
    return .consumed(bytes.count)
  }
}
