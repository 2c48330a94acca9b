import Basics
import SEAM
import SystemPackage

/// KVM's SEAMCALLs: `tdh_*` of arch/x86/virt/vmx/tdx, which give the raw status, and what KVM says when it is not the
/// one that it wanted.
extension LinuxHost {
  /// A leaf with its operands on `lp`, repeated while there is no entropy (`sc_retry`). Nothing is logged.
  @inline(never)
  mutating func tdh(_ call: Registers, on lp: Int, door: some SEAMCALLDoor) -> SEAMCALLResult {
    var result = door.seamcall(call, on: lp)
    var attempts = 1
    while attempts < Self.entropyAttempts, result.linuxStatus == CompletionStatus.rndNoEntropy.rawValue {
      result = door.seamcall(call, on: lp)
      attempts += 1
    }
    return result
  }

  /// `pr_tdx_error`: `SEAMCALL TDH_MNG_INIT failed: 0x…`, with registers where KVM adds them. Linux limits the rate of each to
  /// ten in five seconds; here it is ten an operation, so that a run can be repeated.
  mutating func logTDXError(_ failure: SEAMCALLFailure, _ registers: [(String, UInt64)] = []) {
    guard tds.logged[failure.leaf.name, default: 0] < 10 else { return }
    tds.logged[failure.leaf.name, default: 0] += 1
    let leaf = String(failure.leaf.name.map { $0 == "." ? "_" : $0 })
    let details = registers.map { ", \($0.0) 0x\(String($0.1, radix: 16))" }.joined()
    logKVM(.error, "SEAMCALL \(leaf) failed: 0x\(String(failure.status.rawValue, radix: 16))\(details)")
  }

  /// A line of the module `kvm_intel`.
  mutating func logKVM(_ level: KernelLog.Level, _ text: String) { log.append(level, "kvm_intel: " + text) }

  /// `WARN_ON_ONCE` in `function` of KVM; of the block that a kernel prints, the first line.
  mutating func warnKVMOnce(_ function: String, cpu: Int) {
    guard tds.warned.insert(function).inserted else { return }
    log.append(.warning, "WARNING: arch/x86/kvm/vmx/tdx.c at \(function), CPU#\(cpu)")
  }

  /// The CPU on which KVM makes a call that any CPU can make.
  var anyCPU: Int { isOnline.firstIndex(of: true) ?? 0 }

  /// The first online CPU of each package, ascending.
  var oneCPUPerPackage: [Int] {
    var done: Set<Int> = []
    return onlineCPUs.filter { done.insert(configuration.packages[$0]).inserted }
  }
}

extension SEAMCALLResult {
  /// The failure that `call` on `lp` was; nil for success.
  func failure(of call: Registers, on lp: Int) -> SEAMCALLFailure? {
    guard linuxStatus != 0 else { return nil }
    return SEAMCALLFailure(lp: lp, registers: call, result: self, errno: linuxErrno ?? .ioError)
  }

  /// Registers after the call; those before it where no firmware was entered.
  func registers(after call: Registers) -> Registers {
    guard case .returned(let registers) = self else { return call }
    return registers
  }

  /// No firmware was entered (`TDX_SW_ERROR`): class 0xFF.
  var isSoftwareError: Bool {
    switch self {
    case .returned: false
    case .vmFailInvalid, .generalProtection, .invalidOpcode: true
    }
  }
}

extension SEAMCALLFailure {
  /// `tdx_operand_busy`
  var isOperandBusy: Bool { status.code == .operandBusy }

  /// Nobody is there, or nobody who works with TDs: the module is lost.
  var isModuleLost: Bool {
    result.isSoftwareError || status.code == .sysShutdown || status.code == .sysNotReady
  }
}

/// On whose account KVM makes a SEAMCALL, which decides what a refusal means.
enum TDCallAccount: Sendable {
  /// KVM's own: a refusal is a bug.
  case kvm
  /// The monitor's: the module may refuse what it asks for.
  case monitor
}

extension TrustDomain {
  /// A leaf on somebody's account.
  @discardableResult
  mutating func call(
    _ call: Registers, for account: TDCallAccount, in function: String, host: inout LinuxHost, door: some SEAMCALLDoor
  ) throws(TDError) -> Registers {
    switch account {
    case .kvm: try mustSucceed(call, in: function, host: &host, door: door)
    case .monitor: try mayFail(call, in: function, host: &host, door: door)
    }
  }

  /// A leaf that KVM makes on its own account and that can't fail unless something is wrong: `KVM_BUG_ON`. OPERAND_BUSY is
  /// EBUSY, anything else marks the VM as bugged and is EIO.
  @discardableResult
  mutating func mustSucceed(
    _ call: Registers, in function: String, on lp: Int? = nil, host: inout LinuxHost, door: some SEAMCALLDoor
  ) throws(TDError) -> Registers {
    let lp = lp ?? host.anyCPU
    let result = host.tdh(call, on: lp, door: door)
    guard let failure = result.failure(of: call, on: lp) else { return result.registers(after: call) }
    if failure.isOperandBusy { throw TDError(.resourceBusy, failure) }
    bugOn(failure, in: function, host: &host)
    throw TDError(.ioError, failure)
  }

  /// `KVM_BUG_ON` and `pr_tdx_error`.
  mutating func bugOn(_ failure: SEAMCALLFailure, in function: String, host: inout LinuxHost) {
    if bug == nil { host.warnKVMOnce(function, cpu: failure.lp) }
    bug = bug ?? "\(failure.leaf.name) failed with \(failure.statusText)"
    host.logTDXError(failure)
  }

  /// A leaf that the monitor asked for, and that the module may refuse: EBUSY for OPERAND_BUSY, EIO and a bugged VM when
  /// the module is lost, else EINVAL, and the TD lives on.
  @discardableResult
  mutating func mayFail(
    _ call: Registers, in function: String, on lp: Int? = nil, host: inout LinuxHost, door: some SEAMCALLDoor
  ) throws(TDError) -> Registers {
    let lp = lp ?? host.anyCPU
    return try settle(host.tdh(call, on: lp, door: door), of: call, on: lp, in: function, host: &host)
  }

  /// What ``mayFail(_:in:on:host:door:)`` makes of a result.
  mutating func settle(
    _ result: SEAMCALLResult, of call: Registers, on lp: Int, in function: String, host: inout LinuxHost
  ) throws(TDError) -> Registers {
    guard let failure = result.failure(of: call, on: lp) else { return result.registers(after: call) }
    // Informational: the leaf had nothing to do.
    guard failure.status.rawValue >> 61 != 0 else { return result.registers(after: call) }
    if failure.isOperandBusy { throw TDError(.resourceBusy, failure) }
    if failure.isModuleLost {
      bugOn(failure, in: function, host: &host)
      throw TDError(.ioError, failure)
    }
    throw TDError(.invalidArgument, failure)
  }
}
