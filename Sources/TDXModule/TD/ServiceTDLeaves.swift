import SEAM

extension TDXModule {
  /// TDH.SERVTD.*: binding of service TDs.
  mutating func serviceTDLeaf(_ call: inout Call, machine: inout Machine) throws(ModuleError) -> CompletionStatus {
    try requirePage(call.registers.rcx, .tdr, .rcx)
    throw .invalid(.rax, "tdxfs does not emulate service TDs")
  }
}
