/// What Linux says about TDX in `/proc/cpuinfo` (kernel-abi.md 3.1): the flag `tdx_host_platform` once the BIOS has enabled
/// TDX, and the bug `seamret_invd_vmcs` of CPUs on which it hides module updates.
struct ProcessorInformation: Equatable {
  /// Whether the BIOS has enabled TDX.
  var hasTDX: Bool
  /// Whether IA32_VMX_BASIC bit 60 is 0.
  var hasSeamretInvdVMCS: Bool

  /// The host's `cpuinfo` with exactly these words of the machine in it; all else stays the host's.
  func applied(to cpuinfo: String) -> String {
    let lines = cpuinfo.split(separator: "\n", omittingEmptySubsequences: false).map { line -> String in
      guard let colon = line.firstIndex(of: ":") else { return String(line) }
      switch line[..<colon].filter({ $0 != "\t" }) {
      case "flags": return Self.set("tdx_host_platform", to: hasTDX, in: line, after: colon)
      case "bugs": return Self.set("seamret_invd_vmcs", to: hasSeamretInvdVMCS, in: line, after: colon)
      default: return String(line)
      }
    }
    return lines.joined(separator: "\n")
  }

  private static func set(
    _ word: String, to isThere: Bool, in line: Substring, after colon: Substring.Index
  ) -> String {
    var words = line[line.index(after: colon)...].split(separator: " ").filter { $0 != word }
    if isThere { words.append(Substring(word)) }
    return line[...colon] + (words.isEmpty ? "" : " " + words.joined(separator: " "))
  }
}
