import Basics
import ModuleImage
import SystemPackage

/// The files of a directory and of the directories in it, by their SHA-384.
struct ImageLibrary {
  private var paths: [String: String] = [:]

  /// No files.
  init() {}

  /// The files below `directory`. What is larger than an upload can be is left out.
  init(directory: String) throws(Failure) {
    try add(FilePath(directory))
  }

  /// The bytes of the file with this digest.
  func image(_ sha384: String) -> [UInt8]? { paths[sha384].flatMap { try? ImageFiles.read($0) } }

  private mutating func add(_ directory: FilePath) throws(Failure) {
    let entries: [String: EntryKind]
    do throws(Errno) {
      entries = try SmallFile.list(directory)
    } catch {
      throw .refused("cannot read the directory \(directory): \(error)")
    }
    for (name, kind) in entries {
      let path = directory.appending(name)
      switch kind {
      case .directory: try add(path)
      case .file:
        guard let bytes = try? ImageFiles.read(path.string) else { continue }
        paths[ImageDigest.sha384(bytes).hexadecimal] = path.string
      case .symbolicLink: continue
      }
    }
  }
}
