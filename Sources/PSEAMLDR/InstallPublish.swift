import Basics
import ModuleImage
import SEAM

extension PSEAMLDR {
  /// B5 to B9 of pseamldr.md 3.4: the module in the SEAM range becomes the platform's module.
  ///
  /// The SEAM VMCS of every LP, which B5 makes, has no documented content; its pages stay empty.
  mutating func publish(
    _ program: ModuleProgram, sigstruct: SEAMSigstruct, memory: MemoryPlan, bases: LinearBases, machine: inout Machine
  ) throws(InstallRefusal) {
    let sysInfo = memory.sysInfo(configuration: machine.configuration, sigstruct: sigstruct, bases: bases)
    machine.memory.write(sysInfo, at: machine.sysInfoBase)
    machine.residentProgram = program
    machine.imageGeneration &+= 1

    machine.seamExtend = data.snapshot
    machine.seamExtend.seamReady = false
    machine.seamExtend.info.setModule(sigstruct)
    try insertIntoSEAMDB(&machine)

    writeHandoffFields(sigstruct, memory, machine: &machine)
    if data.remainingUpdates > 0 { data.remainingUpdates -= 1 }
    machine.seamExtend.seamReady = true
    makeDirty(machine.configuration)
    data.reservedHandoffPages = memory.handoffPages
  }

  /// B7.
  private func insertIntoSEAMDB(_ machine: inout Machine) throws(InstallRefusal) {
    let attempts = 5
    var reason = "RDRAND gave no entropy for a nonce"
    for _ in 0..<attempts {
      do throws(SEAMDB.InsertError) {
        try machine.seamdb.insert(machine.seamExtend.info, entropy: &machine.entropy)
        return
      } catch {
        switch error {
        case .noEntropy: reason = "RDRAND gave no entropy for a nonce"
        case .full: reason = "all \(machine.seamdb.size) entries are taken"
        }
      }
    }
    throw InstallRefusal(
      .seamdbInsert, .noEntropy, "the CPU refused \(attempts) times to record the load in the SEAMDB: \(reason)",
      isRecoverable: false)
  }

  /// The four last fields of SYS_INFO.
  private func writeHandoffFields(_ sigstruct: SEAMSigstruct, _ memory: MemoryPlan, machine: inout Machine) {
    typealias Field = SEAMLayout.SysInfo
    let base = machine.sysInfoBase
    let pages: UInt16
    switch rules.generation {
    case .v1_5: pages = sigstruct[SEAMSigstruct.numHandoffPages]
    case .v2_0: pages = UInt16(clamping: memory.handoffPages - 1)
    }
    machine.memory.write(sigstruct[SEAMSigstruct.moduleHV].littleEndianBytes, at: base + UInt64(Field.moduleHV))
    machine.memory.write(sigstruct[SEAMSigstruct.minUpdateHV].littleEndianBytes, at: base + UInt64(Field.minUpdateHV))
    machine.memory.write([sigstruct[SEAMSigstruct.noDowngrade]], at: base + UInt64(Field.noDowngrade))
    machine.memory.write(pages.littleEndianBytes, at: base + UInt64(Field.numHandoffPages))
  }

  /// B9: CLEANUP owes every present package fresh keys and a cache write-back.
  private mutating func makeDirty(_ configuration: MachineConfiguration) {
    for package in data.packages.indices.prefix(configuration.packages) {
      data.packages[package].keyDirty = true
      data.packages[package].cacheDirty = true
      data.packages[package].nextKID = 0
      data.packages[package].nextBlock = 0
    }
  }
}

extension SEAMInfo {
  /// The identity of the module that `sigstruct` describes (B6). The microcode's part of TEE_TCB_SVN stays.
  fileprivate mutating func setModule(_ sigstruct: SEAMSigstruct) {
    valid = Self.validWithModule
    minorSVN = sigstruct[SEAMSigstruct.minorSVN]
    majorSVN = sigstruct[SEAMSigstruct.majorSVN]
    mrseam = Array(sigstruct.slice(SEAMSigstruct.seamHashRange))
    mrsignerseam = Self.noMeasurement
    attributes = 0
  }
}
