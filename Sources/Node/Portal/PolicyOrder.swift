internal import Synchronization

/// Lets what was read of a keyring take effect in the order of its sequence numbers, whoever was quicker.
///
/// A redeem and the watch read the policy side by side: without an order, the one that read it before somebody was
/// denied could be the last to put it in force, and it would stay in force until the next change.
package final class PolicyOrder: Sendable {
    private let newest = Mutex<UInt64>(0)

    /// Before anything was read.
    package init() {}

    /// Does what follows from the state with a sequence number, unless that of a later one was done already.
    package func apply(_ sequence: UInt64, _ body: () -> Void) {
        newest.withLock { newest in
            guard sequence >= newest else { return }
            newest = sequence
            body()
        }
    }
}
