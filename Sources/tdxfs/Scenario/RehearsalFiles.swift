import ModuleImage
import SystemPackage
import TDXHost

#if canImport(Glibc)
  import Glibc
#endif

/// The images of a rehearsal as files, and a directory like Intel's repository that has the client's image in it.
struct RehearsalFiles {
  /// The directory of all of them; exists.
  let directory: FilePath
  /// By the scenario's names.
  private(set) var images: [String: [UInt8]] = [:]
  /// The client's image.
  private(set) var image: FilePath
  /// The version that the client takes it for.
  let shownVersion: ModuleVersion
  /// The version that it has.
  let version: ModuleVersion

  /// Directory with `mapping_file.json` and `joined_files`.
  var catalog: FilePath { directory.appending("catalog") }

  /// Makes them in `directory`; `placed` files are linked into the catalogue.
  init(
    _ scenario: Scenario, for profile: ABIProfile, placed: [String], in directory: FilePath
  ) throws(Failure) {
    guard let first = scenario.images.first else { throw .refused("\(scenario.name) has no image") }
    self.directory = directory
    version = first.version
    shownVersion = first.shownVersion
    image = directory
    for image in scenario.images { images[image.name] = try image.bytes(kernelFormat: profile.imageFormat) }
    let place = catalog.appending(ImageCatalog.path(of: shownVersion))
    do throws(Errno) {
      for path in [catalog, catalog.appending("joined_files"), place.removingLastComponent()] {
        try SmallFile.makeDirectory(path)
      }
      try SmallFile.create(place, content: images[first.name] ?? [])
      try SmallFile.create(
        catalog.appending("mapping_file.json"), content: Array((ImageCatalog.mappingFile.text + "\n").utf8))
      for file in placed {
        guard let resolved = realpath(file, nil) else { throw Errno(rawValue: errno) }
        defer { free(resolved) }
        let name = FilePath(platformString: resolved).lastComponent?.string ?? "client"
        try SmallFile.makeLink(catalog.appending(name), to: String(cString: resolved))
      }
    } catch {
      throw .refused("the images of \(scenario.name) cannot be written to \(directory) (\(error))")
    }
    image = place
  }

  /// `words` with the names of what was made in the place of `{image}`, `{version}` and `{catalog}`.
  func filled(_ words: [String]) -> [String] {
    words.map { word in
      [("{image}", image.string), ("{version}", shownVersion.description), ("{catalog}", catalog.string)].reduce(word) {
        $0.replacing($1.0, with: $1.1)
      }
    }
  }

  /// The variables by which a client finds them.
  var variables: [String: String] {
    [
      "TDXFS_IMAGE": image.string, "TDXFS_IMAGE_VERSION": shownVersion.description, "TDXFS_CATALOG": catalog.string,
    ]
  }
}

extension ABIProfile {
  /// The header that this kernel takes.
  var imageFormat: ModuleImageFile.Format {
    switch layout {
    case .tdxBlob: .blob
    case .tdxImage: .image
    }
  }
}

extension String {
  /// With every `part` replaced by `replacement`.
  fileprivate func replacing(_ part: String, with replacement: String) -> String {
    var result = ""
    var rest = self[...]
    while let first = rest.first {
      if rest.hasPrefix(part) {
        result += replacement
        rest = rest.dropFirst(part.count)
      } else {
        result.append(first)
        rest = rest.dropFirst()
      }
    }
    return result
  }
}
