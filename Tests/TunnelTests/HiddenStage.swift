import Blinding
import Multiserver
import MuxRPC
import NIOCore
import SecureSession
import TestSupport
import Testing
import Tunnel
import TypedSodium

/// A hidden endpoint at a portal made by hand, with its tokens announced; every key comes from a seed.
struct HiddenStage {
    /// Whose token a call names.
    enum Entry: CaseIterable {
        case friend, other, invite, removed, ghost
    }

    let endpoint, pseudonym, friend, other, invite, removed, stranger: Identity
    let portal: HandmadePortal
    private(set) var tokens: [Entry: PairToken] = [:]
    let unknownToken: PairToken

    init(
        seed: UInt64 = 1, accounts: EndpointAccounts = EndpointAccounts(),
        change: (inout EndpointPolicy) -> Void = { _ in }
    ) throws {
        var random = SeededRandom(seed: seed)
        endpoint = try random.identity()
        pseudonym = try random.identity()
        friend = try random.identity()
        other = try random.identity()
        invite = try random.identity()
        removed = try random.identity()
        stranger = try random.identity()
        unknownToken = PairToken(try FixedBytes(random.bytes(32)))
        var policy = EndpointPolicy(
            services: ["ssh", "web"],
            access: .only([friend.publicKey: .all, other.publicKey: .only(["web"])]),
            invites: [invite.publicKey], grantsCircle: true)
        change(&policy)
        portal = try HandmadePortal(
            node: endpoint, showing: pseudonym, reception: .hidden(policy), accounts: accounts)
        for entry in Entry.allCases { tokens[entry] = PairToken(try FixedBytes(random.bytes(32))) }
        try announce(Entry.allCases.compactMap(self.entry))
    }

    /// Announces entries, which the portal takes.
    func announce(_ entries: [TokenEntry]) throws {
        _ = try portal.node.announce(hidden: entries)
        portal.run()
        try portal.answer(try #require(portal.announcements.last), true)
    }

    func entry(_ entry: Entry) -> TokenEntry? {
        tokens[entry].map { TokenEntry(token: $0, owner: identity(entry)?.publicKey) }
    }

    func identity(_ entry: Entry) -> Identity? {
        switch entry {
        case .friend: friend
        case .other: other
        case .invite: invite
        case .removed: removed
        case .ghost: nil
        }
    }

    func target(_ entry: Entry) -> String { (tokens[entry] ?? unknownToken).target }

    func argument(_ target: String) -> JSONValue {
        ["portal": .string(portal.identity.publicKey.id), "target": .string(target), "instance": 0]
    }

    /// A session by an entry's token, under that entry's key unless another is given.
    func session(by entry: Entry, as identity: Identity? = nil) throws -> (SessionPeer, StreamID) {
        try portal.friend(
            argument(target(entry)), of: endpoint.publicKey, as: identity ?? self.identity(entry) ?? stranger)
    }
}

extension SeededRandom {
    mutating func identity() throws -> Identity {
        try Identity(seed: SecretKey(copying: bytes(32).span))
    }
}
