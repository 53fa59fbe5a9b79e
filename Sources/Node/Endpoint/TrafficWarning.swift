internal import Logging
internal import Transport

/// Says in an endpoint's log when little is left of what it may have at a portal, and when nothing is: whom the portal
/// refuses then never gets as far as the endpoint.
struct TrafficWarning: Sendable {
    /// How often the portal is asked.
    private static let interval = Duration.seconds(60)

    let place: EndpointView.Place
    let watch: NodeWatch
    let logger: Logger

    private enum Level {
        case enough, little, nothing

        init(_ traffic: MemberTraffic) {
            self = traffic.isUsedUp ? .nothing : traffic.isNearlyUsedUp ? .little : .enough
        }
    }

    /// Asks until the task is cancelled; says each state once.
    func run(over link: NodeLink) async {
        var said = Level.enough
        while !Task.isCancelled {
            if let traffic = await MemberTraffic.ask(over: link) {
                let level = Level(traffic)
                if level != said { say(level, traffic) }
                said = level
            }
            try? await Task.sleep(for: Self.interval)
        }
    }

    private func say(_ level: Level, _ traffic: MemberTraffic) {
        let metadata: Logger.Metadata = [
            "traffic": "\(traffic.words)",
            "remedy": "ask the portal's operator for more, or announce at another portal too",
        ]
        switch level {
        case .enough: break
        case .little: logger.warning("little is left of this node's volume at the portal", metadata: metadata)
        case .nothing:
            logger.warning(
                "this node's volume at the portal is used up: nobody reaches it there before the next month",
                metadata: metadata)
            watch.failed("this node's volume there is used up (\(traffic.words))", at: place)
        }
    }
}
