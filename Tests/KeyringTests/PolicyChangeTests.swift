import Blinding
import Keyring
import TestSupport
import Testing
import TypedSodium

/// Changes of a portal's policy, as records of a log have them.
@Suite("A portal's policy by a log: the form of changes")
struct PolicyChangeTests {
    private static let now = TestedKeyring.now

    private static func samples() throws -> [PolicyChange] {
        let (key, invite) = (try person(2).publicKey, try inviteKey(100))
        return [
            .audiences(announcers: .members, callers: nil), .audiences(announcers: nil, callers: .everyone),
            .audiences(announcers: nil, callers: nil), .member(key, label: "Änna's server"),
            .member(key, label: ""), .removal(key), .denial(key), .allowance(key),
            .invite(invite, label: "guests", uses: 1_000, expiry: now + 5),
            .invite(invite, label: String(repeating: "x", count: 256), uses: 1, expiry: nil),
            .revocation(invite), .redemption(MemberRequest(invite: invite, feed: key)),
        ] + (try imported())
    }

    /// The parts of a keyring that has some of everything.
    private static func imported() throws -> [PolicyChange] {
        let tested = try TestedKeyring()
        let membership = Membership(try tested.open())
        try membership.setCallers(.members)
        try membership.deny(person(9).publicKey, now: now)
        _ = try membership.invites.create(
            label: "guests", uses: 2, expiry: nil, seed: person(100).seed(), now: now)
        _ = try membership.invites.redeem(inviteKey(100), by: person(3).publicKey, now: now)
        try membership.add(person(4).publicKey, label: "d", now: now)
        try membership.remove(person(4).publicKey, now: now)
        return try membership.log.beginImport()
    }

    @Test("every change is read as it was written, alone and with all others")
    func roundTrips() throws {
        let samples = try Self.samples()
        for sample in samples + [] {
            let changes = PolicyChanges([sample], at: Self.now)
            #expect(try PolicyChanges(decoding: changes.encoded()) == changes)
        }
        let all = PolicyChanges(samples, at: .max)
        #expect(try PolicyChanges(decoding: all.encoded()) == all)
        #expect(try PolicyChanges(decoding: PolicyChanges([], at: 0).encoded()).list.isEmpty)
    }

    @Test("nothing that is cut off, longer, or of a later version is read")
    func broken() throws {
        for sample in try Self.samples() {
            let bytes = PolicyChanges([sample], at: Self.now).encoded()
            for count in bytes.indices {
                #expect(throws: PolicyChanges.Fault.unknown) {
                    try PolicyChanges(decoding: Array(bytes.prefix(count)))
                }
            }
            #expect(throws: PolicyChanges.Fault.unknown) { try PolicyChanges(decoding: bytes + [0]) }
            #expect(throws: PolicyChanges.Fault.unknown) {
                try PolicyChanges(decoding: [2] + bytes.dropFirst())
            }
        }
    }

    @Test("changed bytes never trap, and what is read of them is written so again", arguments: 0..<4)
    func changed(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let samples = try Self.samples().map { PolicyChanges([$0], at: Self.now).encoded() }
        for _ in 0..<4_000 {
            var bytes = samples.randomElement(using: &random) ?? []
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = .random(in: 0...255, using: &random)
            }
            guard let changes = try? PolicyChanges(decoding: bytes) else { continue }
            #expect(changes.encoded() == bytes)
        }
    }

    @Test("no more changes than may, no label or number of uses that may not be")
    func limits() throws {
        let key = try person(2).publicKey
        let most = PolicyChanges(Array(repeating: .denial(key), count: PolicyChanges.limit), at: 1)
        #expect(try PolicyChanges(decoding: most.encoded()) == most)
        var more = most.encoded() + PolicyChanges([.denial(key)], at: 1).encoded().dropFirst(11)
        more[9...10] = [1, 1]
        #expect(throws: PolicyChanges.Fault.unknown) { try PolicyChanges(decoding: more) }
        for wrong in [
            PolicyChange.member(key, label: String(repeating: "x", count: 257)),
            .invite(try inviteKey(1), label: "", uses: 0, expiry: nil),
            .invite(try inviteKey(1), label: "", uses: 1_001, expiry: nil),
        ] {
            #expect(throws: PolicyChanges.Fault.unknown) {
                try PolicyChanges(decoding: PolicyChanges([wrong], at: 1).encoded())
            }
        }
        #expect(throws: PolicyChanges.Fault.unknown) {
            try PolicyChanges(decoding: most.encoded() + Array(repeating: 0, count: 50_000))
        }
    }
}
