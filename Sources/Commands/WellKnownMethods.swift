internal import MuxRPC

/// How methods are called that ssb programs have in common, for peers that show no manifest.
///
/// JavaScript portals refuse `manifest` to strangers, and a source that is called as async is an error there.
///
/// Sources: the manifests of ssb-tunnel, ssb-room, go-ssb-room, ssb-gossip, ssb-blobs, ssb-db, ssb-ebt, ssb-invite.
enum WellKnownMethods {
    /// How the method of that name is called; `nil` for a name that is not known.
    static func kind(of name: [String]) -> CallKind? { kinds[name.joined(separator: ".")] }

    private static let kinds: [String: CallKind] = [
        "manifest": .async, "whoami": .async, "get": .async, "getAddress": .async,
        "tunnel.announce": .async, "tunnel.leave": .async, "tunnel.isRoom": .async, "tunnel.ping": .async,
        "tunnel.endpoints": .source, "tunnel.connect": .duplex,
        "room.metadata": .async, "room.attendants": .source, "room.members": .source, "room.connect": .duplex,
        "room.registerAlias": .async, "room.revokeAlias": .async, "room.listAliases": .async,
        "gossip.ping": .duplex, "invite.use": .async,
        "blobs.get": .source, "blobs.getSlice": .source, "blobs.changes": .source,
        "blobs.createWants": .source,
        "blobs.ls": .source, "blobs.add": .sink, "blobs.has": .async, "blobs.size": .async,
        "blobs.want": .async,
        "createHistoryStream": .source, "createFeedStream": .source, "createLogStream": .source,
        "createUserStream": .source, "createWantStream": .source, "messagesByType": .source, "links": .source,
        "ebt.replicate": .duplex,
        "service.list": .async, "service.open": .duplex, "echo": .duplex,
    ]
}
