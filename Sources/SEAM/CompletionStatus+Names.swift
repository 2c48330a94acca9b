extension CompletionStatus {
  /// The names of all codes, of the P-SEAMLDR and of the module, as the specifications spell them, sorted.
  public static var knownNames: [String] { (Array(loaderNames.values) + Array(moduleNames.values)).sorted() }

  /// The code that `name` means: as the specifications spell it, in any case, `TDX_` left out or not, with the operand in
  /// brackets where the code has one (`OPERAND_INVALID(RCX)`). `SUCCESS` is 0. Nil for a name that no specification has.
  public init?(name: String) {
    var name = name.uppercased()[...]
    var operand: OperandID?
    if name.hasSuffix(")") {
      guard let bracket = name.firstIndex(of: "(") else { return nil }
      let inner = name[name.index(after: bracket)...].dropLast()
      guard let known = OperandID.allCases.first(where: { $0.name == inner }) else { return nil }
      operand = known
      name = name[..<bracket]
    }
    let code: CompletionStatus
    if let loader = Self.loaderNames.first(where: { $0.value == name }) {
      code = Self(rawValue: loader.key)
    } else if let module = Self.moduleNames.first(where: { $0.value == name || $0.value == "TDX_" + name }) {
      code = Self(rawValue: UInt64(module.key) << 32)
    } else {
      return nil
    }
    guard let operand else {
      self = code
      return
    }
    guard code.takesOperand else { return nil }
    self = code.with(operand)
  }
}
