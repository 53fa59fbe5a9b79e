internal import Connection
internal import Multiserver
internal import MuxRPC
internal import TypedSodium

/// A `cluster.connect`: a client's call, as one machine of a portal passes it on to the one where the target is announced.
///
/// Its arguments are `{"source", "standing", "caller", "by"}` and the argument of hop 2, untouched: what the caller's
/// address counts as, hashed; `member` or `stranger`, as the sender's policy has it; who has proved to call; and the key
/// that announces the target. The receiver charges what the call costs to the caller by its own policy.
struct LinkCall {
    /// The longest name of a source, in bytes.
    private static let sourceByteLimit = 64

    /// What the caller's address counts as.
    let source: String
    let caller: PublicKey
    /// The key that announces the target.
    let announcer: PublicKey
    let argument: JSONValue

    /// Reads the arguments of a call.
    ///
    /// - Throws: ``ConnectRefusal/invalidArguments``.
    init(_ arguments: [JSONValue]) throws(ConnectRefusal) {
        guard arguments.count == 2, let source = arguments[0]["source"]?.string,
            source.utf8.count <= Self.sourceByteLimit,
            let standing = arguments[0]["standing"]?.string, ["member", "stranger"].contains(standing),
            let caller = Self.key("caller", in: arguments[0]),
            let announcer = Self.key("by", in: arguments[0])
        else { throw .invalidArguments }
        self.source = "link \(source)"
        (self.caller, self.announcer, argument) = (caller, announcer, arguments[1])
    }

    private static func key(_ name: String, in value: JSONValue) -> PublicKey? {
        value[name]?.string.flatMap { try? PublicKey(id: $0) }
    }

    /// The arguments of the call for a tunnel of this machine, whose caller's address counts as `source`.
    static func arguments(
        for tunnel: PortalTunnel, source: String, isMember: Bool, _ argument: JSONValue
    ) -> [JSONValue] {
        let about: JSONValue = [
            "source": .string(source), "standing": isMember ? "member" : "stranger",
            "caller": .string(tunnel.client.peer.id), "by": .string(tunnel.endpoint.peer.id),
        ]
        return [about, argument]
    }
}
