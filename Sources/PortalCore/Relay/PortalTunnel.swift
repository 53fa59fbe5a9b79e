internal import Account
internal import Synchronization
package import TypedSodium

/// A tunnel of a portal, shared by the two connections that it joins.
package final class PortalTunnel: Sendable {
    /// One end.
    package struct End: Sendable {
        /// The connection.
        package let connection: ConnectionID
        /// Who has proved to be there.
        package let peer: PublicKey
        /// What reaches the connection.
        package let mailbox: any RelayMailbox
        /// What waits to be sent there; the connection itself closes it.
        package let flow: TunnelFlow
    }

    /// Who has caused a tunnel, and what it takes.
    struct Cause: Sendable {
        /// To whom it is charged.
        let causer: PortalAccounts.Causer
        /// From where it was asked for.
        let source: String
        /// The tunnel's own account, below that of the connection that asked for it.
        let account: Account
        /// What the tunnel costs while it has two ends and nothing queued.
        let charge: Charge
        /// What all tunnels of the endpoint hold.
        let load: EndpointLoad
        /// For whom what passes is counted.
        let meters: TrafficMeters
    }

    /// What a tunnel costs without anything queued, in bytes: two legs, two streams, and what finds them; and the
    /// argument of its call, which may take sixteen times its text in memory.
    static func costByteCount(_ argumentByteCount: Int) -> Int { 4096 + 16 * argumentByteCount }

    /// Its number.
    package let id: TunnelID
    /// Who asked for it.
    package let client: End
    /// Who was asked.
    package let endpoint: End

    let cause: Cause
    private let pledgedByteCount = Atomic(0)

    init(id: TunnelID, client: End, endpoint: End, cause: Cause) {
        self.id = id
        self.client = client
        self.endpoint = endpoint
        self.cause = cause
    }

    /// The end on a connection.
    func end(on connection: ConnectionID) -> End {
        client.connection == connection ? client : endpoint
    }

    /// The end that is not on the connection.
    func end(acrossFrom connection: ConnectionID) -> End {
        client.connection == connection ? endpoint : client
    }

    /// What waits in both directions, in bytes of memory.
    var queuedByteCount: Int { client.flow.queuedByteCount + endpoint.flow.queuedByteCount }

    /// Ends both directions at once; what is on the way in them is dropped where it arrives.
    func close() {
        client.flow.close()
        endpoint.flow.close()
    }

    /// Promises what the tunnel is going to give back, because it is cut, to others; whether it has as much.
    func pledge(_ byteCount: Int) -> Bool {
        let pledged = pledgedByteCount.add(byteCount, ordering: .relaxed).newValue
        return pledged <= cause.account.heldCount
    }
}

/// Which tunnel of a portal is meant; numbers are never used twice.
package struct TunnelID: Hashable, Comparable, CustomStringConvertible, Sendable {
    /// The number.
    package let value: UInt64

    /// The tunnel with this number.
    package init(_ value: UInt64) { self.value = value }

    /// The number, for logs.
    package var description: String { String(value) }

    /// The older tunnel comes first.
    package static func < (left: TunnelID, right: TunnelID) -> Bool { left.value < right.value }
}
