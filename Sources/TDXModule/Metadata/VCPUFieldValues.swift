import SEAM

/// The values of the fields of one vCPU.
struct VCPUFieldValues {
  let vcpu: VCPU
  let td: TD
  let traits: ModuleTraits

  /// The value of an element.
  func value(_ element: MetadataElement<VCPUField>) -> UInt64 {
    if let register = element.field.register { return vcpu[keyPath: register] }
    switch element.field {
    case .postedInterruptVector, .postedInterruptDescriptor, .sharedEPTP, .pinBasedControls, .secondaryControls,
      .instructionTimeout, .pendNMI:
      return vcpu.fields[element.id(traits).rawValue] ?? initial(element.field)
    case .veExitReason: return UInt64(vcpu.veInfo?.exitReason ?? 0)
    // VALID is all ones, not 1.
    case .veValid: return vcpu.veInfo == nil ? 0 : 0xFFFF_FFFF
    case .veQualification: return vcpu.veInfo?.qualification ?? 0
    case .veLinearAddress: return vcpu.veInfo?.linearAddress ?? 0
    case .veGPA: return vcpu.veInfo?.gpa ?? 0
    case .vcpuStateDetails: return 0
    case .vcpuState: return UInt64(vcpu.state.rawValue)
    case .vcpuIndex: return UInt64(vcpu.index)
    case .numTDVPSPages: return UInt64(vcpu.pages.count)
    case .assocLPID: return vcpu.associatedLP.map { UInt64(truncatingIfNeeded: $0) } ?? 0xFFFF_FFFF
    case .vcpuEpoch: return vcpu.epoch
    case .cpuidSupervisorVE: return vcpu.cpuidVE.contains(.supervisor) ? 1 : 0
    case .cpuidUserVE: return vcpu.cpuidVE.contains(.user) ? 1 : 0
    case .xfam: return td.parameters.xfam
    case .lastTDExit: return UInt64(vcpu.lastExit.rawValue)
    case .tdvpsPagePA: return vcpu.pages.indices.contains(element.index) ? vcpu.pages[element.index] : 0
    case .lastSEAMDBIndex: return vcpu.lastSEAMDBIndex.map { UInt64(truncatingIfNeeded: $0) } ?? 0
    case .rax, .rcx, .rdx, .rbx, .rsi, .rdi, .r8, .r9, .r10, .r11, .r12, .r13, .r14, .r15, .currVM: return 0
    }
  }

  /// What TDH.VP.INIT writes: posted interrupts are not set up, the shared EPT is an empty page of the TDCS.
  private func initial(_ field: VCPUField) -> UInt64 {
    switch field {
    case .postedInterruptVector: 0xFFFF
    case .postedInterruptDescriptor: ~0x3F
    case .sharedEPTP: td.tdcxPages.last ?? 0
    default: 0
    }
  }
}

extension TDXModule {
  /// Checks and stores what was written to a field of the vCPU `tdvpr`.
  mutating func store(
    _ new: UInt64, in element: MetadataElement<VCPUField>, of tdvpr: UInt64, _ traits: ModuleTraits, machine: Machine
  ) throws(MetadataRefusal) {
    let id = element.id(traits).rawValue
    if let register = element.field.register {
      vcpus[tdvpr]?[keyPath: register] = new
      return
    }
    switch element.field {
    case .postedInterruptVector:
      guard new <= 255 else {
        throw MetadataRefusal(
          status: .metadataFieldValueNotValid, reason: "the notification vector \(new) is no vector")
      }
    case .postedInterruptDescriptor, .sharedEPTP:
      guard machine.isSharedAddress(new, size: 64, alignment: 64) else {
        throw MetadataRefusal(
          status: .metadataFieldValueNotValid, reason: "\(new.text) is not the address of shared memory")
      }
    case .pinBasedControls:
      try requirePostedInterrupts(new, tdvpr, traits)
    case .cpuidSupervisorVE:
      setCPUIDVE(.supervisor, new != 0, tdvpr)
      return
    case .cpuidUserVE:
      setCPUIDVE(.user, new != 0, tdvpr)
      return
    case .secondaryControls, .instructionTimeout, .pendNMI:
      break
    case .veExitReason, .veValid, .veQualification, .veLinearAddress, .veGPA, .vcpuStateDetails, .vcpuState, .vcpuIndex,
      .numTDVPSPages, .assocLPID, .vcpuEpoch, .xfam, .lastTDExit, .tdvpsPagePA, .lastSEAMDBIndex, .currVM, .rax, .rcx,
      .rdx, .rbx, .rsi, .rdi, .r8, .r9, .r10, .r11, .r12, .r13, .r14, .r15:
      throw MetadataRefusal(status: .metadataFieldNotWritable, reason: "field \(id.text) cannot be written")
    }
    vcpus[tdvpr]?.fields[id] = new
  }

  private mutating func setCPUIDVE(_ who: VCPU.CPUIDControl, _ isOn: Bool, _ tdvpr: UInt64) {
    if isOn { vcpus[tdvpr]?.cpuidVE.insert(who) } else { vcpus[tdvpr]?.cpuidVE.remove(who) }
  }

  /// Posted interrupts are switched on after their vector and descriptor are set.
  private func requirePostedInterrupts(
    _ controls: UInt64, _ tdvpr: UInt64, _ traits: ModuleTraits
  ) throws(MetadataRefusal) {
    guard controls >> 7 & 1 != 0 else { return }
    for field in [VCPUField.postedInterruptVector, .postedInterruptDescriptor] {
      let id = field.description(traits).id
      guard vcpus[tdvpr]?.fields[id.rawValue] != nil else {
        throw MetadataRefusal(
          status: .tdVMCSFieldNotInitialized.with(details: UInt32(truncatingIfNeeded: id.code)),
          reason: "posted interrupts need field \(id.rawValue.text) first")
      }
    }
  }
}
