import Basics
import ModuleImage
import SEAM

extension PSEAMLDR {
  /// What the last LP of a session does: both stages of pseamldr.md 3.4.
  mutating func installAsLastLP(
    params: UInt64, scenario: inout ManifestRules.Scenario?, machine: inout Machine
  ) throws(InstallRefusal) -> ModuleProgram {
    let plan = try checkInstall(params: params, scenario: &scenario, machine: &machine)
    clearModuleRange(keeping: plan.handoffBytes, machine: &machine)
    guard plan.memory.tablesFit else {
      throw InstallRefusal(
        .pageTables, .noMemory, "the page tables of the module do not fit between its data and its stacks",
        isRecoverable: false)
    }
    let program = try placeImage(plan, machine: &machine)
    try publish(
      program, sigstruct: plan.sigstruct, memory: plan.memory, bases: plan.bases, machine: &machine)
    return program
  }

  /// The point of no return. Without handoff data to keep, this is a LOAD: the SEAMDB begins anew, too.
  mutating func clearModuleRange(keeping handoffBytes: UInt64?, machine: inout Machine) {
    let base = machine.configuration.seamRangeBase
    let end = machine.configuration.loaderRangeBase
    if let handoffBytes {
      let kept = machine.dataRegionBase..<(machine.dataRegionBase + handoffBytes)
      machine.memory.clearSEAM(from: base, to: end, keeping: kept)
      let rest = (0 &- kept.upperBound) % UInt64(PhysicalMemory.pageSize)
      machine.memory.write(repeatElement(0, count: Int(rest)), at: kept.upperBound)
    } else {
      machine.seamdb.clear()
      data.refreshRemainingUpdates(machine.seamdb)
      machine.memory.clearSEAM(from: base, to: end)
    }
    machine.residentProgram = nil
  }

  /// B2 to B4: copies, hashes and relocates the image.
  private func placeImage(_ plan: InstallPlan, machine: inout Machine) throws(InstallRefusal) -> ModuleProgram {
    let base = machine.codeRegionBase
    let pageSize = PhysicalMemory.pageSize
    var digest = ImageDigest()
    var image: [UInt8] = []
    image.reserveCapacity(plan.params.imageSize)
    for (index, source) in plan.params.modulePages.enumerated() {
      machine.memory.copyPage(from: source, to: base + UInt64(index * pageSize))
      let bytes = machine.memory.page(at: source)?.bytes ?? Self.zeroPage
      digest.update(bytes)
      image.append(contentsOf: bytes)
    }
    let hash = digest.finalize()
    do throws(ManifestFailure) {
      try rules.hash(plan.sigstruct, digest: hash)
    } catch {
      throw InstallRefusal(error)
    }
    try relocate(image, plan.bases, machine: &machine)
    patchGates(plan, machine: &machine)
    return ModuleProgram.identify(sigstruct: plan.sigstruct, image: image, hash: hash)
  }

  private static let zeroPage = [UInt8](repeating: 0, count: PhysicalMemory.pageSize)

  /// B3.
  private func relocate(_ image: [UInt8], _ bases: LinearBases, machine: inout Machine) throws(InstallRefusal) {
    do throws(ManifestFailure) {
      for relocation in try ModuleELF.relocations(of: image) {
        let address = bases.code &+ relocation.addend
        machine.memory.write(address.littleEndianBytes, at: machine.codeRegionBase &+ relocation.offset)
      }
    } catch {
      throw InstallRefusal(error)
    }
  }

  /// B4: the 32 gates of the module's IDT lead to the 16-byte stubs of its fault wrapper.
  private func patchGates(_ plan: InstallPlan, machine: inout Machine) {
    let table = plan.sigstruct[SEAMSigstruct.gdtIDTOffset]
    guard table != 0 else { return }
    let gateSize = 16
    let address = machine.codeRegionBase + UInt64(table)
    var gates = machine.memory.read(address, count: 32 * gateSize)
    for vector in 0..<32 {
      let stub =
        plan.bases.code &+ UInt64(plan.sigstruct[SEAMSigstruct.faultWrapperOffset]) &+ UInt64(vector * gateSize)
      let gate = vector * gateSize
      gates.store(UInt16(truncatingIfNeeded: stub), at: gate)
      gates.store(UInt16(truncatingIfNeeded: stub >> 16), at: gate + 6)
      gates.store(UInt32(truncatingIfNeeded: stub >> 32), at: gate + 8)
    }
    machine.memory.write(gates, at: address)
  }
}
