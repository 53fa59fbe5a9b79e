internal import MuxRPC

/// What a node offers on its connections.
enum NodeManifest {
    /// To a portal, by a node that only dials; Go portals refuse to call what a manifest does not list.
    ///
    /// And to an endpoint, inside a tunnel, before which its caller has nothing to offer.
    static let client: Manifest = ["manifest": .async, "tunnel.ping": .async, "whoami": .async]

    /// To a portal, by an endpoint; the same by a hidden one, which must not look like anything else.
    static let endpoint: Manifest = [
        "manifest": .async, "tunnel.connect": .duplex, "tunnel.ping": .async, "whoami": .async,
    ]

    /// Inside a tunnel, to whoever came through it.
    static func inside(for standing: EndpointPolicy.Standing, grantsCircle: Bool) -> Manifest {
        switch standing {
        case .friend: grantsCircle ? friendOfCircle : friend
        case .invite: invite
        }
    }

    private static let friend: Manifest = [
        "echo": .duplex, "manifest": .async, "service.list": .async, "service.open": .duplex,
        "tunnel.ping": .async, "whoami": .async,
    ]

    private static let friendOfCircle: Manifest = [
        "circle.grant": .async, "echo": .duplex, "manifest": .async, "service.list": .async,
        "service.open": .duplex, "tunnel.ping": .async, "whoami": .async,
    ]

    private static let invite: Manifest = [
        "invite.use": .async, "manifest": .async, "tunnel.ping": .async, "whoami": .async,
    ]
}
