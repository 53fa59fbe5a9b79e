internal import LMDB
internal import TypedSodium

/// Part of the keyring that a log begins with: policy and denials in the first, then members and invites as they stand.
///
/// What a keyring has already stays as it is, so a part may come twice; an import that broke off is made again from the
/// beginning. Until the last part nothing but denials changes anything, on no machine.
///
/// | bytes | |
/// |---|---|
/// | 1 | 1 if it is the first |
/// | 1 | 1 if it is the last |
/// | 8 | the keyring's sequence number: the numbers in its records are below |
/// | 8 | up to which of them redemptions were not recorded with their invites |
/// | 2 | the audiences of those who announce and those who call |
/// | 2 | how many entries follow |
/// | rest | each: 1 denial, 2 member, 3 invite; the key, 32; the record's format, 1; its length, 2; its payload |
package struct PolicyImport: Hashable, Sendable {
    /// What a part has in entries at most, in bytes.
    static let entryByteCountLimit = 40_000

    enum Kind: UInt8 {
        case denial = 1
        case member, invite
    }

    struct Entry: Hashable, Sendable {
        let kind: Kind
        let key: PublicKey
        let format: UInt8
        let payload: [UInt8]

        init<Record: StoredRecord>(_ kind: Kind, _ key: PublicKey, _ record: Record) {
            self.kind = kind
            self.key = key
            format = Record.format
            payload = record.payload
        }

        var byteCount: Int { 36 + payload.count }

        init(_ reader: inout RecordReader) throws(RecordFault) {
            guard let kind = Kind(rawValue: try reader.byte()) else { throw RecordFault() }
            self.kind = kind
            key = try reader.key()
            format = try reader.byte()
            payload = try reader.fixed(Int(try reader.shortNumber()))
            do throws(KeyringError) {
                switch kind {
                case .denial: _ = try StoredDenial(version: format, payload: payload)
                case .member: _ = try StoredMember(version: format, payload: payload)
                case .invite: _ = try MemberInvite(version: format, payload: payload)
                }
            } catch {
                throw RecordFault()
            }
        }

        func write(to writer: inout RecordWriter) {
            writer.add(kind.rawValue)
            writer.add(key)
            writer.add(format)
            writer.add(UInt16(payload.count))
            writer.add(fixed: payload)
        }
    }

    private let isFirst: Bool
    private let isLast: Bool
    private let sequence: UInt64
    private let unrecorded: UInt64
    private let policy: AudiencePolicy
    private let entries: [Entry]

    /// The parts of a keyring, in order.
    ///
    /// - Throws: ``KeyringError/tooManyEntries(_:limit:)`` where a member came by more invites than fit into a part.
    static func parts<Access>(
        of transaction: borrowing KeyringTransaction<Access>
    ) throws(KeyringError) -> [PolicyImport] {
        var entries: [Entry] = []
        for (key, record) in try transaction.records(StoredDenial.self) {
            entries.append(Entry(.denial, key, record))
        }
        for (key, record) in try transaction.records(MemberInvite.self) {
            entries.append(Entry(.invite, key, record))
        }
        for (key, record) in try transaction.records(StoredMember.self) {
            let useCount = record.membership?.uses.list.count ?? 0
            guard useCount <= useLimit else { throw .tooManyEntries(useCount, limit: useLimit) }
            entries.append(Entry(.member, key, record))
        }
        var groups: [[Entry]] = [[]]
        var byteCount = 0
        for entry in entries {
            if byteCount + entry.byteCount > entryByteCountLimit {
                groups.append([])
                byteCount = 0
            }
            groups[groups.count - 1].append(entry)
            byteCount += entry.byteCount
        }
        let sequence = try transaction.number(.sequence) ?? 0
        let unrecorded = try InviteTable<MemberInviteKind>.unrecorded(transaction)
        let policy = try Membership.policy(transaction)
        let last = groups.count - 1
        return groups.enumerated().map { index, entries in
            PolicyImport(
                isFirst: index == 0, isLast: index == last, sequence: sequence, unrecorded: unrecorded,
                policy: policy, entries: entries)
        }
    }

    /// As many uses of one member fit into a part.
    private static let useLimit = 900

    private init(
        isFirst: Bool, isLast: Bool, sequence: UInt64, unrecorded: UInt64, policy: AudiencePolicy,
        entries: [Entry]
    ) {
        self.isFirst = isFirst
        self.isLast = isLast
        self.sequence = sequence
        self.unrecorded = unrecorded
        self.policy = policy
        self.entries = entries
    }

    /// Puts what is not there yet into a keyring.
    func apply(_ transaction: inout KeyringWriting, _ change: inout Change) throws(KeyringError) {
        change.goOn(after: sequence)
        if isFirst {
            try transaction.set(.unrecordedMembers, to: unrecorded)
            try transaction.put(StoredPolicy(policy), StoredPolicy.key)
        }
        for entry in entries {
            switch entry.kind {
            case .denial: try put(entry, StoredDenial.self, &transaction)
            case .member: try put(entry, StoredMember.self, &transaction)
            case .invite: try put(entry, MemberInvite.self, &transaction)
            }
        }
        if isLast {
            try transaction.clear(.importing)
            try transaction.clear(.importer)
            // Who was denied in the midst of it may have been no member yet on the machines that had it to come.
            for (key, denial) in try transaction.records(StoredDenial.self) {
                guard let uses = try transaction.record(StoredMember.self, key)?.membership?.uses else {
                    continue
                }
                _ = try InviteTable<MemberInviteKind>.close(
                    whatAdmitted: uses, &transaction, now: denial.since)
            }
        } else {
            try transaction.set(.importing, to: 1)
        }
        change.mark()
    }

    private func put<Record: StoredRecord>(
        _ entry: Entry, _ type: Record.Type, _ transaction: inout KeyringWriting
    ) throws(KeyringError) {
        guard try transaction.record(type, entry.key) == nil else { return }
        try transaction.put(Record(version: entry.format, payload: entry.payload), entry.key)
    }
}

extension PolicyImport: StoredField {
    init(_ reader: inout RecordReader) throws(RecordFault) {
        isFirst = try reader.flag()
        isLast = try reader.flag()
        sequence = try reader.number()
        unrecorded = try reader.number()
        policy = try StoredPolicy(&reader).policy
        var entries: [Entry] = []
        for _ in 0..<(try reader.shortNumber()) { entries.append(try Entry(&reader)) }
        self.entries = entries
    }

    func write(to writer: inout RecordWriter) {
        writer.add(isFirst)
        writer.add(isLast)
        writer.add(sequence)
        writer.add(unrecorded)
        StoredPolicy(policy).write(to: &writer)
        writer.add(UInt16(entries.count))
        for entry in entries { entry.write(to: &writer) }
    }
}
