import SEAM
import SystemPackage

/// The kernel's SEAMCALL wrappers (`seamcall_prerr`, `seamcall_prerr_ret`, `seamldr_call`).
extension LinuxHost {
  /// `RDRAND_RETRY_LOOPS`: attempts in all while there is no entropy.
  static let entropyAttempts = 10

  /// Whether the wrapper repeats the call: for exactly TDX_RND_NO_ENTROPY. In v1..v3 the P-SEAMLDR has its own code in
  /// its place.
  func isRetried(_ result: SEAMCALLResult, of call: KernelCall) -> Bool {
    let isLoader = call.registers.rax >> 63 != 0
    let code: CompletionStatus = isLoader && profile.retriesLoaderNoEntropy ? .noEntropy : .rndNoEntropy
    return result.linuxStatus == code.rawValue
  }

  /// Executes `call`, up to ten times while there is no entropy, logs a failure, and gives the registers.
  mutating func seamcall(_ call: KernelCall, door: some SEAMCALLDoor) throws(SEAMCALLFailure) -> Registers {
    try settle(call, execute(call, door.seamcall(call.registers, on: call.lp), door: door))
  }

  /// The last result of at most ten attempts, of which the first gave `first`. Apart from ``seamcall(_:door:)`` because Swift
  /// 6.3's optimiser crashes on the loop together with the typed throw behind it.
  @inline(never)
  func execute(_ call: KernelCall, _ first: SEAMCALLResult, door: some SEAMCALLDoor) -> SEAMCALLResult {
    var result = first
    var attempts = 1
    while attempts < Self.entropyAttempts, isRetried(result, of: call) {
      result = door.seamcall(call.registers, on: call.lp)
      attempts += 1
    }
    return result
  }

  /// What `sc_retry_prerr` does with the last `result` of `call`: maps it to an errno and logs what is not one of the
  /// three silent ones.
  mutating func settle(_ call: KernelCall, _ result: SEAMCALLResult) throws(SEAMCALLFailure) -> Registers {
    guard let errno = result.linuxErrno else {
      guard case .returned(let registers) = result else { return call.registers }
      return registers
    }
    if errno == .ioError { logFailure(of: call, result) }
    throw SEAMCALLFailure(lp: call.lp, registers: call.registers, result: result, errno: errno)
  }

  /// `seamcall_err`, and for calls that give registers back `seamcall_err_ret`.
  mutating func logFailure(of call: KernelCall, _ result: SEAMCALLResult) {
    let format = profile.seamcallErrorFormat
    let isLoader = call.registers.rax >> 63 != 0
    let name = isLoader ? format.loaderName : "virt/tdx: SEAMCALL"
    let leaf = (isLoader ? format.loaderLeaf : format.moduleLeaf).text(call.registers.rax)
    let status = (isLoader ? format.loaderValue : format.moduleValue).text(result.linuxStatus)
    log.append(.error, "\(name) (\(leaf)) failed: \(status)")
    guard call.logsRegisters else { return }
    var registers = call.registers
    if case .returned(let after) = result { registers = after }
    let value = format.moduleValue.text
    log.append(
      .error,
      "virt/tdx: RCX \(value(registers.rcx)) RDX \(value(registers.rdx)) R08 \(value(registers.r8))")
    log.append(
      .error,
      "virt/tdx: R09 \(value(registers.r9)) R10 \(value(registers.r10)) R11 \(value(registers.r11))")
  }

  /// `pr_err_once` and its relatives: `text`, only the first time since boot.
  mutating func logOnce(_ level: KernelLog.Level, _ text: String) {
    guard loggedOnce.insert(text).inserted else { return }
    log.append(level, text)
  }

  /// `WARN_ON_ONCE` at `site`: the kernel prints a block of registers and a backtrace, tdxfs its first line only, and
  /// like the kernel only the first time.
  mutating func warnOnce(_ site: WarnSite, cpu: Int) {
    guard warned.insert(site).inserted else { return }
    log.append(.warning, "WARNING: arch/x86/virt/vmx/tdx/tdx.c at \(site.rawValue), CPU#\(cpu)")
  }
}

/// The places that warn once per boot, by the name of their function.
enum WarnSite: String, Hashable, Sendable, Codable {
  case shutdown = "tdx_module_shutdown"
  case refreshVersion = "tdx_module_refresh_version"
  case runUpdate = "tdx_module_run_update"
  case loaderInfo = "seamldr_install_module"
  case postUpdate = "tdx_module_post_update"
}
