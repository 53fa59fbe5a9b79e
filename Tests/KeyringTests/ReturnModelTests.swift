import Blinding
import Keyring
import TestSupport
import Testing
import TypedSodium

/// Random histories of invites, friends, removals and returns, beside a model that is too small to be wrong.
@Suite("Random histories")
struct ReturnModelTests {
    private static let now = TestedKeyring.now
    /// People have several keys each: person p shows 200 + 10 p + k.
    private static let keyCount = 3

    private struct Invite {
        let number: Int
        var usesLeft: Int
        var closing: Closing.Reason?
        let madeAt: Int
        /// Those whom it has admitted, by key.
        var admitted: Set<Int> = []
    }

    private struct Model {
        var step = 0
        var invites: [Invite] = []
        /// Friends by key, with the invites that admitted them.
        var friends: [Int: Set<Int>] = [:]
        var removedAt: [Int: Int] = [:]

        mutating func redeem(_ index: Int, by key: Int) -> Redemption {
            if friends[key]?.contains(invites[index].number) == true { return .admitted(isFresh: false) }
            if let removed = removedAt[key], removed > invites[index].madeAt { return .refused(.removed) }
            switch invites[index].closing {
            case .usedUp: return .refused(.usedUp)
            case .revoked: return .refused(.revoked)
            case .expired: return .refused(.expired)
            case nil: break
            }
            let isFresh = friends[key] == nil
            friends[key, default: []].insert(invites[index].number)
            invites[index].admitted.insert(key)
            invites[index].usesLeft -= 1
            if invites[index].usesLeft == 0 { invites[index].closing = .usedUp }
            return .admitted(isFresh: isFresh)
        }

        mutating func remove(_ key: Int) -> Set<Int> {
            let presented = friends.removeValue(forKey: key) ?? []
            removedAt[key] = step
            for index in invites.indices
            where presented.contains(invites[index].number) && invites[index].closing == nil {
                invites[index].closing = .revoked
            }
            return presented
        }
    }

    private let tested: TestedKeyring
    private let keyring: Keyring

    init() throws {
        tested = try TestedKeyring()
        keyring = try tested.open()
    }

    @Test("the keyring and the model say the same, and nobody comes back", arguments: UInt64(1)...12)
    func histories(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var model = Model()
        for step in 1...120 {
            model.step = step
            let key =
                200 + 10 * Int.random(in: 0..<4, using: &random)
                + Int.random(in: 0..<Self.keyCount, using: &random)
            switch Int.random(in: 0..<12, using: &random) {
            case 0, 1: try makeInvite(&model, uses: Int.random(in: 1...4, using: &random))
            case 2...6: try redeem(&model, by: key, &random)
            case 7: try redeemMany(&model, &random)
            case 8, 9: try remove(&model, key)
            case 10:
                try keyring.friends.admit(person(key).publicKey, services: .all, now: Self.now)
                model.friends[key] = model.friends[key] ?? []
            default:
                guard let index = model.invites.indices.randomElement(using: &random) else { break }
                let wasOpen = model.invites[index].closing == nil
                if wasOpen { model.invites[index].closing = .revoked }
                #expect(
                    try keyring.invites.revoke(inviteKey(model.invites[index].number), now: Self.now)
                        == wasOpen
                )
            }
            try compare(model, "step \(step)")
        }
        #expect(try tested.checkBeside(keyring))
    }

    private func makeInvite(_ model: inout Model, uses: Int) throws {
        let number = 10_000 + model.invites.count
        try keyring.invite(number, InviteDraft(label: "i", uses: uses))
        model.invites.append(Invite(number: number, usesLeft: uses, madeAt: model.step))
    }

    private func redeem(_ model: inout Model, by key: Int, _ random: inout SeededRandom) throws {
        guard let index = model.invites.indices.randomElement(using: &random) else { return }
        let expected = model.redeem(index, by: key)
        #expect(try keyring.invites.redeem(model.invites[index].number, by: key) == expected)
    }

    /// Several at once: what each hears is what it would hear one after the other.
    private func redeemMany(_ model: inout Model, _ random: inout SeededRandom) throws {
        guard let index = model.invites.indices.randomElement(using: &random) else { return }
        let keys = (0..<6).map { _ in 200 + 10 * Int.random(in: 0..<4, using: &random) }
        let requests = try keys.map {
            RedeemRequest(invite: try inviteKey(model.invites[index].number), friend: try friendKey($0))
        }
        var expected: [Result<Redemption, KeyringError>] = []
        for key in keys { expected.append(.success(model.redeem(index, by: key))) }
        #expect(try keyring.invites.redeem(requests, now: Self.now) == expected)
    }

    private func remove(_ model: inout Model, _ key: Int) throws {
        guard model.friends[key] != nil else {
            #expect(throws: KeyringError.noSuchFriend) {
                try keyring.friends.remove(person(key).publicKey, now: Self.now)
            }
            return
        }
        let before = model.invites.filter { $0.closing == nil }.map(\.number)
        let presented = model.remove(key)
        let removal = try keyring.friends.remove(person(key).publicKey, now: Self.now)
        #expect(
            try Set(removal.invites.map(\.invite.key)) == Set(presented.map { try inviteKey($0) }))
        #expect(removal.invites.count(where: \.wasOpen) == presented.count { before.contains($0) })
        for found in removal.invites {
            let number = try #require(
                model.invites.first { try inviteKey($0.number) == found.invite.key }?.number)
            let others = try model.friends.filter { $0.value.contains(number) }.map {
                try person($0.key).publicKey
            }
            #expect(Set(found.others.map(\.key)) == Set(others))
        }
        // Whatever key this person shows next, nothing that admitted it does so again.
        for number in presented {
            let outcome = try keyring.invites.redeem(number, by: 9_000 + model.step)
            guard case .refused = outcome else {
                Issue.record("came back by \(number)")
                continue
            }
        }
    }

    private func compare(_ model: Model, _ comment: Comment) throws {
        let friends = try keyring.friends.all()
        var known: [PublicKey: Set<InviteKey>] = [:]
        for friend in friends {
            known[friend.key] = Set(try #require(friend.admission).uses.list.map(\.invite))
        }
        var wanted: [PublicKey: Set<InviteKey>] = [:]
        for (key, invites) in model.friends {
            wanted[try person(key).publicKey] = Set(try invites.map { try inviteKey($0) })
        }
        #expect(known == wanted, comment)
        for invite in try keyring.invites.all() {
            let expected = try #require(
                model.invites.first { try inviteKey($0.number) == invite.key }, comment)
            #expect(invite.usesLeft == expected.usesLeft, comment)
            #expect(invite.closing?.reason == expected.closing, comment)
            #expect(invite.uses - invite.usesLeft >= expected.admitted.count, comment)
        }
    }
}
