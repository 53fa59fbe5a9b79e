internal import Logging
internal import Multiserver
internal import Transport
internal import Tunnel

/// What an endpoint's owner reads about its friends' visits.
struct EndpointLog: Sendable {
    let logger: Logger

    /// Writes an event down.
    func note(_ event: NodeLinkEvent) {
        switch event {
        case .announced, .announcementEnded, .asked:
            break  // whoever acts on it says so
        case .happened(.accepted(let friend)):
            logger.info("friend connected", metadata: ["friend": "\(friend.id)"])
        case .happened(.invited(let invite)):
            logger.info("an invite's holder connected", metadata: ["invite": "\(invite.id)"])
        case .happened(.dismissed(let peer)):
            logger.info("dismissed: not allowed any more", metadata: ["peer": "\(peer.id)"])
        case .happened(.refused(let peer)):
            logger.warning("refused: not allowed", metadata: ["peer": "\(peer.id)"])
        case .happened(.turnedAway(let peer)):
            logger.info("turned away: too many sessions", metadata: ["peer": "\(peer.id)"])
        case .happened(.gaveWay(let peer)):
            logger.info("an idle session gave way to another", metadata: ["peer": "\(peer.id)"])
        case .happened(.handshakeFailed(let failure)):
            logger.info("a call without a handshake", metadata: ["reason": "\(failure)"])
        case .happened(.unknownService(let name, let friend)):
            logger.info("no such service", metadata: ["service": "\(name)", "friend": "\(friend.id)"])
        case .serviceOpened(let name, let friend):
            logger.info("service opened", metadata: ["service": "\(name)", "friend": "\(friend.id)"])
        case .serviceNotListening(let name, let friend, let reason):
            logger.warning(
                "service not listening",
                metadata: ["service": "\(name)", "friend": "\(friend.id)", "reason": "\(reason)"])
        case .serviceClosed(let name, let friend, let sent, let received, let failure):
            logger.info(
                "service closed",
                metadata: [
                    "service": "\(name)", "friend": "\(friend.id)", "sent": "\(sent)",
                    "received": "\(received)",
                    "end": "\(failure.map { "\($0)" } ?? "complete")",
                ])
        }
    }
}
