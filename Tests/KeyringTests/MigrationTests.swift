import Blinding
import Foundation
import Invitation
import Keyring
import LMDB
import PeerSupport
import TestSupport
import Testing
import TypedSodium

/// A home that the first version of the keyring wrote.
@Suite("Former keyrings")
struct MigrationTests {
    private let tested: TestedKeyring
    private let now = TestedKeyring.now + 5_000

    init() throws { tested = try TestedKeyring(ofSchema: 1) }

    private func uses(_ keyring: Keyring, _ name: String) throws -> InviteUses? {
        try keyring.friends.find(named: name)?.admission?.uses
    }

    private func tokens(_ keyring: Keyring) throws -> Set<PairToken> {
        let entries = Entries(identity: tested.owner)
        _ = try entries.update(from: keyring)
        return try Set(entries.tokens(portal: portal(0).key, epochs: [TestedKeyring.today]).keys)
    }

    @Test("everybody and everything is there, and who has no known list of invites is said so")
    func contents() throws {
        #expect(try tested.check().vault == .matching)
        do { _ = try tested.open(now: now) }
        #expect(try tested.check().vault == .matching)
        let keyring = try tested.open(now: now)
        #expect(
            try keyring.names
                == ["anna", "dora", "emil", "frida", "gustav", "ines", "office", "office-2"])
        for (name, invite) in [
            ("anna", 100), ("office", 101), ("office-2", 101), ("emil", 102), ("ines", 106),
        ] {
            let uses = try #require(try uses(keyring, name))
            #expect(try uses.list.map(\.invite) == [inviteKey(invite)] && !uses.isComplete)
        }
        #expect(try uses(keyring, "dora")?.list.isEmpty == true)
        #expect(try uses(keyring, "dora")?.isComplete == false)
        #expect(try keyring.friends.find(named: "frida")?.reach?.portals.map(\.isOpen) == [false, true])
        let pending = try keyring.joins.pending(of: endpointKey(8))?.portals.map(\.isOpen)
        #expect(pending == [false, true])
        #expect(
            try keyring.portals.announced().map(\.portal) == [portal(0), portal(1, isOpen: true), portal(2)])
        #expect(try keyring.portals.announced().allSatisfy { $0.portal.shownKey == nil })
        #expect(try Membership(keyring).all().map(\.label) == ["by id", "one", "servers"])
        #expect(try Membership(keyring).all().allSatisfy { !$0.uses.isComplete })
        #expect(try Membership(keyring).denied().map(\.key) == [person(23).publicKey])
        #expect(try keyring.invites.redeem(104, by: 9) == .admitted(isFresh: true))
        #expect(try keyring.invites.redeem(105, by: 9) == .refused(.removed))
    }

    @Test("only looking at it changes no byte, and shows what is there afterwards")
    func reading() throws {
        let files = try tested.names.map { ($0, try tested.read(tested.folder + "/" + $0)) }
        let (seen, announced) = try {
            let keyring = try tested.open(now: now, for: .reading)
            _ = try keyring.backup(to: tested.folder + "/another", now: now)
            #expect(throws: KeyringError.self) { try keyring.friends.remove(person(2).publicKey, now: now) }
            return (try Snapshot(keyring), try tokens(keyring))
        }()
        for (name, bytes) in files {
            #expect(try tested.read(tested.folder + "/" + name) == bytes, "\(name)")
        }
        let keyring = try tested.open(now: now, for: .changing)
        #expect(try Snapshot(keyring) == seen)
        // No portal can tell friends from ghosts by which tokens stay the same.
        #expect(try tokens(keyring) == announced && announced.count == 16)
    }

    @Test("whoever is killed on the way leaves the former keyring or today's, and either opens")
    func killed() throws {
        let before = try Snapshot(tested.open(now: now, for: .reading))
        for point in [CommitPoint.prepared, .committed] {
            let victim = try TestedKeyring(copying: tested)
            let answer = try Child("KeyringChild").askUntilKilled(
                victim.line("advance", point: point.rawValue, now: now))
            #expect(answer == nil)
            #expect(try version(of: victim) == (point == .prepared ? 1 : 3))
            #expect(try victim.check().vault == .matching)
            #expect(try Snapshot(victim.open(now: now, for: .reading)) == before)
            #expect(try Snapshot(victim.open(now: now)).friends == before.friends)
        }
        var random = SeededRandom(seed: 21)
        var versions: Set<UInt32> = []
        for _ in 0..<30 {
            let victim = try TestedKeyring(copying: tested)
            let child = try Child("KeyringChild")
            try child.tell(victim.line("open", now: now))
            // Anywhere between before it has begun and after it has answered.
            for _ in 0..<Int.random(in: 0..<400_000, using: &random) { _ = random.next() }
            child.kill()
            versions.insert(try version(of: victim))
            #expect(try victim.check().vault == .matching)
            #expect(try Snapshot(victim.open(now: now, for: .reading)) == before)
            #expect(try Snapshot(victim.open(now: now)).friends == before.friends)
        }
        #expect(!versions.isEmpty)
    }

    private func version(of keyring: TestedKeyring) throws -> UInt32 {
        let schema = Schema(identity: "companionway keyring", version: 3, oldestUsable: 1, tables: [])
        let store = try Environment(
            path: keyring.storePath, schema: schema, absence: .fails, access: .readOnly)
        return try store.read { (transaction) throws(LMDBError) in try transaction.version(of: schema) }
    }

    @Test("removing a friend of before closes every invite of before, and none that was made since")
    func removal() throws {
        let keyring = try tested.open(now: now)
        try keyring.invite(300, InviteDraft(label: "new", uses: 3), now: now)
        #expect(try keyring.invites.redeem(300, by: 301, now: now) == .admitted(isFresh: true))
        #expect(try uses(keyring, "new")?.isComplete == true)
        let removal = try keyring.friends.remove(person(5).publicKey, now: now)
        let open = try [104, 105, 101].map { try inviteKey($0) }
        #expect(removal.invites.map(\.invite.key) == open)
        #expect(removal.invites.allSatisfy { !$0.isRecorded && $0.wasOpen })
        #expect(removal.invites.map(\.invite.usesLeft) == [2, 2, 3])
        #expect(removal.invites.last?.others.map(\.name).sorted() == ["office", "office-2"])
        for invite in [101, 104, 105] {
            #expect(try keyring.invites.redeem(invite, by: 400, now: now) == .refused(.revoked))
        }
        #expect(try keyring.invites.redeem(300, by: 400, now: now) == .admitted(isFresh: true))
        // Of who came since it is known by what.
        let later = try keyring.friends.remove(person(301).publicKey, now: now)
        #expect(try later.invites.map(\.invite.key) == [inviteKey(300)])
        #expect(later.invites[0].isRecorded && later.invites[0].others.count == 1)
        #expect(try keyring.invites.redeem(300, by: 302, now: now) == .refused(.revoked))
    }

    @Test("a member of before who is removed leaves a tombstone, and no invite of before is open any more")
    func members() throws {
        let keyring = try tested.open(now: now)
        let removal = try #require(try Membership(keyring).remove(person(21).publicKey, now: now))
        #expect(try removal.invites.map(\.invite.key) == [inviteKey(110)])
        #expect(removal.invites[0].others.map(\.label) == ["servers"])
        let gone = try person(21).publicKey
        #expect(
            try Membership(keyring).invites.redeem(inviteKey(110), by: gone, now: now) == .refused(.removed))
        #expect(
            try Membership(keyring).invites.redeem(inviteKey(110), by: person(29).publicKey, now: now)
                == .refused(.revoked)
        )
    }

    @Test("a backup of before is restored, into a keyring of before and into one of today")
    func backups() throws {
        for purpose in [Keyring.Purpose.reading, .serving] {
            let folder = try TestedKeyring(copying: tested)
            _ = try folder.open(now: now, for: purpose)
            let report = try Restore.run(
                from: folder.folder + "/backup", into: folder.folder, owner: folder.endpoint,
                keeping: { _ in true }, now: now)
            #expect(report.kept.count == 8 && report.lostKeyCount == 0)
            #expect(try folder.check().vault == .matching)
            let keyring = try folder.open(now: now)
            #expect(try uses(keyring, "dora")?.isComplete == false)
            try keyring.invite(300, now: now)
            #expect(try keyring.friends.remove(person(5).publicKey, now: now).invites.isEmpty)
            #expect(try keyring.invites.redeem(300, by: 301, now: now) == .admitted(isFresh: true))
        }
    }

    @Test("a restore in place needs no vault, and brings it up to date")
    func lostVault() throws {
        try tested.remove(tested.vaultPath)
        #expect(throws: KeyringError.vaultLost(path: tested.vaultPath)) { _ = try tested.open(now: now) }
        let report = try Restore.run(
            from: nil, into: tested.folder, owner: tested.endpoint, keeping: { $0.name != "anna" }, now: now)
        #expect(report.lostKeyCount == 2 && report.lostJoins.map(\.name) == ["gustav"])
        #expect(try tested.check().vault == .matching && version(of: tested) == 3)
        #expect(try tested.open(now: now).entryCount(tested.owner) == 16)
    }

    @Test("while a node of before serves, nothing is changed under it; what only looks may")
    func serving() throws {
        let lock = try ServingLock(folder: tested.folder)
        for purpose in [Keyring.Purpose.changing, .serving] {
            let error = #expect(throws: KeyringError.self) { _ = try tested.open(now: now, for: purpose) }
            guard case .alreadyServing = error else {
                Issue.record("\(String(describing: error))")
                return
            }
        }
        #expect(try version(of: tested) == 1)
        #expect(try tested.open(now: now, for: .reading).friends.all().count == 8)
        _ = consume lock
        #expect(try tested.open(now: now).friends.all().count == 8)
        #expect(try version(of: tested) == 3)
    }

    @Test(
        "on a file system where nothing can be written it is looked at",
        .enabled(if: ReadOnlyMount.isPossible))
    func readOnlyFileSystem() throws {
        let said = try ReadOnlyMount.run(
            "KeyringChild", in: tested.folder, line: tested.line("look", now: now))
        #expect(said == "sees 8 friends, 16 tokens, 3 portals")
        #expect(try version(of: tested) == 1)
    }
}

/// A folder that a child process finds mounted so that it can only be read; whoever is not root, or may not mount,
/// cannot have that.
enum ReadOnlyMount {
    static let isPossible: Bool = {
        guard let said = try? shell("mount --bind -o ro /usr /usr && echo yes") else { return false }
        return said == "yes"
    }()

    /// What an executable beside the tests answers to a line.
    static func run(_ name: String, in folder: String, line: String) throws -> String {
        let executable = ChildProcess.built(name).path
        return try shell(
            "mount --bind '\(folder)' '\(folder)' && mount -o remount,ro,bind '\(folder)' "
                + "&& echo '\(line)' | '\(executable)'")
    }

    private static func shell(_ script: String) throws -> String {
        let output = Pipe()
        let nothing = try #require(FileHandle(forUpdatingAtPath: "/dev/null"))
        let process = try ChildProcess(
            "/usr/bin/unshare", ["-m", "sh", "-c", script], environment: ProcessInfo.processInfo.environment,
            streams: [.standardInput, output.fileHandleForWriting, nothing])
        try output.fileHandleForWriting.close()
        let said = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilEnded()
        return String(decoding: said, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }
}
