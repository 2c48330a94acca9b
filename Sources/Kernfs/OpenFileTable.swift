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

  /// The file with this number.
  subscript(id: OpenFileID) -> OpenFile? {
    let place = Int(truncatingIfNeeded: UInt32(truncatingIfNeeded: id.rawValue))
    guard places.indices.contains(place), places[place].uses == UInt32(truncatingIfNeeded: id.rawValue >> 32) else {
      return nil
    }
    return places[place].file
  }

  /// Puts in the file that `make` makes for its number.
  mutating func insert(_ make: (OpenFileID) -> OpenFile) -> OpenFile {
    let place: UInt32
    if let last = free.popLast() {
      place = last
    } else {
      place = UInt32(truncatingIfNeeded: places.count)
      places.append(Place())
    }
    let index = Int(place)
    places[index].uses &+= 1
    if places[index].uses == 0 { places[index].uses = 1 }
    let file = make(OpenFileID(rawValue: UInt64(places[index].uses) << 32 | UInt64(place)))
    places[index].file = file
    return file
  }

  /// Takes the file with this number out.
  mutating func remove(_ id: OpenFileID) -> OpenFile? {
    guard let file = self[id] else { return nil }
    let place = UInt32(truncatingIfNeeded: id.rawValue)
    places[Int(place)].file = nil
    free.append(place)
    return file
  }
}
