import ModuleImage
import SystemPackage

#if canImport(Glibc)
  import Glibc
#endif

/// A directory for the time of one matrix: forged images, what cells say, and directories for Intel's script.
struct MatrixScratch {
  let path: String

  /// A new directory, for `purpose`.
  init(for purpose: String = "matrix") throws(Failure) {
    let parent = MountedMachine.environment("TMPDIR") ?? "/tmp"
    var template = Array("\(parent)/tdxfs-\(purpose).XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else {
      throw .refused("no directory for the \(purpose) can be made in TMPDIR or /tmp (\(Errno(rawValue: errno)))")
    }
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// Removes it with all that it holds.
  func remove() { Self.remove(FilePath(path)) }

  private static func remove(_ path: FilePath) {
    for (name, kind) in (try? SmallFile.list(path)) ?? [:] {
      if kind == .directory { remove(path.appending(name)) } else { unlink(path.appending(name).string) }
    }
    rmdir(path.string)
  }

  /// The newest release of the 1.5 line, forged in both formats.
  func forgedImages() throws(Failure) -> [MatrixImage] {
    guard let version = ReleaseTable.all.map(\.version).filter({ $0.major == 1 }).max() else { return [] }
    var images: [MatrixImage] = []
    for format in ModuleImageFile.Format.allCases {
      let bytes: [UInt8]
      do throws(ForgeError) {
        bytes = try ImageForge(version: version).file(format: format)
      } catch {
        throw .refused(error.description)
      }
      let file = "\(path)/tdx_module_\(version)-\(format.name).blob"
      try ImageFiles.write(bytes, to: file)
      images.append(MatrixImage(path: file, version: version, format: format, isForged: true))
    }
    return images
  }

  /// The images among the files of `directory` and of the directories in it.
  static func images(in directory: String) throws(Failure) -> [MatrixImage] {
    var images: [MatrixImage] = []
    try collect(FilePath(directory), into: &images)
    guard !images.isEmpty else { throw .refused("there is no image in \(directory)") }
    return images.sorted { ($0.version, $0.format.rawValue, $0.path) < ($1.version, $1.format.rawValue, $1.path) }
  }

  private static func collect(_ directory: FilePath, into images: inout [MatrixImage]) throws(Failure) {
    let entries: [String: EntryKind]
    do throws(Errno) {
      entries = try SmallFile.list(directory)
    } catch {
      throw .refused("cannot read the directory \(directory): \(error)")
    }
    for (name, kind) in entries where !name.hasPrefix(".") {
      let path = directory.appending(name)
      switch kind {
      case .directory: try collect(path, into: &images)
      case .file:
        guard let file = try? ImageFiles.image(at: path.string) else { continue }
        let program = ModuleProgram.identify(sigstruct: file.sigstruct, image: file.module)
        images.append(MatrixImage(path: path.string, version: program.version, format: file.format, isForged: false))
      case .symbolicLink: continue
      }
    }
  }

  /// Intel's own script from the checkout that `TDXFS_INTEL_BINARIES` names: which client it is, and for each image a
  /// directory in which it finds just that one; nil where there is no checkout.
  func intelScript(for images: [MatrixImage]) throws(Failure) -> (client: MatrixClient, directories: [String: String])?
  {
    guard let checkout = MountedMachine.environment("TDXFS_INTEL_BINARIES"),
      let resolved = realpath(checkout, nil)
    else { return nil }
    defer { free(resolved) }
    let script = FilePath(platformString: resolved).appending("version_select_and_load.py")
    guard let source = try? MountedMachine.readFile(script) else { return nil }
    let revision = SelectorRevision(source: String(decoding: source, as: UTF8.self))
    guard let client = MatrixClient.allCases.first(where: { $0.selector == revision }) else { return nil }
    var directories: [String: String] = [:]
    for (index, image) in images.enumerated() {
      let directory = FilePath("\(path)/intel-\(index)")
      let place = directory.appending(ImageCatalog.path(of: image.version))
      do throws(Errno) {
        try SmallFile.makeDirectory(directory)
        try SmallFile.makeDirectory(directory.appending("joined_files"))
        try SmallFile.makeDirectory(place.removingLastComponent())
        try SmallFile.makeLink(directory.appending("version_select_and_load.py"), to: script.string)
        try SmallFile.create(
          directory.appending("mapping_file.json"), content: Array(ImageCatalog.mappingFile.text.utf8))
        guard let target = realpath(image.path, nil) else { throw Errno(rawValue: errno) }
        defer { free(target) }
        try SmallFile.makeLink(place, to: String(cString: target))
      } catch {
        throw .refused("no directory for Intel's script can be made in \(path) (\(error))")
      }
      directories[image.path] = directory.string
    }
    return (client, directories)
  }
}
