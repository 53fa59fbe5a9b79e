internal import LMDB
internal import TypedSodium

/// Brings the records of a keyring of an earlier version up to date.
///
/// | version | what is new                                                                            |
/// |---------|----------------------------------------------------------------------------------------|
/// | 1       |                                                                                        |
/// | 2       | every redemption is recorded with its invite; portals have a place for the key that is |
/// |         | shown there; ghosts are sealed; members who were removed leave a tombstone             |
/// | 3       | portals have several hosts, and may be only dialled; where a friend was last reached   |
///
/// Records of an earlier format are read as what they mean today, so that a keyring that is only read needs none of
/// this. All of it is one transaction: whoever is killed in it leaves the keyring as it was.
enum Migration {
    /// Writes every record in today's format, and seals what was not; what is so already stays.
    static func run(
        _ transaction: inout KeyringWriting, _ change: borrowing Change, from version: UInt32
    ) throws(KeyringError) {
        if version < 2 {
            // Any invite that there is may have admitted any friend.
            try transaction.set(.unrecorded, to: try transaction.number(.sequence) ?? 0)
        }
        try rewrite(FriendRecord.self, &transaction)
        try rewrite(PortalRecord.self, &transaction)
        try rewrite(SeenRecord.self, &transaction)
        try rewrite(PendingRecord.self, &transaction)
        try rewrite(StoredMember.self, &transaction)
        try rewrite(MemberInvite.self, &transaction)
        try Ghost.sealAll(&transaction, change)
        do throws(LMDBError) {
            try transaction.raw.write(KeyringStore.schema)
        } catch {
            throw KeyringError(error)
        }
    }

    private static func rewrite<Record: StoredRecord>(
        _ type: Record.Type, _ transaction: inout KeyringWriting
    ) throws(KeyringError) {
        for (key, record) in try transaction.records(type) { try transaction.put(record, key) }
    }
}
