import SEAM

/// TDH.MNG.RD, TDH.MNG.WR, TDH.VP.RD, TDH.VP.WR: metadata of a TD and of a vCPU, for the host (tdx-module.md 5.2, 6.9).
extension TDXModule {
  /// Runs the leaf.
  mutating func metadataLeaf(
    _ leaf: ModuleLeaf, _ call: inout Call, machine: inout Machine
  ) throws(ModuleError) -> CompletionStatus {
    let operands = call.registers
    call.registers.r8 = 0
    switch leaf {
    case .mngRD:
      let tdr = try startRead(&call) { module throws(ModuleError) in
        try module.requireTD(operands.rcx, .rcx, .shared, for: .mngRD)
      }
      return try read(&call, try tdAccess(tdr), id: operands.rdx, tdValues(tdr, machine))
    case .mngWR:
      let tdr = try requireTD(operands.rcx, .rcx, .shared, for: .mngWR)
      return try mngWR(&call, operands, tdr, machine: machine)
    case .vpRD:
      let (tdvpr, tdr) = try startRead(&call) { module throws(ModuleError) in
        try module.requireVCPU(operands.rcx, for: .vpRD)
      }
      try associate(tdvpr, with: call.lp, allowingDisabled: true)
      return try read(&call, try vcpuAccess(tdr), id: operands.rdx, vcpuValues(tdvpr, tdr))
    case .vpWR:
      let (tdvpr, tdr) = try requireVCPU(operands.rcx, for: .vpWR)
      try associate(tdvpr, with: call.lp)
      return try vpWR(&call, operands, tdvpr, tdr, machine: machine)
    default:
      throw notEmulated(leaf)
    }
  }

  /// What a read does before its first check, then the check: version 1 answers all ones in RDX where it cannot tell a field.
  private func startRead<T>(
    _ call: inout Call, _ check: (TDXModule) throws(ModuleError) -> T
  ) throws(ModuleError) -> T {
    if call.leaf.version > 0 { call.registers.rdx = MetadataFieldID.none.rawValue }
    try requireVersion1(call)
    return try check(self)
  }

  /// The vCPU operand of TDH.VP.RD and WR, with its TD and all its pages.
  private func requireVCPU(
    _ raw: UInt64, for leaf: ModuleLeaf
  ) throws(ModuleError) -> (tdvpr: UInt64, tdr: UInt64) {
    let (tdvpr, tdr) = try requireTDVPR(raw, .rcx, .shared)
    try requireTD(tdr, for: leaf)
    try requireVCPUPages(tdvpr)
    return (tdvpr, tdr)
  }

  private func reader(_ tdr: UInt64) -> MetadataReader {
    tds[tdr]?.parameters.attributes.contains(.debug) == true ? .debugger : .host
  }

  private func tdAccess(_ tdr: UInt64) throws(ModuleError) -> MetadataAccess<TDField> {
    guard let traits = state?.traits else { throw .fatal("no TDX module") }
    return MetadataAccess(traits: traits, reader: reader(tdr))
  }

  private func vcpuAccess(_ tdr: UInt64) throws(ModuleError) -> MetadataAccess<VCPUField> {
    guard let traits = state?.traits else { throw .fatal("no TDX module") }
    return MetadataAccess(traits: traits, reader: reader(tdr))
  }

  private func read<Field>(
    _ call: inout Call, _ access: MetadataAccess<Field>, id raw: UInt64,
    _ value: (MetadataElement<Field>) -> UInt64
  ) throws(ModuleError) -> CompletionStatus {
    let id = MetadataFieldID(rawValue: raw)
    if call.leaf.version > 0, id.isNull {
      call.registers.rdx = access.first.rawValue
      return .metadataFirstFieldIDInContext
    }
    do throws(MetadataRefusal) {
      let result = try access.read(id, value)
      call.registers.r8 = result.value
      if call.leaf.version > 0 { call.registers.rdx = result.next.rawValue }
      return .success
    } catch {
      throw .refused(error.status, error.reason)
    }
  }

  /// TDH.MNG.WR, leaf 13: RDX the field, R8 the value, R9 the mask.
  private mutating func mngWR(
    _ call: inout Call, _ operands: Registers, _ tdr: UInt64, machine: Machine
  ) throws(ModuleError) -> CompletionStatus {
    let access = try tdAccess(tdr)
    do throws(MetadataRefusal) {
      let (element, new, old) = try access.write(
        MetadataFieldID(rawValue: operands.rdx), operands.r8, mask: operands.r9, tdValues(tdr, machine))
      try store(new, in: element, of: tdr, by: access.reader, mask: operands.r9, access.traits)
      call.registers.r8 = old.value
      return .success
    } catch {
      throw .refused(error.status, error.reason)
    }
  }

  /// TDH.VP.WR, leaf 43: the same for a vCPU.
  private mutating func vpWR(
    _ call: inout Call, _ operands: Registers, _ tdvpr: UInt64, _ tdr: UInt64, machine: Machine
  ) throws(ModuleError) -> CompletionStatus {
    let access = try vcpuAccess(tdr)
    do throws(MetadataRefusal) {
      let (element, new, old) = try access.write(
        MetadataFieldID(rawValue: operands.rdx), operands.r8, mask: operands.r9, vcpuValues(tdvpr, tdr))
      try store(new, in: element, of: tdvpr, access.traits, machine: machine)
      call.registers.r8 = old.value
      return .success
    } catch {
      throw .refused(error.status, error.reason)
    }
  }
}

extension TDXModule {
  /// The values of the fields of the TD `tdr`.
  func tdValues(_ tdr: UInt64, _ machine: Machine) -> (MetadataElement<TDField>) -> UInt64 {
    guard let td = tds[tdr], let traits = state?.traits else { return { _ in 0 } }
    let values = TDFieldValues(td: td, cpu: machine.configuration.cpu, traits: traits)
    return { values.value($0) }
  }

  /// The values of the fields of the vCPU `tdvpr`.
  func vcpuValues(_ tdvpr: UInt64, _ tdr: UInt64) -> (MetadataElement<VCPUField>) -> UInt64 {
    guard let vcpu = vcpus[tdvpr], let td = tds[tdr], let traits = state?.traits else { return { _ in 0 } }
    let values = VCPUFieldValues(vcpu: vcpu, td: td, traits: traits)
    return { values.value($0) }
  }
}
