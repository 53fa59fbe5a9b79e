import Blinding
import Invitation
import TestSupport
import Testing
import TypedSodium

@Suite("RedeemMessage")
struct RedeemMessageTests {
    @Test("its bytes and signature are as computed independently")
    func vector() throws {
        let vectors = try Vectors.load()
        let people = try People(vectors)
        let message = try RedeemMessage(
            endpoint: people.endpointKey, invite: people.inviteKey, friend: people.friendKey)
        #expect(message.bytes == vectors.redeem.message.bytes)
        let signature = try RedeemMessage.signature(
            of: people.friend, endpoint: people.endpointKey, invite: people.inviteKey)
        #expect(signature.bytes.array == vectors.redeem.signature.bytes)
        #expect(message.isSigned(with: signature))
    }

    @Test("the signature is good for no other endpoint, invite or friend, and in no other order")
    func others() throws {
        let people = try People(Vectors.load())
        let (endpoint, invite, friend) = (people.endpointKey, people.inviteKey, people.friendKey)
        let signature = try RedeemMessage.signature(of: people.friend, endpoint: endpoint, invite: invite)
        let other = people.portal.publicKey
        let messages = [
            try RedeemMessage(endpoint: EndpointKey(other), invite: invite, friend: friend),
            try RedeemMessage(endpoint: endpoint, invite: InviteKey(other), friend: friend),
            try RedeemMessage(endpoint: endpoint, invite: invite, friend: FriendKey(other)),
            try RedeemMessage(
                endpoint: EndpointKey(invite.publicKey), invite: InviteKey(endpoint.publicKey), friend: friend
            ),
        ]
        for message in messages { #expect(!message.isSigned(with: signature)) }
    }

    @Test("a signature with any bit flipped is refused")
    func flippedBits() throws {
        let vectors = try Vectors.load()
        let people = try People(vectors)
        let message = try RedeemMessage(
            endpoint: people.endpointKey, invite: people.inviteKey, friend: people.friendKey)
        for bit in 0..<Signature.byteCount * 8 {
            var forged = vectors.redeem.signature.bytes
            forged[bit / 8] ^= 1 << (bit % 8)
            #expect(!message.isSigned(with: Signature(try FixedBytes(forged))))
        }
    }

    @Test("endpoint, invite and friend are three different keys")
    func sameKey() throws {
        let people = try People(Vectors.load())
        #expect(throws: BlindingError.sameKey) {
            try RedeemMessage(
                endpoint: people.endpointKey, invite: people.inviteKey,
                friend: FriendKey(people.endpoint.publicKey))
        }
        #expect(throws: BlindingError.sameKey) {
            try RedeemMessage(
                endpoint: people.endpointKey, invite: people.inviteKey, friend: people.inviteKey.asFriend)
        }
        #expect(throws: BlindingError.sameKey) {
            try RedeemMessage.signature(
                of: people.friend, endpoint: EndpointKey(people.invite.publicKey), invite: people.inviteKey)
        }
    }
}
