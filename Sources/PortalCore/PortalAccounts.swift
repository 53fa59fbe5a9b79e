internal import Account
internal import Blinding
internal import Synchronization
internal import TypedSodium

/// Who pays at a portal for the memory that peers make it hold.
///
/// Pool ← members ← key ← connection, or pool ← strangers ← token or source ← connection, or pool ← links ← link; below a
/// connection stands what it has caused: tunnels, answers that it does not read, partial packets, announced tokens. The
/// accounts of keys, tokens and sources are opened here, so that one causer has one, on however many connections.
///
/// An account lasts as long as somebody holds it, or something charged to it.
final class PortalAccounts: Sendable {
    /// To whom something is charged.
    enum Causer: Hashable {
        /// A member, by its key.
        case member(PublicKey)
        /// All that know a token and are no members: an endpoint's friend, or the holders of one invite.
        case token(FixedBytes<32>)
        /// A stranger that has shown nothing else.
        case source(String)

        /// To whom a tunnel is charged.
        init(
            of caller: PublicKey, standing: PortalPolicy.Standing, calling target: ConnectTarget,
            from source: String
        ) {
            switch (standing, target) {
            case (.member, _): self = .member(caller)
            case (_, .token(let token)): self = .token(token.bytes)
            default: self = .source(source)
            }
        }
    }

    private struct Holder: Hashable {
        var causer: Causer
        var connection: ConnectionID?
    }

    private struct Entry {
        weak var account: Account?
    }

    private struct Entries {
        var byHolder: [Holder: Entry] = [:]
        var sweepCount = 64
    }

    /// How many calls may wait for other machines at once.
    static let lookUpLimit = 4096

    /// Everything.
    let pool: Account
    /// The members together.
    let members: Account
    /// The strangers together: never more than half, so that members always have as much.
    let strangers: Account

    /// The links to other machines together: one beside members and strangers, however many there are.
    let links: Account

    /// Places for calls that wait for other machines, and the part of them that strangers may have.
    private let lookUps = Account.places(limit: lookUpLimit)
    private let memberLookUps: Account
    private let strangerLookUps: Account
    private let strangerByteCount: Int
    private let entries = Mutex(Entries())

    /// Accounts of that many bytes; one stranger may have a quarter of them.
    init(byteCount: Int) {
        pool = .bytes(limit: byteCount, shareSteps: true)
        members = pool.open(keepsReserve: true)
        strangers = pool.open(limit: byteCount / 2, keepsReserve: true)
        links = pool.open()
        memberLookUps = lookUps.open()
        strangerLookUps = lookUps.open(limit: Self.lookUpLimit / 2)
        strangerByteCount = byteCount / 4
    }

    /// The account of a causer, over all its connections.
    func account(of causer: Causer) -> Account {
        account(Holder(causer: causer)) {
            switch causer {
            case .member: members.open(keepsReserve: true)
            case .token, .source: strangers.open(limit: strangerByteCount, keepsReserve: true)
            }
        }
    }

    /// A place among the calls that wait for other machines, if there is one; strangers have half of them at most.
    func placeForLookUp(ofMember isMember: Bool) -> Charge? {
        (isMember ? memberLookUps : strangerLookUps).charge(1)
    }

    /// A connection's own account below one of its causers'.
    ///
    /// A connection that calls several tokens has one below each of them.
    func account(of causer: Causer, on connection: ConnectionID) -> Account {
        let above = account(of: causer)
        return account(Holder(causer: causer, connection: connection)) { above.open() }
    }

    /// The account of a connection for what it causes itself; its standing shows when the handshake is over.
    func account(
        of peer: PublicKey?, standing: PortalPolicy.Standing, from source: String,
        on connection: ConnectionID
    ) -> Account {
        guard let peer, standing == .member else { return account(of: .source(source), on: connection) }
        return account(of: .member(peer), on: connection)
    }

    private func account(_ holder: Holder, open: () -> Account) -> Account {
        entries.withLock { entries in
            if let account = entries.byHolder[holder]?.account { return account }
            if entries.byHolder.count >= entries.sweepCount {
                entries.byHolder = entries.byHolder.filter { $0.value.account != nil }
                entries.sweepCount = max(64, 2 * entries.byHolder.count)
            }
            let account = open()
            entries.byHolder[holder] = Entry(account: account)
            return account
        }
    }
}
