import Foundation
import Testing

/// A cluster of processes with real NATS servers, one test at a time: they share the machine's cores.
@Suite("A cluster as processes", .serialized, .timeLimit(.minutes(45)))
enum ClusterProcesses {
    /// Whether a run may take half an hour.
    static let isLong = ProcessInfo.processInfo.environment["CWAY_LONG"] == "1"
}
