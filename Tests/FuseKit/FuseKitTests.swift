import Testing

/// Every test mounts, and some send signals to the whole process: one after the other.
@Suite(.serialized, .timeLimit(.minutes(20)))
struct FuseKitTests {}
