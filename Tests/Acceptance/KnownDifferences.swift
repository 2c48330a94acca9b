/// Steps of the record that tdxfs answers otherwise, and the row of README's table "Where tdxfs differs" that says why.
struct KnownDifference {
  /// What stands in the table's first column.
  let row: String
  let section: String
  /// A case's name; `*` stands for the file's.
  let name: String
  let steps: Set<Int>
  /// The fields that differ and what tdxfs gives there, as it stands in the trace; nil: as the host kernel likes.
  let answers: [String: String?]

  init(_ row: String, _ section: String, _ name: String, _ steps: Set<Int>, _ answers: [String: String?]) {
    (self.row, self.section, self.name, self.steps, self.answers) = (row, section, name, steps, answers)
  }

  /// Whether `got`, which differs from `wanted` in `fields`, is this difference and no other.
  func covers(_ step: Trace.Step, in section: String, _ got: TraceLine, differingIn fields: Set<String>) -> Bool {
    guard section == self.section, step.name == name, steps.contains(step.number) else { return false }
    return fields.allSatisfy { field in
      guard let answer = answers[field] else { return false }
      return answer == nil || answer == got.fields[field]
    }
  }
}

extension KnownDifference {
  private static let texts = ["status", "error", "remaining_size"]
  private static let writable = ["loading", "data", "uevent"]
  private static let success: [String: String?] = ["ret": "0", "errno": "\"OK\""]

  static let all: [KnownDifference] = byFUSE + byKernel

  /// FUSE gives no way to answer as sysfs does.
  private static let byFUSE: [KnownDifference] =
    [
      KnownDifference("statfs type", "layout", "layout.statfs", [1, 2], ["type": "\"65735546\""]),
      KnownDifference(
        "pwrite, lseek on an O_APPEND descriptor", "loading", "loading.append", [3, 6], ["ret": nil as String?]),
      KnownDifference(
        "pwrite, lseek on an O_APPEND descriptor", "data", "data.append", [16], ["text": "\"THIRDpp#cond-\""]),
      KnownDifference("mmap(MAP_PRIVATE)", "data", "data.mmap", [4], success),
      KnownDifference(
        "fcntl(F_SETFL, O_DIRECT)", "vfs", "vfs.cancel", [72], success),
      KnownDifference("ioctl FIBMAP as root", "vfs", "vfs.cancel", [60], success),
    ]
    + texts.flatMap { file in
      [
        KnownDifference("ioctl FIBMAP as root", "vfs", "vfs.\(file)", [59], success),
        KnownDifference("fcntl(F_SETFL, O_DIRECT)", "vfs", "vfs.\(file)", [71, 155], success),
        KnownDifference("mmap(MAP_PRIVATE)", "vfs", "vfs.\(file)", [74, 158], success),
      ]
    }
    + writable.flatMap { file in
      [
        KnownDifference("ioctl FIBMAP as root", "vfs", "vfs.\(file)", [59, 97], success),
        KnownDifference("fcntl(F_SETFL, O_DIRECT)", "vfs", "vfs.\(file)", [71, 109, 188], success),
        KnownDifference("mmap(MAP_PRIVATE)", "vfs", "vfs.\(file)", [74, 191], success),
      ]
    }
    + farSeeks(
      "read",
      [
        "read.status": 31, "read.error": 26, "read.remaining_size": 28, "read.loading": 28, "read.data": 26,
        "read.uevent": 37, "read.data.loaded": 39, "read.error.full": 38,
      ])
    + farSeeks(
      "plain",
      [
        "plain.read.config_name": 38, "plain.read.config_num_requests": 29, "plain.read.config_into_buf": 29,
        "plain.read.uevent": 38, "plain.read.dev": 34,
      ])
    + ["read.error", "read.data"].map { name in
      KnownDifference(
        "read into a bad buffer at the end of the file", "read", name, [42], ["ret": "-1", "errno": "\"EFAULT\""])
    }
    + [("unreg.idle", [18, 26, 34, 43, 50, 59]), ("unreg.running", [7])].map { name, steps in
      KnownDifference("lseek(SEEK_SET) on a removed device", "unreg", name, Set(steps), success)
    }

  /// The host kernel answers for every filesystem, or the recorded kernel had other drivers.
  private static let byKernel: [KnownDifference] =
    texts.flatMap { handlesAndMasks($0, handles: [81, 165], masks: [84, 168]) }
    + writable.flatMap { handlesAndMasks($0, handles: [81, 115, 198], masks: [117, 201]) }
    + handlesAndMasks("cancel", handles: [78], masks: [80, 127])
    + [
      KnownDifference(
        "other devices of the recorded kernel", "layout", "layout.class", [5],
        ["ret": "5", "names": #"["..:d",".:d","fw1:l","fw2:l","timeout:f"]"#]),
      KnownDifference(
        "other devices of the recorded kernel", "layout", "layout.subsys", [4],
        ["ret": "5", "names": #"["..:d",".:d","fw1:l","fw2:l","timeout:f"]"#]),
      KnownDifference(
        "other devices of the recorded kernel", "layout", "layout.subsys", [6], ["nlink": "3"]),
    ]

  private static func handlesAndMasks(_ file: String, handles: Set<Int>, masks: Set<Int>) -> [KnownDifference] {
    [
      KnownDifference("name_to_handle_at", "vfs", "vfs.\(file)", handles, success),
      KnownDifference("statx attributes_mask", "vfs", "vfs.\(file)", masks, ["attrmask": nil as String?]),
    ]
  }

  /// lseek to 2^63−1 at the given step of each case, and the read behind it.
  private static func farSeeks(_ section: String, _ steps: [String: Int]) -> [KnownDifference] {
    steps.flatMap { name, step in
      [
        KnownDifference(
          "lseek beyond 2^31−1", section, name, [step], ["ret": "9223372036854775807", "errno": "\"OK\""]),
        KnownDifference(
          "lseek beyond 2^31−1", section, name, [step + 1],
          ["ret": "-1", "errno": "\"EINVAL\"", "len": nil as String?, "text": nil as String?]),
      ]
    }
  }
}
