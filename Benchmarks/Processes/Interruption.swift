internal import Foundation
internal import Glibc
internal import Synchronization

/// The signal that has asked the program to end; 0 for none.
private let receivedSignal = Atomic<Int32>(0)

/// Sees to it that nothing is left behind, at the end and when a signal ends the program before.
///
/// A handler and a thread that looks, because a signal that is ignored or blocked here would be so in every
/// process that is started.
struct Interruption {
    private let stage: Stage

    /// Watches for SIGINT and SIGTERM.
    init(_ stage: Stage) {
        self.stage = stage
        _ = receivedSignal.load(ordering: .relaxed)  // made now: a handler must not make it
        signal(SIGPIPE, SIG_IGN)
        for number in [SIGINT, SIGTERM] {
            signal(number) { receivedSignal.store($0, ordering: .relaxed) }
        }
        Thread.detachNewThread {
            while receivedSignal.load(ordering: .relaxed) == 0 { Thread.sleep(forTimeInterval: 0.05) }
            stage.clear()
            exit(128 + receivedSignal.load(ordering: .relaxed))
        }
    }

    /// The program ends of its own accord.
    func finish() { stage.clear() }
}
