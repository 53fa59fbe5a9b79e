/// A daemon as those see it who watch it: what it is given to show.
package struct Watched: Sendable {
    /// What there is to be said of the program.
    package struct Build: Sendable {
        /// The version, the commit and the cipher, as `cway --version` has them.
        package let version, commit, cipher: String

        /// Puts the three together.
        package init(version: String, commit: String?, cipher: String) {
            (self.version, self.commit, self.cipher) = (version, commit ?? "unknown", cipher)
        }
    }

    /// Which program it is.
    package var build: Build
    /// Whether it does what it is there for: a portal listens, a node is announced somewhere.
    package var isReady: @Sendable () -> Bool
    /// Its own numbers, as exactly as is wanted.
    package var families: @Sendable (Blur) -> [MetricFamily]

    /// Puts the parts together.
    package init(
        build: Build, isReady: @escaping @Sendable () -> Bool,
        families: @escaping @Sendable (Blur) -> [MetricFamily]
    ) {
        (self.build, self.isReady, self.families) = (build, isReady, families)
    }

    /// Everything at this moment.
    package func families(_ blur: Blur, delays: LoopDelays?) async -> [MetricFamily] {
        var all: [MetricFamily] = [
            .facts(
                "cway_build", "Which program this is.",
                [("version", build.version), ("commit", build.commit), ("cipher", build.cipher)]),
            .gauge(
                "cway_ready", "Whether it listens, or is announced somewhere, as /readyz says.",
                isReady() ? 1 : 0),
        ]
        all += families(blur)
        if let delays {
            all += [
                .gauge("cway_event_loops", "How many event loops there are.", Double(delays.loopCount)),
                .histogram(
                    "cway_event_loop_delay_seconds", "How late timers come on the event loops.",
                    await delays.buckets()),
            ]
        }
        return all + ProcessNumbers.current().families
    }
}
