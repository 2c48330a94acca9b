import Basics
import ModuleImage
import SEAM
import SystemPackage

/// Bring-up at power-on (`tdx_init`, `tdx_enable`), all of it SEAMCALLs.
extension LinuxHost {
  /// Boots: brings TDX up and makes the `tdx_host` device. When TDX does not come up, the reason is in the log and
  /// ``device`` is nil. After kexec the new kernel's TDH.SYS.INIT is refused, so it ends there too.
  public mutating func boot(door: some SEAMCALLDoor) {
    let keyIDs = configuration.privateKeyIDs
    inform("BIOS enabled: private KeyID range [\(keyIDs.lowerBound), \(keyIDs.upperBound))")
    guard keyIDs.count >= 2 else {
      log.append(.error, "virt/tdx: initialization failed: too few private KeyIDs available.")
      return
    }
    inform("Disable ACPI S3. Turn off TDX in the BIOS to use ACPI S3.")
    for cpu in onlineCPUs {
      // cpuhp_setup_state: the first CPU that fails ends it, without a line of its own.
      guard enableCPU(cpu, door: door) == nil else { return }
    }
    if let errno = initializeModule(door: door) {
      log.append(.error, "virt/tdx: \(profile.bootFormat.failed) (-\(errno.rawValue))")
      return
    }
    hasHotplugCallbacks = true
    isModuleInitialized = true
    inform(profile.bootFormat.initialized)
    createDevice(door: door)
  }

  /// `tdx_cpu_enable`: TDH.SYS.INIT by whoever comes first, then TDH.SYS.LP.INIT on `cpu`. Nil is success.
  mutating func enableCPU(_ cpu: Int, door: some SEAMCALLDoor) -> Errno? {
    guard !isLPInitialized[cpu] else { return nil }
    if !isSysInitDone {
      do throws(SEAMCALLFailure) {
        _ = try seamcall(KernelCall(.sysInit, on: cpu), door: door)
        finishSysInit(nil)
      } catch {
        finishSysInit(error.errno)
      }
    }
    if let sysInitResult { return sysInitResult }
    do throws(SEAMCALLFailure) {
      _ = try seamcall(KernelCall(.sysLPInit, on: cpu), door: door)
      isLPInitialized[cpu] = true
      return nil
    } catch {
      return error.errno
    }
  }

  /// The end of `try_init_module_global`: the result is cached, and ENODEV is explained.
  mutating func finishSysInit(_ errno: Errno?) {
    sysInitResult = errno
    isSysInitDone = true
    if errno == .operationNotSupportedByDevice { log.append(.error, "virt/tdx: module not loaded") }
  }

  /// `init_tdx_module`. Nil is success.
  private mutating func initializeModule(door: some SEAMCALLDoor) -> Errno? {
    if let errno = readSysInfo(door: door) { return errno }
    guard sysInfo.features.contains(.noRBPMod) else {
      log.append(.error, "virt/tdx: frame pointer (RBP) clobber bug present, upgrade TDX module")
      return .invalidArgument
    }
    do throws(TDMRError) {
      tdmrs = try TDMR.construct(
        over: TDMR.memoryList(configuration.memory), info: sysInfo, allocator: &pages)
    } catch {
      if let warning = error.warning { log.append(.warning, "virt/tdx: " + warning) }
      return error.errno
    }
    do throws(SEAMCALLFailure) {
      guard let array = writeTDMRs(door: door) else { return .noMemory }
      defer { pages.free([array]) }
      _ = try seamcall(
        KernelCall(
          .sysConfig, rcx: array, rdx: UInt64(tdmrs.count), r8: UInt64(configuration.privateKeyIDs.lowerBound), on: 0),
        door: door)
      try configureGlobalKeyID(door: door)
      for tdmr in tdmrs { try initialize(tdmr, door: door) }
    } catch {
      return error.errno
    }
    inform("\(pamtKiB) KB allocated for PAMT")
    return nil
  }

  /// `get_tdx_sys_info`: one TDH.SYS.RD a field. Nil is success.
  private mutating func readSysInfo(door: some SEAMCALLDoor) -> Errno? {
    var failure = read(SysInfo.versionFields, door: door)
    // Printed also when the version could not be read.
    if profile.bootFormat.printsModuleVersion { inform("Module version: \(sysInfo.version)") }
    failure = failure ?? read(SysInfo.bootFields, door: door)
    if let failure { return failure }
    guard sysInfo.numCPUIDConfig <= SysInfo.maxCPUIDConfig else { return .invalidArgument }
    do throws(SEAMCALLFailure) {
      for index in 0..<sysInfo.numCPUIDConfig {
        sysInfo.cpuidConfigLeaves.append(try read(.cpuidConfigLeaf(index), door: door))
      }
      for index in 0..<sysInfo.numCPUIDConfig {
        let first = try read(.cpuidConfigValue(index, half: 0), door: door)
        let second = try read(.cpuidConfigValue(index, half: 1), door: door)
        sysInfo.cpuidConfigValues.append([first, second])
      }
      if profile.handoffVersion == .readAtBoot, sysInfo.features.contains(.tdPreserving) {
        sysInfo.store(try read(.moduleHV, door: door), of: .moduleHV)
      }
      return nil
    } catch {
      return error.errno
    }
  }

  private mutating func read(_ fields: [MetadataField], door: some SEAMCALLDoor) -> Errno? {
    do throws(SEAMCALLFailure) {
      for field in fields { sysInfo.store(try read(field, door: door), of: field) }
      return nil
    } catch {
      return error.errno
    }
  }

  private mutating func read(_ field: MetadataField, door: some SEAMCALLDoor) throws(SEAMCALLFailure) -> UInt64 {
    try seamcall(.read(field, on: 0), door: door).r8
  }

  /// Puts the TDMR_INFOs and the array of their addresses into memory; gives the array's address.
  private mutating func writeTDMRs(door: some SEAMCALLDoor) -> UInt64? {
    let size = TDMR.infoSize(maxReserved: sysInfo.maxReservedPerTDMR)
    guard let list = pages.allocateContiguous(size: UInt64(size) * UInt64(max(1, sysInfo.maxTDMRs))),
      let array = pages.allocate()
    else { return nil }
    var addresses = [UInt8](repeating: 0, count: max(512, 8 * tdmrs.count))
    for (index, tdmr) in tdmrs.enumerated() {
      let address = list + UInt64(index * size)
      door.writePhysical(tdmr.bytes(size: size), at: address)
      addresses.store(address, at: 8 * index)
    }
    door.writePhysical(addresses, at: array)
    return array
  }

  /// `config_global_keyid`: TDH.SYS.KEY.CONFIG on the first online CPU of each package.
  private mutating func configureGlobalKeyID(door: some SEAMCALLDoor) throws(SEAMCALLFailure) {
    var done: Set<Int> = []
    for cpu in onlineCPUs where done.insert(configuration.packages[cpu]).inserted {
      _ = try seamcall(KernelCall(.sysKeyConfig, on: cpu), door: door)
    }
  }

  /// `init_tdmr`: TDH.SYS.TDMR.INIT until RDX, the next address to initialise, is the end.
  private mutating func initialize(_ tdmr: TDMR, door: some SEAMCALLDoor) throws(SEAMCALLFailure) {
    let call = KernelCall(.sysTDMRInit, rcx: tdmr.range.lowerBound, on: 0, logsRegisters: true)
    // The kernel would go on for ever with a module that never gets to the end.
    for _ in 0..<Self.tdmrInitAttempts(tdmr.range) {
      if try seamcall(call, door: door).rdx >= tdmr.range.upperBound { return }
    }
    log.append(
      .error,
      "tdxfs: TDH.SYS.TDMR.INIT succeeds for ever without reaching the end of the TDMR at 0x"
        + "\(String(tdmr.range.lowerBound, radix: 16)): given up, where Linux would hang")
    throw SEAMCALLFailure(lp: 0, registers: call.registers, result: .returned(call.registers), errno: .ioError)
  }

  /// Calls after which a TDMR is given up: one a MiB, and some more. Modules do 4 MiB and more a call.
  static func tdmrInitAttempts(_ range: Range<UInt64>) -> UInt64 {
    4096 + ((range.upperBound - range.lowerBound) >> 20)
  }

  private mutating func inform(_ text: String) { log.append(.info, "virt/tdx: " + text) }
}
