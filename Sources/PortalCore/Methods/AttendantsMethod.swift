internal import MuxRPC
internal import TypedSodium

/// `room.attendants`: all ids, then who joins and leaves.
enum AttendantsMethod: PortalMethod {
    static var kind: MethodKind { .source }

    static func answer(_ request: Request, from key: PublicKey, in calls: inout PortalCalls) {
        calls.subscribe(request, to: .attendants, as: key)
    }
}
