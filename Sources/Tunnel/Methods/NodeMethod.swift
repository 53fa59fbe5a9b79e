internal import Connection
internal import Multiserver
internal import MuxRPC
internal import TypedSodium

/// A method that a node answers: who finds it in the manifest, and what comes of a call.
///
/// Each has a file of its own here, its name in `Method` of Connection, and its place in ``NodeMethods/all``.
protocol NodeMethod: SendableMetatype {
    static var method: Method { get }
    static var kind: MethodKind { get }
    /// Whether it is put to the owner, who is asked a few things at a time.
    static var asksOwner: Bool { get }
    /// Whether the caller came for this alone, so that its session ends with the answer.
    static var endsSession: Bool { get }

    static func isOffered(to caller: MethodCaller) -> Bool

    /// What comes of a call by somebody to whom it is offered.
    static func answer(_ call: MethodCall) -> MethodAnswer
}

extension NodeMethod {
    static var kind: MethodKind { .async }
    static var asksOwner: Bool { false }
    static var endsSession: Bool { false }
}

/// Who calls, which decides what is offered.
enum MethodCaller {
    /// The portal; whether we are to be reached there.
    case portal(announces: Bool)
    /// The endpoint that we have called.
    case endpoint
    /// Whoever came through a tunnel and has not shown who it is, or may nothing any more.
    case nobody
    /// Somebody who came through a tunnel, and what it is at the instance that it has called.
    case guest(PublicKey, EndpointPolicy.Standing, CalledInstance)

    var isFriend: Bool {
        if case .guest(_, .friend, _) = self { true } else { false }
    }

    var isInvite: Bool {
        if case .guest(_, .invite, _) = self { true } else { false }
    }
}

/// A call, as its method sees it.
struct MethodCall {
    let arguments: [JSONValue]
    let caller: MethodCaller
    /// The key that the peer has proved.
    let peer: PublicKey?
    /// Milliseconds since 1970.
    let wallClock: @Sendable () -> Int64
}

/// What comes of a call, for its session to see to.
enum MethodAnswer {
    case value(JSONValue)
    case failure(String)
    /// It is put to the owner.
    case question(Question.Kind)
    /// Everything that comes is sent back.
    case echo
    /// A stream to a service of an instance.
    case service(ServiceName, friend: PublicKey)
    /// A service that is not offered to this friend, by its name cut to what is logged.
    case unknownService(String, PublicKey, instance: Int)
    /// A stream of the portal's with a session inside.
    case tunnel(TunnelRequest)
    /// The endpoint that we have called does not let us in any more.
    case dismissal
    /// The portal asks us to go to another of its machines.
    case move
}

/// The methods of a node.
enum NodeMethods {
    static let all: [any NodeMethod.Type] = [
        WhoAmI.self, Ping.self, Echo.self, ListServices.self, OpenService.self, UseInvite.self,
        GrantCircle.self, RemovedFromCircle.self, ConnectTunnel.self, MoveAway.self,
    ]

    private static let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.method.name, $0) })

    /// The method of a call; `nil` for what is none of a node's.
    static func named(_ name: [String]) -> (any NodeMethod.Type)? { byName[name] }

    /// What the body of any call to a node may have, in bytes: no method needs more.
    private static let bodyByteCount = 4 << 10

    /// What somebody finds in the answer to `manifest`, in the order of names.
    ///
    /// Go portals refuse to call what a manifest does not list. A hidden endpoint has the same for its portal as any
    /// other, from which it must not be told.
    static func manifest(for caller: MethodCaller) -> Manifest {
        let offered = all.filter { $0.isOffered(to: caller) }.map { ($0.method.rawValue, $0.kind) }
        let methods = offered + [(Method.manifest.rawValue, .async)]
        return Manifest(methods.sorted { $0.0 < $1.0 }.map { (name: $0.0, kind: $0.1) })
            .limitingBodies(to: bodyByteCount)
    }
}
