import Kernfs
import Platform
import SystemPackage

/// `kmsg`: the kernel log as `/dev/kmsg` has it, one record a read. `tdxfs run` lays it over /dev/kmsg. Mode 0400.
struct KmsgFile: SnapshotFile {
  let machine: EmulatedMachine

  var mode: UInt16 { 0o400 }

  var isReadByLine: Bool { true }

  func content() throws(Errno) -> [UInt8] { Array(machine.kernelMessages().utf8) }
}
