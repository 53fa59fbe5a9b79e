internal import MuxRPC
internal import TypedSodium

/// `tunnel.ping`: what time it is here, in milliseconds since 1970.
enum PingMethod: PortalMethod {
    static var kind: MethodKind { .async }

    static func isOpenUndenied(to standing: PortalPolicy.Standing) -> Bool { true }

    static func answer(_ request: Request, from key: PublicKey, in calls: inout PortalCalls) {
        calls.peer.reply(.integer(calls.peer.settings.wallClock()), to: request)
    }
}
