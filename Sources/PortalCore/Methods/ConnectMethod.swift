package import Blinding
internal import Connection
internal import Multiserver
package import MuxRPC
package import TypedSodium

/// `tunnel.connect`, and `room.connect`, which go-ssb-room takes for the same: a tunnel to a peer that is announced.
enum ConnectMethod: PortalMethod {
    static var kind: MethodKind { .duplex }

    /// Arguments that nobody knows are passed on.
    static func bodyByteCount(tokenLimit: Int) -> Int? { 16 << 10 }

    static func answer(_ request: Request, from key: PublicKey, in calls: inout PortalCalls) {
        calls.tunnels.connect(request, from: key)
    }
}

/// A `tunnel.connect` as it came from a client (hop 1), understood as far as a portal has to.
///
/// Every field is forwarded untouched, those that nobody knows included: ssb-tunnel's endpoints need `instance`,
/// ssb-room's need `portal`, and a later program may need something else.
package struct ConnectRequest: Equatable, Sendable {
    /// Whom the client wants to reach.
    package let target: ConnectTarget
    /// The target as the client wrote it, cut to ``ErrorText/echoedByteLimit``.
    package let targetText: String
    /// Whether the client gave a token, or something like one, and so no name.
    package let isByToken: Bool
    /// The key that the announcer of the token must have proved, where the client says so.
    package let announcer: PublicKey?
    /// The argument of the call to the endpoint (hop 2).
    package let forwarded: JSONValue

    /// Reads the arguments of a call and builds those of the other.
    ///
    /// `origin` is overwritten with the caller, who has proved to be that; `portal` and `instance` are filled in
    /// where they are missing or `null`. `by` beside a token is for the portal, and left out.
    ///
    /// - Throws: ``ConnectRefusal``.
    package init(
        _ arguments: [JSONValue], from caller: PublicKey, at portal: PublicKey
    ) throws(ConnectRefusal) {
        guard arguments.count == 1, var fields = arguments[0].object,
            let text = fields["target"]?.string
        else { throw .invalidArguments }
        if let named = fields["portal"], named != .null {
            guard let name = named.string, (try? PublicKey(id: name)) == portal else {
                throw .wrongPortal
            }
        } else {
            fields["portal"] = .string(portal.id)
        }
        if fields["instance"] ?? .null == .null { fields["instance"] = 0 }
        fields["origin"] = .string(caller.id)
        target = ConnectTarget(text)
        isByToken = PairToken.isToken(target: text)
        var announcer: PublicKey?
        if isByToken, let named = fields["by"] {
            fields["by"] = nil
            if named != .null {
                guard let name = named.string, let key = try? PublicKey(id: name) else {
                    throw .invalidArguments
                }
                announcer = key
            }
        }
        self.announcer = announcer
        targetText = ErrorText.cut(text)
        forwarded = .object(fields)
        if target == .id(caller) { throw .toSelf }
    }

    /// Reads what another machine passes on, where `announcer` announces the target.
    ///
    /// - Throws: ``ConnectRefusal/invalidArguments``.
    init(
        forwarded: JSONValue, from caller: PublicKey, by announcer: PublicKey
    ) throws(ConnectRefusal) {
        guard let text = forwarded["target"]?.string, forwarded["origin"] == .string(caller.id) else {
            throw .invalidArguments
        }
        target = ConnectTarget(text)
        isByToken = PairToken.isToken(target: text)
        self.announcer = isByToken ? announcer : nil
        targetText = ErrorText.cut(text)
        self.forwarded = forwarded
        if case .id(let key) = target, key != announcer { throw .invalidArguments }
    }
}

/// What stands in the place of a target.
package enum ConnectTarget: Hashable, Sendable {
    /// The id of somebody who may have announced openly.
    case id(PublicKey)
    /// A token that somebody may have announced hidden.
    case token(PairToken)
    /// Neither, spoilt ids and tokens included: nobody can have announced that.
    case nobody

    /// Reads a target.
    package init(_ text: String) {
        if let token = try? PairToken(target: text) {
            self = .token(token)
        } else if let peer = try? PublicKey(id: text) {
            self = .id(peer)
        } else {
            self = .nobody
        }
    }
}

/// Why a portal does not connect a client; the messages are go-ssb-room's and ssb-tunnel's.
package enum ConnectRefusal: Error, Equatable, Sendable {
    /// Not exactly one object, or no target in it.
    case invalidArguments
    /// The client means another portal.
    case wrongPortal
    /// The client asks for itself.
    case toSelf
    /// The target, as ``ConnectRequest/targetText`` has it, is not announced, or cannot be asked.
    case unreachable(String)
    /// The target is announced at another machine, which this one does not reach.
    case notReachable
    /// The client has as many tunnels as one connection may.
    case tooManyTunnels
    /// The target has no place for the client's tunnel, or the portal no memory.
    case busy
    /// The portal connects members, and the client is none.
    case membersOnly
    /// Whoever would pay for the tunnel has had this month's volume; on that day there is more.
    case volumeUsedUp(until: String)

    /// What is counted of it.
    package enum Kind: String, CaseIterable, Sendable {
        case invalidArguments, wrongPortal, toSelf, unreachable, tooManyTunnels, busy, membersOnly
        case volumeUsedUp, notReachable
    }

    /// Which of these it is.
    package var kind: Kind {
        switch self {
        case .invalidArguments: .invalidArguments
        case .wrongPortal: .wrongPortal
        case .toSelf: .toSelf
        case .unreachable: .unreachable
        case .tooManyTunnels: .tooManyTunnels
        case .busy: .busy
        case .membersOnly: .membersOnly
        case .volumeUsedUp: .volumeUsedUp
        case .notReachable: .notReachable
        }
    }

    /// What the client is told.
    package var message: String {
        switch self {
        case .invalidArguments: ErrorText.invalidConnect
        case .wrongPortal: ErrorText.wrongPortal
        case .toSelf: ErrorText.connectToSelf
        case .unreachable(let target): ErrorText.couldNotConnect(to: target)
        case .notReachable: ErrorText.notReachable
        case .tooManyTunnels: ErrorText.tooManyTunnels
        case .busy: ErrorText.noPlaceForTunnel
        case .membersOnly: ErrorText.membersCall
        case .volumeUsedUp(let day): ErrorText.volumeUsedUp(until: day)
        }
    }

    /// What the log is told: the same, without the target, which may be a token.
    package var reason: String {
        guard case .unreachable = self else { return message }
        return "could not connect"
    }
}
