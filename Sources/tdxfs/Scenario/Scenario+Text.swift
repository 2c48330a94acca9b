extension Scenario {
  /// The scenario in people's words.
  var text: String {
    var lines = ["\(name): \(title)"]
    lines += about.map { "  \($0)" }
    func say(_ heading: String, _ texts: [String]) {
      for (index, text) in texts.enumerated() { lines.append("  " + (index == 0 ? heading : "").padded(to: 11) + text) }
    }
    say("machine", [options.joined(separator: " ")])
    say("images", images.map(\.text))
    say("before", before.map(\.words))
    var client = client.isEmpty ? ["echo and cat"] : client
    if withoutRawIO { client.append("without CAP_SYS_RAWIO") }
    if asNobody { client.append("as nobody") }
    say("client", client)
    say("meanwhile", events.map { "at \($0.text)" })
    say("expected", Self.text(of: expected))
    if mayDecline { say("", ["a careful client uploads nothing"]) }
    say("then", after.map(\.words))
    say("finally", Self.text(of: finally))
    return lines.joined(separator: "\n")
  }

  private static func text(of expectations: [ScenarioExpectation]) -> [String] {
    expectations.map { expectation in
      let values = expectation.values.joined(separator: " or ")
      return switch expectation.key {
      case "log": "the kernel log says '\(values)'"
      case "no-log": "the kernel log does not say '\(values)'"
      case "alive": "TDs that live: \(values)"
      case "dead": "TDs that are dead: \(values)"
      case "calls": "SEAMCALLs: \(values)"
      case "client": "exit status of the client: \(values)"
      case "agrees": "the client \(values == "yes" ? "believes what happened" : "believes something else")"
      case let key: "\(key) is \(values)"
      }
    }
  }
}

extension ScenarioImage {
  /// In people's words.
  var text: String {
    var words = ["\(name): \(version)"]
    if let file { words.append("from \(file)") }
    if let label { words.append("under the name of \(label)") }
    if let format { words.append("with a header \(format.name)") }
    if let svn { words.append("SVN \(svn)") }
    if cpus != nil { words.append("with a CPU list of its own") }
    if let hv { words.append("MODULE_HV \(hv)") }
    if let minHV { words.append("MIN_UPDATE_HV \(minHV)") }
    if let builtInHV { words.append("MODULE_HV \(builtInHV) in its constants") }
    if isDebugSigned { words.append("debug-signed") }
    if let pages { words.append("\(pages) pages") }
    for damage in damages {
      switch damage {
      case .flip(let offset, let mask): words.append("bits 0x\(String(mask, radix: 16)) of byte \(offset) flipped")
      case .truncate(let count): words.append("cut after \(count) bytes")
      case .extend(let count): words.append("\(count) bytes too long")
      case .set(let field, let value): words.append("\(field) 0x\(String(value, radix: 16))")
      }
    }
    if isSignedAnew { words.append("signed anew") }
    return words.joined(separator: ", ")
  }
}
