import Basics
import SystemPackage

/// The scenario files that came with the command, and those of users.
enum ScenarioLibrary {
  /// What a scenario's file is called.
  static let suffix = ".scenario"

  private static let found = DataDirectory.scenarios()

  /// The directory of those that came with the command.
  static func directory() throws(Failure) -> FilePath {
    guard let directory = found else {
      throw .refused("the scenarios are not beside this command; name a file: tdxfs scenario run ./NAME\(suffix)")
    }
    return directory
  }

  /// The names of those that came with the command, in order.
  static func names() throws(Failure) -> [String] {
    let directory = try directory()
    do throws(Errno) {
      return try SmallFile.list(directory).keys.filter { $0.hasSuffix(suffix) }
        .map { String($0.dropLast(suffix.count)) }.sorted()
    } catch {
      throw .refused("cannot read \(directory): \(error)")
    }
  }

  /// The file of `word`: a name of the library, or a path.
  static func file(of word: String) throws(Failure) -> FilePath {
    if word.contains("/") || word.hasSuffix(suffix) { return FilePath(word) }
    let known = try names()
    guard known.contains(word) else {
      let nearest = Spelling.nearest(to: word, among: known).map { ": did you mean \($0)?" } ?? ""
      throw .usage(
        "there is no scenario '\(word)'\(nearest) (tdxfs scenario list names all; a file is given by its path)")
    }
    return try directory().appending(word + suffix)
  }

  /// The files of `words`, of which `all` stands for the whole library.
  static func files(of words: [String]) throws(Failure) -> [FilePath] {
    var files: [FilePath] = []
    for word in words {
      if word == "all" {
        let directory = try directory()
        files += try names().map { directory.appending($0 + suffix) }
      } else {
        files.append(try file(of: word))
      }
    }
    return files
  }

  /// Reads the scenario in `file`.
  static func scenario(in file: FilePath) throws(Failure) -> Scenario {
    let bytes: [UInt8]
    do { bytes = try MountedMachine.readFile(file) } catch { throw .refused("cannot read \(file): \(error)") }
    guard let text = String(validating: bytes, as: UTF8.self) else { throw .refused("\(file) is not UTF-8") }
    let last = file.lastComponent?.string ?? file.string
    let name = last.hasSuffix(suffix) ? String(last.dropLast(suffix.count)) : last
    do {
      return try ScenarioParser.parse(text, name: name, file: file.string)
    } catch {
      throw .usage(error.description)
    }
  }
}
