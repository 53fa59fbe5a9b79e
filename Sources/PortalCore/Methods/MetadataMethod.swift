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
        // Who lives on a battery is not to be woken every few seconds.
        if request.arguments.first?["battery"] == true { calls.peer.patience = .usual }
        var metadata = metadata(
            name: portal.settings.name, isMember: isMember,
            isCluster: portal.settings.neighbours != nil)
        if isMember, let traffic = traffic(of: key, at: portal) { metadata["traffic"] = traffic }
        calls.peer.reply(metadata, to: request)
    }

    /// What a member may have and has had, where there is a limit.
    ///
    /// Source: docs/protocol.md, "What a member may have".
    private static func traffic(of key: PublicKey, at portal: Portal) -> JSONValue? {
        let limits = portal.traffic.settings.member
        guard limits != TrafficLimits() else { return nil }
        let usage = portal.traffic.usage(of: .member(key))
        var fields: JSONValue = [
            "monthBytes": .integer(Int64(usage.byteCount)),
            "until": .string(portal.traffic.month.next.firstDay),
        ]
        if let limit = limits.bytesPerMonth { fields["monthLimit"] = .integer(Int64(limit)) }
        if let rate = limits.bytesPerSecond { fields["bytesPerSecond"] = .integer(Int64(rate)) }
        return fields
    }

    /// The answer.
    ///
    /// Source of the form: rooms2, "Metadata".
    package static func metadata(name: String, isMember: Bool, isCluster: Bool = false) -> JSONValue {
        let features = Feature.allCases.filter { $0 != .cluster || isCluster }
        return [
            "name": .string(name), "membership": .bool(isMember),
            "features": .array(features.map { .string($0.rawValue) }),
        ]
    }
}
