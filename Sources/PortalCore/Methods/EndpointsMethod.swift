internal import MuxRPC
internal import TypedSodium

/// `tunnel.endpoints`: all ids, again at each change.
enum EndpointsMethod: PortalMethod {
    static var kind: MethodKind { .source }

    static func answer(_ request: Request, from key: PublicKey, in calls: inout PortalCalls) {
        calls.subscribe(request, to: .endpoints, as: key)
    }
}
