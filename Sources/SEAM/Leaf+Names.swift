extension Leaf {
  /// All leaves that a specification names, of the module first.
  public static var all: [Leaf] {
    ModuleLeaf.allCases.map(Leaf.module) + LoaderLeaf.allCases.map(Leaf.loader)
  }

  /// The leaf that `text` means: its name in any case (`TDH.SYS.UPDATE`), or its number, decimal or 0x… (of the
  /// P-SEAMLDR: all of RAX). Nil for one that no specification names.
  public init?(text: String) {
    if let number = UInt64(numeral: text) {
      self = Leaf(rax: number)
      guard case .unknown = self else { return }
      return nil
    }
    let name = text.uppercased()
    guard let leaf = Self.all.first(where: { $0.name == name }) else { return nil }
    self = leaf
  }

  /// RAX of a call of this leaf, version 0.
  public var rax: UInt64 {
    switch self {
    case .module(let leaf): UInt64(leaf.rawValue)
    case .loader(let leaf): leaf.rawValue
    case .unknown(let rax): rax
    }
  }
}

extension UInt64 {
  /// The number that `text` is, decimal or with 0x in front; nil for anything else.
  public init?(numeral text: some StringProtocol) {
    let lower = text.lowercased()
    guard !lower.utf8.contains(UInt8(ascii: "+")), !lower.utf8.contains(UInt8(ascii: "-")) else { return nil }
    if lower.hasPrefix("0x") {
      self.init(lower.dropFirst(2), radix: 16)
    } else {
      self.init(lower, radix: 10)
    }
  }
}
