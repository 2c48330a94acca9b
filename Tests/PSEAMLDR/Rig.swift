import Basics
import ModuleImage
import PSEAMLDR
import SEAM

/// RAX and RDX after a call.
struct Answer: Equatable, CustomStringConvertible {
  var status: CompletionStatus
  var rdx: UInt64

  init(_ status: CompletionStatus, rdx: UInt64) {
    self.status = status
    self.rdx = rdx
  }

  static let success = Answer(.success, rdx: 0)
  static func recoverable(_ status: CompletionStatus) -> Answer { Answer(status, rdx: 0) }
  static func unrecoverable(_ status: CompletionStatus) -> Answer { Answer(status, rdx: 1) }
  var description: String { "\(status), RDX \(rdx)" }
}

/// A signed image.
struct Image {
  var sigstruct: SEAMSigstruct
  var module: [UInt8]

  /// A forged image of `version`, small so that tests are quick. `adjust` changes the forge, `edit` the sigstruct before it
  /// is signed again.
  static func forged(
    _ version: ModuleVersion, pages: Int = 4, adjust: (inout ImageForge) -> Void = { _ in },
    edit: ((inout SEAMSigstruct) -> Void)? = nil
  ) throws -> Image {
    var forge = try ImageForge(version: version)
    forge.pages = pages
    adjust(&forge)
    let (sigstruct, module) = try forge.forge()
    var image = Image(sigstruct: sigstruct, module: module)
    if let edit {
      edit(&image.sigstruct)
      _ = image.sigstruct.signWithDevKey()
    }
    return image
  }

  /// The image with other module bytes, hashed and signed anew.
  func replacingModule(_ change: (inout [UInt8]) -> Void) -> Image {
    var image = self
    change(&image.module)
    image.sigstruct.replace(SEAMSigstruct.seamHashRange, with: ImageDigest.sha384(image.module))
    _ = image.sigstruct.signWithDevKey()
    return image
  }
}

/// A machine with its loader, and what a kernel does with them: pages in host memory, and SEAMCALL on every LP.
struct Rig {
  static let params: UInt64 = 0x10_0000
  static let sigstruct: UInt64 = 0x10_1000
  static let pages: UInt64 = 0x20_0000
  static let info: UInt64 = 0x30_0000

  static let infoLeaf: UInt64 = 0x8000_0000_0000_0000
  static let installLeaf: UInt64 = 0x8000_0000_0000_0001
  static let shutdownLeaf: UInt64 = 0x8000_0000_0000_0002
  static let seamInfoLeaf: UInt64 = 0x8000_0000_0000_0003
  static let cleanupLeaf: UInt64 = 0x8000_0000_0000_0004

  static let load: UInt32 = 0
  static let update: UInt32 = 1

  var machine: Machine
  var loader: PSEAMLDR

  /// A machine as the NP-SEAMLDR leaves it; the loader's line follows from the CPU.
  init(
    cpu: CPUModel = .spr, lps: Int = 4, seamdbSize: Int = 16, debug: Bool = false,
    seamldr: ModuleVersion? = nil, signers: TrustedSigners = .standard
  ) {
    let configuration = MachineConfiguration(
      cpu: cpu, logicalProcessors: lps, memoryGiB: 4, seamdbSize: seamdbSize, systemUnderDebug: debug)
    machine = Machine(configuration: configuration, seed: 42)
    let version = seamldr ?? (cpu == .spr || cpu == .emr ? ModuleVersion(1, 5, 2) : ModuleVersion(2, 0, 0))
    loader = PSEAMLDR(version: version, trustedSigners: signers)
  }

  /// The machine after the BIOS loaded `module`.
  func booted(_ module: ModuleVersion) throws -> Rig {
    var rig = self
    guard let release = ReleaseTable.release(module) else { throw UnknownRelease(version: module) }
    try rig.loader.bootLoad(release: release, machine: &rig.machine)
    return rig
  }

  struct UnknownRelease: Error {
    var version: ModuleVersion
  }

  var lps: Int { machine.configuration.logicalProcessors }

  mutating func call(_ leaf: UInt64, on lp: Int = 0, rcx: UInt64 = 0, rdx: UInt64 = 0) -> Registers {
    var registers = Registers(rax: leaf, rcx: rcx, rdx: rdx)
    loader.seamcall(&registers, on: lp, machine: &machine)
    return registers
  }

  mutating func status(_ leaf: UInt64, on lp: Int = 0, rcx: UInt64 = 0) -> CompletionStatus {
    call(leaf, on: lp, rcx: rcx).status
  }

  /// One INSTALL call. RDX goes in as rubbish, so that an answer without RDX shows.
  mutating func install(on lp: Int, rcx: UInt64 = Rig.params) -> Answer {
    let registers = call(Rig.installLeaf, on: lp, rcx: rcx, rdx: 0xBAD)
    return Answer(registers.status, rdx: registers.rdx)
  }

  /// Writes image and params into host memory.
  mutating func stage(_ image: Image, scenario: UInt32, edit: (inout [UInt8]) -> Void = { _ in }) {
    machine.memory.write(image.sigstruct.bytes, at: Rig.sigstruct)
    machine.memory.write(image.module, at: Rig.pages)
    var params = [UInt8](repeating: 0, count: 4096)
    params.store(scenario, at: 4)
    params.store(Rig.sigstruct, at: 8)
    let count = (image.module.count + 4095) / 4096
    params.store(UInt64(count), at: 120)
    for index in 0..<count { params.store(Rig.pages + 4096 * UInt64(index), at: 128 + 8 * index) }
    edit(&params)
    machine.memory.write(params, at: Rig.params)
  }

  /// INSTALL on all LPs in order; the answer of the last one. Every other one must be success.
  mutating func installOnAllLPs(rcx: UInt64 = Rig.params) -> Answer {
    for lp in 0..<(lps - 1) {
      let answer = install(on: lp, rcx: rcx)
      if answer != .success { return answer }
    }
    return install(on: lps - 1, rcx: rcx)
  }

  /// Stages `image` and installs it.
  mutating func install(_ image: Image, scenario: UInt32) -> Answer {
    stage(image, scenario: scenario)
    return installOnAllLPs()
  }

  /// What TDH.SYS.SHUTDOWN of the running module leaves: a valid handoff header and `size` bytes.
  mutating func shutDownModule(handoffVersion: UInt16 = 0, size: UInt32 = 53386, valid: UInt8 = 1) {
    let header: [UInt8] = [valid, 0] + handoffVersion.littleEndianBytes + size.littleEndianBytes
    machine.memory.write(header + Self.handoffData(Int(size)), at: machine.dataRegionBase)
  }

  static func handoffData(_ size: Int) -> [UInt8] { (0..<size).map { UInt8(truncatingIfNeeded: $0 / 3 + 1) } }

  /// SEAMLDR.INFO's 256 bytes.
  mutating func infoBytes(on lp: Int = 0) -> [UInt8] {
    _ = call(Rig.infoLeaf, on: lp, rcx: Rig.info)
    return machine.memory.read(Rig.info, count: 256)
  }

  /// NUM_REMAINING_UPDATES as SEAMLDR.INFO says it.
  mutating func remainingUpdates() -> UInt32 { UInt32(littleEndianBytes: infoBytes()[28..<32]) }
}
