import Basics
import ControlTree
import Kernfs
import ModuleImage
import SystemPackage
import Testing

@testable import Platform

/// What clients may write to `.tdxfs/` and must not: every file with every wrong spelling, each with its errno and with its reason in
/// `last_error`.
@Suite("Malformed control writes", .timeLimit(.minutes(20)))
struct MalformedControlTests {
  let machine: EmulatedMachine
  let files: MachineFiles
  let root = Caller(uid: 0, gid: 0, pid: 1)

  init() throws {
    let inMemory = try MachineInMemory("seed=42,lps=2,memory=1")
    machine = inMemory.machine
    files = inMemory.files
  }

  private func node(_ path: String) throws(Errno) -> NodeID {
    var id = NodeID.root
    for name in ([".tdxfs"] + path.split(separator: "/").map(String.init)) {
      id = try files.tree.lookup(name, in: id).id
    }
    return id
  }

  /// open, one write, close: nil where it was taken.
  private func write(_ bytes: [UInt8], at offset: Int64 = 0, to path: String) -> Errno? {
    do throws(Errno) {
      let file = try files.tree.open(try node(path), flags: [.writeOnly, .largeFile], by: root).id
      defer { files.tree.release(file, by: root) }
      _ = try files.tree.write(file, at: offset, bytes, by: root)
      return nil
    } catch {
      return error
    }
  }

  private func attempt(_ body: () throws(Errno) -> Void) -> Errno? {
    do throws(Errno) {
      try body()
      return nil
    } catch {
      return error
    }
  }

  /// `last_error`, without the end of its line.
  private var reason: String {
    let text = machine.lastControlError()
    return text.hasSuffix("\n") ? String(text.dropLast()) : text
  }

  /// One line.
  private func isTold(_ reason: String, _ start: String) -> Bool {
    reason.hasPrefix(start) && reason.utf8.count < 1200
      && reason.unicodeScalars.allSatisfy {
        $0.value >= 0x20 && $0.value != 0x7F && $0.value != 0x85 && $0.value != 0x2028
      }
  }

  /// Texts round the right words `words`: spelled wrongly, with rubbish before, behind and inside.
  static func texts(_ words: [String]) -> [[UInt8]] {
    var texts: [[UInt8]] = (0..<256).map { [UInt8($0)] }
    let bits: [String] = words + ["", "2", "-1", "01", "0x1", "true", "yes", "reboot kexec", "onoff"]
    let around = [
      "", " ", "\t", "\n", "\r", "\0", "x", "-", "+", "'", "\"", ",", "=", "\u{B}", "\u{C}", "\u{A0}", "\u{301}",
      "\u{7F}", "\u{1B}[1m",
    ]
    for word in bits {
      for before in around {
        for behind in around { texts.append(Array((before + word + behind).utf8)) }
      }
      texts.append(Array((word.uppercased()).utf8))
      texts.append(Array((word + word).utf8))
      texts.append(Array(String(repeating: word, count: 1500).utf8))
      texts.append(Array(word.utf8) + [0xFF])
      texts.append([0xC0, 0x80] + Array(word.utf8))
      texts.append(Array(word.utf8) + Array(repeating: 0x20, count: 5000))
      texts.append(Array(word.utf8) + [0] + Array("junk".utf8))
    }
    return texts
  }

  /// White space round a word does not count, NUL neither.
  static func word(_ bytes: [UInt8]) -> String? {
    let space: Set<UInt8> = [0x20, 0x09, 0x0A, 0x0D, 0x00]
    var bytes = bytes
    while let first = bytes.first, space.contains(first) { bytes.removeFirst() }
    while let last = bytes.last, space.contains(last) { bytes.removeLast() }
    return String(validating: bytes, as: UTF8.self)
  }

  @Test("words: power, cpu/N/online, watch", arguments: ["power", "cpu/1/online", "watch"])
  func words(path: String) throws {
    let right = ["power": ["reboot", "kexec"], "cpu/1/online": ["0", "1"], "watch": ["on", "off"]][path] ?? []
    var cases = 0
    var taken = 0
    for text in Self.texts(right) where !text.isEmpty {
      let word = Self.word(text)
      let isRight = word.map(right.contains) ?? false
      // A kexec or a reboot takes its time; a few are enough.
      if isRight, path == "power", taken > 6 { continue }
      let errno = write(text, to: path)
      cases += 1
      if isRight {
        taken += 1
        if errno != nil || !reason.isEmpty {
          Issue.record("\(path), \(text.prefix(30)): \(errno.map(String.init(describing:)) ?? "") \(reason)")
          return
        }
        if word == "kexec" { _ = try machine.power(.reboot) }
      } else {
        // What is no UTF-8 has no file's name in its reason.
        let start = word == nil ? "the text is not UTF-8" : "\(path): "
        if errno != .invalidArgument || !isTold(reason, start) {
          Issue.record(
            "\(path), \(text.prefix(30)): \(errno.map(String.init(describing:)) ?? "taken") \(reason.prefix(200).debugDescription)"
          )
          return
        }
      }
    }
    print("malformed inputs: texts for .tdxfs/\(path): \(cases) cases, \(taken) of them right")
    #expect(cases >= 4000)
    #expect(taken > 5)
  }

  @Test("names of fault plans and of TDs")
  func names() throws {
    let printable = ["a", "f1", "-", "=", "é", "日本", "a.b", "...", "~", "*", "\u{301}"]
    var names = printable + ["a b", "a\tb", " a", "a ", "\u{1}", "a\u{7F}", "a\nb", "\u{1B}[1m"]
    for length in [1, 63, 64, 65, 200, 254, 255] { names.append(String(repeating: "n", count: length)) }
    names.append(String(repeating: "é", count: 32))
    names.append(String(repeating: "é", count: 33))
    for value in 1..<0x80 {
      guard let scalar = UnicodeScalar(value), scalar != "/" else { continue }
      names += ["x\(scalar)", "\(scalar)x"]
    }
    var cases = 0
    for name in names {
      let scalars = name.unicodeScalars
      // README: a plan's name has no white space; a TD's name is printable.
      let isPlanName = name.utf8.count <= 64 && scalars.allSatisfy { $0.value > 0x20 && $0.value != 0x7F }
      let isTDName = name.utf8.count <= 255 && scalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F }
      let fault = attempt { () throws(Errno) in
        let file = try files.tree.create(name, flags: [.writeOnly, .largeFile], in: try node("fault"), by: root).file.id
        files.tree.release(file, by: root)
      }
      cases += 1
      if fault != (isPlanName ? nil : .invalidArgument) || (!isPlanName && !isTold(reason, "fault: a plan's name")) {
        Issue.record("fault/\(name.debugDescription): \(fault.map(String.init(describing:)) ?? "made") \(reason)")
        return
      }
      if fault == nil { try files.tree.unlink(name, in: try node("fault"), by: root) }
      let td = attempt { () throws(Errno) in _ = try files.tree.makeDirectory(name, in: try node("td"), by: root) }
      cases += 1
      if td != (isTDName ? nil : .invalidArgument) || (!isTDName && !isTold(reason, "td/")) {
        Issue.record("td/\(name.debugDescription): \(td.map(String.init(describing:)) ?? "made") \(reason)")
        return
      }
      if td == nil { try files.tree.removeDirectory(name, in: try node("td"), by: root) }
    }
    print("malformed inputs: names of plans and TDs: \(cases) cases")
    #expect(cases >= 550)
  }

  @Test("reportdata has 1 to 64 bytes, image ends at 64 MiB, a step is refused with the name of its file")
  func ofATD() throws {
    _ = try files.tree.makeDirectory("a", in: try node("td"), by: root)
    var cases = 0
    for count in Array(1...130) + [255, 256, 1024, 4095, 4096, 4097] {
      let errno = write([UInt8](repeating: 0xA5, count: count), to: "td/a/reportdata")
      cases += 1
      if errno != (count <= 64 ? nil : .invalidArgument) || (count > 64 && !isTold(reason, "td/a/reportdata: ")) {
        Issue.record("\(count) bytes: \(errno.map(String.init(describing:)) ?? "taken") \(reason)")
      }
    }
    let limit: Int64 = 64 << 20
    for offset in [0, 1, 4095, limit, limit + 1, 1 << 31, 1 << 32, .max - 1, .max] {
      for count in [1, 2, 4096] {
        let (end, overflow) = offset.addingReportingOverflow(Int64(count))
        let isInside = !overflow && end <= limit
        let errno = write([UInt8](repeating: 1, count: count), at: offset, to: "td/a/image")
        cases += 1
        if errno != (isInside ? nil : .fileTooLarge) || (!isInside && !isTold(reason, "td/a/image: ")) {
          Issue.record("\(count) bytes at \(offset): \(errno.map(String.init(describing:)) ?? "taken") \(reason)")
        }
      }
    }
    for text in Self.texts(["finalise", "enter vcpu=x", "add gpa=0x", "vcpu lp=-0", "rtmr data=0", "init debug=1"])
    where !text.isEmpty {
      let errno = write(text, to: "td/a/step")
      cases += 1
      let start = Self.word(text) == nil ? "the text is not UTF-8" : "td/a/step: "
      if errno != .invalidArgument || !isTold(reason, start) {
        Issue.record(
          "step \(text.prefix(40)): \(errno.map(String.init(describing:)) ?? "taken") \(reason.prefix(300).debugDescription)"
        )
        return
      }
    }
    print("malformed inputs: files of a TD: \(cases) cases")
    #expect(cases >= 5000)
  }

  @Test("what is only read can't be written, and what is only written can't be read: EACCES")
  func directions() throws {
    _ = try files.tree.makeDirectory("a", in: try node("td"), by: root)
    var cases = 0
    let readOnly = [
      "status", "log", "why", "trace", "last_error", "kmsg", "errata", "td/a/state", "td/a/alive", "td/a/mrtd",
      "td/a/rtmr0",
      "td/a/report", "td/a/last_exit", "td/a/attributes", "td/a/xfam", "td/a/tee_tcb_svn",
    ]
    for path in readOnly {
      for flags in [OpenFlags.writeOnly, OpenFlags(rawValue: 2), [.writeOnly, .append]] {
        cases += 1
        let errno = attempt { () throws(Errno) in
          _ = try files.tree.open(try node(path), flags: flags.union(.largeFile), by: root)
        }
        #expect(errno == .permissionDenied, "\(path)")
      }
    }
    cases += 1
    #expect(
      attempt { () throws(Errno) in _ = try files.tree.open(try node("td/a/image"), flags: .largeFile, by: root) }
        == .permissionDenied)
    print("malformed inputs: directions of control files: \(cases) cases")
    #expect(cases >= 45)
  }

  @Test("snapshot: every bit of the header, bytes of the rest, every cut, longer, and out of order; nothing changes")
  func snapshots() throws {
    let intact = try machine.snapshot()
    let status = machine.status()
    var cases = 0
    func refused(_ bytes: [UInt8], _ what: String, _ errnos: Set<Errno> = [.invalidArgument]) -> Bool {
      var found: Errno?
      do throws(Errno) {
        let file = try files.tree.open(try node("snapshot"), flags: [.writeOnly, .largeFile], by: root).id
        defer { files.tree.release(file, by: root) }
        _ = try files.tree.write(file, at: 0, bytes, by: root)
      } catch { found = error }
      cases += 1
      // What is cut is noticed when the file is closed.
      let isCut = found == nil && reason.hasPrefix("snapshot: only ")
      let isRefused = (found.map(errnos.contains) ?? isCut) && isTold(reason, "snapshot: ")
      if !isRefused { Issue.record("\(what): \(found.map(String.init(describing:)) ?? "taken") \(reason)") }
      if machine.status() != status { Issue.record("\(what): the machine changed") }
      return isRefused && machine.status() == status
    }
    // Magic, version, options' length, whole length.
    for bit in 0..<(24 * 8) {
      var bytes = intact
      bytes[bit / 8] ^= 1 << UInt8(bit % 8)
      // A length that no machine of these options can have is EFBIG.
      guard refused(bytes, "bit \(bit)", bit >= 16 * 8 ? [.invalidArgument, .fileTooLarge] : [.invalidArgument]) else {
        return
      }
    }
    let places =
      Array(24..<320) + stride(from: 320, to: intact.count - 48, by: 97) + Array((intact.count - 48)..<intact.count)
    for place in places {
      var bytes = intact
      bytes[place] ^= 1 << UInt8(place % 8)
      guard refused(bytes, "byte \(place)") else { return }
    }
    let borders = [
      1, 7, 8, 9, 11, 12, 13, 15, 16, 17, 23, 24, 25, 100, 4095, 4096, 4097, intact.count - 49, intact.count - 48,
      intact.count - 1,
    ]
    for length in borders { guard refused(Array(intact.prefix(length)), "\(length) bytes") else { return } }
    for more in [1, 2, 4096] {
      guard refused(intact + [UInt8](repeating: 0, count: more), "\(more) more bytes") else { return }
    }
    // Behind its time, before it, and none at the beginning.
    for offset: Int64 in [1, 7, 4096, 1 << 31, .max - 1] {
      let errno = write(intact, at: offset, to: "snapshot")
      cases += 1
      #expect(errno == .invalidArgument && isTold(reason, "snapshot: the bytes of a snapshot have to come in order"))
    }
    #expect(write(intact, to: "snapshot") == nil)
    print("malformed inputs: snapshots: \(cases) cases")
    #expect(cases >= 700)
  }
}
