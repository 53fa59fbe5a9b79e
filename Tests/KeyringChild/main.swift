import Blinding
import Foundation
import Invitation
import Keyring
import Synchronization
import TypedSodium

// The other process of the tests: it does what a line says and answers with one line, unless it is told to die on
// the way. A line is: what to do, where to die (- for nowhere), folder, the owner's number, now, and more.

/// Where to die, once this is set.
let deadline = Mutex<String?>(nil)

func answer(_ line: String) {
    FileHandle.standardOutput.write(Data((line + "\n").utf8))
}

/// Somebody of whom the tests know by the same number.
func person(_ number: Int) throws -> Identity {
    var seed = [UInt8](repeating: 7, count: 32)
    for index in 0..<8 { seed[index] = UInt8(truncatingIfNeeded: number >> (8 * index)) }
    return try Identity(seed: SecretKey(copying: seed.span))
}

struct Task {
    let name, point, folder: String
    let owner: Identity
    let now: UInt64
    let more: [String]

    init(_ line: String) throws {
        let words = line.split(separator: " ").map(String.init)
        (name, point, folder) = (words[0], words[1], words[2])
        owner = try person(Int(words[3]) ?? 0)
        now = UInt64(words[4]) ?? 0
        more = Array(words[5...])
    }

    func number(_ index: Int) -> Int { Int(more[index]) ?? 0 }

    func key(_ index: Int) throws -> PublicKey { try person(number(index)).publicKey }

    var opening: Keyring.Opening {
        var opening = Keyring.Opening(folder: folder, owner: EndpointKey(owner.publicKey))
        opening.ifMissing = .fail
        opening.purpose = .serving
        opening.observe = { point in
            if deadline.withLock({ $0 == point.rawValue }) { kill(getpid(), SIGKILL) }
        }
        return opening
    }

    func open(at time: UInt64? = nil) throws -> Keyring { try Keyring(opening, now: time ?? now) }

    /// From here on, what comes to the point dies.
    func arm() { deadline.withLock { $0 = point } }

    func perform() throws -> String {
        switch name {
        case "open":
            let keyring = try open()
            let friends = try keyring.friends.all().map(\.name).joined(separator: ",")
            _ = try keyring.circle.grant(name: "home", now: now)
            return "holds \(try keyring.sequence()) \(try keyring.circle.generation()) \(friends)"
        case "look":
            var looking = opening
            looking.purpose = .reading
            let keyring = try Keyring(looking, now: now)
            let entries = Entries(identity: owner)
            _ = try entries.update(from: keyring)
            return "sees \(try keyring.friends.all().count) friends, \(entries.count) tokens, "
                + "\(try keyring.portals.announced().count) portals"
        case "make":
            arm()
            var making = opening
            making.ifMissing = .create
            return "made \(try Keyring(making, now: now).sequence())"
        case "redeem":
            let keyring = try open()
            arm()
            let outcome = try keyring.invites.redeem(InviteKey(key(0)), by: FriendKey(key(1)), now: now)
            return "\(outcome)"
        case "remove":
            let keyring = try open()
            arm()
            try keyring.friends.remove(key(0), now: now)
            return "removed"
        case "take":
            let keyring = try open()
            let grant = try CircleGrant(
                name: "theirs", generation: UInt64(number(1)), epoch: Epoch(unixSeconds: now),
                key: SecretKey(copying: [UInt8](repeating: 9, count: 32).span), portals: [])
            arm()
            return "\(try keyring.circle.take(grant, from: EndpointKey(key(0)), now: now))"
        case "advance":
            arm()
            return "advanced \(try open().sequence())"
        case "restore":
            arm()
            let path = more[0] == "-" ? nil : more[0]
            let left = try key(1)
            let report = try Restore.run(from: path, opening, keeping: { $0.key != left }, now: now)
            return "restored \(report.kept.count)"
        case "backup":
            try open().backup(to: more[0], now: now)
            return "done"
        case "serve":
            let lock = try ServingLock(folder: folder)
            answer("serving")
            while readLine() != nil {}
            _ = consume lock
        case "churn": try churn(from: number(0))
        default: break
        }
        return "unknown \(name)"
    }

    /// Until it is killed: what it says has been done is on the disk.
    func churn(from first: Int) throws {
        var time = now
        var number = first
        while true {
            // As many as make a restore, which needs the keyring closed.
            let keyring = try open(at: time)
            for _ in 0..<3 {
                try churn(keyring, number, &time)
                number += 1
            }
            _ = consume keyring
            _ = try Restore.run(from: nil, opening, keeping: { _ in true }, now: time)
            answer("restored \(number)")
        }
    }

    func churn(_ keyring: Keyring, _ number: Int, _ time: inout UInt64) throws {
        _ = try keyring.invites.create(
            InviteDraft(label: "friend \(number)"), portals: try [portal()],
            seed: person(number + 1_000_000).seed(), now: time)
        answer("invited \(number)")
        _ = try keyring.invites.redeem(
            InviteKey(person(number + 1_000_000).publicKey), by: FriendKey(person(number).publicKey),
            now: time)
        answer("admitted \(number)")
        let former = try person(number - 1).publicKey
        if number % 3 == 2, try keyring.friends.find(former) != nil {
            try keyring.friends.remove(former, now: time)
            answer("removed \(number - 1)")
        }
        if number % 4 == 3 {
            time += 86_400
            try keyring.clock.tidy(now: time)
            answer("day \(time)")
        }
    }

    func portal() throws -> PortalAddress {
        try PortalAddress(
            key: PortalKey(person(5_000_000).publicKey), host: "portal.example", port: 8008, isOpen: false)
    }
}

while let line = readLine() {
    do {
        answer(try Task(line).perform())
    } catch {
        answer("refused \(error)")
    }
}
