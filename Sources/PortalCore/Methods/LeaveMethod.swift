internal import MuxRPC
internal import TypedSodium

/// `tunnel.leave`: list me no more.
enum LeaveMethod: PortalMethod {
    static var kind: MethodKind { .async }

    static func answer(_ request: Request, from key: PublicKey, in calls: inout PortalCalls) {
        calls.announcement.leave(request, as: key)
    }
}
