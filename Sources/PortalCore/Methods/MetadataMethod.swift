internal import Connection
package import MuxRPC
internal import TypedSodium

/// `room.metadata`, and `tunnel.isRoom`, which answers the same in go-ssb-room.
package enum MetadataMethod: PortalMethod {
    static var kind: MethodKind { .async }

    static func isOpenUndenied(to standing: PortalPolicy.Standing) -> Bool { true }

    static func answer(_ request: Request, from key: PublicKey, in calls: inout PortalCalls) {
        let portal = calls.peer.portal
        let isMember = portal.policy.standing(of: key) == .member
        calls.peer.reply(metadata(name: portal.settings.name, isMember: isMember), to: request)
    }

    /// The answer.
    ///
    /// Source of the form: rooms2, "Metadata".
    package static func metadata(name: String, isMember: Bool) -> JSONValue {
        [
            "name": .string(name), "membership": .bool(isMember),
            "features": .array(Feature.allCases.map { .string($0.rawValue) }),
        ]
    }
}
