internal import Multiserver

/// What the doctor found at one hop.
package struct Finding: Equatable, Sendable {
    /// How bad it is.
    package enum Verdict: String, Sendable {
        /// As it should be.
        case good
        /// It works, and something is odd.
        case odd
        /// It does not work.
        case bad
    }

    /// What was looked at: `keyring`, `portal HOST:PORT`, `friend NAME at HOST:PORT`.
    package let hop: String
    /// How bad it is.
    package let verdict: Verdict
    /// What was found.
    package let words: String
    /// What to do about it; `nil` where there is nothing to be done.
    package let remedy: String?

    package init(_ hop: String, _ verdict: Verdict, _ words: String, remedy: String? = nil) {
        self.hop = hop
        self.verdict = verdict
        self.words = words
        self.remedy = remedy
    }

    /// The same where something else does what this should.
    var notBad: Finding { verdict == .bad ? Finding(hop, .odd, words, remedy: remedy) : self }

    /// A hop that does not work, for the reason in the sentence of an error.
    ///
    /// The sentences of this program's errors name the cause and, behind a colon, the remedy. It is the last colon that
    /// parts them: before it there may be a path or the words of a peer, with colons of their own.
    package init(_ hop: String, failure sentence: String) {
        guard let colon = sentence.ranges(of: ": ").last else {
            self.init(hop, .bad, sentence)
            return
        }
        self.init(
            hop, .bad, String(sentence[..<colon.lowerBound]), remedy: String(sentence[colon.upperBound...]))
    }

    /// What a member may have and has had at a portal.
    init(_ hop: String, _ traffic: MemberTraffic) {
        let isBad = traffic.isUsedUp
        self.init(
            hop, isBad ? .bad : traffic.isNearlyUsedUp ? .odd : .good,
            "volume of this node there: \(traffic.words)",
            remedy: traffic.isNearlyUsedUp || isBad
                ? "ask the portal's operator for more, or use another portal" : nil)
    }

    /// A hop at which dialling came to nothing.
    package init(_ hop: String, _ failure: HopFailure) {
        switch failure {
        case .connectionLost(let reason):
            self.init(hop, .bad, reason, remedy: "run `cway doctor` again")
        case .outerHandshakeRefused(let address, answered: false):
            // It was tried for some seconds; what cannot be told from a limit is not called bad.
            self.init(
                hop, .odd, "\(address.hostAndPort) ended the handshake at once, which may be a limit",
                remedy: "look whether it is a portal, and on the same network (see --network), or try again")
        case .busy, .endedEarly:
            let bad = Finding(hop, failure: "\(failure)")
            self.init(hop, .odd, bad.words, remedy: bad.remedy)
        default:
            self.init(hop, failure: "\(failure)")
        }
    }
}
