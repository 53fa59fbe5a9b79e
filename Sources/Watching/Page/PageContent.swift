/// What the operator's page shows of a portal.
package struct PageContent: Equatable, Sendable {
    /// Somebody who may announce and call.
    package struct Member: Equatable, Sendable {
        /// The key that it shows to this portal.
        package let id: String
        /// Whom the operator takes it for.
        package let label: String
        /// Since when, in Unix seconds.
        package let since: UInt64
        /// Whether it is served in nothing.
        package let isDenied: Bool
        /// What went through tunnels that it pays for in this month, in bytes.
        package var monthByteCount = 0
        /// Whether that is all it may have.
        package var isUsedUp = false

        /// Puts the parts together.
        package init(id: String, label: String, since: UInt64, isDenied: Bool) {
            (self.id, self.label, self.since, self.isDenied) = (id, label, since, isDenied)
        }
    }

    /// An invite, open or closed within the last 30 days.
    package struct Invite: Equatable, Sendable {
        /// Its public half.
        package let id: String
        /// Whom it is for.
        package let label: String
        /// How many still may come by it, and how many might at first.
        package let usesLeft, uses: Int
        /// When it ends, in Unix seconds; `nil` for never.
        package let expiry: UInt64?
        /// Why it admits nobody any more; `nil` while it is open.
        package let closing: String?

        /// Puts the parts together.
        package init(id: String, label: String, usesLeft: Int, uses: Int, expiry: UInt64?, closing: String?) {
            (self.id, self.label, self.usesLeft, self.uses) = (id, label, usesLeft, uses)
            (self.expiry, self.closing) = (expiry, closing)
        }
    }

    /// Somebody who is served in nothing.
    package struct Denial: Equatable, Sendable {
        /// Who it is.
        package let id: String
        /// Since when, in Unix seconds.
        package let since: UInt64

        /// Puts the two together.
        package init(id: String, since: UInt64) { (self.id, self.since) = (id, since) }
    }

    /// A limit, or another reason for a refusal, and how often it was met.
    package struct Refusal: Equatable, Sendable {
        /// In words.
        package let reason: String
        /// How often since the portal began.
        package let count: Int

        /// Puts the two together.
        package init(_ reason: String, _ count: Int) { (self.reason, self.count) = (reason, count) }
    }

    /// How it is called where others dial it.
    package var addresses: [String] = []
    /// Whether it accepts connections.
    package var isListening = false
    /// Who may announce and call, in words.
    package var policy = ""
    /// Connections, and as many as there may be.
    package var (connectionCount, connectionLimit) = (0, 0)
    /// Tunnels.
    package var tunnelCount = 0
    /// What is held for peers, and as much as may be, in bytes.
    package var (heldByteCount, heldByteLimit) = (0, 0)
    /// Memory of the process that is resident, in bytes, and files and sockets that are open.
    package var (residentByteCount, descriptorCount) = (0, 0)
    /// What was relayed since the portal began, in bytes.
    package var relayedByteCount = 0
    /// The ids of open endpoints, as many as are shown.
    package var endpoints: [String] = []
    /// How many open endpoints there are.
    package var endpointCount = 0
    /// How many hidden endpoints there are, rounded up to 16: who is hidden is counted in crowds alone.
    package var hiddenEndpointCount = 0
    /// What was refused since the portal began, and why.
    package var refusals: [Refusal] = []
    /// By label.
    package var members: [Member] = []
    /// The newest first.
    package var invites: [Invite] = []
    /// Those who are served in nothing.
    package var denials: [Denial] = []
    /// Why lists are missing, where they could not be read.
    package var trouble: String?

    /// How many rows a list shows at most; the command line has the others.
    package static let rowLimit = 500

    /// Of a portal that has not begun.
    package init() {}
}

/// What an operator can have done by the page.
package enum PageAction: Equatable, Sendable {
    /// Makes an invite for so many, which ends after so many days, or never for `nil`.
    case invite(label: String, uses: Int, days: Int?)
    /// Takes an invite back.
    case revoke(String)
    /// Serves a key in nothing any more.
    case deny(String)
    /// Serves it again.
    case allow(String)
    /// Ends a membership.
    case remove(String)
}

extension PageAction {
    /// What a form asks for; `nil` where a field is missing or wrong.
    package init?(_ fields: FormFields) {
        let id = fields["id"].flatMap { $0.isEmpty ? nil : $0 }
        switch (fields["action"], id) {
        case ("invite", _):
            guard let uses = fields["uses"].flatMap(Int.init), let days = fields["days"].flatMap(Int.init),
                (1...1_000).contains(uses), (0...3_650).contains(days)
            else { return nil }
            self = .invite(
                label: (fields["label"] ?? "").trimmingSpaces, uses: uses, days: days == 0 ? nil : days)
        case ("revoke", let id?): self = .revoke(id)
        case ("deny", let id?): self = .deny(id)
        case ("allow", let id?): self = .allow(id)
        case ("remove", let id?): self = .remove(id)
        default: return nil
        }
    }
}

/// What came of it, for the operator.
package enum PageOutcome: Equatable, Sendable {
    /// It is done.
    case done(String)
    /// There is a code, to be shown once.
    case code(String, String)
    /// It was not done, for a reason.
    case refused(String)
}

/// Where the page has its content from, and who does what it is asked for.
package struct PageSource: Sendable {
    /// The content of this moment.
    package let content: @Sendable () async -> PageContent
    /// What is plotted, read often: it has to be cheap.
    package let sample: @Sendable () -> RateSample
    /// Does it, and writes it into the log.
    package let perform: @Sendable (PageAction) async -> PageOutcome

    /// Puts the three together.
    package init(
        content: @escaping @Sendable () async -> PageContent, sample: @escaping @Sendable () -> RateSample,
        perform: @escaping @Sendable (PageAction) async -> PageOutcome
    ) {
        (self.content, self.sample, self.perform) = (content, sample, perform)
    }
}
