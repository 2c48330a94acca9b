/// The open files of a tree by their numbers. A number is a place in the table and how often the place was taken before, so
/// that finding a file is a look into an array, and no number means two files.
struct OpenFileTable {
  private struct Place {
    var file: OpenFile?
    /// Counts from 1, so that no number is 0.
    var uses: UInt32 = 0
  }

  private var places: [Place] = []
  private var free: [UInt32] = []
  /// Of closed files, for those to come.
  private var spare: [OpenFileParts] = []
  private static let spareParts = 16

  /// The file with this number.
  subscript(id: OpenFileID) -> OpenFile? {
    guard let place = place(of: id) else { return nil }
    return places[place].file
  }

  /// The numbers of the open files of `node`, in no order. It looks at all there are.
  func of(_ node: Node) -> [OpenFileID] {
    places.indices.filter { places[$0].file?.node === node }.map { id(at: $0) }
  }

  /// Makes an open file of `node`; gives its number.
  mutating func open(_ node: Node, _ text: TextSource?, flags: OpenFlags, content: [UInt8]) -> OpenFileID {
    let file = OpenFile(
      node: node, text: text, flags: flags, content: content, parts: spare.popLast() ?? OpenFileParts())
    let index: Int
    if let last = free.popLast() {
      index = Int(last)
    } else {
      index = places.count
      places.append(Place())
    }
    places[index].uses &+= 1
    if places[index].uses == 0 { places[index].uses = 1 }
    places[index].file = file
    return id(at: index)
  }

  /// Forgets an open file; gives its node. Nil when there is none of this number.
  mutating func close(_ id: OpenFileID) -> Node? {
    guard let place = place(of: id), var file = places[place].file else { return nil }
    places[place].file = nil
    free.append(UInt32(truncatingIfNeeded: place))
    // A write that waits may still hold it.
    if spare.count < Self.spareParts, isKnownUniquelyReferenced(&file) { spare.append(file.takeParts()) }
    return file.node
  }

  private func id(at place: Int) -> OpenFileID {
    OpenFileID(rawValue: UInt64(places[place].uses) << 32 | UInt64(UInt32(truncatingIfNeeded: place)))
  }

  private func place(of id: OpenFileID) -> Int? {
    let place = Int(UInt32(truncatingIfNeeded: id.rawValue))
    guard place < places.count, places[place].uses == UInt32(truncatingIfNeeded: id.rawValue >> 32) else { return nil }
    return place
  }
}
