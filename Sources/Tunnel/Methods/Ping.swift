internal import Connection
internal import MuxRPC

/// `tunnel.ping`: our clock, in milliseconds since 1970.
enum Ping: NodeMethod {
    static let method = Method.ping

    static func isOffered(to caller: MethodCaller) -> Bool { true }

    static func answer(_ call: MethodCall) -> MethodAnswer { .value(.integer(call.wallClock())) }
}
