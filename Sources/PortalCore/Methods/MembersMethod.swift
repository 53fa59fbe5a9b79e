internal import Multiserver
package import MuxRPC
package import TypedSodium

/// `room.members`: who belongs to the portal, for those who do.
package enum MembersMethod: PortalMethod {
    /// How many members are in one list.
    private static let listCount = 1000

    static var kind: MethodKind { .source }

    static func answer(_ request: Request, from key: PublicKey, in calls: inout PortalCalls) {
        let policy = calls.peer.portal.policy
        if policy.standing(of: key) == .member {
            for list in lists(of: policy.members.subtracting(policy.denied)) {
                calls.peer.send(list, on: request.stream)
            }
        }
        calls.peer.end(request.stream)
    }

    /// The answer: lists of a thousand, sorted.
    ///
    /// Source of the form: go-ssb-room, `room.members`.
    package static func lists(of members: Set<PublicKey>) -> [JSONValue] {
        let entries = members.map(\.id).sorted().map { id -> JSONValue in ["id": .string(id)] }
        return stride(from: 0, to: entries.count, by: listCount).map { start in
            .array(Array(entries[start..<min(start + listCount, entries.count)]))
        }
    }
}
