internal import MuxRPC

/// What a node offers on its connections.
enum NodeManifest {
    /// To a portal, by a node that only dials; Go portals refuse to call what a manifest does not list.
    static let client: Manifest = ["manifest": .async, "tunnel.ping": .async, "whoami": .async]

    /// To a portal, by an endpoint.
    static let endpoint: Manifest = [
        "manifest": .async, "tunnel.connect": .duplex, "tunnel.ping": .async, "whoami": .async,
    ]

    /// To a friend, inside a tunnel.
    static let friend: Manifest = [
        "echo": .duplex, "manifest": .async, "service.list": .async, "service.open": .duplex,
        "tunnel.ping": .async, "whoami": .async,
    ]
}
