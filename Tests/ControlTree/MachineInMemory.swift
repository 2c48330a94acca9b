import ControlTree
import Kernfs
import ModuleImage
import Platform

/// The files of a machine, `.tdxfs/` among them, that a test calls as clients do, without a mount in between.
struct MachineInMemory {
  let machine: EmulatedMachine
  let files: MachineFiles

  /// The machine of the mount options `text`.
  init(_ text: String = "seed=42", mayWriteRawIO: @escaping @Sendable (Caller) -> Bool = { _ in true }) throws {
    machine = try EmulatedMachine(options: MachineOptions(text: text))
    files = MachineFiles(
      machine: machine,
      environment: MachineFilesEnvironment(
        uid: 0, gid: 0, timeOfDay: { Timestamp(seconds: 0) }, mayWriteRawIO: mayWriteRawIO),
      extra: [ControlDirectory.entry(for: machine)])
  }
}
