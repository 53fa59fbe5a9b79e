internal import Blinding
internal import Multiserver
package import MuxRPC
internal import NIOCore
internal import NIOPosix
internal import Node
internal import Sodium
internal import Transport

/// Redeems an invite to a portal, in the way that ssb programs have for it.
///
/// The portal is dialled under the invite's key pair and told the key that will be shown there from then on.
///
/// Source: ssb-invite, index.js, `accept`.
package struct PortalJoining: Sendable {
    let opened: OpenedKeyring
    let options: CommonOptions
    let showsRealID: Bool

    /// Dials the portal, and makes this node one of those who may announce there.
    ///
    /// - Throws: ``CommandFailure``: the hop that failed, or ``ExitStatus/inviteRefused`` with the portal's words.
    func redeem(_ invite: borrowing PortalInvite) async throws {
        let portal = invite.portal
        let key = try Identity(seed: invite.seed)
        let (settings, _) = try await options.settings(in: opened.home, flags: options.flags)
        let shown = try ShownKey.key(of: opened.identity, at: InvitePortal(portal, isOpen: showsRealID))
        let caller = Caller(identity: key, outerKey: .real, network: settings.network)
        try await Interruption.run {
            let group = try EventLoops.make(1)
            let result: Result<Void, any Error>
            do {
                try await BusyTime.run { _ in
                    let link = try await caller.connect(toPortal: portal, on: group.next())
                    let answer = await Self.answer(to: shown, over: link)
                    await link.close()
                    try answer.get()
                }
                result = .success(())
            } catch {
                result = .failure((error as? HopFailure).map { CommandFailure($0) } ?? error)
            }
            try? await group.shutdownGracefully()
            try result.get()
        }
    }

    private static func answer(to shown: PublicKey, over link: NodeLink) async -> Result<Void, any Error> {
        do {
            return outcome(of: try await link.call(["invite", "use"], [["feed": .string(shown.id)]]))
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
        return .failure(
            CommandFailure(
                .inviteRefused,
                "the portal refused the invite (\(error.message)): ask its operator for another one"))
    }

    /// Source: ssb-invite, index.js.
    private static let alreadyFollowing = "already following"
}
