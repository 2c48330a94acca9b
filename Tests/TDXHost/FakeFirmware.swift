import Basics
import ModuleImage
import SEAM

@testable import TDXHost

/// A door with a script behind it instead of firmwares: everything succeeds but for the answers that a test puts in.
final class FakeFirmware: SEAMCALLDoor {
  struct Call: Equatable {
    var leaf: String
    var lp: Int
    var registers: Registers
  }

  struct Key: Hashable {
    var rax: UInt64
    var lp: Int?
  }

  var calls: [Call] = []
  var memory: [UInt64: [UInt8]] = [:]
  var metadata: [UInt64: UInt64]
  /// What TDH.SYS.UPDATE makes of the update version.
  var nextUpdateVersion: UInt64 = 28
  var loaderVersion = (major: UInt16(1), minor: UInt16(5), update: UInt16(2))
  var remainingUpdates: UInt32 = 15
  /// Answers for the next calls of a leaf, on one LP or on any.
  var answers: [Key: [SEAMCALLResult]] = [:]
  /// Answers for all calls of a leaf.
  var permanent: [Key: SEAMCALLResult] = [:]
  var tdmrProgress: [UInt64: UInt64] = [:]
  var guestSteps: [UInt64: [GuestStep]] = [:]
  var guestOutcomes: [UInt64: [GuestOutcome]] = [:]

  init(version: (UInt64, UInt64, UInt64) = (1, 5, 24), features0: UInt64 = 0xD132_6F3F_0FBF, moduleHV: UInt64 = 1) {
    metadata = [
      0x0800_0001_0000_0003: version.1, 0x0800_0001_0000_0004: version.0, 0x0800_0001_0000_0005: version.2,
      0x0A00_0003_0000_0008: features0, 0x8900_0001_0000_0000: moduleHV,
      0x9100_0001_0000_0008: 64, 0x9100_0001_0000_0009: 16,
      0x9100_0001_0000_0010: 16, 0x9100_0001_0000_0011: 16, 0x9100_0001_0000_0012: 16,
      0x9800_0001_0000_0000: 4096, 0x9800_0001_0000_0100: 36864, 0x9800_0001_0000_0200: 24576,
      0x1900_0003_0000_0000: 0x8000_0000_7000_0001, 0x1900_0003_0000_0001: 0,
      0x1900_0003_0000_0002: 0x6DBE7, 0x1900_0003_0000_0003: 3,
      0x9900_0001_0000_0004: 2, 0x9900_0001_0000_0008: 576,
      0x9900_0003_0000_0400: 1, 0x9900_0003_0000_0401: 7,
      0x9900_0003_0000_0500: 11, 0x9900_0003_0000_0501: 12, 0x9900_0003_0000_0502: 21, 0x9900_0003_0000_0503: 22,
    ]
  }

  func answer(_ leaf: ModuleLeaf, on lp: Int? = nil, _ results: SEAMCALLResult...) {
    answers[Key(rax: UInt64(leaf.rawValue), lp: lp), default: []] += results
  }

  func answer(_ leaf: LoaderLeaf, on lp: Int? = nil, _ results: SEAMCALLResult...) {
    answers[Key(rax: leaf.rawValue, lp: lp), default: []] += results
  }

  func always(_ leaf: ModuleLeaf, _ result: SEAMCALLResult) {
    permanent[Key(rax: UInt64(leaf.rawValue), lp: nil)] = result
  }

  /// Every leaf of the module gets `result` from now on.
  func moduleIsGone(_ result: SEAMCALLResult = .vmFailInvalid) {
    for leaf in ModuleLeaf.allCases { always(leaf, result) }
  }

  func seamcall(_ registers: Registers, on lp: Int) -> SEAMCALLResult {
    calls.append(Call(leaf: Leaf(rax: registers.rax).name, lp: lp, registers: registers))
    for key in [Key(rax: registers.rax, lp: lp), Key(rax: registers.rax, lp: nil)] {
      if let next = answers[key]?.first {
        answers[key]?.removeFirst()
        return next
      }
      if let permanent = permanent[key] { return permanent }
    }
    var after = registers
    after.rax = 0
    switch Leaf(rax: registers.rax) {
    case .module(.sysRD):
      guard let value = metadata[registers.rdx] else { return failed(0xC000_0C00_0000_0000) }
      after.r8 = value
    case .module(.sysTDMRInit):
      let next = (tdmrProgress[registers.rcx] ?? registers.rcx) + (4 << 20)
      tdmrProgress[registers.rcx] = next
      after.rdx = next & ~0x3FFF_FFFF
    case .module(.sysUpdate):
      metadata[0x0800_0001_0000_0005] = nextUpdateVersion
    case .loader(.info):
      var buffer = [UInt8](repeating: 0, count: 256)
      buffer.store(loaderVersion.minor, at: 18)
      buffer.store(loaderVersion.major, at: 20)
      buffer.store(loaderVersion.update, at: 22)
      buffer.store(remainingUpdates, at: 28)
      writePhysical(buffer, at: registers.rcx)
    default: break
    }
    return .returned(after)
  }

  func readPhysical(_ hpa: UInt64, count: Int) -> [UInt8] {
    let page = memory[hpa & ~0xFFF] ?? [UInt8](repeating: 0, count: 4096)
    return Array(page.dropFirst(Int(hpa & 0xFFF)).prefix(count))
  }

  func writePhysical(_ bytes: [UInt8], at hpa: UInt64) {
    var page = memory[hpa & ~0xFFF] ?? [UInt8](repeating: 0, count: 4096)
    page.store(bytes, at: Int(hpa & 0xFFF))
    memory[hpa & ~0xFFF] = page
  }

  /// `LEAF@LP` of all calls since the last look.
  func transcript() -> [String] {
    defer { calls.removeAll() }
    return calls.map { "\($0.leaf)@\($0.lp)" }
  }

  /// `transcript`, with runs of the same call as `LEAF@LP xN`.
  func summary() -> [String] {
    var lines: [(String, Int)] = []
    for line in transcript() {
      if lines.last?.0 == line { lines[lines.count - 1].1 += 1 } else { lines.append((line, 1)) }
    }
    return lines.map { $0.1 == 1 ? $0.0 : "\($0.0) x\($0.1)" }
  }
}

/// The firmware returned `rax`, all other registers zero but RDX.
func failed(_ rax: UInt64, rdx: UInt64 = 0) -> SEAMCALLResult { .returned(Registers(rax: rax, rdx: rdx)) }

/// A host that has not booted, whose clock stands.
func makeHost(
  _ profile: ABIProfile = .v8, lps: Int = 4, memoryGiB: Int = 1, erratum: Bool = false
) -> LinuxHost {
  LinuxHost(
    profile: profile,
    configuration: HostConfiguration(
      machine: MachineConfiguration(logicalProcessors: lps, memoryGiB: memoryGiB), hasSEAMRETErratum: erratum),
    now: { 1_000_002 })
}

/// A host that has booted over `firmware`, whose log and calls are forgotten.
func bootedHost(
  _ profile: ABIProfile = .v8, _ firmware: FakeFirmware, lps: Int = 4, erratum: Bool = false
) -> LinuxHost {
  var host = makeHost(profile, lps: lps, erratum: erratum)
  host.boot(door: firmware)
  firmware.calls.removeAll()
  host.log = KernelLog(now: { 1_000_002 })
  return host
}

extension LinuxHost {
  /// The texts of the log, without times.
  var lines: [String] { log.records.map(\.text) }
}

/// A well-formed image of version 0x100: a sigstruct of `sigstructPages`, a module of `modulePages`.
func blob(sigstructPages: Int = 1, modulePages: Int = 2, tail: Int = 0) -> [UInt8] {
  let size = 4096 * (1 + sigstructPages + modulePages) + tail
  var bytes = [UInt8](repeating: 0, count: size)
  bytes.store(UInt16(0x100), at: 0)
  bytes.store(UInt32(4096 * (1 + sigstructPages)), at: 4)
  bytes.store(Array("TDX-BLOB".utf8), at: 8)
  bytes.store(UInt32(size), at: 16)
  for page in 1..<max(2, 1 + sigstructPages + modulePages) where page * 4096 < size {
    bytes[page * 4096] = UInt8(truncatingIfNeeded: page)
  }
  return bytes
}

/// A well-formed image of version 0x200.
func imageV2(sigstructPages: Int = 1, modulePages: Int = 2) -> [UInt8] {
  let size = 4096 * (1 + sigstructPages + modulePages)
  var bytes = [UInt8](repeating: 0, count: size)
  bytes.store(UInt16(0x200), at: 0)
  bytes.store(Array("TDX-BLOB".utf8), at: 4)
  bytes.store(UInt32(sigstructPages), at: 12)
  bytes.store(UInt32(modulePages), at: 16)
  for page in 1..<max(2, size / 4096) where page * 4096 < size { bytes[page * 4096] = UInt8(truncatingIfNeeded: page) }
  return bytes
}

/// Runs an update of `image` to its end.
func update(
  _ host: inout LinuxHost, _ firmware: FakeFirmware, image: [UInt8] = blob(), schedule: UpdateSchedule = .ascending
) -> UpdateRecord {
  var update = ModuleUpdate(image: image, host: host, schedule: schedule)
  return update.run(host: &host, door: firmware)
}
