internal import Blinding
internal import Connection
internal import Invitation
internal import Multiserver
package import MuxRPC
internal import NIOCore
internal import NIOPosix
internal import Node
internal import Transport
internal import TypedSodium

/// Redeems an invite to a portal, in the way that ssb programs have for it.
///
/// The portal is dialled under the invite's key pair and told the key that will be shown there from then on.
///
/// Source: ssb-invite, index.js, `accept`.
package struct PortalJoining: Sendable {
    let opened: OpenedKeyring
    let options: CommonOptions
    let showsRealID: Bool

    /// How long a portal of ours takes to notice an invite that was made a moment ago, at most.
    private static let noticingTime = Duration.milliseconds(1_500)

    /// What a portal says that does not know the invite: it does not let its holder in, or offers the method to no one.
    private enum Unknown: Error {
        case invite(CommandFailure)
    }

    /// Dials the portal, and makes this node one of those who may announce there.
    ///
    /// - Throws: ``CommandFailure``: the hop that failed, or ``ExitStatus/inviteRefused`` with the portal's words.
    func redeem(_ invite: borrowing PortalInvite) async throws {
        let portal = invite.portal
        let key = try Identity(seed: invite.seed)
        let (settings, _) = try await options.settings(in: opened.home, flags: options.flags)
        let shown = try ShownKey.key(of: opened.identity, at: PortalAddress(portal, isOpen: showsRealID))
        let caller = Caller(identity: key, outerKey: .real, network: settings.network)
        try await Interruption.run { eventLoop in
            do {
                do {
                    try await Self.redeem(for: shown, at: portal, as: caller, on: eventLoop)
                } catch Unknown.invite {
                    // It may have been made a moment ago: looked at once more.
                    try await Task.sleep(for: Self.noticingTime)
                    try await Self.redeem(for: shown, at: portal, as: caller, on: eventLoop)
                }
            } catch Unknown.invite(let failure) {
                throw failure
            }
        }
    }

    private static func redeem(
        for shown: PublicKey, at portal: PeerAddress, as caller: Caller, on eventLoop: any EventLoop
    ) async throws {
        try await BusyTime().run { _ in
            let link: NodeLink
            do {
                link = try await caller.connect(toPortal: portal, on: eventLoop)
            } catch HopFailure.outerHandshakeRefused(_, answered: true) {
                throw Unknown.invite(
                    CommandFailure(
                        .inviteRefused,
                        "\(portal.net.hostAndPort) has another key than the invite says, or does not know the invite: "
                            + "it is used up, revoked or expired; ask its operator for another one"))
            }
            let answer = await answer(to: shown, over: link)
            await link.close()
            try answer.get()
        }
    }

    private static func answer(to shown: PublicKey, over link: NodeLink) async -> Result<Void, any Error> {
        do {
            return outcome(of: try await link.call(Method.useInvite.name, [["feed": .string(shown.id)]]))
        } catch {
            return .failure(
                CommandFailure(.connectionLost, "the connection broke before the portal's answer: try again"))
        }
    }

    /// What a portal's answer to `invite.use` means.
    ///
    /// A pub that follows the key says so as an error, and has done before what it is asked for.
    package static func outcome(of reply: Reply) -> Result<Void, any Error> {
        guard case .failure(let error) = reply, !error.message.contains(alreadyFollowing) else {
            return .success(())
        }
        if let busy = HopFailure(busy: error) { return .failure(busy) }
        guard !error.message.hasPrefix("method:") else {
            return .failure(
                Unknown.invite(
                    CommandFailure(
                        .inviteRefused,
                        "the portal does not know the invite: it is used up, revoked or expired; ask its operator "
                            + "for another one")))
        }
        return .failure(
            CommandFailure(
                .inviteRefused,
                "the portal refused the invite (\(error.message)): ask its operator for another one"))
    }

    /// Source: ssb-invite, index.js.
    private static let alreadyFollowing = "already following"
}
