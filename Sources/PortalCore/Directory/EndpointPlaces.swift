internal import Account

/// The places for tunnels at one endpoint, and who has taken them.
///
/// A token has 64, whoever calls it; a source that calls by id as many while half of all are free, and then an equal
/// share.
struct EndpointPlaces {
    /// What became of a wish for a place.
    enum Outcome: Equatable {
        /// It is taken.
        case taken
        /// There is none for this causer.
        case busy
        /// There is one when the newest tunnel of this causer gives way.
        case instead(PortalAccounts.Causer)
    }

    /// What one token, or one source, may have.
    static let causerLimit = 64

    private struct Taken {
        let account: Account
        var count = 0
    }

    private let limit: Int
    private let strangerLimit: Int
    private let pool: Account
    private let members: Account
    private let strangers: Account
    private var taken: [PortalAccounts.Causer: Taken] = [:]

    init(limit: Int, causerLimit: Int = Self.causerLimit) {
        self.limit = limit
        strangerLimit = causerLimit
        pool = .places(limit: limit)
        members = pool.open(keepsReserve: true)
        strangers = pool.open(keepsReserve: true)
    }

    /// Takes a place for a tunnel that `causer` asks for.
    mutating func take(for causer: PortalAccounts.Causer) -> Outcome {
        let own = taken[causer] ?? Taken(account: open(for: causer))
        guard own.count < share(of: causer) else { return .busy }
        guard own.account.take(1) else { return instead(of: own.account) }
        taken[causer] = Taken(account: own.account, count: own.count + 1)
        return .taken
    }

    /// A tunnel is gone.
    mutating func release(for causer: PortalAccounts.Causer) {
        guard let own = taken[causer] else { return }
        own.account.release(1)
        taken[causer] = own.count > 1 ? Taken(account: own.account, count: own.count - 1) : nil
    }

    private func open(for causer: PortalAccounts.Causer) -> Account {
        switch causer {
        case .member: members.open()
        case .token, .source: strangers.open(limit: strangerLimit)
        }
    }

    /// How many places a causer may have, as far as that does not follow from the accounts.
    private func share(of causer: PortalAccounts.Causer) -> Int {
        guard case .source = causer, 2 * pool.heldCount >= limit else { return limit }
        return max(1, limit / (taken.count + 1))
    }

    private func instead(of account: Account) -> Outcome {
        guard let largest = account.contention(for: 1)?.largestLeafID,
            let (causer, other) = taken.first(where: { $0.value.account.id == largest }),
            account.outweighs(other.account)
        else { return .busy }
        return .instead(causer)
    }
}
