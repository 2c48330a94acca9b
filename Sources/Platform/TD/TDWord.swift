/// What can be written to `td/NAME/step`: one word, with `key=value` operands and flags behind it.
package enum TDWord: String, CaseIterable, Sendable {
  case initialize = "init"
  case vcpu
  case addPage = "add-page"
  case extend
  case add
  case image
  case finalize
  case enter
  case accept
  case read
  case write
  case rtmr
  case info
  case vmcall
  case halt
  case aug
  case block
  case unblock
  case track
  case remove
  case zap
  case flush
  case rd
  case bind
  case prebind
  case exportStart = "export-start"
  case exportInterrupt = "export-interrupt"
  case exportResume = "export-resume"
  case exportPause = "export-pause"
  case exportState = "export-state"
  case exportAbort = "export-abort"
  case migrate

  /// Operands that it takes.
  var operands: [TDOperand] {
    switch self {
    case .initialize:
      [.attributes, .xfam, .maxVCPUs, .mrConfigID, .mrOwner, .mrOwnerConfig, .debug, .migratable, .wide, .importing]
    case .vcpu: [.count, .lp, .rcx]
    case .addPage: [.gpa, .count, .pattern, .source, .measure]
    case .add: [.gpa, .count, .pattern, .source]
    case .extend: [.gpa, .chunks]
    case .image: [.pages]
    case .finalize, .track: []
    case .enter: [.vcpu, .lp]
    case .accept: [.gpa, .count, .vcpu, .lp]
    case .read: [.gpa, .count, .vcpu, .lp]
    case .write: [.gpa, .data, .vcpu, .lp]
    case .rtmr: [.index, .data, .vcpu, .lp]
    case .info, .halt: [.vcpu, .lp]
    case .vmcall: [.leaf, .vcpu, .lp]
    case .aug: [.gpa, .count]
    case .block, .unblock, .remove, .zap: [.gpa]
    case .flush: [.vcpu]
    case .rd: [.field]
    case .bind: [.service, .attributes]
    case .prebind: [.hash, .attributes]
    case .exportStart, .exportInterrupt, .exportState: [.lp]
    case .exportResume, .exportPause, .exportAbort: []
    case .migrate: [.to]
    }
  }

  /// What it does, in one line.
  var help: String {
    switch self {
    case .initialize: "make the TD anew with other TD_PARAMS, while it has neither vCPU nor page"
    case .vcpu: "TDH.VP.CREATE, TDH.VP.ADDCX, TDH.VP.INIT: one more vCPU"
    case .addPage: "TDH.MEM.SEPT.ADD where tables are missing, TDH.MEM.PAGE.ADD; measured too with measure"
    case .add: "add-page and extend, page by page (KVM_TDX_INIT_MEM_REGION)"
    case .extend: "TDH.MR.EXTEND of 16 chunks, or as many as are given; of the last page without gpa"
    case .image: "add the next pages of the firmware image in the file image, all of them without pages"
    case .finalize: "TDH.MR.FINALIZE"
    case .enter: "TDH.VP.ENTER until the vCPU leaves with something that is not KVM's affair alone"
    case .accept: "the guest: TDG.MEM.PAGE.ACCEPT"
    case .read: "the guest reads count bytes"
    case .write: "the guest writes bytes"
    case .rtmr: "the guest: TDG.MR.RTMR.EXTEND with 48 bytes; fewer are filled up with zeros"
    case .info: "the guest: TDG.VP.INFO"
    case .vmcall: "the guest: TDG.VP.VMCALL with leaf in R11"
    case .halt: "the guest: HLT"
    case .aug: "TDH.MEM.PAGE.AUG: pages that the guest has to accept"
    case .block: "TDH.MEM.RANGE.BLOCK"
    case .unblock: "TDH.MEM.RANGE.UNBLOCK"
    case .track: "TDH.MEM.TRACK"
    case .remove: "TDH.MEM.PAGE.REMOVE and TDH.PHYMEM.PAGE.WBINVD"
    case .zap: "block, track and remove, as KVM does"
    case .flush: "TDH.VP.FLUSH on the LP that has the vCPU"
    case .rd: "TDH.MNG.RD of a metadata field"
    case .bind: "TDH.SERVTD.BIND: another TD, or the monitor's own, serves its migration"
    case .prebind: "TDH.SERVTD.PREBIND with the 48 bytes of a TD's hash"
    case .exportStart: "TDH.EXPORT.STATE.IMMUTABLE, with streams and keys before it; needs MIGRATABLE"
    case .exportInterrupt: "an export operation with an interrupt in its middle, which counts until it goes on"
    case .exportResume: "the interrupted operation goes on"
    case .exportPause: "TDH.EXPORT.PAUSE"
    case .exportState: "TDH.EXPORT.STATE.TD"
    case .exportAbort: "TDH.EXPORT.ABORT: the TD runs on here"
    case .migrate: "moves it into the TD to, which was made with init import"
    }
  }

  /// All words with their operands, one a line.
  static var helpText: String {
    allCases.map { word in
      let operands = word.operands.map { " " + $0.usage }.joined()
      return word.rawValue + operands + ": " + word.help + "\n"
    }.joined()
  }
}

/// An operand of a word.
package enum TDOperand: String, CaseIterable, Sendable {
  case attributes
  case xfam
  case maxVCPUs = "max_vcpus"
  case mrConfigID = "mrconfigid"
  case mrOwner = "mrowner"
  case mrOwnerConfig = "mrownerconfig"
  case debug
  case migratable
  case wide
  case count
  case lp
  case rcx
  case gpa
  case pattern
  case source
  case measure
  case chunks
  case pages
  case vcpu
  case data
  case index
  case leaf
  case field
  case service
  case hash
  case to
  case importing = "import"

  /// A word without value.
  var isFlag: Bool {
    switch self {
    case .debug, .migratable, .wide, .measure, .importing: true
    case .attributes, .xfam, .maxVCPUs, .mrConfigID, .mrOwner, .mrOwnerConfig, .count, .lp, .rcx, .gpa, .pattern,
      .source, .chunks, .pages, .vcpu, .data, .index, .leaf, .field, .service, .hash, .to:
      false
    }
  }

  /// As it stands in a list of what a word takes.
  var usage: String { isFlag ? "[\(rawValue)]" : "[\(rawValue)=]" }
}
