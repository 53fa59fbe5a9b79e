internal import Hummingbird
package import Logging
package import NIOCore
internal import ServiceLifecycle
internal import Synchronization

/// Serves the operator's page of a portal until the group shuts down.
///
/// | path | what |
/// |---|---|
/// | `GET /` | the page |
/// | `GET /events` | what changes on it, as it changes |
/// | `POST /change` | one change, by a form of the page; then the page again |
/// | `POST /login` | the token, where there is one |
package struct PageService: Service {
    /// How many pages may follow by themselves at a time; others stay as they are.
    private static let followerLimit = 8
    /// How long one follows before it connects again.
    private static let followTime = Duration.seconds(600)
    /// How often it is looked whether anything has changed.
    private static let lookInterval = Duration.seconds(2)
    /// After how many looks without a change something is sent all the same, so that an end is noticed.
    private static let quietLookCount = 8

    private let source: PageSource
    private let build: Watched.Build
    private let token: WatchToken?
    private let server: WatchServer
    private let sessions = PageSessions()
    private let state = PageState()

    /// The page of a portal, where, and for those alone who have the `token`, if there is one.
    package init(
        _ source: PageSource, build: Watched.Build, at place: WatchServer.Place, token: WatchToken?,
        group: any EventLoopGroup, logger: Logger
    ) {
        (self.source, self.build, self.token) = (source, build, token)
        server = WatchServer("the operator's page", at: place, group: group, logger: logger)
    }

    package func run() async throws {
        let sampling = Task { [source, state] in
            while !Task.isCancelled {
                state.add(source.sample())
                try? await Task.sleep(for: .nanoseconds(RateHistory.interval.nanoseconds))
            }
        }
        defer { sampling.cancel() }
        let rule = server.hostRule
        try await server.run { request in
            guard token != nil || rule.admits(request.head.authority) else {
                return .text(.misdirectedRequest, "this page is called by its address, or localhost")
            }
            return await respond(to: request)
        }
    }

    private func respond(to request: Request) async -> Response {
        switch (request.uri.path, request.method) {
        case ("/", .get), ("/", .head): await page(for: request)
        case ("/events", .get): events(for: request)
        case ("/change", .post): await change(request)
        case ("/login", .post): await login(request)
        case ("/", _): .text(.methodNotAllowed, "GET and HEAD alone", headers: [.allow: "GET, HEAD"])
        case ("/change", _), ("/login", _):
            .text(.methodNotAllowed, "POST alone", headers: [.allow: "POST"])
        case ("/events", _): .text(.methodNotAllowed, "GET alone", headers: [.allow: "GET"])
        default: .text(.notFound, "there is one page, /")
        }
    }

    // MARK: The page

    private func page(for request: Request) async -> Response {
        let now = PageText.nowSeconds()
        let known = session(of: request)
        guard known != nil || token == nil else {
            return .page(PortalPage.login(isWrong: false), status: .forbidden)
        }
        let session = known ?? sessions.begin(at: now)
        let outcome =
            request.method == .get
            ? request.uri.queryParameters["note"].flatMap {
                state.notes.take(String($0), for: session, at: now)
            }
            : nil
        let page = await portalPage(for: session)
        return .page(page.document(outcome), cookie: known == nil ? session : nil)
    }

    private func portalPage(for session: String) async -> PortalPage {
        PortalPage(
            content: await source.content(), history: state.history, build: build,
            formToken: sessions.formToken(of: session))
    }

    /// The session whose cookie the browser has sent, if it is one of ours.
    private func session(of request: Request) -> String? {
        guard let cookie = PageSessions.cookie(in: request.headers[.cookie]),
            sessions.isValid(cookie, at: PageText.nowSeconds())
        else { return nil }
        return cookie
    }

    // MARK: Changes

    private func change(_ request: Request) async -> Response {
        guard let session = session(of: request) else {
            return .text(.forbidden, "this page is of another day: load it again")
        }
        guard Self.isOwn(request), let fields = await Self.fields(of: request),
            let formToken = fields["token"], sessions.isValid(formToken: formToken, of: session)
        else {
            return .text(.forbidden, "this form is not of a page that this portal has made: load it again")
        }
        let outcome: PageOutcome =
            if let action = PageAction(fields) {
                await source.perform(action)
            } else {
                .refused("Nothing was changed: the form was not filled in as it asks.")
            }
        let note = state.notes.keep(outcome, for: session, at: PageText.nowSeconds())
        return .redirect("/?note=\(note)")
    }

    private func login(_ request: Request) async -> Response {
        guard Self.isOwn(request), let fields = await Self.fields(of: request) else {
            return .text(.forbidden, "this form is not of this page: load it again")
        }
        guard let token, token.matches((fields["token"] ?? "").trimmingSpaces) else {
            return .page(PortalPage.login(isWrong: true), status: .forbidden)
        }
        return .redirect("/", cookie: sessions.begin(at: PageText.nowSeconds()))
    }

    /// Whether the browser says that a form stood on a page of this very server.
    ///
    /// Browsers send `Origin` with every form that is posted. Source: Fetch, section 3.2.
    private static func isOwn(_ request: Request) -> Bool {
        guard let authority = request.head.authority, let origin = request.headers[.origin] else {
            return false
        }
        return origin == "http://\(authority)" || origin == "https://\(authority)"
    }

    /// The fields of a form that comes whole in time.
    private static func fields(of request: Request) async -> FormFields? {
        let type = request.headers[.contentType]?.split(separator: ";").first.map(String.init)
        guard type?.trimmingSpaces.lowercased() == "application/x-www-form-urlencoded" else { return nil }
        return await withTaskGroup(of: FormFields?.self) { tasks in
            tasks.addTask {
                var request = request
                let bytes = try? await request.collectBody(upTo: FormFields.byteCountLimit)
                return bytes.flatMap { FormFields($0.readableBytesView) }
            }
            tasks.addTask {
                try? await Task.sleep(for: WatchServer.requestTime)
                return nil
            }
            defer { tasks.cancelAll() }
            return await tasks.next() ?? nil
        }
    }

    // MARK: Updates

    private func events(for request: Request) -> Response {
        guard let session = session(of: request) else { return .text(.forbidden, "load the page first") }
        guard let seat = state.follow(atMost: Self.followerLimit) else {
            return .text(.serviceUnavailable, "enough pages follow by themselves")
        }
        let headers: HTTPFields = [.contentType: "text/event-stream", .cacheControl: "no-store"]
        let body = ResponseBody { writer in
            // The seat is free again when the stream ends, however it does.
            defer { withExtendedLifetime(seat) {} }
            let updates = AsyncStream<ByteBuffer> { continuation in
                let watching = Task {
                    await watch(for: session) { continuation.yield($0) }; continuation.finish()
                }
                continuation.onTermination = { _ in watching.cancel() }
            }
            for await update in updates.cancelOnGracefulShutdown() { try await writer.write(update) }
            try await writer.finish(nil)
        }
        return Response(status: .ok, headers: headers, body: body)
    }

    /// Gives each new state of the page, until its time is over or the task is cancelled.
    private func watch(for session: String, _ send: (ByteBuffer) -> Void) async {
        let end = ContinuousClock.now + Self.followTime
        var (former, quietCount) = ("", 0)
        while !Task.isCancelled, ContinuousClock.now < end {
            let text = await portalPage(for: session).live.text
            quietCount = text == former ? quietCount + 1 : 0
            if text != former {
                send(Self.event("update", text))
            } else if quietCount % Self.quietLookCount == 0 {
                send(ByteBuffer(string: ":\n\n"))
            }
            former = text
            try? await Task.sleep(for: Self.lookInterval)
        }
    }

    /// Source: HTML, section 9.2.6.
    private static func event(_ name: String, _ text: String) -> ByteBuffer {
        let lines = text.split(whereSeparator: \.isNewline).map { "data: \($0)\n" }
        return ByteBuffer(string: "event: \(name)\n\(lines.joined())\n")
    }
}

/// What the page's server remembers.
private final class PageState: Sendable {
    /// A page that follows by itself.
    final class Seat: Sendable {
        private let state: PageState

        fileprivate init(_ state: PageState) { self.state = state }

        deinit { state.followers.withLock { $0 -= 1 } }
    }

    let notes = PageNotes()
    private let samples = Mutex(RateHistory())
    private let followers = Mutex(0)

    var history: RateHistory { samples.withLock(\.self) }

    func add(_ sample: RateSample) { samples.withLock { $0.add(sample) } }

    /// A seat for one more page, where fewer than so many have one.
    func follow(atMost limit: Int) -> Seat? {
        followers.withLock { count in
            guard count < limit else { return nil }
            count += 1
            return Seat(self)
        }
    }
}
