/// Where the CPU sends a SEAMCALL, decided before any firmware runs (pseamldr.md 1.3, tdx-module.md 3.1).
public enum SEAMCALLRoute: Equatable, Sendable {
  /// Into the P-SEAMLDR.
  case loader
  /// Into the TDX module.
  case module
  /// Nowhere: CF = 1, registers unchanged.
  case vmFailInvalid
}

extension Machine {
  /// Where a SEAMCALL with `rax` goes: RAX[63] selects the firmware, SEAMEXTEND says whether it may be entered.
  public func route(rax: UInt64) -> SEAMCALLRoute {
    if rax >> 63 != 0 {
      seamExtend.pSEAMLDRReady ? .loader : .vmFailInvalid
    } else {
      seamExtend.seamReady ? .module : .vmFailInvalid
    }
  }
}
