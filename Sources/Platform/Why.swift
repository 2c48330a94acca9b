import SEAM

/// The true cause of the last upload's result, which the kernel hides and tdxfs knows: what `.tdxfs/why` shows.
///
/// The first line is one sentence for people. `key=value` lines follow, always all, `-` where there is nothing to say.
public struct Why: Equatable, Sendable, Codable {
  /// What a failed update took with it.
  public enum Loss: String, Sendable, Codable {
    /// Everything is as before.
    case none
    /// TDX is gone until reboot; there was no TD.
    case module
    /// TDX and every TD are gone until reboot.
    case tds
  }

  /// What happened, in one sentence.
  public var sentence: String
  /// `success`, or what `error` shows; `-` before any upload, `nothing-staged` for a commit without bytes.
  public var result: String
  /// Step of the kernel's update that ended it.
  public var stage: String?
  /// Logical processor on which it ended.
  public var lp: Int?
  /// Leaf that answered.
  public var leaf: String?
  /// What it answered.
  public var status: CompletionStatus?
  /// The status' name where no firmware was entered.
  public var pseudoStatus: String?
  /// RDX after the call.
  public var rdx: UInt64?
  /// What was lost.
  public var lost = Loss.none
  /// What to do now.
  public var next: String

  /// A report; the details are filled in afterwards.
  public init(sentence: String, result: String, next: String) {
    self.sentence = sentence
    self.result = result
    self.next = next
  }

  /// Before any upload.
  public static let nothingUploaded = Why(
    sentence: "nothing was uploaded", result: "-",
    next: "echo 1 > loading; cat IMAGE > data; echo 0 > loading")

  /// On a machine with `device=test_firmware`.
  public static let noTDX = Why(
    sentence: "the kernel of this machine has no TDX (device=test_firmware); what its test driver says is all there is",
    result: "-", next: "read error below class/firmware/NAME, and log")

  /// The file's text.
  public var text: String {
    let status =
      switch (self.status, pseudoStatus) {
      case (_, let name?): name
      case (let status?, nil): "\(status.rawValue == 0 ? "SUCCESS" : status.symbol) 0x\(hex(status.rawValue, 16))"
      case (nil, nil): "-"
      }
    return """
      \(sentence)
      result=\(result)
      stage=\(stage ?? "-")
      lp=\(lp.map(String.init) ?? "-")
      leaf=\(leaf ?? "-")
      status=\(status)
      rdx=\(rdx.map { "0x" + hex($0, 1) } ?? "-")
      lost=\(lost.rawValue)
      next=\(next)

      """
  }

  private func hex(_ value: UInt64, _ width: Int) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
  }
}
