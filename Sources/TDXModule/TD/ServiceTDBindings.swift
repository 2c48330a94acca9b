/// The binding slots for service TDs of one TD, in its TDCS.
struct ServiceTDBindings: Sendable {
  /// SERVTD_HASH as TDH.MR.FINALIZE fixes it: zeros without a binding (tdx-module.md 6.7).
  func hash() -> [UInt8] { [UInt8](repeating: 0, count: TDMeasurement.digestSize) }
}
