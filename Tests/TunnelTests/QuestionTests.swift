import Blinding
import Connection
import Multiserver
import MuxRPC
import NIOCore
import SecureSession
import TestSupport
import Testing
import Tunnel
import TypedSodium

@Suite("What only a node's owner can answer")
struct QuestionTests {
    private func message(_ reply: Reply?) -> String? {
        if case .failure(let error)? = reply { error.message } else { nil }
    }

    private func use(
        _ stage: HiddenStage, of endpoint: PublicKey? = nil, by invite: PublicKey? = nil,
        for feed: Identity? = nil, signedBy signer: Identity? = nil
    ) -> JSONValue {
        let feed = feed ?? stage.stranger
        var bytes = Array("companionway/1/redeem".utf8) + [0]
        for key in [endpoint ?? stage.endpoint.publicKey, invite ?? stage.invite.publicKey, feed.publicKey] {
            bytes += key.bytes.array
        }
        let signature = (signer ?? feed).sign(bytes.span)
        return [
            "feed": .string(feed.publicKey.id), "signature": .string(Base64.text(of: signature.bytes.array)),
        ]
    }

    @Test("is put with a proof, and answered once")
    func inviteUse() throws {
        let stage = try HiddenStage()
        let (peer, _) = try stage.session(by: .invite)
        let calls = try (0..<2).map { _ in try peer.call("invite.use", [use(stage)]) }
        stage.portal.run()
        #expect(peer.session.isOpen)
        let questions = stage.portal.questions
        #expect(questions.count == 2 && Set(questions.map(\.id)).count == 2)
        for question in questions {
            guard case .inviteUse(let feed, _) = question.kind else {
                Issue.record("another question")
                return
            }
            #expect(feed == stage.stranger.publicKey && question.peer == stage.invite.publicKey)
        }
        stage.portal.node.answer(questions[0].id, with: .value(true))
        stage.portal.node.answer(questions[0].id, with: .failure("too late"))
        stage.portal.node.answer(questions[1].id, with: .failure("invite used up"))
        stage.portal.run()
        #expect(peer.replies[calls[0]] == .value(true))
        #expect(peer.replies[calls[1]] == nil && peer.hasGoodbye, "the first answer is the last")
        #expect(stage.portal.node.tunnelCount == 0)
    }

    @Test("is not put with the wrong arguments or another signature")
    func refusedUse() throws {
        let stage = try HiddenStage()
        func answer(_ arguments: [JSONValue]) throws -> String? {
            let (peer, _) = try stage.session(by: .invite)
            let call = try peer.call("invite.use", arguments)
            stage.portal.run()
            #expect(peer.hasGoodbye && stage.portal.node.tunnelCount == 0)
            return message(peer.replies[call])
        }
        var signature = use(stage)
        signature["signature"] = "AAAA"
        var feed = use(stage)
        feed["feed"] = .string(String(stage.stranger.publicKey.id.dropLast(8)) + ".sha256")
        let malformed: [[JSONValue]] = [
            [], [nil], [:], [use(stage), 1], [["feed": use(stage)["feed"] ?? nil]], [signature], [feed], [[]],
        ].map { $0.array ?? [$0] }
        let forged = [
            use(stage, of: stage.pseudonym.publicKey), use(stage, by: stage.other.publicKey),
            use(stage, signedBy: stage.other), use(stage, for: stage.invite), use(stage, for: stage.endpoint),
        ]
        for arguments in malformed {
            #expect(try answer(arguments) == "invite.use: invalid arguments", "\(arguments)")
        }
        for argument in forged { #expect(try answer([argument]) == "bad signature") }
        #expect(stage.portal.questions.isEmpty)
    }

    @Test("is all that an invite's holder may call, and no friend may")
    func methods() throws {
        let stage = try HiddenStage { $0.instances[0]?.access = .anyone }
        let (holder, _) = try stage.session(by: .invite)
        let (friend, _) = try stage.session(by: .friend)
        let (whoami, ping) = (try holder.call("whoami"), try holder.call("tunnel.ping"))
        let calls = try ["service.list", "circle.grant"].map { try holder.call($0) }
        let streams = try ["service.open", "echo"].map { try holder.open(.duplex, $0, [["name": "ssh"]]) }
        let foreign = try friend.call("invite.use", [use(stage)])
        stage.portal.run()
        #expect(holder.replies[whoami] == .value(["id": .string(stage.invite.publicKey.id)]))
        #expect(holder.replies[ping] == .value(7))
        let refusal = "is not in list of allowed methods"
        for call in calls { #expect(message(holder.replies[call])?.hasSuffix(refusal) == true) }
        for stream in streams { #expect(holder.ends[stream]?.hasSuffix(refusal) == true) }
        #expect(message(friend.replies[foreign])?.hasSuffix(refusal) == true)
        #expect(stage.portal.questions.isEmpty && stage.portal.asked.isEmpty)
    }

    @Test("is put 4 times at once by a session, and forgotten with it")
    func bounded() throws {
        let stage = try HiddenStage()
        let (peer, _) = try stage.session(by: .friend)
        let calls = try (0..<6).map { _ in try peer.call("circle.grant") }
        stage.portal.run()
        #expect(stage.portal.questions.count == 4)
        #expect(stage.portal.questions.allSatisfy { $0.kind == .circleGrant })
        for call in calls[4...] { #expect(message(peer.replies[call]) == ErrorText.tooManyQuestions) }
        stage.portal.node.answer(stage.portal.questions[0].id, with: .failure("no"))
        _ = try peer.call("circle.grant")
        stage.portal.run()
        #expect(stage.portal.questions.count == 5)
        peer.session.close()
        stage.portal.run()
        for question in stage.portal.questions {
            stage.portal.node.answer(question.id, with: .value(true))
        }
        stage.portal.run()
        #expect(stage.portal.node.tunnelCount == 0)
    }

    @Test("may be a secret of any length that an answer may have", arguments: [1, 300, 4044, 4045, 20_000])
    func secret(byteCount: Int) throws {
        let stage = try HiddenStage()
        let (peer, _) = try stage.session(by: .friend)
        let call = try peer.call("circle.grant")
        stage.portal.run()
        let text = String(repeating: "k", count: max(0, byteCount - 2))
        let json = byteCount == 1 ? "7" : "\"\(text)\""
        let secret = SecretJSON(capacity: byteCount) { $0 += Array(json.utf8) }
        #expect(secret.byteCount == byteCount)
        stage.portal.node.answer(try #require(stage.portal.questions.first).id, with: .secret(secret))
        let ping = try peer.call("tunnel.ping")
        stage.portal.run()
        #expect(peer.replies[call] == .value(byteCount == 1 ? 7 : .string(text)))
        #expect(peer.replies[ping] == .value(7))
    }

    @Test("that is too long is answered with an error")
    func tooLong() throws {
        let stage = try HiddenStage()
        let (peer, _) = try stage.session(by: .friend)
        let call = try peer.call("circle.grant")
        stage.portal.run()
        let secret = SecretJSON(capacity: 2 << 20) { $0 += [UInt8](repeating: 55, count: 2 << 20) }
        stage.portal.node.answer(try #require(stage.portal.questions.first).id, with: .secret(secret))
        stage.portal.run()
        #expect(message(peer.replies[call]) == "the answer cannot be sent")
    }
}
