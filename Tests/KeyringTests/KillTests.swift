import Blinding
import Foundation
import Invitation
import Keyring
import TestSupport
import Testing
import TypedSodium

/// Another process changes the keyring and is killed on the way.
@Suite("Killed processes")
struct KillTests {
    private static let now = TestedKeyring.now
    private static let day = TestedKeyring.day

    /// What the other process does, and on which day.
    struct Task: CustomTestStringConvertible {
        let name, more: String
        var days: UInt64 = 0
        /// Whether it drops, replaces or advances a secret, so that the vault gets a fresh key.
        let rotates: Bool
        var testDescription: String { name }
    }

    private static let tasks = [
        Task(name: "redeem", more: "100 4", rotates: false),
        Task(name: "remove", more: "2", rotates: true),
        Task(name: "take", more: "3 9", rotates: true),
        Task(name: "advance", more: "", days: 2, rotates: true),
        Task(name: "restore", more: "- 2", rotates: true),
        Task(name: "restore", more: "BACKUP 2", rotates: true),
    ]

    private let tested: TestedKeyring
    private let backup: String

    /// Two friends, one of whom can be reached, an invite, and one that was accepted.
    init() throws {
        tested = try TestedKeyring()
        let keyring = try tested.open()
        try keyring.friends.admit(person(2).publicKey, name: "anna", services: .all, now: Self.now)
        try keyring.friends.admit(person(3).publicKey, name: "berta", services: .all, now: Self.now)
        let grant = try CircleGrant(
            name: "x", generation: 1, epoch: TestedKeyring.today, key: SecretKey.random(), portals: [])
        _ = try keyring.circle.take(grant, from: endpointKey(3), now: Self.now)
        try keyring.invite(100)
        let code = try InviteCode(
            endpoint: endpointKey(5), seed: person(101).seed(), expiry: nil, portals: [portal(1)])
        try keyring.joins.begin(code, name: "clara", now: Self.now)
        backup = tested.folder + "/backup"
        try keyring.backup(to: backup, now: Self.now)
    }

    /// The state of a keyring, and what its own chain key is.
    private func state(of keyring: TestedKeyring, at time: UInt64) throws -> (Snapshot, [UInt8]) {
        let report = try keyring.check()
        #expect(report.vault == .matching)
        let opened = try keyring.open(now: time, trustsClock: true, ifMissing: .fail)
        return (try Snapshot(opened), try opened.circle.grant(name: "x", now: time).keyBytes)
    }

    @Test("at every commit boundary all of a change is there, or nothing of it", arguments: tasks)
    func boundaries(_ task: Task) throws {
        let time = Self.now + task.days * Self.day
        let more = task.more.replacingOccurrences(of: "BACKUP", with: backup)
        let unchanged = try TestedKeyring(copying: tested)
        // An advance is made again by the opening that looks at it.
        let before = try state(of: unchanged, at: Self.now)
        let changed = try TestedKeyring(copying: tested)
        let said = try Child("KeyringChild").ask(changed.line(task.name, more, now: time))
        #expect(!said.hasPrefix("refused") && !said.hasPrefix("unknown"), "\(said)")
        let after = try state(of: changed, at: time)

        for point in CommitPoint.allCases {
            let victim = try TestedKeyring(copying: tested)
            let answer = try Child("KeyringChild").askUntilKilled(
                victim.line(task.name, more, point: point.rawValue, now: time))
            let isReached = task.rotates || point == .prepared || point == .committed
            #expect((answer == nil) == isReached, "\(point)")
            let isCommitted = point == .committed || point == .erased || !isReached
            let found = try state(of: victim, at: isCommitted ? time : Self.now)
            #expect(found.0 == (isCommitted ? after : before).0, "\(point)")
            let keepsKey = !isCommitted || task.name == "redeem" || task.name == "take"
            if keepsKey { #expect(found.1 == before.1, "\(point)") }
            #expect(try usedSlots(of: victim) == 1, "\(point)")
        }
    }

    /// How many slots of the vault hold something.
    private func usedSlots(of keyring: TestedKeyring) throws -> Int {
        let vault = try keyring.read(keyring.vaultPath)
        return [vault.prefix(4096), vault.dropFirst(4096)].count { $0.contains { $0 != 0 } }
    }

    @Test("a keyring whose making was cut short is made again")
    func birth() throws {
        for point in CommitPoint.allCases {
            let victim = try TestedKeyring(owner: 9)
            let child = try Child("KeyringChild")
            #expect(try child.askUntilKilled(victim.line("make", point: point.rawValue)) == nil)
            let keyring = try victim.open()
            #expect(try keyring.friends.all().isEmpty && keyring.entryCount(victim.owner) == 16)
            #expect(try usedSlots(of: victim) == 1)
        }
    }

    @Test("a reader always finds the key of what it sees, while another process changes both")
    func readers() throws {
        let child = try Child("KeyringChild")
        try child.tell(tested.line("churn", "1000"))
        let keyring = try tested.open(trustsClock: true)
        let resolver = Resolver()
        for _ in 0..<60 {
            _ = try child.answer()
            let grant = try keyring.circle.grant(name: "x", now: Self.now + 20 * Self.day)
            #expect(grant.generation > 0)
            #expect(try keyring.joins.pending(of: endpointKey(5)) != nil)
            try resolver.rebuild(from: keyring, now: Self.now)
        }
        child.kill()
        #expect(try keyring.friends.all().count > 3)
    }

    @Test("after a hundred kills at any moment everything acknowledged is there, and nothing is half done")
    func anyMoment() throws {
        var random = SeededRandom(seed: 5)
        var model = Model(time: Self.now)
        for _ in 0..<100 {
            let child = try Child("KeyringChild")
            try child.tell(tested.line("churn", "\(model.next)", now: model.time))
            for _ in 0..<Int.random(in: 1...9, using: &random) { model.accept(try child.answer()) }
            for line in child.kill() { model.accept(line) }

            #expect(try tested.check().vault == .matching)
            let keyring = try tested.open(now: model.time, ifMissing: .fail)
            try model.compare(with: keyring)
            #expect(try usedSlots(of: tested) == 1)
        }
        #expect(model.next > 100)
    }
}

/// What the other process has acknowledged.
private struct Model {
    var time: UInt64
    var next = 1_000
    private var admitted: Set<Int> = []
    private var removed: Set<Int> = []

    init(time: UInt64) { self.time = time }

    mutating func accept(_ line: String) {
        let words = line.split(separator: " ").map(String.init)
        guard words.count == 2, let number = Int(words[1]) else {
            Issue.record("the child said: \(line)")
            return
        }
        switch words[0] {
        case "invited": next = number + 1
        case "admitted": admitted.insert(number)
        case "removed":
            admitted.remove(number)
            removed.insert(number)
        case "day": time = UInt64(number)
        case "restored": break
        default: Issue.record("the child said: \(line)")
        }
    }

    /// The one step that was under way may have been made or not; nothing else is missing or too much.
    mutating func compare(with keyring: Keyring) throws {
        let known = try Set(keyring.friends.all().filter { $0.admission?.invite != nil }.map(\.key))
        var wanted: Set<PublicKey> = []
        for number in admitted { wanted.insert(try person(number).publicKey) }
        let missing = wanted.subtracting(known)
        let surplus = known.subtracting(wanted)
        #expect(missing.count + surplus.count <= 1)
        for number in removed { #expect(try !known.contains(person(number).publicKey)) }
        // The step that was under way is part of the state from now on.
        for number in admitted where missing.contains(try person(number).publicKey) {
            admitted.remove(number)
            removed.insert(number)
            #expect(number >= next - 2)
        }
        for number in [next - 1, next] where surplus.contains(try person(number).publicKey) {
            admitted.insert(number)
            #expect(
                try keyring.invites.all().contains {
                    try $0.key == inviteKey(number + 1_000_000) && $0.usesLeft == 0
                })
        }
        next += 1
    }
}
