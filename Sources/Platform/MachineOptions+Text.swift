import ModuleImage

extension MachineOptions {
  /// The options as `-o` takes them, each with its value, so that the same machine can be made again; `seed` is the one
  /// that is used where none was given.
  public func text(seed: UInt64) -> String {
    var words: [(name: String, value: String)] = [
      ("abi", abi), ("device", device.rawValue), ("layout", layout.rawValue), ("cpu", cpu.rawValue),
      ("module", effectiveModule.description), ("seamldr", effectiveSEAMLDR.description), ("lps", "\(lps)"),
      ("memory", "\(memoryGiB)"), ("updates", "\(updates)"), ("keys", keys),
    ]
    if !errata.isEmpty { words.append(("erratum", errata.map(\.rawValue).sorted().joined(separator: ":"))) }
    if !aliases.isEmpty { words.append(("alias", aliases.map(\.rawValue).sorted().joined(separator: ":"))) }
    words += [
      ("td_preserving", tdPreserving ? "on" : "off"), ("seed", "\(seed)"), ("clock", clock.rawValue),
      ("order", order.rawValue), ("control", control ? "on" : "off"),
    ]
    return words.map { "\($0.name)=\($0.value)" }.joined(separator: ",")
  }

  /// The options that `text` says.
  public init(text: String) throws(OptionError) {
    self.init()
    for word in text.split(separator: ",") {
      let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2, try set(parts[0], to: parts[1]) else {
        throw OptionError("'\(word)' is no option of a machine")
      }
    }
  }
}
