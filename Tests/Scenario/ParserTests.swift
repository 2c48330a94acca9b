import ModuleImage
import SystemPackage
import Testing

@testable import tdxfs

@Suite("A scenario file", .timeLimit(.minutes(20)))
struct ParserTests {
  private static let whole = """
    # What goes wrong, in a comment.
    title: A CPU is offline
    about: It is told in several lines,
      and they are joined.
    machine: abi=v8,lps=2
    machine = seed=7
    image: 1.5.28 svn=1.20 flip=0x1000:0x80 truncate=8192
    image: 2.0.14 name=other format=0x200 cpus=gnr debug signed-anew
    before: offline 1
    before: fault slow stage=install delay=10ms
    at: stage=install cancel
    at: busy=2 td a finalize
    client: echo one
      echo two
    without: CAP_SYS_RAWIO
    limit: 5
    patience: 250
    careful: nothing
    expect: result=lost|refused version=ENXIO log="two words"
    after: fails EBUSY offline 0
    after: shell test "a  b" = "$A"
    finally: online=0
    """

  private func parse(_ text: String) throws(ScenarioError) -> Scenario {
    try ScenarioParser.parse(text, name: "test", file: "test.scenario")
  }

  /// Why `text` is refused.
  private func refusal(_ text: String) -> ScenarioError? {
    do throws(ScenarioError) { _ = try parse(text) } catch { return error }
    return nil
  }

  /// The smallest file, with `line` as its fourth line.
  private func refusal(line: String) -> ScenarioError? {
    refusal("title: a\nimage: 1.5.28\nexpect: result=ok\n\(line)\n")
  }

  @Test("with every key there is becomes what it says")
  func everything() throws {
    let scenario = try parse(Self.whole)
    #expect(scenario.title == "A CPU is offline")
    #expect(scenario.about == ["It is told in several lines, and they are joined."])
    #expect(scenario.options == ["abi=v8", "lps=2", "seed=7"])
    #expect(scenario.images.map(\.name) == ["image", "other"])
    #expect(scenario.images[0].damages == [.flip(offset: 4096, mask: 0x80), .truncate(8192)])
    #expect(scenario.images[0].svn == "1.20")
    #expect(scenario.images[1].isDebugSigned && scenario.images[1].isSignedAnew)
    #expect(scenario.images[1].format == .image)
    #expect(
      scenario.before.map(\.action) == [
        .control(file: "cpu/1/online", text: "0"),
        .control(file: "fault/slow", text: "stage=install delay=10ms"),
      ])
    #expect(scenario.events.map(\.point) == [.stage("install"), .busy(2)])
    #expect(scenario.events.map(\.step.action) == [.cancel, .control(file: "td/a/step", text: "finalize")])
    #expect(scenario.client == ["echo one", "echo two"])
    #expect(scenario.withoutRawIO && scenario.mayDecline)
    #expect(scenario.limit == 5 && scenario.patience == 250)
    #expect(scenario.expected.map(\.values) == [["lost", "refused"], ["ENXIO"], ["two words"]])
    #expect(scenario.after.map(\.fails) == ["EBUSY", nil])
    #expect(scenario.after.last?.action == .shell("test \"a  b\" = \"$A\""))
    #expect(scenario.finally.map(\.text) == ["0"])
  }

  @Test("needs no more than a title, an image and a result; its machine has a seed all the same")
  func smallest() throws {
    let scenario = try parse("title: a\nimage: 1.5.28\nexpect: result=ok\n")
    #expect(scenario.options == ["seed=1"])
    #expect(scenario.script.contains("cat \"$TDXFS_IMAGE\" > data"))
  }

  @Test(
    "that is wrong is refused with the line and the nearest known word",
    arguments: [
      ("expct: result=ok", "there is no key 'expct': did you mean expect?"),
      ("nonsense", "'nonsense' is neither key: value nor a comment"),
      ("title: b", "title is there twice"),
      ("machine: abi=v88", "abi=v88: did you mean v8?"),
      ("machine: lsp=4", "unknown option 'lsp': did you mean lps?"),
      ("machine: control=off", "control=off: a rehearsal needs the control directory"),
      ("image: newest", "'newest': a version like 1.5.28 comes first"),
      ("image: 1.6.01 name=b", "no image can tell the version 1.6.01"),
      ("image: 1.5.28", "there are two images 'image'"),
      ("image: 1.5.28 name=b flop=3", "there is no 'flop': did you mean flip?"),
      ("image: 1.5.28 name=b flip=far", "flip=far: a number up to 4294967295 is needed"),
      (
        "image: 1.5.28 name=b set=modul_nr_pages:1", "there is no field 'modul_nr_pages': did you mean module_nr_pages?"
      ),
      ("before: ofline 3", "there is no step 'ofline': did you mean offline?"),
      ("before: offline three", "offline three: the number of a CPU is needed"),
      ("before: reboot now", "'now' is one word too many after reboot"),
      ("before: control ../../etc/passwd x", "is no name below the control directory"),
      ("before: update image2", "there is no image 'image2': did you mean image?"),
      ("before: shell", "shell needs a command"),
      ("before: control power \"reboot", "a quotation mark is not closed"),
      ("before: fails EBUSY", "fails needs the name of an error and a step"),
      ("at: stage=instal reboot", "stage=instal: did you mean install?"),
      ("at: soon reboot", "'soon': the points are stage=NAME"),
      ("at: ended", "at: ended needs a step"),
      ("without: CAP_SYS_ADMIN", "the one capability that matters is CAP_SYS_RAWIO"),
      ("user: me", "a client is root or nobody"),
      ("limit: 0", "a number of seconds from 1 to 600 is needed"),
      ("patience: long", "a number of milliseconds from 1 to 600000 is needed"),
      ("careful: everything", "a careful client uploads 'nothing'"),
      ("expect: result=fine", "result=fine: did you mean gone?"),
      ("expect: vesion=1.5.28", "nothing is known of 'vesion': did you mean version?"),
      ("expect: version", "'version' is not key=value"),
      ("about:", "about needs a value"),
    ])
  func wrongLine(line: String, reason: String) throws {
    let error = try #require(refusal(line: line), "\(line) was taken")
    #expect(error.line == 4, "\(error)")
    #expect(error.description.hasPrefix("test.scenario:4: "))
    #expect(error.reason.contains(reason), "\(error)")
  }

  @Test(
    "in which something is missing is refused as a whole",
    arguments: [
      ("image: 1.5.28\nexpect: result=ok", "there is no title: line"),
      ("title: a\nexpect: result=ok", "there is no image: line"),
      ("title: a\nimage: 1.5.28", "there is no expect: line"),
      ("title: a\nimage: 1.5.28\nexpect: version=1.5.28", "no expect: line has result="),
      ("", "there is no title: line"),
    ])
  func missing(text: String, reason: String) throws {
    let error = try #require(refusal(text))
    #expect(error.line == 0 && error.reason.contains(reason), "\(error)")
  }

  @Test("of any bytes is refused or taken, and nothing traps")
  func garbage() {
    var generator = SystemRandomNumberGenerator()
    let words =
      ScenarioParser.keys + ScenarioStep.verbs + ScenarioImage.words + [":", "=", "\n", "\"", "0x", "-1", "é", " "]
    for _ in 0..<3000 {
      let text = (0..<Int.random(in: 1..<12, using: &generator)).compactMap { _ in
        words.randomElement(using: &generator)
      }
      _ = refusal(text.joined(separator: [" ", ":", "=", ""].randomElement(using: &generator) ?? " "))
    }
  }

  @Test("that came with the command can be read, and there are at least 40, each with a title of its own")
  func shipped() throws {
    let directory = FilePath(String(#filePath.dropLast("Tests/Scenario/ParserTests.swift".count)) + "mount/scenarios")
    let names = try SmallFile.list(directory).keys.filter { $0.hasSuffix(ScenarioLibrary.suffix) }
    #expect(names.count >= 40)
    let scenarios = try names.map { try ScenarioLibrary.scenario(in: directory.appending($0)) }
    #expect(Set(scenarios.map(\.title)).count == scenarios.count)
    #expect(scenarios.allSatisfy { !$0.about.isEmpty })
  }
}

@Suite("An image of a scenario", .timeLimit(.minutes(20)))
struct ScenarioImageTests {
  private func image(_ text: String) throws -> [UInt8] {
    try ScenarioImage(words: try ScenarioWords(text)).bytes(kernelFormat: .blob)
  }

  @Test("is the forged twin of its version, in the header that the kernel takes")
  func forged() throws {
    let file = try ModuleImageFile(image("1.5.28"))
    #expect(file.format == .blob && file.problems.isEmpty)
    #expect(ModuleProgram.identify(sigstruct: file.sigstruct, image: file.module).version == ModuleVersion(1, 5, 28))
    #expect(try ModuleImageFile(image("1.5.28 format=0x200")).format == .image)
  }

  @Test("is broken where it says, and nowhere else")
  func broken() throws {
    let good = try image("1.5.28")
    let flipped = try image("1.5.28 flip=20000:3")
    #expect(good.indices.filter { good[$0] != flipped[$0] } == [20000])
    #expect(good[20000] ^ flipped[20000] == 3)
    #expect(try image("1.5.28 truncate=5000") == Array(good.prefix(5000)))
    #expect(try image("1.5.28 extend=5") == good + [0, 0, 0, 0, 0])
    #expect(try image("1.5.28 flip=4294967295") == good)
    let offset = try image("1.5.28 set=offset_of_module:0x12345678")
    #expect(Array(offset[4..<8]) == [0x78, 0x56, 0x34, 0x12])
    let vendor = try image("1.5.28 set=MODULE_VENDOR:1")
    #expect(good.indices.filter { good[$0] != vendor[$0] } == [4112, 4113])
  }

  @Test("that is signed anew passes hash and signature with the damage in it")
  func signedAnew() throws {
    let file = try ModuleImageFile(image("1.5.28 flip=20000 signed-anew"))
    #expect(file.sigstruct.verifySignature() == .valid)
    #expect(Array(file.sigstruct.slice(SEAMSigstruct.seamHashRange)) == ImageDigest.sha384(file.module))
    #expect(try file.module != ModuleImageFile(image("1.5.28")).module)
  }
}
