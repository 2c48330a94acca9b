import Basics
import Kernfs
import Platform
import SystemPackage

/// The one place where a control write meets the machine: what was refused becomes an errno, and its reason the text of
/// `last_error`; what has to wait for an update waits.
enum ControlWrite {
  /// Runs `action` with the word that was written.
  static func perform(
    _ bytes: [UInt8], on machine: EmulatedMachine, _ action: (String) throws(ControlError) -> ControlOutcome
  ) throws(Errno) -> StoreOutcome {
    do throws(ControlError) {
      guard let word = word(of: bytes) else { throw .invalid("the text is not UTF-8") }
      switch try action(word) {
      case .done:
        machine.clearControlError()
        machine.settle()
        return .consumed(bytes.count)
      case .afterUpdate(let queue): return .wait(queue)
      }
    } catch {
      machine.record(controlError: error)
      throw error.errno
    }
  }

  /// Runs `action`, which is no write; its refusal is kept all the same, but success clears no reason.
  static func read<Result>(
    on machine: EmulatedMachine, _ action: () throws(ControlError) -> Result
  ) throws(Errno) -> Result {
    do throws(ControlError) {
      return try action()
    } catch {
      if error.errno != .restartSystemCall { machine.record(controlError: error) }
      throw error.errno
    }
  }

  /// Runs `action`, which changes something by its name alone.
  static func change(
    on machine: EmulatedMachine, _ action: () throws(ControlError) -> Void
  ) throws(Errno) {
    try read(on: machine, action)
    machine.clearControlError()
    machine.settle()
  }

  /// Runs `action` with bytes that are taken as they are; waits for an update that runs.
  static func take(
    _ bytes: [UInt8], on machine: EmulatedMachine, _ action: () throws(ControlError) -> Void
  ) throws(Errno) -> StoreOutcome {
    do throws(Errno) {
      try change(on: machine, action)
      return .consumed(bytes.count)
    } catch {
      guard error == .restartSystemCall else { throw error }
      return .wait(machine.updateQueue)
    }
  }

  /// Runs `action`; where an update runs, the write waits.
  static func afterUpdate(
    _ machine: EmulatedMachine, _ action: () throws(ControlError) -> Void
  ) throws(ControlError) -> ControlOutcome {
    do throws(ControlError) {
      try action()
      return .done
    } catch {
      guard error.errno == .restartSystemCall else { throw error }
      return .afterUpdate(machine.updateQueue)
    }
  }

  /// `word` in quotes, fit for one line: control characters replaced, cut where it is long.
  static func quoted(_ word: String) -> String { "'\(Spelling.shown(word))'" }

  /// The text without white space around it.
  private static func word(of bytes: [UInt8]) -> String? {
    let space: Set<UInt8> = [0x20, 0x09, 0x0A, 0x0D, 0x00]
    let trimmed = bytes.drop { space.contains($0) }
    let length = (trimmed.lastIndex { !space.contains($0) }).map { $0 - trimmed.startIndex + 1 } ?? 0
    return String(validating: trimmed.prefix(length), as: UTF8.self)
  }
}
