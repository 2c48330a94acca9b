import Basics
import ModuleImage
import Platform
import SEAM

/// SEAMCALLs of a host that does anything: any leaf with any registers on any LP, any bytes in its memory, any steps of any
/// guest. The module's and the loader's own data stay consistent, and no answer is one that no firmware gives.
enum SEAMCALLTarget {
  /// A machine at some moment, and numbers that mean something to it.
  private struct Start {
    var state: SiliconState
    var likely: [UInt64]
    var vcpus: [UInt64]
  }

  private static let leaves = Leaf.all.map(\.rax)
  /// Where an image is staged for SEAMLDR.INSTALL.
  private static let params: UInt64 = 0x3000_0000

  private static let starts: [Start] = [
    start("module=1.5.24", []),
    start("module=1.5.34", ["init", "vcpu", "add gpa=0x1000 count=2"]),
    start("module=1.5.34", ["vcpu", "vcpu", "add", "finalize", "enter", "aug gpa=0x200000", "accept gpa=0x200000"]),
    start("cpu=gnr,module=2.0.8", ["init migratable", "vcpu", "add", "finalize", "enter", "export-start"]),
    start("cpu=gnr,module=2.0.14", ["init migratable", "vcpu", "add", "finalize", "export-start", "export-pause"]),
    start("module=1.5.24", ["vcpu", "add", "finalize"], update: true),
  ].compactMap { $0 }

  /// A machine on which a host took `steps` with a TD; what its SEAMCALLs had in their registers is what is likely.
  private static func start(_ options: String, _ steps: [String], update: Bool = false) -> Start? {
    guard let bench = FuzzBench("abi=v8,\(options),lps=2,memory=1,updates=3,clock=virtual,seed=1") else { return nil }
    if !steps.isEmpty {
      try? bench.machine.createTD("a")
      guard let td = bench.machine.td(named: "a") else { return nil }
      for step in steps { try? bench.machine.stepTD(td, step) }
    }
    if update { bench.update(to: FuzzImages.small[0]) }
    var numbers: Set<UInt64> = []
    for line in bench.machine.traceLines().split(separator: UInt8(ascii: "\n")) {
      guard let record = JSONValue(text: line), case .object(let registers) = record["in"] else { continue }
      for register in registers {
        if let number = register.value.string.flatMap({ UInt64($0.dropFirst(2), radix: 16) }) { numbers.insert(number) }
      }
    }
    var state = bench.machine.state.silicon
    stage(FuzzImages.small[1], in: &state.machine)
    let wellKnown: [UInt64] = [
      params, params + 4096, 0x1000_0000, 0x1000_1000, 0x1020_0000, 0x0A00_0003_0000_0008, 0x9110_0003_0000_0010,
      0x8900_0001_0000_0000, state.machine.configuration.seamRangeBase, 1 << 47, 0x2000, 0x20_0001, 0x4000_0000,
    ]
    let likely = Array(numbers.sorted().suffix(160)) + wellKnown
    return Start(state: state, likely: likely, vcpus: Array(state.machine.guests.keys.sorted()))
  }

  /// SEAMLDR_PARAMS and an image at ``params``.
  private static func stage(_ file: [UInt8], in machine: inout Machine) {
    guard let image = try? ModuleImageFile(file) else { return }
    let pages = image.module.count / 4096
    machine.memory.write(image.sigstruct.bytes, at: params + 4096)
    machine.memory.write(image.module, at: params + 8192)
    var block = [UInt8](repeating: 0, count: 4096)
    func put(_ number: UInt64, at offset: Int) {
      block.replaceSubrange(offset..<(offset + 8), with: number.littleEndianBytes)
    }
    block.replaceSubrange(4..<8, with: UInt32(1).littleEndianBytes)
    put(params + 4096, at: 8)
    put(UInt64(pages), at: 120)
    for page in 0..<pages { put(params + 8192 + 4096 * UInt64(page), at: 128 + 8 * page) }
    machine.memory.write(block, at: params)
  }

  static func run(_ input: [UInt8]) throws {
    var choice = FuzzInput(input)
    guard let start = choice.element(of: starts) else { throw Finding(description: "no machine") }
    let silicon = Silicon(start.state, clock: VirtualClock())
    var likely = start.likely
    for _ in 0..<256 where !choice.isAtEnd {
      switch choice.byte() % 16 {
      case 0: silicon.writePhysical(choice.bytes(1 + choice.below(96)), at: choice.register(likely))
      case 1: silicon.writePhysical(choice.register(likely).littleEndianBytes, at: choice.register(likely))
      case 2: likely.append(silicon.readPhysicalWords(choice.register(likely)).low)
      case 3: silicon.clearPage(choice.register(likely))
      case 4: silicon.sendInterrupt(to: Int(choice.byte() & 3))
      case 5:
        silicon.appendGuestSteps(guestSteps(&choice, likely), toVCPU: choice.element(of: start.vcpus) ?? 0)
      case 6:
        // A kernel's bring-up after an installation.
        for lp in 0..<2 { _ = silicon.seamcall(Registers(rax: 1 << 63 | 1, rcx: params), on: lp) }
        for leaf: UInt64 in [33, 53] {
          _ = silicon.seamcall(Registers(rax: leaf), on: 0)
          for lp in 0..<2 where leaf == 33 { _ = silicon.seamcall(Registers(rax: 35), on: lp) }
        }
      default: try call(silicon, &choice, &likely)
      }
    }
    let found = silicon.state.module.inconsistencies
    try Finding.unless(found.isEmpty, found.joined(separator: "; "))
  }

  private static func call(_ silicon: Silicon, _ choice: inout FuzzInput, _ likely: inout [UInt64]) throws {
    var registers = Registers(rax: choice.element(of: leaves) ?? 0)
    let kind = choice.byte()
    if kind & 3 == 0 { registers.rax |= UInt64(choice.byte() & 7) << 16 }
    if kind == 1 { registers.rax = choice.number(UInt64.self) }
    registers.rcx = choice.register(likely)
    registers.rdx = choice.register(likely)
    registers.r8 = choice.register(likely)
    if kind & 4 != 0 {
      registers.r9 = choice.register(likely)
      registers.r10 = choice.register(likely)
      registers.r11 = choice.register(likely)
    }
    if kind & 8 != 0 {
      registers.r12 = choice.register(likely)
      registers.r13 = choice.register(likely)
      registers.rbx = choice.register(likely)
    }
    // The machine has two LPs; more is a kernel's mistake that costs nothing.
    switch silicon.seamcall(registers, on: Int(choice.byte() % 3)) {
    case .returned(let answer):
      // TDH.VP.ENTER succeeds with the reason of the exit in RAX[31:0].
      let hasDetails = registers.rax >> 63 != 0 || registers.rax & 0xFFFF == 0
      try Finding.unless(
        hasDetails || answer.rax == 0 || answer.status.isError || answer.rax >> 32 != 0,
        "leaf \(registers.rax) answers \(answer.rax)")
      if likely.count < 400 { likely += [answer.rcx, answer.rdx, answer.r8] }
    case .vmFailInvalid, .generalProtection, .invalidOpcode: break
    }
  }

  private static func guestSteps(_ choice: inout FuzzInput, _ likely: [UInt64]) -> [GuestStep] {
    (0..<(1 + choice.below(4))).map { _ in
      switch choice.byte() % 4 {
      case 0: return .read(gpa: choice.register(likely), count: Int(choice.number(UInt16.self)))
      case 1: return .write(gpa: choice.register(likely), bytes: choice.bytes(choice.below(64)))
      case 2: return .halt
      default:
        var registers = Registers(rax: UInt64(choice.byte() & 63))
        registers.rcx = choice.register(likely)
        registers.rdx = choice.register(likely)
        registers.r8 = choice.register(likely)
        registers.r9 = choice.register(likely)
        registers.r11 = choice.register(likely)
        return .tdcall(registers)
      }
    }
  }
}
