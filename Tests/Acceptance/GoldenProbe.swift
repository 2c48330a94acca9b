import SystemPackage

/// The probe that made the record, compiled here, on a machine with the kernel's test driver.
actor GoldenProbe {
  struct NotMade: Error {
    let reason: String
  }

  static let shared = GoldenProbe()
  static let directory = Tdxfs.sources + "/Tests/Acceptance/Golden"
  /// Where the test driver's device is, once the mount stands at /sys.
  static let device = "/sys/devices/virtual/misc/test_firmware"

  private static let home = try? TemporaryDirectory()
  private var making: Task<String, any Error>?

  /// The path of the compiled probe.
  func path() async throws -> String {
    if let making { return try await making.value }
    let task = Task { () throws -> String in
      guard let home = Self.home else { throw NotMade(reason: "no temporary directory") }
      let path = home.path + "/fwprobe"
      var reasons = ""
      for compiler in ["clang", "gcc", "cc"] {
        let made = try await Command.run(
          [compiler, "-O1", "-w", "-o", path, Self.directory + "/fwprobe.c"], seconds: 120)
        if made.status == 0 { return path }
        reasons += "\(made)\n"
      }
      throw NotMade(reason: reasons)
    }
    making = task
    return try await task.value
  }

  /// What the probe prints in `section`, with the mount at `root` as its /sys and an empty /tmp, in a mount namespace
  /// of its own: names of directories are part of the record. With `busybox`, in a root directory whose commands are
  /// busybox's, in /bb as on the recorded machine.
  func run(_ section: String, on root: String, busybox: Bool = false, _ options: [String] = []) async throws
    -> Finished
  {
    func command(_ file: String) -> String { "printf %%s %s 2>/dev/null >\(Self.device)/\(file)" }
    return try await Command.run(
      ["unshare", "--mount", "--propagation", "private", "sh", "-euc", busybox ? Self.inBusyboxRoot : Self.inNamespace]
        + ["sh", root, try await path(), "--sections=\(section)", "--inject", "--verify=\(Self.device)", "--dev2=fw2"]
        + ["--reg=\(command("upload_register"))", "--unreg=\(command("upload_unregister"))"]
        + options + ["/sys/class/firmware", "fw1"],
      seconds: 300)
  }

  private static let inNamespace = """
    exec 9<"$2"
    mount --bind "$1" /sys
    mount -t tmpfs -o mode=1777 none /tmp
    shift 2
    exec /proc/self/fd/9 "$@"
    """

  private static let inBusyboxRoot = """
    exec 9<"$2"
    mount -t tmpfs none /mnt
    cd /mnt
    mkdir bb tmp sys usr etc dev proc
    for directory in usr etc dev proc; do mount --rbind /$directory $directory; done
    for name in bin sbin lib lib32 lib64 libx32; do
      if [ -L /$name ]; then
        cp -P /$name .
      elif [ -d /$name ]; then
        mkdir $name
        mount --rbind /$name $name
      fi
    done
    mount --bind "$1" sys
    shift 2
    export PATH=/bb:$PATH
    chroot . busybox --install -s /bb
    ln -sf "$(command -v busybox)" bb/busybox
    exec chroot . /bb/env PATH=/bb /proc/self/fd/9 "$@"
    """
}
