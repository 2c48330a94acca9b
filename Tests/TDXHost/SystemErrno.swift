import SystemPackage

/// `Errno` of swift-system, for suites that do not import it.
typealias SystemErrno = Errno
