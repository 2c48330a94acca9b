import ModuleImage

/// Clients that are programs of their own.
enum ProgramClients {
  /// Statuses of ``script``.
  private static let failed: Int32 = 1
  private static let missing: Int32 = 3

  /// What administrators type.
  private static let script = """
    for device in /sys/class/firmware/*/; do
      [ -e "$device/loading" ] && cd "$device" && break
    done
    [ -e loading ] || { echo '/sys/class/firmware/*/loading'; exit 3; }
    echo 1 > loading && cat "$1" > data && echo 0 > loading || exit 1
    while read -r status < status && [ "$status" != idle ]; do sleep 0.005; done
    error=$(cat error)
    [ -z "$error" ] || { echo "$error"; exit 1; }
    """

  /// `echo` and `cat`.
  static func shell(image: String) -> ClientVerdict {
    let ended = CapturedCommand.run(["sh", "-uc", script, "sh", image])
    switch ended.status {
    case 0: return .succeeded
    case missing: return .missingFile(ended.lastLine)
    default: return .failed(ended.lastLine)
    }
  }

  /// Intel's own script in `directory`, told to install `version`.
  static func intelSelector(in directory: String, version: ModuleVersion) -> ClientVerdict {
    let ended = CapturedCommand.run(
      ["python3", "-B", "\(directory)/version_select_and_load.py", "--update", version.description])
    let lines = ended.output.split(separator: "\n").map(String.init)
    func line(with words: String...) -> String? { lines.first { line in words.contains { line.contains($0) } } }
    // It says a missing file in passing, and then that the module is incompatible or that there is nothing to do.
    if let missing = line(with: "[Errno 2]", " does not exist.") { return .missingFile(path(in: missing)) }
    if let failure = line(with: "Firmware update failed", "Error", "Traceback") { return .failed(failure) }
    if line(with: "Upgrade Intel TDX module from") != nil, ended.status == 0 { return .succeeded }
    return .skipped(ended.lastLine)
  }

  /// The path that a message names, else the message.
  private static func path(in message: String) -> String {
    guard let start = message.firstIndex(of: "/") else { return message }
    let path = message[start...].prefix { $0 != " " && $0 != "'" }
    return path.hasSuffix(".") ? String(path.dropLast()) : String(path)
  }
}
