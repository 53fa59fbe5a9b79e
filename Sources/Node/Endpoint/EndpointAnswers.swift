internal import Blinding
internal import Connection
internal import Keyring
internal import Logging
internal import Multiserver
internal import MuxRPC
internal import Transport
internal import Tunnel
internal import TypedSodium

/// Answers what only the owner of an endpoint can answer: invites, and grants.
struct EndpointAnswers: Sendable {
    /// What is said when the keyring fails: the reason is nobody's business but the owner's.
    private static let failed = "the node cannot do that now"

    /// What somebody is told who asks for a grant and is no friend in the keyring, or not any more.
    private static let noFriend = "circle.grant: for friends in the keyring only"

    let link: NodeLink
    let keyring: EndpointKeyring
    let state: EndpointState
    let logger: Logger

    /// Finds the answer and gives it; the connection may be gone by then.
    func answer(_ question: Question) async {
        do {
            switch question.kind {
            case .inviteUse(let feed, _):
                try await redeem(question, for: feed)
            case .circleGrant:
                let (keyring, friend) = (keyring, question.peer)
                let grant = try await keyring.questions.run(for: .friend(friend)) {
                    try await Blocking.run {
                        try GrantMessage.text(of: try keyring.grant(to: friend), shownKey: keyring.shownKey)
                    }
                }
                link.answer(question.id, with: .secret(grant))
            }
        } catch KeyringError.noSuchFriend {
            link.answer(question.id, with: .failure(Self.noFriend))
        } catch is QuestionTurns.TooMany {
            link.answer(question.id, with: .failure(ErrorText.tooManyQuestions))
        } catch {
            logger.error(
                "a question could not be answered", metadata: ["reason": "\(ErrorWords.text(of: error))"])
            link.answer(question.id, with: .failure(Self.failed))
        }
        // An invite opens nothing else: whoever was refused has heard why, and whoever is a friend comes as one.
        if case .inviteUse = question.kind { link.closeTunnel(question.session) }
    }

    /// Counts the use, lets the portals know, then says yes: whoever hears it can dial at once.
    private func redeem(_ question: Question, for friend: PublicKey) async throws {
        let request = RedeemRequest(invite: InviteKey(question.peer), friend: FriendKey(friend))
        // Only the keyring's part takes a turn: who waits for portals keeps nobody from the disk.
        let redeemed = try await keyring.questions.run(for: .invite(question.peer)) { [keyring] in
            try await keyring.redeem(request)
        }
        let view = redeemed.view
        // As it was: an invite that is used up is none any more.
        var metadata = await state.view.naming(invite: question.peer)
        switch try redeemed.outcome.get() {
        case .admitted(let isFresh):
            await state.publish(view)
            if isFresh {
                let name = view.petnames[friend] ?? friend.id
                metadata["friend"] = "\(name)"
                metadata["id"] = "\(friend.id)"
                logger.info("an invite was redeemed", metadata: metadata)
                await state.waitUntilAnnounced(view.sequence)
            }
            link.answer(question.id, with: .value(true))
        case .refused(let reason):
            metadata["reason"] = "\(reason)"
            logger.info("an invite was refused", metadata: metadata)
            link.answer(question.id, with: .failure(reason.message))
        }
    }

    /// Remembers when a friend was here last.
    func noteVisit(_ event: NodeLinkEvent) {
        guard case .event(.accepted(let friend, _)) = event, keyring.beginVisit() else { return }
        let (keyring, logger) = (keyring, logger)
        Task {
            do {
                try await Blocking.run { try keyring.note(visitOf: friend) }
            } catch {
                logger.warning("a visit was not noted", metadata: ["reason": "\(ErrorWords.text(of: error))"])
            }
        }
    }
}
