import Basics
import Kernfs
import ModuleImage
import SEAM
import SystemPackage
import Testing

@testable import Platform

@Suite("The journal", .timeLimit(.minutes(20)))
struct TraceTests {
  private func lines(_ trace: Trace) -> [String] {
    trace.jsonLines.split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
  }

  private func events(_ bench: Bench) -> [JSONValue] {
    bench.machine.traceLines().split(separator: UInt8(ascii: "\n")).compactMap { JSONValue(text: $0) }
  }

  @Test("keeps time, LP, leaf, registers and status of a SEAMCALL, and the plan that acted at it")
  func call() {
    var trace = Trace()
    var input = Registers(rax: 2, rcx: 0x1000, rdx: 0x2000, r8: 0x3000, r9: .max)
    input.r14 = 7
    var output = input
    output.status = .operandInvalid.with(.rcx)
    output.r11 = 5
    trace.append(
      SEAMCALLRecord(lp: 1023, input: input, result: .returned(output), begin: 9, duration: 3, plans: ["f1"]), time: 70)
    trace.append(
      SEAMCALLRecord(lp: 0, input: Registers(rax: 1 << 63), result: .vmFailInvalid, begin: 9, duration: 0, plans: []),
      time: 71)
    #expect(
      lines(trace) == [
        #"{"t":70,"dur":3,"event":"seamcall","lp":1023,"leaf":"TDH.MEM.PAGE.ADD","in":{"rax":"0x2","rcx":"0x1000","rdx":"0x2000","r8":"0x3000","r9":"0xffffffffffffffff","r14":"0x7"},"out":{"rax":"0xc000010000000001","rcx":"0x1000","rdx":"0x2000","r8":"0x3000","r9":"0xffffffffffffffff","r11":"0x5","r14":"0x7"},"status":"TDX_OPERAND_INVALID(RCX)","fault":"f1"}"#,
        #"{"t":71,"dur":0,"event":"seamcall","lp":0,"leaf":"SEAMLDR.INFO","in":{"rax":"0x8000000000000000","rcx":"0x0","rdx":"0x0","r8":"0x0"},"status":"VMfailInvalid"}"#,
      ])
  }

  @Test("writes that follow each other are one record, until something else happens")
  func data() {
    var trace = Trace()
    for offset in [0, 4096, 8192] { trace.data("data", offset: Int64(offset), count: 4096, time: 1) }
    trace.data("data", offset: 12_288, count: 100, time: 2)
    // The run was closed by a shorter write.
    trace.data("data", offset: 12_388, count: 100, time: 3)
    #expect(trace.count == 2)
    trace.note("loading", time: 4)
    trace.data("data", offset: 0, count: 1, time: 5)
    #expect(
      lines(trace) == [
        #"{"t":1,"event":"data","file":"data","offset":0,"bytes":12388,"chunk":4096}"#,
        #"{"t":3,"event":"data","file":"data","offset":12388,"bytes":100,"chunk":100}"#,
        #"{"t":4,"event":"loading"}"#, #"{"t":5,"event":"data","file":"data","offset":0,"bytes":1,"chunk":1}"#,
      ])
    #expect(trace.total == 4)
  }

  @Test("keeps the last 65536 records, a hundred bytes each at the most")
  func capacity() throws {
    var trace = Trace()
    let input = Registers(rax: 0x8000_0000_0000_0001, rcx: 0x1234_5000, rdx: .max, r8: 0x8900_0001_0000_0000)
    var output = input
    output.rax = 0x8000_0000_0002_0001
    for count in 0..<70_000 {
      trace.append(
        SEAMCALLRecord(lp: 1000, input: input, result: .returned(output), begin: 0, duration: 1000, plans: []),
        time: UInt64(count) &* 1_000_000)
    }
    #expect(trace.count == Trace.capacity)
    #expect(trace.total == 70_000)
    #expect(trace.packedSize < 100 * Trace.capacity)
    let lines = lines(trace)
    #expect(lines.count == Trace.capacity)
    #expect(lines.first?.hasPrefix("{\"t\":\((70_000 - Trace.capacity) * 1_000_000),") == true)
  }

  /// Records of all kinds, of which most say what was said before; times go backwards now and then.
  private func appendMixed(_ trace: inout Trace, _ range: Range<Int>) -> [String] {
    var expected: [String] = []
    for index in range {
      let time = UInt64(index * 3 - (index % 7 == 0 ? 20 * min(1, index / 20) : 0))
      switch index % 5 {
      case 0:
        trace.note("read", [("file", .text("file-\(index % 40)"))], time: time)
        expected.append(#"{"t":\#(time),"event":"read","file":"file-\#(index % 40)"}"#)
      case 1:
        trace.note("once", [("index", .number(index))], time: time)
        expected.append(#"{"t":\#(time),"event":"once","index":\#(index)}"#)
      case let kind:
        let input = Registers(rax: 0x22, rcx: UInt64(index % 3), rdx: UInt64(kind))
        var output = input
        output.rdx &+= 1
        let result: SEAMCALLResult = index % 11 == 0 ? .vmFailInvalid : .returned(output)
        trace.append(
          SEAMCALLRecord(
            lp: index % 64, input: input, result: result, begin: 0, duration: UInt64(index % 200),
            plans: index % 13 == 0 ? ["f\(index % 2)", "g"] : []), time: time)
        let registers = #""rcx":"0x\#(index % 3)","rdx""#
        var line = #"{"t":\#(time),"dur":\#(index % 200),"event":"seamcall","lp":\#(index % 64),"leaf":"TDH.SYS.RD","#
        line += #""in":{"rax":"0x22",\#(registers):"0x\#(kind)","r8":"0x0"}"#
        line +=
          index % 11 == 0
          ? #","status":"VMfailInvalid""#
          : #","out":{"rax":"0x22",\#(registers):"0x\#(kind + 1)","r8":"0x0"},"status":"TDX_SUCCESS""#
        if index % 13 == 0 { line += #","fault":"f\#(index % 2),g""# }
        expected.append(line + "}")
      }
    }
    return expected
  }

  @Test("gives back what was appended, however often it was said before")
  func repeats() throws {
    var trace = Trace()
    let expected = appendMixed(&trace, 0..<5000)
    #expect(lines(trace) == expected)
    // Most of it takes a few bytes a record.
    #expect(trace.packedSize < 5000 * 25)
  }

  @Test("goes on from an archive as if it had never been away", arguments: [1, 700, 1023, 1024, 1025, 3000, 68_000])
  func archived(count: Int) throws {
    var trace = Trace()
    _ = appendMixed(&trace, 0..<count)
    trace.data("data", offset: 0, count: 10, time: 5)
    var restored = try Archive.decode(Trace.self, from: try Archive.encode(trace))
    #expect(lines(restored) == lines(trace))
    _ = appendMixed(&trace, count..<(count + 1500))
    _ = appendMixed(&restored, count..<(count + 1500))
    #expect(restored.count == trace.count)
    #expect(lines(restored) == lines(trace))
    #expect(try Archive.encode(restored) == Archive.encode(trace))
  }

  @Test("keeps the reads that come most, between all else, from chunk to chunk, and after an archive")
  func reads() throws {
    var trace = Trace()
    var expected: [String] = []
    for index in 0..<5000 {
      // The run that a read ends takes the last place of a chunk now and then.
      if index % 3 == 0 {
        trace.data("data", offset: Int64(index * 2), count: 1, time: UInt64(index))
        expected.append(#"{"t":\#(index),"event":"data","file":"data","offset":\#(index * 2),"bytes":1,"chunk":1}"#)
      }
      let read: TracedRead = index % 7 == 0 ? .numRemainingUpdates : .seamldrVersion
      trace.note(read, Trace.rendered("read", [("file", .text("\(read)"))]), time: UInt64(index))
      expected.append(#"{"t":\#(index),"event":"read","file":"\#(read)"}"#)
      if index == 2500 {
        let restored = try Archive.decode(Trace.self, from: try Archive.encode(trace))
        trace = restored
      }
    }
    #expect(lines(trace) == expected)
    #expect(trace.packedSize < expected.count * 25)
    trace.note(.seamldrVersion, nil, time: 6000)
    #expect(lines(trace) == expected + [#"{"t":6000,"event":"read","file":"seamldrVersion"}"#])
  }

  @Test("a damaged archive of it is refused, or is another trace: nothing traps")
  func damaged() throws {
    var trace = Trace()
    _ = appendMixed(&trace, 0..<1100)
    let whole = try Archive.encode(trace)
    var generator = SeededGenerator(seed: 7)
    var refused = 0
    for _ in 0..<3000 {
      var bytes = whole
      for _ in 0..<Int.random(in: 1...3, using: &generator) {
        bytes[Int.random(in: bytes.indices, using: &generator)] = UInt8.random(in: .min ... .max, using: &generator)
      }
      do {
        var other = try Archive.decode(Trace.self, from: bytes)
        _ = other.jsonLines
        _ = appendMixed(&other, 0..<10)
        // At least so many: damage can put the end of a line into a text.
        #expect(lines(other).count >= other.count)
      } catch {
        refused += 1
      }
    }
    #expect(refused > 0)
  }

  @Test("has every upload-level event, every SEAMCALL and what clients wrote, as lines of JSON")
  func whole() throws {
    let bench = try Bench()
    try bench.plan("stage=install lp=2 status=EBADSIG")
    _ = try bench.read("num_remaining_updates")
    try bench.update(to: Images.forge("1.5.28"))
    #expect(throws: Errno.invalidArgument) { try bench.write("x", to: "\(bench.upload)/cancel") }
    _ = try bench.machine.power(.reboot)
    let events = events(bench)
    #expect(events.count == bench.machine.traceCount)
    #expect(
      events.map { $0["event"]?.string ?? "-" } == [
        "power-on", "read", "seamcall", "write", "loading", "data", "write", "upload", "update-start", "state",
        "seamcall", "seamcall", "state", "seamcall", "seamcall", "seamcall", "update-end", "upload-end", "write",
        "refused", "power", "power-on",
      ])
    #expect(events[3]["file"]?.string == "firmware/tdx_module/loading")
    #expect(events[3]["text"]?.string == "1\n")
    #expect(events[15]["fault"]?.string == "f1")
    #expect(events[19]["errno"]?.integer == 22)
    let image = try Images.forge("1.5.28")
    #expect(events[8]["sha384"]?.string == ImageDigest.sha384(image).hexadecimal)
  }

  @Test("as Chrome trace: a lane a CPU, a slice a SEAMCALL, the lock-step states above")
  func chrome() throws {
    let bench = try Bench(["clock": "virtual"])
    try bench.update(to: Images.forge("1.5.28"))
    _ = try bench.machine.power(.reboot)
    let trace = try #require(JSONValue(text: ChromeTrace(lines: events(bench)).text.utf8))
    let all = try #require(trace["traceEvents"]?.array)
    func of(_ phase: String, _ category: String? = nil) -> [JSONValue] {
      all.filter { $0["ph"]?.string == phase && (category == nil || $0["cat"]?.string == category) }
    }
    for event in all {
      #expect(event["pid"]?.integer != nil && event["tid"]?.integer != nil && event["name"]?.string != nil)
      if event["ph"]?.string != "M" { #expect(event["ts"]?.integer != nil) }
    }
    let names = of("M").filter { $0["name"]?.string == "thread_name" && $0["pid"]?.integer == 1 }
    #expect(
      names.compactMap { $0["args"]?["name"]?.string } == ["uploads", "lock step", "CPU 0", "CPU 1", "CPU 2", "CPU 3"])
    let calls = of("X", "seamcall")
    #expect(calls.count == 15)
    #expect(calls.allSatisfy { ($0["dur"]?.integer ?? 0) > 0 })
    #expect(calls.filter { $0["name"]?.string == "SEAMLDR.INSTALL" }.compactMap { $0["tid"]?.integer } == [2, 3, 4, 5])
    let states = of("X", "lock-step")
    #expect(states.compactMap { $0["name"]?.string } == ["SHUTDOWN", "CPU_INSTALL", "CPU_INIT", "RUN_UPDATE"])
    // A state spans the calls that are made in it.
    let install = states[1]
    let begin = try #require(install["ts"]?.integer)
    #expect(begin == calls[2]["ts"]?.integer)
    #expect(install["dur"]?.integer == 2000)
    #expect(of("X", "upload").first?["args"]?["result"]?.string == "success")
    #expect(Set(all.compactMap { $0["pid"]?.integer }) == [1, 2])
  }

  @Test("whatever stands in a file, the Chrome trace of it is made, and is JSON")
  func garbage() {
    let lines: [JSONValue] = [
      .null, .object([]), .object([("event", .string("seamcall")), ("t", .integer(.max)), ("dur", .integer(.max))]),
      .object([("event", .string("seamcall")), ("t", .integer(-5)), ("lp", .integer(-1))]),
      .object([("event", .string("upload")), ("t", .integer(1)), ("bytes", .string("\"\u{1}"))]),
      .object([("event", .string("\"")), ("t", .integer(2)), ("x", .number(.infinity))]),
    ]
    #expect(JSONValue(text: ChromeTrace(lines: lines).text.utf8) != nil)
  }
}
