import ModuleImage
import PSEAMLDR
import SEAM
import Testing

/// Every order of calls that change something, up to a length, against ``SequenceModel``.
@Suite("Calls in every order", .timeLimit(.minutes(20)))
struct SequenceTests {
  typealias Line = MalformedInstall.Line

  /// What a sequence starts from.
  enum Start: String, CaseIterable, Sendable {
    /// No module was loaded.
    case cold
    /// A module runs.
    case running
    /// It was shut down.
    case shutDown
    /// It was shut down, and no updates remain.
    case spent
  }

  private static func begin(_ start: Start, _ line: Line, isUpdate: Bool) throws -> (Rig, SequenceModel) {
    let size = start == .spent ? 1 : 3
    var rig = Rig(cpu: line == .v1_5 ? .spr : .gnr, lps: 2, seamdbSize: size)
    var model = SequenceModel(
      isUpdate: isUpdate, size: UInt32(size), isReady: false, isHandoffValid: false, isDirty: false, initDone: false,
      remaining: 0)
    if start != .cold {
      rig = try rig.booted(line.module)
      (model.isReady, model.isDirty, model.initDone) = (true, true, true)
      model.remaining = UInt32(size) - 1
    }
    if start == .shutDown || start == .spent {
      rig.shutDownModule(handoffVersion: 1)
      model.isHandoffValid = true
    }
    rig.stage(try .forged(line.module, pages: 1), scenario: isUpdate ? 1 : 0)
    return (rig, model)
  }

  /// Goes through all continuations of a sequence.
  private func walk(
    _ rig: Rig, _ model: SequenceModel, _ done: [SequenceModel.Call], depth: Int, _ count: inout CaseCount
  ) {
    if depth == 0 || count.isHopeless { return }
    for call in SequenceModel.Call.allCases {
      var (nextRig, nextModel) = (rig, model)
      let leaf = [Rig.installLeaf, Rig.shutdownLeaf, Rig.cleanupLeaf][call.rawValue / 2]
      let expected = nextModel.call(call)
      let registers = nextRig.call(leaf, on: call.lp, rcx: Rig.params, rdx: 0xBAD)
      var difference: String?
      if registers.rax != expected.rax || registers.rdx != expected.rdx ?? 0xBAD {
        difference = "RAX 0x\(String(registers.rax, radix: 16)) RDX \(registers.rdx) in place of \(expected)"
      } else if nextRig.machine.route(rax: 33) != (nextModel.isReady ? .module : .vmFailInvalid) {
        difference = "SEAM_READY is not \(nextModel.isReady)"
      } else if nextRig.machine.route(rax: Rig.infoLeaf) != (nextModel.isAlive ? .loader : .vmFailInvalid) {
        difference = "P_SEAMLDR_READY is not \(nextModel.isAlive)"
      } else if nextModel.remaining > 0, nextRig.loader.remainingUpdates != nextModel.remaining {
        difference = "\(nextRig.loader.remainingUpdates) updates remain in place of \(nextModel.remaining)"
      }
      count.add("\(done + [call])", difference: difference)
      if difference == nil, nextModel.isAlive { walk(nextRig, nextModel, done + [call], depth: depth - 1, &count) }
    }
  }

  @Test("1.5: every sequence of up to five calls on two LPs", arguments: Start.allCases, [true, false])
  func five(start: Start, isUpdate: Bool) throws {
    let (rig, model) = try Self.begin(start, .v1_5, isUpdate: isUpdate)
    var count = CaseCount("P-SEAMLDR calls in every order, 1.5, \(start.rawValue), \(isUpdate ? "UPDATE" : "LOAD")")
    walk(rig, model, [], depth: 5, &count)
    count.expect(atLeast: 6000)
  }

  @Test("2.0: every sequence of up to four calls on two LPs", arguments: Start.allCases, [true, false])
  func four(start: Start, isUpdate: Bool) throws {
    let (rig, model) = try Self.begin(start, .v2_0, isUpdate: isUpdate)
    var count = CaseCount("P-SEAMLDR calls in every order, 2.0, \(start.rawValue), \(isUpdate ? "UPDATE" : "LOAD")")
    walk(rig, model, [], depth: 4, &count)
    count.expect(atLeast: 1000)
  }
}
