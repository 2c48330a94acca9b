import Basics
import ModuleImage
import PSEAMLDR
import SEAM
import Testing

@Suite("What the BIOS loads at power-on", .timeLimit(.minutes(20)))
struct BootTests {
  /// CPU lists of tdx-module.md 4.3.
  static let table: [(ModuleVersion, [CPUModel])] = [
    (ModuleVersion(1, 5, 1), [.spr, .emr]), (ModuleVersion(1, 5, 5), [.spr, .emr, .srf]),
    (ModuleVersion(1, 5, 6), [.spr, .emr, .srf]), (ModuleVersion(1, 5, 8), [.spr, .emr, .srf]),
    (ModuleVersion(1, 5, 9), [.spr, .emr, .srf]), (ModuleVersion(1, 5, 13), [.spr, .emr, .srf]),
    (ModuleVersion(1, 5, 16), [.spr, .emr, .srf]), (ModuleVersion(1, 5, 20), [.spr, .emr, .srf]),
    (ModuleVersion(1, 5, 24), [.spr, .emr]), (ModuleVersion(1, 5, 25), [.srf]),
    (ModuleVersion(1, 5, 28), [.spr, .emr, .srf]), (ModuleVersion(1, 5, 34), [.spr, .emr, .srf]),
    (ModuleVersion(2, 0, 2), [.gnr]), (ModuleVersion(2, 0, 4), [.gnr, .gnrd]), (ModuleVersion(2, 0, 5), [.gnr, .gnrd]),
    (ModuleVersion(2, 0, 8), [.gnr, .gnrd]), (ModuleVersion(2, 0, 12), [.gnr, .gnrd]),
    (ModuleVersion(2, 0, 14), [.gnr, .gnrd]), (ModuleVersion(2, 0, 16), [.gnr, .gnrd]),
    (ModuleVersion(2, 0, 18), [.gnr, .gnrd]),
  ]

  @Test("every public release loads on the CPUs of its list and on no other", arguments: table)
  func all(version: ModuleVersion, cpus: [CPUModel]) throws {
    for cpu in CPUModel.allCases {
      let rig = Rig(cpu: cpu, lps: 3, seamldr: ModuleVersion(2, 0, 0))
      guard cpus.contains(cpu) else {
        let error = #expect(throws: BootLoadError.self) { try rig.booted(version) }
        #expect(error?.refusal?.check == .manifest(.unsupportedCPU))
        #expect(error?.refusal?.status == .unsupportedCPU)
        continue
      }
      let booted = try rig.booted(version)
      #expect(booted.machine.residentProgram?.version == version)
      #expect(booted.machine.route(rax: 33) == .module)
    }
  }

  @Test("afterwards everything is as INSTALL on all LPs leaves it")
  func likeInstall() throws {
    let version = ModuleVersion(1, 5, 34)
    var booted = try Rig(lps: 3, seamdbSize: 5).booted(version)
    var installed = Rig(lps: 3, seamdbSize: 5)
    let image = try Image.forged(version, pages: 150)
    #expect(installed.install(image, scenario: Rig.load) == .success)

    #expect(booted.remainingUpdates() == 4)
    #expect(booted.machine.imageGeneration == installed.machine.imageGeneration)
    #expect(booted.loader.remainingUpdates == installed.loader.remainingUpdates)
    let base = booted.machine.sysInfoBase
    #expect(booted.machine.memory.read(base, count: 4096) == installed.machine.memory.read(base, count: 4096))
    var identity = installed.machine.seamExtend
    identity.info.mrseam = try #require(
      [UInt8](
        hexadecimal: "ab62561a173acbd18ee50ff37750db44184c6cf5e886df74247cc575e163b04c34b9e18374757c235affa614d4127f6b")
    )
    #expect(booted.machine.seamExtend == identity)
    #expect(booted.machine.seamdb.entries.map(\.info) == [identity.info])
    #expect(booted.machine.seamdb.entries.map(\.nonce) == installed.machine.seamdb.entries.map(\.nonce))
    #expect(booted.status(Rig.shutdownLeaf) == .cleanupRequired)
    #expect(installed.status(Rig.shutdownLeaf) == .cleanupRequired)
    #expect(booted.loader.lastInstall == nil, "no INSTALL was called")
    for lp in 0..<3 { #expect(booted.status(Rig.cleanupLeaf, on: lp) == .success) }
  }

  @Test("a 1.5 loader does not take a module of the 2.0 line, and says what to do")
  func wrongLine() throws {
    let error = #expect(throws: BootLoadError.self) {
      try Rig(cpu: .gnr, seamldr: ModuleVersion(1, 5, 2)).booted(ModuleVersion(2, 0, 14))
    }
    #expect(error?.refusal?.check == .manifest(.reservedNotZero))
    let text = try #require(error).description
    #expect(text.hasPrefix("P-SEAMLDR 1.5.02 does not load TDX module 2.0.14: "))
    #expect(text.contains("seamldr="))
  }

  @Test("the wrong CPU is told with what to do")
  func wrongCPU() throws {
    let error = #expect(throws: BootLoadError.self) { try Rig(cpu: .srf).booted(ModuleVersion(1, 5, 24)) }
    #expect(try #require(error).description.contains("cpu="))
  }

  @Test("no entropy: at the first entry, for the addresses, for the SEAMDB")
  func entropy() throws {
    for (draws, check) in [(0, nil), (1, .randomAddresses), (2, .seamdbInsert)] as [(Int, InstallCheck?)] {
      var rig = Rig()
      rig.machine.entropy.successesBeforeFailures = draws
      rig.machine.entropy.failures = .max
      let error = #expect(throws: BootLoadError.self) { try rig.booted(ModuleVersion(1, 5, 24)) }
      #expect(error?.refusal?.check == check)
    }
  }

  @Test("an UPDATE follows a boot load, from the 2.0 line too")
  func updates() throws {
    for (cpu, from, to) in [
      (CPUModel.spr, ModuleVersion(1, 5, 24), ModuleVersion(1, 5, 34)),
      (.gnrd, ModuleVersion(2, 0, 14), ModuleVersion(2, 0, 18)),
      (.srf, ModuleVersion(1, 5, 25), ModuleVersion(1, 5, 28)),
    ] {
      var rig = try Rig(cpu: cpu).booted(from)
      rig.shutDownModule(handoffVersion: 1, size: 57336)
      #expect(rig.install(try .forged(to), scenario: Rig.update) == .success)
      #expect(rig.machine.residentProgram?.version == to)
      #expect(rig.remainingUpdates() == 14)
    }
  }
}
