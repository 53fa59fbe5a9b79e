internal import TypedSodium

/// What the other machines of a portal have to be told of its directory, and what they have said of theirs.
///
/// A key is announced once for all its connections: what counts is the latest announcement, and when that ends what is
/// left of the others.
///
/// ### Invariants
/// - A key is told exactly as long as some connection announces it.
/// - The number is that of the changes that were ever made.
struct NeighbourLedger: Sendable {
    /// Something that the others have to be told.
    enum Change: Equatable, Sendable {
        case announced(PublicKey, NeighbourManner)
        case left(PublicKey)
    }

    private struct Told: Sendable {
        let connection: ConnectionID
        let manner: NeighbourManner
        /// The change by which it was told.
        let number: UInt64
    }

    private var told: [PublicKey: Told] = [:]
    /// The connections on which each key is announced by tokens, the newest last.
    private var hidden: [PublicKey: [ConnectionID]] = [:]
    private var hiddenKeys: [ConnectionID: PublicKey] = [:]
    /// Keys announced by tokens here for which another machine has a better claim.
    private var silenced: Set<PublicKey> = []
    /// The ids that all machines list, as far as that was told.
    private var listed: Set<PublicKey> = []
    private var number: UInt64 = 0
    private var changes: [Change] = []

    /// Whether the machines have more ids than lists can show.
    var isTooLong = false

    init() {}

    // MARK: What is announced here

    /// A connection announces a key openly.
    mutating func announced(
        _ key: PublicKey, on connection: ConnectionID, _ manner: PortalDirectory.Manner
    ) {
        tell(key, on: connection, manner == .explicit ? .explicit : .subscription)
    }

    /// A connection announces a key by tokens, perhaps by others than before.
    mutating func hid(_ key: PublicKey, on connection: ConnectionID) {
        if hiddenKeys.updateValue(key, forKey: connection) == nil {
            hidden[key, default: []].append(connection)
        }
        tell(key, on: connection, .hidden)
    }

    /// A connection has no tokens any more.
    mutating func unhid(_ connection: ConnectionID) -> PublicKey? {
        guard let key = hiddenKeys.removeValue(forKey: connection) else { return nil }
        hidden[key]?.removeAll { $0 == connection }
        if hidden[key]?.isEmpty ?? false { hidden[key] = nil }
        return key
    }

    /// A connection announces a key no more; what is left in the open is given.
    mutating func gone(
        _ key: PublicKey, from connection: ConnectionID,
        leaving open: (connection: ConnectionID, manner: PortalDirectory.Manner)?
    ) {
        guard told[key]?.connection == connection else { return }
        if let open, open.connection != connection {
            announced(key, on: open.connection, open.manner)
        } else if let other = hidden[key]?.last {
            tell(key, on: other, .hidden)
        } else {
            told[key] = nil
            silenced.remove(key)
            note(.left(key))
        }
    }

    private mutating func tell(_ key: PublicKey, on connection: ConnectionID, _ manner: NeighbourManner) {
        if let told = told[key], told.connection == connection, told.manner == manner { return }
        note(.announced(key, manner))
        told[key] = Told(connection: connection, manner: manner, number: number)
        silenced.remove(key)
    }

    private mutating func note(_ change: Change) {
        number += 1
        changes.append(change)
    }

    /// What is to be told, in order, once.
    mutating func takeChanges() -> [Change] {
        defer { changes.removeAll() }
        return changes
    }

    // MARK: What is announced elsewhere

    /// Whether nothing of a key was told behind this change: an order that came with it is not outdated.
    func isUnchanged(_ key: PublicKey, since number: UInt64) -> Bool {
        told[key].map { $0.number <= number } ?? false
    }

    /// The connections on which a key is announced by tokens.
    func hiddenConnections(of key: PublicKey) -> [ConnectionID] { hidden[key] ?? [] }

    /// The key's tokens are answered for no more, or again.
    mutating func silence(_ key: PublicKey, _ isSilent: Bool) {
        if isSilent, hidden[key] != nil { silenced.insert(key) } else { silenced.remove(key) }
    }

    /// Whether the tokens of a connection are not answered for.
    func isSilenced(_ connection: ConnectionID) -> Bool {
        guard !silenced.isEmpty, let key = hiddenKeys[connection] else { return false }
        return silenced.contains(key)
    }

    // MARK: Lists

    /// Whether the machines list an id, as far as is known here.
    func lists(_ key: PublicKey) -> Bool { listed.contains(key) }

    /// The machines list an id, or do so no more.
    mutating func list(_ key: PublicKey, _ isListed: Bool) {
        if isListed { listed.insert(key) } else { listed.remove(key) }
    }
}
