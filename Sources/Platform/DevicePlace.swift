import TDXHost

/// Where a mount with `layout=device` belongs in `/sys`, for who lays it over one.
public struct DevicePlace: Equatable, Sendable {
  /// The directory that it is.
  public var path: String
  /// Links of buses to the device.
  public var links: [Link]

  /// A symbolic link below `/sys`.
  public struct Link: Equatable, Sendable {
    /// Its path.
    public var path: String
    /// What it contains.
    public var target: String
  }

  /// The place under the profile `abi`; nil when there is none of that name.
  public init?(abi: String) {
    guard let profile = ABIProfile.named(abi) else { return nil }
    path = profile.root
    switch profile.attachment {
    case .faux:
      let name = profile.fauxDevice ?? ""
      links = [
        Link(path: "bus/faux/devices/\(name)", target: "../../../\(profile.root)"),
        Link(path: "bus/faux/drivers/faux_driver/\(name)", target: "../../../../\(profile.root)"),
      ]
    case .virtualBus(let bus):
      let target = "../../../\(profile.root)/\(profile.device)"
      links = [Link(path: "bus/\(bus)/devices/\(profile.device)", target: target)]
    }
  }
}
