/// The profile in which Intel's selector script runs unmodified (kernel-abi.md 3.5); no kernel is like it.
extension ABIProfile {
  /// v8 with the paths that the script has, and with v7's SHUTDOWN flag.
  public static let selector: ABIProfile = {
    var profile = v8
    profile.name = "selector"
    profile.files = [
      HostFile("version", mode: 0o444, .version(.padded)),
      HostFile("num_remaining_updates", mode: 0o400, .numRemainingUpdates),
      HostFile("seamldr/version", mode: 0o400, .seamldrVersion(.padded)),
      HostFile("seamldr/num_remaining_updates", mode: 0o400, .numRemainingUpdates),
    ]
    profile.uploadName = "seamldr_upload"
    profile.shutdownFlag = .ifUpdateCompatibility
    return profile
  }()
}
