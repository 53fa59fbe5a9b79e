import Keyring
import LMDB
import Testing

/// The number of entries that is written down, so that nobody has to count them.
@Suite("The number of entries")
struct EntryCountTests {
    private static let name = Array("entries".utf8)

    private let tested: TestedKeyring

    init() throws {
        tested = try TestedKeyring()
        try tested.open().invite(100, InviteDraft(label: "anna", uses: 100))
    }

    /// The number, straight from its table.
    private var written: [UInt8]? {
        get throws {
            try tested.openStore().read { (transaction) throws(LMDBError) in
                try transaction.value(for: Self.name, in: Table("state"))?.payload
            }
        }
    }

    private func write(_ number: UInt64?) throws {
        try tested.openStore().write { (transaction) throws(LMDBError) in
            guard let number else {
                _ = try transaction.remove(Self.name, from: Table("state"))
                return
            }
            let payload = (0..<8).map { UInt8(truncatingIfNeeded: number >> (56 - 8 * $0)) }
            try transaction.put(
                CheckedValue(version: 1, payload: payload), for: Self.name, in: Table("state"))
        }
    }

    /// Admits so many by the invite, which is an entry itself.
    private func redeem(_ numbers: Range<Int>) throws {
        let keyring = try tested.open()
        for number in numbers {
            #expect(try keyring.invites.redeem(100, by: number) == .admitted(isFresh: true))
        }
    }

    @Test("is 16 more with every step, and what a check counts")
    func steps() throws {
        for (numbers, count) in [(2..<17, 16), (17..<33, 32), (33..<34, 48)] {
            try redeem(numbers)
            #expect(try written == [0, 0, 0, 0, 0, 0, 0, UInt8(count)])
            #expect(try tested.check().entryCount == count)
        }
    }

    @Test("takes its steps without a look at everybody, whose number is no limit")
    func looksAtNobody() throws {
        try tested.openStore().write { (transaction) throws(LMDBError) in
            // Who looks at this one says that it is damaged.
            try transaction.put(
                CheckedValue(version: 255, payload: []), for: [UInt8](repeating: 9, count: 32),
                in: Table("friends"))
        }
        try redeem(2..<60)
        #expect(throws: KeyringError.self) { try tested.open().friends.all() }
    }

    @Test("is counted where it is missing, and written down")
    func missing() throws {
        try redeem(2..<10)
        try write(nil)
        #expect(try tested.check().entryCount == 16)
        try redeem(10..<17)
        #expect(try written == nil)
        try redeem(17..<20)
        #expect(try written == [0, 0, 0, 0, 0, 0, 0, 32])
        #expect(try tested.check().entryCount == 32)
    }

    @Test(
        "that is wrong is found by a check and mended by a restore; the largest is a limit",
        arguments: [
            0, 15, 32, UInt64.max,
        ])
    func wrong(_ number: UInt64) throws {
        try redeem(2..<17)
        try write(number)
        #expect(throws: KeyringError.self) { try tested.check() }
        if number == .max {
            let keyring = try tested.open()
            #expect(throws: KeyringError.self) { try keyring.invites.redeem(100, by: 17) }
        }
        _ = try Restore.run(
            from: nil, into: tested.folder, owner: tested.endpoint, keeping: { _ in true },
            now: TestedKeyring.now)
        #expect(try tested.check().entryCount == 16)
    }
}
