import SystemPackage
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// Guests that live through an update, and guests that don't, as seen at a shell.
@Suite(
  "TDs through a mount",
  .enabled(if: Tdxfs.canMount, Tdxfs.needsRoot), .serialized, .timeLimit(.minutes(20)))
struct TDTests {
  static let mrtd =
    "15a8464628b6214951c4a1b57775507dd950263654e8790e257995b45013c84aba1d87a3bcbc1929b5f7db6d3e92cad6\n"

  /// A TD `name` that runs, by mkdir and echo.
  func makeTD(_ name: String, on machine: Machine) async throws {
    try await machine.shell(
      """
      cd .tdxfs/td
      mkdir \(name)
      for word in vcpu add-page extend finalize enter; do echo $word > \(name)/step; done
      """)
  }

  @Test("three TDs over 1.5.28 and 1.5.34: alive, MRTD, RTMRs and TEE_TCB_SVN the same, TEE_TCB_SVN2 advanced twice")
  func threeTDs() async throws {
    let images = [try await Catalog.shared.image("1.5.28"), try await Catalog.shared.image("1.5.34")]
    try await Machine.mounted { machine async throws in
      for name in ["a", "b", "c"] { try await makeTD(name, on: machine) }
      try machine.write("rtmr index=1 data=c0ffee\n", to: ".tdxfs/td/b/step")
      #expect(try machine.value(of: "tds", in: "status") == "3")
      let files = ["mrtd", "rtmr0", "rtmr1", "rtmr2", "rtmr3", "tee_tcb_svn", "attributes", "xfam"]
      func look(_ name: String) throws -> [String] { try files.map { try machine.read(".tdxfs/td/\(name)/\($0)") } }
      let before = try ["a", "b", "c"].map { try look($0) }
      #expect(before[0][0] == Self.mrtd)
      #expect(before[1][2] != before[0][2])
      for (image, svn) in zip(images, ["0e01", "0f01"]) {
        #expect(try await machine.update(with: image) == "")
        for (name, old) in zip(["a", "b", "c"], before) {
          try machine.write("enter\n", to: ".tdxfs/td/\(name)/step")
          #expect(try look(name) == old)
          #expect(try machine.read(".tdxfs/td/\(name)/alive") == "1\n")
          #expect(try machine.read(".tdxfs/td/\(name)/tee_tcb_svn2").hasPrefix(svn))
        }
      }
      #expect(try machine.value(of: "module", in: "td/a/state") == "1.5.24")
      #expect(try await machine.shell("rmdir .tdxfs/td/*; ls .tdxfs/td | wc -l") == "0\n")
      #expect(try machine.value(of: "tds", in: "status") == "0")
    }
  }

  @Test("an open build under v8: device-busy and nothing consumed; after finalize the update works")
  func openBuild() async throws {
    let image = try await Catalog.shared.image("1.5.28")
    try await Machine.mounted { machine async throws in
      try await machine.shell("mkdir .tdxfs/td/open")
      #expect(try machine.value(of: "open_builds", in: "status") == "1")
      #expect(try await machine.update(with: image) == "transferring:device-busy\n")
      #expect(try machine.read("num_remaining_updates") == "15\n")
      #expect(try machine.read(".tdxfs/why").contains("being built: open"))
      #expect(machine.errorOfWriting("finalize\n", to: ".tdxfs/td/open/step") == .invalidArgument)
      #expect(try machine.read(".tdxfs/last_error").contains("NO_VCPUS"))
      try await machine.shell("for word in vcpu add finalize enter; do echo $word > .tdxfs/td/open/step; done")
      #expect(try await machine.update(with: image) == "")
      #expect(try machine.read(".tdxfs/td/open/mrtd") == Self.mrtd)
    }
  }

  @Test("the silent race under merged and v7: the update succeeds, and only the report shows what it broke")
  func silentRace() async throws {
    let scratch = try TemporaryDirectory()
    defer { scratch.remove() }
    let made = try await Tdxfs.run(["image", "catalog", scratch.path + "/new", "--format", "0x200"])
    try #require(made.status == 0, "\(made)")
    let newFormat = scratch.path + "/new/joined_files/1.5/tdx_module_"
    let cases = [
      ("abi=merged,module=1.5.24", newFormat + "1.5.28.blob", true),
      ("abi=merged,module=1.5.28", newFormat + "1.5.34.blob", false),
      ("abi=v7,module=1.5.20", try await Catalog.shared.image("1.5.28"), false),
    ]
    for (options, image, isRight) in cases {
      try await Machine.mounted(options) { machine async throws in
        try await machine.shell(
          "mkdir .tdxfs/td/t; for word in vcpu add; do echo $word > .tdxfs/td/t/step; done")
        #expect(try await machine.update(with: image) == "", "\(options)")
        try await machine.shell("for word in finalize enter; do echo $word > .tdxfs/td/t/step; done")
        #expect(try machine.read(".tdxfs/td/t/alive") == "1\n")
        #expect((try machine.read(".tdxfs/td/t/mrtd") == Self.mrtd) == isRight, "\(options)")
      }
    }
    try await Machine.mounted("abi=v7,module=1.5.24") { machine async throws in
      try await machine.shell("mkdir .tdxfs/td/t")
      let image = try await Catalog.shared.image("1.5.28")
      #expect(try await machine.update(with: image) == "transferring:device-busy\n")
    }
  }

  @Test("a lost update kills ten TDs, why names them, their directories go, and a reboot brings an empty machine")
  func lost() async throws {
    let image = try await Catalog.shared.image("1.5.28")
    try await Machine.mounted("updates=0") { machine async throws in
      for index in 0..<10 { try await makeTD("t\(index)", on: machine) }
      #expect(try await machine.update(with: image) == "transferring:firmware-invalid\n")
      #expect(try machine.value(of: "lost", in: "why") == "tds")
      #expect(try machine.read(".tdxfs/why").contains("the TDs t0, t1, t2, t3, t4, t5, t6, t7, t8 and t9"))
      #expect(try await machine.shell("cat .tdxfs/td/*/alive | sort | uniq -c | tr -s ' '") == " 10 0\n")
      #expect(machine.errorOfReading(".tdxfs/td/t0/mrtd") == .ioError)
      #expect(machine.errorOfReading(".tdxfs/td/t0/report") == .ioError)
      #expect(machine.errorOfWriting("enter\n", to: ".tdxfs/td/t0/step") == .ioError)
      let new = try await Command.run(["mkdir", ".tdxfs/td/new"], in: machine.root)
      #expect(new.status == 1 && new.errors.contains("Input/output error"), "\(new)")
      try await machine.shell("rmdir .tdxfs/td/t0")
      #expect(try machine.read(".tdxfs/log").contains("HKID 65 is leaked"))
      try machine.write("reboot\n", to: ".tdxfs/power")
      #expect(try await machine.shell("ls .tdxfs/td | wc -l") == "0\n")
      try await makeTD("t0", on: machine)
      #expect(try machine.value(of: "hkid", in: "td/t0/state") == "65")
    }
  }

  @Test("the verbs: create, list, show, step, report, destroy")
  func verbs() async throws {
    try await Machine.mounted { machine async throws in
      func td(_ words: String...) async throws -> Finished {
        try await Tdxfs.run(["td"] + words + ["--at", machine.root])
      }
      #expect(try await td("list").output == "")
      #expect(try await td("create", "a").status == 0)
      #expect(try await td("create", "b", "--open", "--migratable").status == 0)
      let list = try await td("list").output
      #expect(
        list == """
          a finalized alive op_state=RUNNABLE hkid=65 vcpus=1 pages=1 module=1.5.24
          b open alive op_state=INITIALIZED hkid=66 vcpus=0 pages=0 module=1.5.24

          """)
      let shown = try await td("show", "a").output
      #expect(shown.contains("\nmrtd=\(Self.mrtd)"))
      #expect(shown.contains("\nlast_exit=external-interrupt\n"))
      #expect(try await td("show", "b").output.contains("\nmrtd=-\n"))
      #expect(try await td("step", "b", "add-page", "gpa=0x5000").output == "gpa=0x5000 pages=1\n")
      let refused = try await td("step", "b", "finalize")
      #expect(refused.status == 1)
      #expect(refused.errors.hasPrefix("tdxfs: td/b/step: TDH.MR.FINALIZE on LP 0: TDX_NO_VCPUS 0xc000060900000000"))
      let report = try await td("report", "a", "--data", "nonce")
      #expect(report.output.contains("\nREPORTDATA 6e6f6e6365" + String(repeating: "0", count: 118) + "\n"))
      #expect(report.output.contains("# the module that runs now: SVN 1.13\n"))
      let path = machine.root + "-report"
      defer { unlink(path) }
      #expect(try await td("report", "a", "--data", "0x0102", "-o", path).status == 0)
      let bytes = try File.bytes(path)
      #expect(bytes.count == 1024 && Array(bytes[128..<131]) == [1, 2, 0])
      #expect(try await td("report", "b").status == 1)
      #expect(try await td("report", "a", "--data", "").status == 2)
      for words in [["show", "x"], ["step", "x", "enter"], ["report", "x"], ["destroy", "x"]] {
        let finished = try await Tdxfs.run(["td"] + words + ["--at", machine.root])
        #expect(finished.status == 1 && finished.errors == "tdxfs: there is no TD x\n", "\(finished)")
      }
      #expect(try await td("create", "a").errors == "tdxfs: there is a TD a already\n")
      #expect(try await td("create", "a/b").status == 2)
      #expect(try await td("destroy", "a", "b").status == 0)
      #expect(try machine.value(of: "tds", in: "status") == "0")
    }
  }

  @Test("a TD is made as a whole or not at all")
  func allOrNothing() async throws {
    try await Machine.mounted { machine async throws in
      for words in [["--attributes", "0x3"], ["--image", "/bin/true"], ["--vcpus", "9"]] {
        let finished = try await Tdxfs.run(["td", "create", "a"] + words + ["--at", machine.root])
        #expect(finished.status == 1, "\(finished)")
        #expect(finished.errors.split(separator: "\n").count == 1, "\(finished)")
        #expect(try machine.value(of: "tds", in: "status") == "0")
      }
    }
  }

  @Test("readers and builders of TDs beside updates: nobody is refused, nobody waits for ever")
  func besideUpdates() async throws {
    let image = try await Catalog.shared.image("1.5.28")
    try await Machine.mounted("updates=50,lps=64") { machine async throws in
      try await makeTD("a", on: machine)
      let client = """
        for i in $(seq 60); do
          cat .tdxfs/td/a/mrtd .tdxfs/td/a/alive .tdxfs/td/a/rtmr0 > /dev/null || exit 1
          mkdir .tdxfs/td/x || exit 2
          rmdir .tdxfs/td/x || exit 3
          echo enter > .tdxfs/td/a/step || exit 4
        done
        """
      let updater = """
        cd firmware/tdx_module
        for i in $(seq 8); do
          echo 1 > loading; cat \(image) > data; echo 0 > loading
          while test "$(cat status)" != idle; do :; done
          cat error
        done
        """
      let finished = try await Command.run(
        ["sh", "-c", "(\(updater)) & (\(client)); r=$?; wait; exit $r"], in: machine.root, seconds: 120)
      #expect(finished.status == 0, "\(finished)")
      #expect(try machine.read(".tdxfs/td/a/mrtd") == Self.mrtd)
      // An open build of the client may have been in the way.
      #expect(Set(finished.output.split(separator: "\n")).isSubset(of: ["transferring:device-busy"]), "\(finished)")
    }
  }
}
