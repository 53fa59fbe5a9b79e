/// How a program shows NATS who it is.
package enum NATSCredentials: Equatable, Sendable {
    /// It does not.
    case none
    /// By a name and a password.
    case user(String, password: String)
    /// By a token.
    case token(String)
    /// By a key pair: the public key, and the file with the seed.
    case nkey(String, seedFile: String)
    /// By the file that an operator hands out, with a signed identity and its seed.
    case file(String)
}

/// Where NATS is, and how it is spoken to.
package struct NATSSettings: Equatable, Sendable {
    /// `nats://HOST:PORT` or `tls://HOST:PORT`; which one is taken is up to chance.
    package var servers: [String]
    /// What the servers call this connection.
    package var name: String
    /// How this program shows who it is.
    package var credentials = NATSCredentials.none
    /// The certificates that servers' must be signed with; without them the system's are believed.
    package var authorityFile: String?

    /// Whether nothing may be said without TLS.
    var isSecure: Bool { authorityFile != nil || servers.contains { $0.hasPrefix("tls://") } }

    /// These servers.
    package init(servers: [String], name: String) {
        self.servers = servers
        self.name = name
    }
}

/// What becomes of a connection, told on a thread of libnats.
package enum NATSEvent: Equatable, Sendable {
    /// It stands, at first or again.
    case connected
    /// It is broken; it is being made again.
    case disconnected
    /// It is over, and will not come back.
    case closed
    /// So many messages of a subscription were lost, in all, because they were not taken fast enough.
    case lost(Int64)
}

/// A message that came, told on a thread of libnats.
package struct NATSMessage: Equatable, Sendable {
    /// The subject that it was published to.
    package let subject: String
    /// What it says.
    package let payload: [UInt8]
}
