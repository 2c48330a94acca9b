import SEAM

/// One thing that is to go wrong: where, what, and how often. Made of one line of words (``init(line:lps:)``).
///
/// A plan acts at the SEAMCALL door or at the kernel step that it names, on the state that is there, so what follows from it
/// is computed by the emulation.
public struct FaultPlan: Equatable, Sendable {
  /// A step of an upload, in order.
  public enum Stage: String, CaseIterable, Sendable, Codable {
    /// Writes to `data`.
    case receive
    /// `loading=0` maps the staged pages, and the worker calls `->prepare`.
    case prepare
    /// The worker calls `->write`: all that the driver does before CPUs are stopped.
    case transfer
    /// Lock-step state SHUTDOWN.
    case shutdown
    /// Lock-step state CPU_INSTALL.
    case install
    /// Lock-step state CPU_INIT.
    case cpuInit = "cpu-init"
    /// Lock-step state RUN_UPDATE.
    case update

    /// The leaves that the kernel calls in this stage; none in the steps of the upload class.
    public var leaves: [Leaf] {
      switch self {
      case .receive, .prepare, .transfer: []
      case .shutdown: [.module(.sysRD), .module(.sysShutdown)]
      case .install: [.loader(.install)]
      case .cpuInit: [.module(.sysInit), .module(.sysLPInit)]
      case .update: [.module(.sysUpdate), .module(.sysRD)]
      }
    }
  }

  /// What must have happened before the plan acts, since it was made and since the last upload began (`loading=1`).
  public enum After: Equatable, Sendable {
    /// A SEAMCALL of this leaf has succeeded.
    case leaf(Leaf)
    /// The upload has left this stage for the next.
    case stage(Stage)
    /// So many SEAMCALLs were made, of whatever leaf.
    case calls(Int)
  }

  /// What is damaged of the handoff data in SEAM memory (tdx-module.md 4.2).
  public enum HandoffDamage: String, CaseIterable, Sendable {
    /// All 8 bytes of the header become 0xFF: valid, but of no version and no size that there is.
    case header
    /// VALID becomes 0.
    case valid
    /// SIZE becomes 0xFFFFFFFF.
    case size
    /// All bytes behind the header become 0xFF.
    case data
  }

  /// What goes wrong.
  public enum Effect: Equatable, Sendable {
    /// The SEAMCALL is answered with this status, and RDX. The firmware is not entered unless `isExecuted`: then its own
    /// answer is replaced, and without a status only its RDX.
    case answer(status: CompletionStatus?, rdx: UInt64?, isExecuted: Bool)
    /// The SEAMCALL is a VMfailInvalid.
    case vmFailInvalid
    /// Somebody else holds what the leaf needs.
    case busy
    /// The next `draws` RDRAND draws of the firmwares give nothing, after `skipping` that do; `Int.max` is for ever.
    case noEntropy(draws: Int, skipping: Int)
    /// The handoff data in SEAM memory are damaged before the SEAMCALL.
    case corruptHandoff(HandoffDamage)
    /// A bit of the image flips in the kernel's memory before SEAMLDR.INSTALL.
    case badPage
    /// The step begins so many microseconds later.
    case delay(UInt64)
    /// The LP goes offline when the stage begins.
    case dropLP
    /// The kernel gets no pages in this stage.
    case noMemory
    /// The power goes and comes back, in the middle of the upload.
    case powerLoss
  }

  /// The step.
  public var stage: Stage?
  /// The leaf.
  public var leaf: Leaf?
  /// The logical processor.
  public var lp: Int?
  /// Of the moments that match, the first at which the plan acts, from 1.
  public var nth = 1
  /// What must have happened before; moments before it do not count.
  public var after: After?
  /// What goes wrong.
  public var effect: Effect
  /// How often the plan acts at the most; nil for always.
  public var limit: Int? = 1
  /// Probability with which it acts at a moment.
  public var chance = 1.0
  /// Seed of the probability.
  public var seed: UInt64 = 0
  /// The words that it was made of.
  public var line: String
}

/// A moment at which a plan can act.
enum FaultMoment: Equatable, Sendable {
  /// At the door: a SEAMCALL is about to be executed.
  case call(FaultCall)
  /// In an upload, before a SEAMCALL, with no lock held.
  case beforeCall(FaultCall)
  /// A stage begins.
  case stage(FaultPlan.Stage)
  /// The upload class is about to take pages in this stage.
  case allocation(FaultPlan.Stage)
}

/// A SEAMCALL as plans look at it.
struct FaultCall: Equatable, Sendable {
  var leaf: Leaf
  var lp: Int
  /// The stage of the update that makes it; nil for all other calls.
  var stage: FaultPlan.Stage?
}

extension FaultPlan {
  /// Whether the plan's place and effect fit `moment`. How often that was so before is not looked at.
  func matches(_ moment: FaultMoment) -> Bool {
    switch (moment, effect) {
    case (.call(let call), .busy): matches(call) && call.leaf.contention != nil
    case (.call(let call), .badPage): matches(call) && call.leaf == .loader(.install)
    case (.call(let call), .answer), (.call(let call), .vmFailInvalid), (.call(let call), .noEntropy),
      (.call(let call), .corruptHandoff), (.beforeCall(let call), .delay), (.beforeCall(let call), .powerLoss):
      matches(call)
    case (.stage(let stage), .dropLP): stage == self.stage
    case (.stage(.transfer), .noMemory): stage == .transfer
    case (.allocation(let stage), .noMemory): stage == self.stage
    case (.stage(let stage), .delay), (.stage(let stage), .powerLoss): stage == self.stage && stage.leaves.isEmpty
    case (.call, .delay), (.call, .dropLP), (.call, .noMemory), (.call, .powerLoss), (.beforeCall, _), (.stage, _),
      (.allocation, _):
      false
    }
  }

  private func matches(_ call: FaultCall) -> Bool {
    (stage == nil || stage == call.stage) && (leaf == nil || leaf == call.leaf) && (lp == nil || lp == call.lp)
  }

  /// Whether the plan's answer stands in place of the call.
  var replacesCall: Bool {
    switch effect {
    case .answer(_, _, let isExecuted): !isExecuted
    case .vmFailInvalid: true
    case .busy, .noEntropy, .corruptHandoff, .badPage, .delay, .dropLP, .noMemory, .powerLoss: false
    }
  }
}

/// What a leaf answers when somebody else holds what it needs.
enum LeafContention: Equatable, Sendable {
  /// The module's one lock for the whole platform: SYS_BUSY.
  case global
  /// The lock of a TDMR: OPERAND_BUSY(RCX).
  case tdmr
  /// The KeyID ownership table: OPERAND_BUSY(KOT).
  case keyTable
  /// The lock of the page that the leaf works on: OPERAND_BUSY with the page's operand.
  case page
  /// Another LP is inside the P-SEAMLDR, which has no queue: VMfailInvalid (pseamldr.md 1.3).
  case loader
}

extension Leaf {
  /// How the leaf can be busy; nil for one that takes no lock.
  var contention: LeafContention? {
    switch self {
    case .loader: return .loader
    case .unknown: return nil
    case .module(let leaf):
      switch leaf {
      case .sysInit, .sysLPInit, .sysConfig, .sysKeyConfig, .sysShutdown, .sysUpdate: return .global
      case .sysTDMRInit: return .tdmr
      case .mngCreate, .phymemCacheWB: return .keyTable
      case .sysRD, .sysRdall, .sysInfo, .sysLPShutdown, .sysDisable, .mngKeyReclaimid, .memSEPTWR: return nil
      case _: return .page
      }
    }
  }
}
