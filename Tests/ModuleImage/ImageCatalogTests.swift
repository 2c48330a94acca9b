import ModuleImage
import Testing

@Suite("The catalogue", .timeLimit(.minutes(20)))
struct ImageCatalogTests {
  @Test("Twenty images and the mapping file lie where Intel's scripts look for them")
  func paths() throws {
    let files = try ImageCatalog.files(format: .blob)
    let updates =
      ["01", "05", "06", "08", "09", "13", "16", "20", "24", "25", "28", "34"].map { "1.5.\($0)" }
      + ["02", "04", "05", "08", "12", "14", "16", "18"].map { "2.0.\($0)" }
    let images = updates.map { "joined_files/\($0.prefix(3))/tdx_module_\($0).blob" }
    #expect(files.map(\.path) == images + ["mapping_file.json"])
    for (file, version) in zip(files, updates) {
      let image = try ModuleImageFile(file.bytes)
      #expect(ImageReport(image).program.version.description == version)
      #expect(image.format == .blob)
    }
  }

  /// Rows of pseamldr.md 7.3.
  @Test(
    "The mapping file says what the newest one says",
    arguments: [
      ("1.5.01", "1.5.01", "\"1.5.00\"", "0xF0FBF", ""),
      ("1.5.13", "1.5.01", "\"1.5.00\", \"2.0.00\"", "0x226F1F0FBF", "\"1.5.06\", \"1.5.08\""),
      ("1.5.24", "1.5.01", "\"1.5.00\"", "0xD1326F3F0FBF", "\"1.5.16\", \"1.5.20\""),
      ("1.5.25", "1.5.01", "\"2.0.00\"", "0xD1326F3F0FBF", "\"1.5.16\", \"1.5.20\", \"1.5.24\""),
      ("2.0.02", "2.0.02", "\"2.0.00\"", "0x22E1F0FBF", ""),
      ("2.0.14", "2.0.04", "\"2.0.00\"", "0xD1326F3F0FBF", "\"2.0.08\", \"2.0.12\""),
    ])
  func mapping(version: String, minimum: String, loaders: String, features: String, strict: String) {
    let entry = """
          {
            "version": "\(version)",
            "min_module_version_for_td_preserving": "\(minimum)",
            "strict_compat_versions": [\(strict)],
            "min_seamldr_versions": [\(loaders)],
            "tdx_feature0": "\(features)"
          }
      """
    #expect(ImageCatalog.mappingFile.text.contains(entry))
  }

  @Test("JSON text escapes what it must")
  func escapes() {
    let value = JSON.object([
      .init("a\"\\\n\t\u{1}é", .array([.number(-1), .bool(true), .null])), .init("b", .object([])),
    ])
    #expect(value.text == "{\n  \"a\\\"\\\\\\n\\t\\u0001é\": [-1, true, null],\n  \"b\": {}\n}")
  }
}
