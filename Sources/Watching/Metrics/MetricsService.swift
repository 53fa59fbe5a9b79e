internal import Hummingbird
package import Logging
package import NIOCore
internal import ServiceLifecycle

/// Serves `GET /metrics`, `/healthz` and `/readyz` until the group shuts down.
package struct MetricsService: Service {
    private let watched: Watched
    private let server: WatchServer
    private let token: WatchToken?
    private let blur: Blur
    private let group: any EventLoopGroup

    /// What is shown of a daemon, where, how exactly, and to those alone who have the `token`, if there is one.
    package init(
        _ watched: Watched, at place: WatchServer.Place, token: WatchToken?, _ blur: Blur,
        group: any EventLoopGroup, logger: Logger
    ) {
        self.watched = watched
        self.token = token
        self.blur = blur
        self.group = group
        server = WatchServer("the metrics", at: place, group: group, logger: logger)
    }

    package func run() async throws {
        let delays = try await LoopDelays(of: group)
        defer { delays.stop() }
        let rule = server.hostRule
        try await server.run { [watched, token, blur] request in
            guard token != nil || rule.admits(request.head.authority) else {
                return .text(.misdirectedRequest, "this server is called by its address, or localhost")
            }
            guard request.method == .get || request.method == .head else {
                return .text(.methodNotAllowed, "GET and HEAD alone", headers: [.allow: "GET, HEAD"])
            }
            switch request.uri.path {
            case "/healthz": return .text(.ok, "ok")
            case "/readyz":
                return watched.isReady() ? .text(.ok, "ready") : .text(.serviceUnavailable, "not ready")
            case "/metrics":
                if let token, !token.isShown(in: request.headers[.authorization]) {
                    return .text(
                        .unauthorized, "show the token of --metrics-token-file",
                        headers: [.wwwAuthenticate: "Bearer realm=\"metrics\""])
                }
                let format = MetricsFormat(accepting: request.headers[.accept])
                let families = await watched.families(blur, delays: delays)
                return .bytes(
                    .ok, Exposition.text(of: families, as: format), type: format.contentType,
                    headers: [.vary: "Accept"])
            default: return .text(.notFound, "there are /metrics, /healthz and /readyz")
            }
        }
    }
}
