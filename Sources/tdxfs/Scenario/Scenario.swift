import ModuleImage

/// A rehearsal, as a file tells it: a machine, an image, what happens before, during and after a client runs, and how it
/// ends. The format is described in README, "Scenarios", and read by ``ScenarioParser``.
struct Scenario: Equatable {
  /// The file's name without `.scenario`.
  var name: String
  /// One line that says what goes wrong.
  var title = ""
  /// What it rehearses, for people.
  var about: [String] = []
  /// Options of the machine, as `-o` takes them.
  var machine: [String] = []
  /// Images; the first one is the client's.
  var images: [ScenarioImage] = []
  /// Done before the client starts.
  var before: [ScenarioStep] = []
  /// Done while it runs.
  var events: [ScenarioEvent] = []
  /// The lines of a shell script that is the client; empty for `echo` and `cat`.
  var client: [String] = []
  /// The client lacks CAP_SYS_RAWIO.
  var withoutRawIO = false
  /// The client is not root.
  var asNobody = false
  /// Seconds that the client may take.
  var limit = 60
  /// Milliseconds for which the client waits for `idle`, if it asks (`TDXFS_PATIENCE`, in seconds).
  var patience = 10_000
  /// A client that sees what comes and uploads nothing has done right too.
  var mayDecline = false
  /// How the client's run ends.
  var expected: [ScenarioExpectation] = []
  /// Done after the client's end.
  var after: [ScenarioStep] = []
  /// What is there then.
  var finally: [ScenarioExpectation] = []

  init(name: String) { self.name = name }
}

/// Something that happens while the client runs.
struct ScenarioEvent: Equatable {
  /// When.
  enum Point: Equatable {
    /// The kernel's update has come to this stage, and stays there for a while.
    case stage(String)
    /// So many uploads have ended.
    case ended(Int)
    /// So many uploads have ended with device-busy.
    case busy(Int)
  }

  var point: Point
  var step: ScenarioStep
}

/// One thing that the rehearsal itself does to the machine.
struct ScenarioStep: Equatable {
  /// What is done.
  enum Action: Equatable {
    /// TEXT is written to FILE of the control directory.
    case control(file: String, text: String)
    /// A directory is made in the control directory, or removed.
    case makeDirectory(String)
    case removeDirectory(String)
    /// `loading` gets this text.
    case loading(String)
    /// So many bytes of an image are written to `data`; nil for all.
    case stage(image: String, bytes: Int?)
    /// `cancel` gets a 1.
    case cancel
    /// An image is committed, and not waited for.
    case upload(image: String)
    /// An image is installed, which must succeed.
    case update(image: String)
    /// The client gets a signal.
    case killClient(Int32)
    /// The filesystem's process is killed.
    case killDaemon
    /// A shell command.
    case shell(String)
  }

  var action: Action
  /// The error that it has to meet, `EBUSY`; nil when it has to succeed.
  var fails: String?
  /// The words of the file.
  var words: String
  /// Line of the file.
  var line: Int
}

/// What is to be found: a key and the values that are right.
struct ScenarioExpectation: Equatable {
  var key: String
  var values: [String]
  /// Line of the file.
  var line: Int

  /// The values as the file has them.
  var text: String { values.joined(separator: "|") }
}
