/// The baseline: v8, 2026-04-27.
extension ABIProfile {
  /// v8.
  public static let v8 = ABIProfile(
    name: "v8",
    root: "devices/faux/tdx_host",
    device: "",
    attachment: .faux,
    files: [
      HostFile("version", mode: 0o444, .version(.padded)),
      HostFile("seamldr_version", mode: 0o400, .seamldrVersion(.padded)),
      HostFile("num_remaining_updates", mode: 0o400, .numRemainingUpdates),
    ],
    seamldrReadError: .ofTheCall,
    uploadName: "tdx_module",
    visibility: VisibilityRule(
      seamldrFiles: [.tdPreserving, .noSEAMRETErratum], upload: [.tdPreserving, .noSEAMRETErratum]),
    preflight: [
      .image(.largerThan(4096)),
      .image(.signature(at: 8)),
      .image(.moduleOffsetInside),
      .image(.moduleOffsetAligned),
      .image(.version(0x100)),
      .image(.reserved(20..<4096)),
      .allocation,
    ],
    layout: .tdxBlob(sigstructPages: .clamped(to: 4), modulePages: .clamped(to: 496)),
    params: SEAMLDRParamsRule(sigstructEntries: 4, versionOneForSeveralSigstructPages: true),
    leadCPU: .firstOnline,
    handoffVersion: .readAtShutdownElseZero,
    shutdownFlag: .always,
    shutdownFailure: .busyElseLoggedIOError,
    updateFailure: .common,
    resetsOfflineCPUs: true,
    afterFailure: .leave,
    refresh: .updateVersion,
    stopMachine: .cpusLocked,
    retriesLoaderNoEntropy: false,
    savesVMCS: false,
    uploadErrors: UploadErrorMap([.resourceBusy: .deviceBusy]),
    cancel: .empty,
    seamcallErrorFormat: .hexadecimal,
    successLog: .versions(.padded),
    failureLog: [],
    featureDiffWarning: [],
    bootFormat: .subsysInitcall,
    kconfig: "TDX_HOST_SERVICES (tristate with prompt, default m; selects FW_LOADER, FW_UPLOAD)")
}
