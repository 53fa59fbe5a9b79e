internal import MuxRPC

/// What a node offers on its connections.
enum NodeManifest {
    /// The method by which an endpoint tells whom it has let in before that it does so no more.
    static let removal = ["circle", "removed"]

    /// To a portal, by a node that only dials; Go portals refuse to call what a manifest does not list.
    ///
    /// And to whoever comes through a tunnel and has not shown yet who it is.
    static let client = (["manifest": .async, "tunnel.ping": .async, "whoami": .async] as Manifest)
        .limitingBodies(to: bodyByteCount)

    /// To an endpoint, inside a tunnel, by its caller.
    static let caller =
        ([
            "circle.removed": .async, "manifest": .async, "tunnel.ping": .async, "whoami": .async,
        ] as Manifest).limitingBodies(to: bodyByteCount)

    /// To a portal, by an endpoint; the same by a hidden one, which must not look like anything else.
    static let endpoint =
        ([
            "manifest": .async, "tunnel.connect": .duplex, "tunnel.ping": .async, "whoami": .async,
        ] as Manifest).limitingBodies(to: bodyByteCount)

    /// Inside a tunnel, to whoever came through it.
    static func inside(for standing: EndpointPolicy.Standing, grantsCircle: Bool) -> Manifest {
        switch standing {
        case .friend: (grantsCircle ? friendOfCircle : friend).limitingBodies(to: bodyByteCount)
        case .invite: invite.limitingBodies(to: bodyByteCount)
        }
    }

    /// What the body of any call to a node may have, in bytes: no method needs more.
    private static let bodyByteCount = 4 << 10

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
