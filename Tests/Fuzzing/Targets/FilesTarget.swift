import FuseKit
import Kernfs
import KernfsFuse
import Platform
import SystemPackage

/// The kernel's FUSE client with processes of any kind behind it: requests in any order on any node and any open file, in the
/// kernel's own words, to the filesystem as it is mounted. Every request is answered, once, in the form that it asks for.
enum FilesTarget {
  private static let machines: [FuzzBench] = [
    "abi=v8,module=1.5.24,lps=2", "abi=merged,cpu=gnr,module=2.0.8,lps=2", "abi=v8,layout=sys,lps=1",
  ].compactMap { FuzzBench($0 + ",memory=1,updates=3,clock=virtual,seed=1") }

  private static let names = [
    "version", "seamldr_version", "num_remaining_updates", "firmware", "tdx_module", "loading", "data", "status",
    "error",
    "remaining_size", "cancel", "power", "uevent", "subsystem", ".tdxfs", "td", "fault", "a", "f", "step", "why",
    "trace",
    "kmsg", "cpu", "0", "1", "online", "snapshot", "watch", "reportdata", "image", "state", ".", "..", "device",
    "devices",
    "faux", "tdx_host", "class", "driver", "bus", "control", "async",
  ]

  private static let texts = [
    "1\n", "0\n", "-1\n", "1", "0", "\n", "reboot\n", "vcpu\n", "add\n", "finalize\n", "enter\n",
    "stage=install enomem\n",
    "user.name", "trusted.name", "security.name", "0x1", "hello",
  ]

  static func run(_ input: [UInt8]) throws {
    var choice = FuzzInput(input)
    guard let other = choice.element(of: machines) else { throw Finding(description: "no machine") }
    let bench = FuzzBench(like: other)
    let client = try FuseClient(KernfsFilesystem(bench.tree, capabilities: CallerCapabilities()))
    defer { client.end() }
    // Some of the tree is known already, as a walk leaves it.
    for path in [
      "version", "\(bench.upload)/loading", "\(bench.upload)/data", "\(bench.upload)/status", ".tdxfs/power",
    ] {
      var node: UInt64 = 1
      for name in path.split(separator: "/") { node = try client.lookup(String(name), in: node) ?? node }
    }
    for _ in 0..<120 where !choice.isAtEnd { try request(client, &choice) }
    bench.settle()
    try client.drain()
    try bench.lookAtAll()
  }

  private static func request(_ client: FuseClient, _ choice: inout FuzzInput) throws {
    let operations = FuseClient.Operation.allCases
    let node = choice.byte() % 32 == 0 ? choice.number(UInt64.self) : choice.element(of: client.nodes) ?? 1
    let file = choice.byte() % 32 == 0 ? choice.number(UInt64.self) : choice.element(of: client.files) ?? 0
    let caller: FuseClient.Caller = choice.byte() % 4 == 0 ? .somebody : .root
    let kind = choice.byte()
    // Half of the requests are those of which an upload consists.
    let operation: FuseClient.Operation =
      kind & 1 != 0
      ? [.lookup, .open, .write, .read, .release, .write, .poll][Int(kind >> 1) % 7]
      : operations[Int(kind >> 1) % operations.count]
    let name = choice.byte() % 16 == 0 ? text(&choice) : Array((choice.element(of: names) ?? "").utf8)
    let body = FuseMessage()
    switch operation {
    case .lookup, .unlink, .removeDirectory, .removeExtendedAttribute: body.put(name: name)
    case .forget: body.put(UInt64(choice.byte()))
    case .getAttributes: body.put(UInt32(choice.byte() & 1), UInt32(0)).put(file)
    case .setAttributes:
      body.put(UInt32(choice.number(UInt16.self)), UInt32(0)).put(file)
      body.put(choice.bool() ? choice.number(UInt64.self) : UInt64(choice.byte())).put(UInt64(0))
      body.put(choice.number(UInt64.self), UInt64(choice.byte()), UInt64(choice.byte()))
      body.put(choice.number(UInt32.self), UInt32(0), UInt32(0)).put(UInt32(choice.number(UInt16.self)), UInt32(0))
      body.put(UInt32(choice.byte()), UInt32(choice.byte()), UInt32(0))
    case .readLink, .fileSystemStatistics: break
    case .makeSymlink: body.put(name: name).put(name: text(&choice))
    case .makeNode:
      body.put(UInt32(choice.number(UInt16.self)), UInt32(choice.byte()), UInt32(0o22), UInt32(0)).put(name: name)
    case .makeDirectory: body.put(UInt32(choice.number(UInt16.self)), UInt32(0o22)).put(name: name)
    case .rename: body.put(choice.element(of: client.nodes) ?? 1).put(name: name).put(name: text(&choice))
    case .rename2:
      body.put(choice.element(of: client.nodes) ?? 1).put(UInt32(choice.byte() & 7), UInt32(0))
      body.put(name: name).put(name: text(&choice))
    case .link: body.put(choice.element(of: client.nodes) ?? 1).put(name: name)
    case .open, .openDirectory: body.put(flags(&choice), UInt32(0))
    case .read, .readDirectory:
      body.put(file, offset(&choice)).put(choice.bool() ? UInt32(4096) : UInt32(choice.number(UInt16.self)), UInt32(0))
      body.put(UInt64(choice.byte() & 1)).put(UInt32(0), UInt32(0))
    case .write:
      let data = choice.bool() ? text(&choice) : choice.bytes(choice.below(9000))
      body.put(file, offset(&choice)).put(UInt32(data.count), UInt32(0)).put(UInt64(0)).put(UInt32(0), UInt32(0))
      body.put(data)
    case .release, .releaseDirectory:
      body.put(file).put(UInt32(0), UInt32(0)).put(UInt64(0))
      client.forget(file: file)
    case .synchronize, .synchronizeDirectory: body.put(file).put(UInt32(choice.byte() & 1), UInt32(0))
    case .setExtendedAttribute:
      let value = choice.bytes(choice.below(80))
      body.put(UInt32(value.count), UInt32(choice.byte() & 3)).put(name: text(&choice)).put(value)
    case .getExtendedAttribute: body.put(UInt32(choice.byte()), UInt32(0)).put(name: text(&choice))
    case .listExtendedAttributes: body.put(UInt32(choice.byte()), UInt32(0))
    case .flush: body.put(file).put(UInt32(0), UInt32(0)).put(UInt64(0))
    case .access: body.put(UInt32(choice.byte() & 7), UInt32(0))
    case .create: body.put(flags(&choice), UInt32(0o644), UInt32(0o22), UInt32(0)).put(name: name)
    case .interrupt: body.put(client.lastRequest &- UInt64(choice.byte() & 1))
    case .control:
      body.put(file).put(UInt32(0), choice.number(UInt32.self)).put(choice.number(UInt64.self)).put(
        UInt32(0), UInt32(0))
    case .poll: body.put(file, UInt64(choice.byte())).put(UInt32(choice.byte() & 1), choice.number(UInt32.self))
    case .seek: body.put(file, offset(&choice)).put(UInt32(choice.byte() % 8), UInt32(0))
    case .allocate: body.put(file, offset(&choice), offset(&choice)).put(UInt32(choice.byte() & 7), UInt32(0))
    }
    try client.send(operation, to: node, body, by: caller)
  }

  private static func text(_ choice: inout FuzzInput) -> [UInt8] {
    choice.bool() ? Array((choice.element(of: texts) ?? "").utf8) : choice.bytes(choice.below(40))
  }

  private static func flags(_ choice: inout FuzzInput) -> UInt32 {
    choice.byte() % 8 == 0 ? choice.number(UInt32.self) : 0o100000 | UInt32(choice.byte() % 3)
  }

  private static func offset(_ choice: inout FuzzInput) -> UInt64 {
    switch choice.byte() % 8 {
    case 0: choice.number(UInt64.self)
    case 1: 4096 * UInt64(choice.byte())
    case 2: UInt64(choice.byte())
    default: 0
    }
  }
}
