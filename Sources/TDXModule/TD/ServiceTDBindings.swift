/// The binding slots for service TDs of one TD, in its TDCS.
struct ServiceTDBindings: Sendable {
}
