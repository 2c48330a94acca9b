import ModuleImage
import SEAM
import Testing

@testable import TDXModule

/// Every order of the leaves that bring a module up, shut it down and update it, against ``SysModel``.
@Suite("TDH.SYS leaves in every order", .timeLimit(.minutes(20)))
struct SequenceTests {
  /// What a sequence starts from.
  enum Start: String, CaseIterable, Sendable {
    /// A module that was loaded at power-on.
    case cold
    /// One that was installed over another, which was shut down.
    case installed
    /// The same, with every LP initialised.
    case coldInitialized, installedInitialized
    case configured, ready
  }

  private static func begin(_ start: Start) throws -> (Bench, SysModel) {
    let isOverAnother = start == .installed || start == .installedInitialized
    var bench: Bench
    if isOverAnother {
      bench = try Bench.inState(.shutdown)
      try bench.load(.init(1, 5, 34), keepingHandoff: true)
    } else {
      bench = try Bench(lps: 2)
    }
    bench.writeTDMRs([Bench.tdmr()])
    var model = SysModel(isHandoffValid: isOverAnother)
    let steps: [SysModel.Call] =
      switch start {
      case .cold, .installed: []
      case .coldInitialized, .installedInitialized: [.sysInit, .lpInit0, .lpInit1]
      case .configured: [.sysInit, .lpInit0, .lpInit1, .config]
      case .ready: [.sysInit, .lpInit0, .lpInit1, .config, .keyConfig]
      }
    for step in steps {
      #expect(perform(step, &bench) == 0)
      #expect(model.call(step) == 0)
    }
    return (bench, model)
  }

  private static func perform(_ call: SysModel.Call, _ bench: inout Bench) -> UInt64 {
    let majorVersion: UInt64 = 0x0800_0001_0000_0004
    return switch call {
    case .config: bench.call(45, rcx: Bench.array, rdx: 1, r8: 64).rax
    // MODULE_HV of 1.5.34, which has NO_DOWNGRADE.
    case .shutdown: bench.call(52, rcx: 2).rax
    case .read1: bench.call(34, rdx: majorVersion, on: 1).rax
    default: bench.call(call.leaf, on: call.lp).rax
    }
  }

  private static func isSame(_ state: SysState, _ model: SysModel.State) -> Bool {
    switch model {
    case .pending: state == .initPending
    case .initDone: state == .initDone
    case .configDone: state == .configDone
    case .ready: state == .ready
    case .shutdown: state == .shutdown
    }
  }

  /// Goes through all continuations; gives the number of calls, or nil after a difference.
  private func walk(_ bench: Bench, _ model: SysModel, _ done: [SysModel.Call], depth: Int) -> Int? {
    if depth == 0 { return 0 }
    var cases = 0
    for call in SysModel.Call.allCases {
      var (nextBench, nextModel) = (bench, model)
      let expected = nextModel.call(call)
      let found = Self.perform(call, &nextBench)
      cases += 1
      if found != expected || !Self.isSame(nextBench.module.sysState, nextModel.state) {
        Issue.record(
          "\((done + [call]).map(\.rawValue)): 0x\(String(found, radix: 16)) in place of 0x\(String(expected, radix: 16))"
        )
        return nil
      }
      if expected != 0, nextBench.module.lastDiagnostic?.isEmpty != false {
        Issue.record("\((done + [call]).map(\.rawValue)): no reason is told")
        return nil
      }
      // What was refused changed nothing: the rest is what comes without it.
      if expected != 0, depth < 3 { continue }
      guard let further = walk(nextBench, nextModel, done + [call], depth: depth - 1) else { return nil }
      cases += further
    }
    return cases
  }

  @Test("every sequence of up to four calls on two LPs", arguments: Start.allCases)
  func sequences(start: Start) throws {
    let (bench, model) = try Self.begin(start)
    guard let cases = walk(bench, model, [], depth: 4) else { return }
    print("malformed inputs: TDH.SYS leaves in every order, \(start.rawValue): \(cases) cases")
    #expect(cases >= 1500)
  }
}
