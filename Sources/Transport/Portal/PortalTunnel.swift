public import Relay
public import Sodium
public import Tunnel

/// A tunnel of a portal, shared by the two connections that it joins.
public final class PortalTunnel: Sendable {
    /// One end.
    public struct End: Sendable {
        /// The connection.
        public let connection: ConnectionID
        /// Who has proved to be there.
        public let peer: PublicKey
        /// What reaches the connection.
        public let mailbox: any RelayMailbox
        /// What waits to be sent there; the connection itself closes it.
        public let flow: TunnelFlow
    }

    /// Its number.
    public let id: TunnelID
    /// Who asked for it.
    public let client: End
    /// Who was asked.
    public let endpoint: End

    init(id: TunnelID, client: End, endpoint: End) {
        self.id = id
        self.client = client
        self.endpoint = endpoint
    }

    /// The end on a connection.
    func end(on connection: ConnectionID) -> End { client.connection == connection ? client : endpoint }

    /// The end that is not on the connection.
    func end(acrossFrom connection: ConnectionID) -> End {
        client.connection == connection ? endpoint : client
    }
}
