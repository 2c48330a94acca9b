import Basics
import SEAM

extension VCPU {
  /// What TDH.EXPORT.STATE.VP carries of the vCPU. What its software has still to do stands for its memory of what it does.
  func image(software: [GuestStep]) -> StateImage {
    var image = StateImage()
    image.append(index)
    image.append(UInt8(x2apicID == nil ? 0 : 1))
    image.append(x2apicID ?? 0)
    image.append(lastExit.rawValue)
    for word in registers.words { image.append(word) }
    image.append(pending?.code ?? 0)
    image.append(cpuidVE.rawValue)
    image.append(UInt8(veInfo == nil ? 0 : 1))
    image.append(veInfo?.exitReason ?? 0)
    image.append(veInfo?.qualification ?? 0)
    image.append(veInfo?.linearAddress ?? 0)
    image.append(veInfo?.gpa ?? 0)
    image.append(veInfo?.instruction ?? 0)
    image.append(fields)
    image.append(UInt32(truncatingIfNeeded: software.count))
    for step in software { image.append(step) }
    return image
  }

  /// Takes what ``image(software:)`` gave, and gives the software; nil when it is not a vCPU's state.
  mutating func importImage(_ pages: ArraySlice<UInt8>) -> [GuestStep]? {
    var reader = StateImageReader(pages, .vcpu)
    let index = reader.integer(as: UInt32.self)
    let hasID = reader.integer(as: UInt8.self) != 0
    let id = reader.integer(as: UInt32.self)
    let exit = LastExit(rawValue: reader.integer())
    let registers = Registers(words: (0..<14).map { _ in reader.integer(as: UInt64.self) })
    let pending = PendingStep(code: reader.integer())
    let control = CPUIDControl(rawValue: reader.integer())
    let hasVE = reader.integer(as: UInt8.self) != 0
    let ve = VEInfo(
      exitReason: reader.integer(), qualification: reader.integer(), linearAddress: reader.integer(),
      gpa: reader.integer(), instruction: reader.integer())
    let fields = reader.fields()
    var left = reader.integer(as: UInt32.self)
    var software: [GuestStep] = []
    while left > 0, reader.isValid {
      left -= 1
      guard let step = reader.step() else { return nil }
      software.append(step)
    }
    guard reader.isValid, let exit else { return nil }
    self.index = index
    x2apicID = hasID ? id : nil
    lastExit = exit
    self.registers = registers
    self.pending = pending
    cpuidVE = control
    veInfo = hasVE ? ve : nil
    self.fields = fields
    return software
  }
}

extension VCPU.PendingStep {
  fileprivate var code: UInt8 {
    switch self {
    case .tdcall: 1
    case .halt: 2
    }
  }

  fileprivate init?(code: UInt8) {
    switch code {
    case 1: self = .tdcall
    case 2: self = .halt
    default: return nil
    }
  }
}

extension StateImage {
  /// A step: its number (u8), then what it has.
  fileprivate mutating func append(_ step: GuestStep) {
    switch step {
    case .tdcall(let registers):
      append(UInt8(0))
      for word in registers.words { append(word) }
    case .read(let gpa, let count):
      append(UInt8(1))
      append(gpa)
      append(UInt64(clamping: count))
    case .write(let gpa, let bytes):
      append(UInt8(2))
      append(gpa)
      append(UInt64(bytes.count))
      append(bytes)
    case .halt:
      append(UInt8(3))
    }
  }
}

extension StateImageReader {
  /// The next step; nil for a number that no step has.
  fileprivate mutating func step() -> GuestStep? {
    switch integer(as: UInt8.self) {
    case 0:
      return .tdcall(Registers(words: (0..<14).map { _ in integer(as: UInt64.self) }))
    case 1:
      let gpa = integer(as: UInt64.self)
      return .read(gpa: gpa, count: Int(clamping: integer(as: UInt64.self)))
    case 2:
      let gpa = integer(as: UInt64.self)
      return .write(gpa: gpa, bytes: slice(Int(clamping: integer(as: UInt64.self))))
    case 3:
      return .halt
    default:
      return nil
    }
  }
}

extension Registers {
  fileprivate var words: [UInt64] {
    [rax, rbx, rcx, rdx, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15]
  }

  fileprivate init(words: [UInt64]) {
    self.init(rax: words[0], rcx: words[2], rdx: words[3], r8: words[6], r9: words[7], r10: words[8], r11: words[9])
    rbx = words[1]
    rsi = words[4]
    rdi = words[5]
    r12 = words[10]
    r13 = words[11]
    r14 = words[12]
    r15 = words[13]
  }
}
