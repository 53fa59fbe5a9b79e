internal import Blinding
internal import LMDB
internal import Multiserver
internal import TypedSodium

/// The friends within a transaction: what is stored about each, under its key, and under its name.
enum FriendTable {
    /// Refuses keys with which nothing can be agreed on, before they become a friend's.
    static func checkUsable(_ key: PublicKey, owner: EndpointKey) throws(KeyringError) {
        guard key != owner.publicKey else { throw .ownKey }
        do throws(SodiumError) { _ = try key.agreementKey() } catch { throw .unusableKey }
    }

    // MARK: Looking

    /// The friend with everything that is stored about it.
    static func friend<Access>(
        _ key: PublicKey, _ transaction: borrowing KeyringTransaction<Access>
    ) throws(KeyringError) -> Friend? {
        guard let record = try transaction.record(FriendRecord.self, key) else { return nil }
        return try friend(key, record, transaction)
    }

    static func friend<Access>(
        _ key: PublicKey, _ record: FriendRecord, _ transaction: borrowing KeyringTransaction<Access>
    ) throws(KeyringError) -> Friend {
        var reach = record.reach
        if reach != nil, let circle = try transaction.record(CircleRecord.self, key) {
            reach?.generation = circle.generation
            reach?.epoch = circle.epoch
        }
        let seen = try transaction.record(SeenRecord.self, key)
        return Friend(
            key: key, name: record.name, admission: record.admission, reach: reach, lastSeen: seen?.at,
            lastPlace: seen?.place)
    }

    static func friends<Access>(
        _ transaction: borrowing KeyringTransaction<Access>
    ) throws(KeyringError) -> [Friend] {
        var friends: [Friend] = []
        try transaction.forEach(FriendRecord.self) { (key, record) throws(KeyringError) in
            friends.append(try friend(key, record, transaction))
            return .next
        }
        return friends
    }

    /// Checks that every name, or id, is a friend's.
    static func confirm<Access>(
        named names: [String], _ transaction: borrowing KeyringTransaction<Access>
    ) throws(KeyringError) {
        guard !names.isEmpty else { return }
        let known = Set(try friends(transaction).flatMap { [$0.name, $0.key.id] })
        if let name = names.first(where: { !known.contains($0) }) { throw .unknownName(name) }
    }

    // MARK: Changing

    /// Stores a friend that is not there yet, under a name that nobody has.
    static func insert(
        _ record: FriendRecord, _ key: PublicKey, _ transaction: inout KeyringWriting
    ) throws(KeyringError) {
        try transaction.put(NameRecord(key: key), Array(record.name.utf8))
        try transaction.put(record, key)
    }

    /// The record of a friend, stored under its name; made where there is none.
    static func obtain(
        _ key: PublicKey, name: String?, _ transaction: inout KeyringWriting
    ) throws(KeyringError) -> FriendRecord {
        if var record = try transaction.record(FriendRecord.self, key) {
            if let name { try rename(key, &record, to: name, &transaction) }
            return record
        }
        let chosen: String
        if let name {
            try checkFree(name, transaction)
            chosen = name
        } else {
            chosen = try Petname.free(Petname.fallback(key), transaction)
        }
        let record = FriendRecord(name: chosen)
        try insert(record, key, &transaction)
        return record
    }

    /// Gives a friend another name.
    static func rename(
        _ key: PublicKey, _ record: inout FriendRecord, to name: String, _ transaction: inout KeyringWriting
    ) throws(KeyringError) {
        guard name != record.name else { return }
        try checkFree(name, transaction)
        try transaction.drop(NameRecord.self, Array(record.name.utf8))
        record.name = name
        try insert(record, key, &transaction)
    }

    /// Checks that a name is one, and nobody's.
    static func checkFree(
        _ name: String, _ transaction: borrowing KeyringWriting
    ) throws(KeyringError) {
        guard Petname.isValid(name) else { throw .badName(name) }
        guard try transaction.record(NameRecord.self, Array(name.utf8)) == nil else { throw .nameTaken(name) }
    }

    /// Removes everything that is stored about a friend but its tombstone.
    ///
    /// - Returns: whether a secret was among it.
    static func forget(
        _ key: PublicKey, _ record: FriendRecord, _ transaction: inout KeyringWriting,
        _ change: borrowing Change
    ) throws(KeyringError) -> Bool {
        try transaction.drop(FriendRecord.self, key)
        try transaction.drop(NameRecord.self, Array(record.name.utf8))
        try transaction.drop(SeenRecord.self, key)
        if record.admission != nil { try Ghost.add(1, &transaction, change) }
        let hadCircle = try transaction.drop(CircleRecord.self, key)
        let hadSeed = try transaction.drop(PendingRecord.self, key)
        return hadCircle || hadSeed
    }
}
