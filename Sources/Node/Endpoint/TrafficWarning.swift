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

    /// Asks until the task is cancelled; says each state once.
    func run(over link: NodeLink) async {
        var said: Logger.Message?
        while !Task.isCancelled {
            if let traffic = await MemberTraffic.ask(over: link) {
                let words = Self.words(traffic)
                if let words, words != said { say(words, traffic) }
                said = words
            }
            try? await Task.sleep(for: Self.interval)
        }
    }

    private static func words(_ traffic: MemberTraffic) -> Logger.Message? {
        if traffic.isUsedUp {
            "this node's volume at the portal is used up: nobody reaches it there before the next month"
        } else if traffic.isNearlyUsedUp {
            "little is left of this node's volume at the portal"
        } else {
            nil
        }
    }

    private func say(_ words: Logger.Message, _ traffic: MemberTraffic) {
        logger.warning(
            words,
            metadata: [
                "traffic": "\(traffic.words)",
                "remedy": "ask the portal's operator for more, or announce at another portal too",
            ])
        watch.failed("\(words) (\(traffic.words))", at: place)
    }
}
