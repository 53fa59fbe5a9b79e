internal import Blinding
internal import LMDB
internal import Multiserver
internal import Sodium

extension Transaction {
    /// The friend with everything that is stored about it.
    borrowing func friend(_ key: PublicKey) throws(KeyringError) -> Friend? {
        guard let record = try record(FriendRecord.self, key) else { return nil }
        return try friend(key, record)
    }

    borrowing func friend(_ key: PublicKey, _ record: FriendRecord) throws(KeyringError) -> Friend {
        var reach = record.reach
        if reach != nil, let circle = try self.record(CircleRecord.self, key) {
            reach?.generation = circle.generation
            reach?.epoch = circle.epoch
        }
        let seen = try self.record(SeenRecord.self, key)
        return Friend(
            key: key, name: record.name, admission: record.admission, reach: reach, lastSeen: seen?.at,
            lastPlace: seen?.place)
    }

    borrowing func friends() throws(KeyringError) -> [Friend] {
        var friends: [Friend] = []
        try forEach(FriendRecord.self) { (key, record) throws(KeyringError) in
            friends.append(try friend(key, record))
            return .next
        }
        return friends
    }

    /// How many friends may reach the owner, with the invites that are announced.
    borrowing func entryCountWithoutGhosts() throws(KeyringError) -> Int {
        var count = 0
        try forEach(FriendRecord.self) { (_, friend) throws(KeyringError) in
            count += friend.admission == nil ? 0 : 1
            return .next
        }
        try forEach(StoredInvite.self) { (_, invite) throws(KeyringError) in
            count += invite.isEntry ? 1 : 0
            return .next
        }
        return count
    }

    /// Sees that every name, or id, is a friend's.
    borrowing func confirmFriends(named names: [String]) throws(KeyringError) {
        guard !names.isEmpty else { return }
        let known = Set(try friends().flatMap { [$0.name, $0.key.id] })
        if let name = names.first(where: { !known.contains($0) }) { throw .unknownName(name) }
    }
}

extension Transaction where Access == Writing {
    /// Stores a friend that is not there yet, under a name that nobody has.
    mutating func insert(_ record: FriendRecord, _ key: PublicKey) throws(KeyringError) {
        try put(NameRecord(key: key), Array(record.name.utf8))
        try put(record, key)
    }

    /// Gives a friend another name.
    mutating func rename(
        _ key: PublicKey, _ record: inout FriendRecord, to name: String
    ) throws(KeyringError) {
        guard name != record.name else { return }
        try checkFree(name)
        try drop(NameRecord.self, Array(record.name.utf8))
        record.name = name
        try insert(record, key)
    }

    /// Checks that a name is one, and nobody's.
    borrowing func checkFree(_ name: String) throws(KeyringError) {
        guard Petname.isValid(name) else { throw .badName(name) }
        guard try record(NameRecord.self, Array(name.utf8)) == nil else { throw .nameTaken(name) }
    }

    /// Removes everything that is stored about a friend but its tombstone.
    ///
    /// - Returns: whether a secret was among it.
    mutating func forget(
        _ key: PublicKey, _ record: FriendRecord, _ change: borrowing Change
    ) throws(KeyringError) -> Bool {
        try drop(FriendRecord.self, key)
        try drop(NameRecord.self, Array(record.name.utf8))
        try drop(SeenRecord.self, key)
        if record.admission != nil { try Ghost.add(1, &self, change) }
        let hadCircle = try drop(CircleRecord.self, key)
        let hadSeed = try drop(PendingRecord.self, key)
        return hadCircle || hadSeed
    }

    /// Closes an invite that is open.
    ///
    /// - Returns: whether it was.
    @discardableResult
    mutating func close(
        _ key: InviteKey, _ reason: Closing.Reason, now: UInt64
    ) throws(KeyringError) -> Bool {
        guard var invite = try record(StoredInvite.self, key.publicKey), invite.closing == nil else {
            return false
        }
        invite.closing = Closing(reason: reason, at: now)
        try put(invite, key.publicKey)
        return true
    }

    /// Closes every open invite that admitted somebody, or may have.
    ///
    /// - Returns: what became of each that still is remembered, the newest first.
    mutating func closeInvites(of uses: InviteUses, now: UInt64) throws(KeyringError) -> [InviteOfRemoved] {
        let unrecorded = uses.isComplete ? nil : try number(.unrecorded) ?? 0
        let friends = try friends()
        var found: [InviteOfRemoved] = []
        for (key, invite) in try records(StoredInvite.self) {
            let key = InviteKey(key)
            let isRecorded = uses.contains(key)
            // Of one that was closed before and may not even have been theirs there is nothing to say.
            let isSuspect = invite.closing == nil && unrecorded.map { invite.sequence <= $0 } == true
            guard isRecorded || isSuspect else { continue }
            try close(key, .revoked, now: now)
            found.append(
                InviteOfRemoved(
                    invite: invite.invite(key), isRecorded: isRecorded,
                    others: friends.filter { $0.admission?.uses.contains(key) == true }))
        }
        return found.sorted { $0.invite.sequence > $1.invite.sequence }
    }
}
