/// Why a command ends: an exit status and one line for people.
///
/// Statuses (DESIGN.md section 5): 1 refused or failed, 2 wrong usage; `run` gives its command's own.
struct Failure: Error, CustomStringConvertible {
  /// Exit status.
  let status: Int32
  /// The line on stderr; nil when everything was said already.
  let description: String

  /// Refused or failed.
  static func refused(_ message: String) -> Failure { Failure(status: 1, description: message) }

  /// Wrong usage.
  static func usage(_ message: String) -> Failure { Failure(status: 2, description: message) }
}
