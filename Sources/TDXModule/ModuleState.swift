import ModuleImage
import SEAM

/// SYS_STATE, the platform-wide life cycle of one loaded image (tdx-module.md 3.2).
public enum SysState: UInt8, CaseIterable, Sendable, Codable {
  /// SYSINIT_PENDING: freshly loaded.
  case initPending = 0
  /// SYSINIT_DONE: TDH.SYS.INIT done; LPs are being initialised.
  case initDone = 1
  /// SYSCONFIG_DONE: TDMRs are configured; packages get the global key.
  case configDone = 2
  /// SYS_READY: TDs may live.
  case ready = 3
  /// SYS_SHUTDOWN: handed off. There is no way back for this image.
  case shutdown = 4

  /// The name as the specification spells it.
  public var name: String {
    switch self {
    case .initPending: "SYSINIT_PENDING"
    case .initDone: "SYSINIT_DONE"
    case .configDone: "SYSCONFIG_DONE"
    case .ready: "SYS_READY"
    case .shutdown: "SYS_SHUTDOWN"
    }
  }
}

/// What one loaded image keeps in its data region: gone when the P-SEAMLDR loads another.
struct ModuleState: Sendable {
  /// What the image's code knows.
  let program: ModuleProgram
  /// What follows from it.
  let traits: ModuleTraits
  var sysState = SysState.initPending
  var isDead = false

  // Sampled by TDH.SYS.INIT.

  /// MODULE_HV, MIN_UPDATE_HV, NO_DOWNGRADE and NUM_HANDOFF_PAGES of the SYS_INFO table.
  var negotiation = HandoffNegotiation()
  /// NUM_LPS.
  var totalLPs = 0
  /// NUM_PKGS.
  var totalPackages = 0
  /// SEAMDB_INDEX and SEAMDB_NONCE: this load of the module.
  var seamdb: SEAMDBReference?

  /// `lp_is_init` of every LP; its count is NUM_INIT_LPS.
  var initializedLPs: Set<Int> = []
  /// NUM_INIT_PKGS.
  var initializedPackages = 0
  /// UPDATE_COMPATIBILITY, the host's opt-in.
  var updateCompatibility = false

  /// What passes to the next image.
  var handoff = HandoffData()

  init(program: ModuleProgram) {
    self.program = program
    traits = ModuleTraits(program: program)
  }

  /// Whether every LP of the platform did TDH.SYS.LP.INIT.
  var allLPsInitialized: Bool { initializedLPs.count >= totalLPs }
}

/// One entry of the SEAMDB, as the module remembers it.
struct SEAMDBReference: Equatable, Sendable, Codable {
  let index: Int
  let nonce: [UInt64]
}

/// What the P-SEAMLDR published of the sigstruct (SYS_INFO table, offset 2152).
struct HandoffNegotiation: Equatable, Sendable, Codable {
  var moduleHV: UInt16 = 0
  var minUpdateHV: UInt16 = 0
  var noDowngrade = false
  /// Pages minus one.
  var numHandoffPages: UInt16 = 0

  /// Bytes that there is room for after the header.
  var bufferSize: Int { (Int(numHandoffPages) + 1) * 4096 - SEAMLayout.HandoffHeader.size }

  /// Versions as people write them.
  var range: String { "\(minUpdateHV)...\(moduleHV)" }
}

extension ModuleState: Codable {
  private enum Key: CodingKey {
    case program, sysState, isDead, negotiation, totalLPs, totalPackages, seamdb, initializedLPs, initializedPackages
    case updateCompatibility, handoff
  }

  /// All of it but the traits, which follow from the program.
  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    try container.encode(program, forKey: .program)
    try container.encode(sysState, forKey: .sysState)
    try container.encode(isDead, forKey: .isDead)
    try container.encode(negotiation, forKey: .negotiation)
    try container.encode(totalLPs, forKey: .totalLPs)
    try container.encode(totalPackages, forKey: .totalPackages)
    try container.encode(seamdb, forKey: .seamdb)
    try container.encode(initializedLPs, forKey: .initializedLPs)
    try container.encode(initializedPackages, forKey: .initializedPackages)
    try container.encode(updateCompatibility, forKey: .updateCompatibility)
    try container.encode(handoff, forKey: .handoff)
  }

  /// Reads what ``encode(to:)`` wrote.
  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Key.self)
    self.init(program: try container.decode(ModuleProgram.self, forKey: .program))
    sysState = try container.decode(SysState.self, forKey: .sysState)
    isDead = try container.decode(Bool.self, forKey: .isDead)
    negotiation = try container.decode(HandoffNegotiation.self, forKey: .negotiation)
    totalLPs = try container.decode(Int.self, forKey: .totalLPs)
    totalPackages = try container.decode(Int.self, forKey: .totalPackages)
    seamdb = try container.decode(SEAMDBReference?.self, forKey: .seamdb)
    initializedLPs = try container.decode(Set<Int>.self, forKey: .initializedLPs)
    initializedPackages = try container.decode(Int.self, forKey: .initializedPackages)
    updateCompatibility = try container.decode(Bool.self, forKey: .updateCompatibility)
    handoff = try container.decode(HandoffData.self, forKey: .handoff)
  }
}
