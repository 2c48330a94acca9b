import Basics
import SEAM
import Testing

@testable import Platform

/// The records are packed; what comes out has to be what went in.
@Suite("The trace", .timeLimit(.minutes(10)))
struct TraceTests {
  private func hex(_ value: UInt64) -> String { "\"0x\(String(value, radix: 16))\"" }

  private func json(_ registers: Registers) -> String {
    "{\"rax\":\(hex(registers.rax)),\"rcx\":\(hex(registers.rcx)),\"rdx\":\(hex(registers.rdx)),"
      + "\"r8\":\(hex(registers.r8))}"
  }

  /// Registers as they are seen: many zeros, many small numbers, addresses, and all bits.
  private func registers(_ generator: inout SeededGenerator) -> Registers {
    func value() -> UInt64 {
      switch UInt8.random(in: 0...4, using: &generator) {
      case 0, 1: 0
      case 2: UInt64.random(in: 0...200, using: &generator)
      case 3: UInt64.random(in: 0...(1 << 40), using: &generator)
      case _: UInt64.random(in: 0 ... .max, using: &generator)
      }
    }
    return Registers(rax: value(), rcx: value(), rdx: value(), r8: value())
  }

  @Test("Any SEAMCALLs and events come out as they went in, whichever way time goes")
  func roundTrip() {
    var generator = SeededGenerator(seed: 7)
    var trace = Trace()
    var expected: [String] = []
    for round in 0..<5000 {
      let time: UInt64 = round % 100 == 0 ? 0 : UInt64.random(in: 0...(1 << 50), using: &generator)
      if round % 5 == 4 {
        let text = String(repeating: "é\"", count: round % 90)
        trace.note("event", [("text", .text(text)), ("number", .number(round - 2500))], time: time)
        let escaped = text.replacing("\"", with: "\\\"")
        expected.append("{\"t\":\(time),\"event\":\"event\",\"text\":\"\(escaped)\",\"number\":\(round - 2500)}")
        continue
      }
      let input = registers(&generator)
      var output = input
      output.rax = round % 3 == 0 ? 0 : registers(&generator).rax
      if round % 7 == 0 { output.rdx = registers(&generator).rdx }
      let (result, end): (SEAMCALLResult, String) =
        switch round % 5 {
        case 0: (.vmFailInvalid, ",\"status\":\"VMfailInvalid\"}")
        case 1: (.generalProtection, ",\"status\":\"#GP\"}")
        case 2: (.invalidOpcode, ",\"status\":\"#UD\"}")
        case _:
          (
            .returned(output),
            ",\"out\":\(json(output)),\"status\":\"\(output.rax == 0 ? "SUCCESS" : output.status.symbol)\"}"
          )
        }
      let lp = round % 1024
      trace.append(SEAMCALLRecord(lp: lp, input: input, result: result), time: time)
      expected.append(
        "{\"t\":\(time),\"event\":\"seamcall\",\"lp\":\(lp),\"leaf\":\"\(Leaf(rax: input.rax).name)\",\"in\":\(json(input))"
          + end)
    }
    let lines = String(decoding: trace.jsonLines, as: UTF8.self).split(separator: "\n").map(String.init)
    #expect(lines.count == expected.count)
    for (line, expected) in zip(lines, expected) where line != expected {
      #expect(line == expected)
      break
    }
  }

  @Test("A full trace forgets the oldest records and nothing else")
  func full() {
    var trace = Trace()
    for number in 0..<(Trace.capacity + 1000) {
      trace.note("event", [("number", .number(number))], time: UInt64(number * 3))
    }
    let lines = trace.jsonLines.split(separator: UInt8(ascii: "\n"))
    #expect(lines.count == Trace.capacity)
    #expect(lines.first.map { String(decoding: $0, as: UTF8.self) } == #"{"t":3000,"event":"event","number":1000}"#)
    let last = Trace.capacity + 999
    #expect(
      lines.last.map { String(decoding: $0, as: UTF8.self) }
        == "{\"t\":\(last * 3),\"event\":\"event\",\"number\":\(last)}")
  }
}
