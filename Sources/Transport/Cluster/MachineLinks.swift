package import Cluster
package import NIOCore
package import PortalCore

/// The links of this machine to the others of its portal: one that is always there for each, and sessions for tunnels.
///
/// Every call returns at once. What happens is told as ``MachineLinkEvent``, on any thread, in order for each machine.
package protocol MachineLinks: Sendable {
    /// Dials the control link to a machine, once: the owner says when again. Nothing where one is dialled; one that stands
    /// is told again.
    func dial(_ machine: MachineID, at address: String)

    /// Ends every link with a machine.
    func hangUp(_ machine: MachineID)

    /// Sends a sealed message on the control link to a machine; it is dropped where there is none, or too much waits.
    func send(_ message: [UInt8], to machine: MachineID)

    /// A session on which tunnels to a machine can be opened, dialled where there is none; `nil` where there is no way.
    ///
    /// The connection lives on this event loop.
    func session(to machine: MachineID, at address: String, on loop: any EventLoop) -> EventLoopFuture<
        ConnectionID?
    >
}

/// What happens on links.
package enum MachineLinkEvent: Equatable, Sendable {
    /// The control link to a machine stands.
    case up(MachineID)
    /// It does not any more, or could not be made.
    case down(MachineID)
    /// Something came from a machine; at most ten times a second.
    case heard(MachineID)
    /// A sealed message came on the control link.
    case message([UInt8], from: MachineID)
}
