import Basics
import SEAM
import SystemPackage
import TDXHost

/// A word for `td/NAME/step`, taken apart.
struct TDStep: Sendable {
  /// What to do.
  let word: TDWord
  private let values: [TDOperand: String]

  /// Takes `text` apart at its spaces.
  /// - Throws: EINVAL for an unknown word, and for operands that the word does not take or that come twice.
  init(_ text: String) throws(TDError) {
    let parts = text.split(whereSeparator: \.isWhitespace)
    guard let first = parts.first else { throw .invalid("no word: " + Self.known) }
    guard let word = TDWord(rawValue: String(first)) else {
      throw .invalid("'\(first.shown)' is no word: \(Self.known)")
    }
    var values: [TDOperand: String] = [:]
    for part in parts.dropFirst() {
      let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard let operand = TDOperand(rawValue: String(pair[0])), word.operands.contains(operand) else {
        throw .invalid("\(word.rawValue) does not take '\(pair[0].shown)': \(Self.taken(by: word))")
      }
      guard operand.isFlag == (pair.count == 1) else {
        throw .invalid(
          operand.isFlag
            ? "\(operand.rawValue) takes no value" : "\(operand.rawValue) needs a value: \(operand.rawValue)=…")
      }
      guard values.updateValue(pair.count == 2 ? String(pair[1]) : "", forKey: operand) == nil else {
        throw .invalid("\(operand.rawValue) comes twice")
      }
    }
    self.word = word
    self.values = values
  }

  private static let known = "there are " + TDWord.allCases.map(\.rawValue).joined(separator: ", ")

  private static func taken(by word: TDWord) -> String {
    word.operands.isEmpty ? "it takes nothing" : "it takes " + word.operands.map(\.rawValue).joined(separator: ", ")
  }

  /// Whether the flag is there.
  func has(_ flag: TDOperand) -> Bool { values[flag] != nil }

  /// The text of an operand; nil where it is not given.
  subscript(_ operand: TDOperand) -> String? { values[operand] }

  /// A number, decimal or with 0x; nil where it is not given.
  func number(_ operand: TDOperand) throws(TDError) -> UInt64? {
    guard let text = values[operand] else { return nil }
    guard let number = UInt64(numeral: text) else {
      throw .invalid("\(operand.rawValue)=\(text[...].shown) is no number (decimal, or hexadecimal with 0x)")
    }
    return number
  }

  /// A number that has to be given.
  func required(_ operand: TDOperand) throws(TDError) -> UInt64 {
    guard let number = try number(operand) else { throw .invalid("\(word.rawValue) needs \(operand.rawValue)=") }
    return number
  }

  /// A number that counts or is an index; `other` where it is not given.
  func count(_ operand: TDOperand, else other: Int) throws(TDError) -> Int {
    guard let number = try number(operand) else { return other }
    guard let count = Int(exactly: number) else { throw .invalid("\(operand.rawValue)=\(number) is too large") }
    return count
  }

  /// Bytes in hexadecimal digits; nil where they are not given.
  func bytes(_ operand: TDOperand) throws(TDError) -> [UInt8]? {
    guard let text = values[operand] else { return nil }
    guard let bytes = [UInt8](hexadecimal: text) else {
      throw .invalid("\(operand.rawValue)=\(text[...].shown) is not made of pairs of hexadecimal digits")
    }
    return bytes
  }

  /// The CPU that is named; nil for none.
  func lp() throws(TDError) -> Int? { values[.lp] == nil ? nil : try count(.lp, else: 0) }

  /// The vCPU that is named, else 0.
  func vcpu() throws(TDError) -> Int { try count(.vcpu, else: 0) }
}

extension TDError {
  /// EINVAL, because of `reason`.
  static func invalid(_ reason: String) -> TDError { TDError(.invalidArgument, reason) }
}

extension Substring {
  /// Fit for one line of `last_error`.
  var shown: String { Spelling.shown(self) }
}
