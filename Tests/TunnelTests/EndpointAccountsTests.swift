import Account
import TestSupport
import Testing
import Tunnel
import TypedSodium

@Suite("Who pays at an endpoint")
struct EndpointAccountsTests {
    private func key(_ number: UInt8) -> PublicKey {
        var bytes = FixedBytes<32>()
        bytes.storage[0] = number
        return PublicKey(bytes)
    }

    private func accounts(_ change: (inout EndpointAccounts.Limits) -> Void = { _ in }) -> EndpointAccounts {
        var limits = EndpointAccounts.Limits()
        limits.bytes = 8 << 20
        limits.sessions = 64
        change(&limits)
        return EndpointAccounts(limits)
    }

    @Test("a key has one account over all portals, for as long as anybody holds it")
    func oneAccount() throws {
        let accounts = accounts()
        let first = accounts.payer(for: .friend(key(1), invite: key(9)))
        #expect(accounts.payer(for: .friend(key(1), invite: key(9))) === first)
        #expect(accounts.payer(for: .friend(key(2), invite: key(9))) !== first)
        let session = accounts.payer(for: .friend(key(3), invite: nil)).open()
        let charge = try #require(session.bytes.charge(1000))
        #expect(accounts.payer(for: .friend(key(3), invite: nil)).bytes.heldCount >= 1000)
        withExtendedLifetime(charge) {}
    }

    @Test("two hundred friends by one invite share as one, and leave another its half")
    func sharesByInvite() throws {
        let accounts = accounts()
        let crowd = (0..<200).map { accounts.payer(for: .friend(key(UInt8($0)), invite: key(255))) }
        var charges: [Charge] = []
        for round in 0..<100 {
            for payer in crowd { if let charge = payer.bytes.charge(16 << 10) { charges.append(charge) } }
            if round == 0 { #expect(!charges.isEmpty) }
        }
        // What is unused is lent, up to an eighth that each step keeps; and that is the newcomer's.
        #expect(accounts.heldByteCount > 5 << 20)
        let other = accounts.payer(for: .friend(key(254), invite: nil))
        #expect(other.bytes.charge(800 << 10) != nil)
        withExtendedLifetime(charges) {}
    }

    @Test("invites, strangers and portals leave the friends their part")
    func parts() {
        for (party, share) in [
            (EndpointAccounts.Party.invite(key(1)), 4), (.stranger(key(1)), 2), (.portal(key(1)), 2),
        ] {
            let accounts = accounts()
            let payers = (0..<40).map { _ in accounts.payer(for: party).open() }
            var charges: [Charge] = []
            for _ in 0..<200 {
                for payer in payers { payer.bytes.charge(64 << 10).map { charges.append($0) } }
            }
            #expect(accounts.heldByteCount <= (8 << 20) / share)
            #expect(accounts.payer(for: .friend(key(2), invite: nil)).bytes.charge(2 << 20) != nil)
            withExtendedLifetime(charges) {}
        }
    }

    @Test("a friend has so many sessions and streams, and no more")
    func ceilings() {
        let accounts = accounts { $0.sessions = 4096 }
        let friend = accounts.payer(for: .friend(key(1), invite: nil))
        let sessions = (0..<100).compactMap { _ in friend.open().sessions.charge(1) }
        #expect(sessions.count == EndpointAccounts.friendSessionLimit)
        let streams = (0..<400).compactMap { _ in friend.open().streams.charge(1) }
        #expect(streams.count == EndpointAccounts.friendStreamLimit)
        let guest = accounts.payer(for: .invite(key(2)))
        #expect((0..<40).compactMap { _ in guest.sessions.charge(1) }.count == 16)
    }
}
