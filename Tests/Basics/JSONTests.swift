import Basics
import Testing

@Suite("Reading JSON", .timeLimit(.minutes(20)))
struct JSONTests {
  @Test(
    "takes what is JSON",
    arguments: [
      ("null", .null), (" true ", .bool(true)), ("[]", .array([])), ("{}", .object([])), ("-12", .integer(-12)),
      ("1.5e2", .number(150)), ("9223372036854775808", .number(9_223_372_036_854_775_808)),
      (#""a\n\"\\\/\u00e9\ud83d\ude00""#, .string("a\n\"\\/é😀")),
      (
        #"{"a":[1,{"b":null}],"c":"d"}"#,
        .object([("a", .array([.integer(1), .object([("b", .null)])])), ("c", .string("d"))])
      ),
    ] as [(String, JSONValue)])
  func values(text: String, value: JSONValue) { #expect(JSONValue(text: text.utf8) == value) }

  @Test(
    "refuses what is none",
    arguments: [
      "", "nul", "[1,]", "{\"a\"}", "{a:1}", "\"", "\"\u{1}\"", "\"\\x\"", "\"\\ud800\"", "\"\\u+123\"", "1 2", "+1",
      "--1", "[1", String(repeating: "[", count: 100) + String(repeating: "]", count: 100),
    ])
  func refusals(text: String) { #expect(JSONValue(text: text.utf8) == nil) }

  @Test("never traps on random bytes")
  func random() {
    var generator = SystemRandomNumberGenerator()
    let bytes = Array(#"{}[]",:\u0e1-+.tfn "#.utf8) + [0xC3, 0x80]
    for _ in 0..<20_000 {
      _ = JSONValue(text: (0..<12).map { _ in bytes.randomElement(using: &generator) ?? 0 })
    }
  }
}

@Suite("Base64", .timeLimit(.minutes(20)))
struct Base64Tests {
  @Test(
    "is that of RFC 4648", arguments: [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")])
  func vectors(plain: String, coded: String) {
    #expect(Base64.text(Array(plain.utf8)) == coded)
    #expect(Base64.bytes(coded) == Array(plain.utf8))
  }

  @Test("gives back what was put in")
  func roundTrip() {
    for count in 0..<300 {
      let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ count) }
      #expect(Base64.bytes(Base64.text(bytes)) == bytes)
    }
  }

  @Test("refuses what is none", arguments: ["Z", "Zg=", "Zg= =", "Z*==", "Zh==", "Zg==Zg=="])
  func refusals(text: String) { #expect(Base64.bytes(text) == nil) }
}
