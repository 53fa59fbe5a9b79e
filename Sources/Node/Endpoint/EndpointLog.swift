internal import Logging
internal import Multiserver
internal import Transport
internal import Tunnel
internal import TypedSodium

/// What an endpoint's owner reads about its friends' visits.
struct EndpointLog: Sendable {
    let logger: Logger
    /// What the owner calls friends and invites.
    let view: EndpointView

    /// Writes an event down.
    func note(_ event: NodeLinkEvent) {
        switch event {
        case .announced, .announcementEnded, .fellSilent, .moveAsked, .asked:
            break  // whoever acts on it says so
        case .event(.accepted(let friend, let instance)):
            logger.info("friend connected", metadata: naming(friend, at: instance))
        case .event(.invited(let invite)):
            logger.info("an invite's holder connected", metadata: view.naming(invite: invite))
        case .event(.dismissed(let peer, let instance)):
            logger.info("dismissed: not allowed any more", metadata: naming(peer, at: instance))
        case .event(.refused(let peer, let instance)):
            logger.warning("refused: not allowed", metadata: naming(peer, at: instance))
        case .event(.turnedAway(let peer)):
            logger.info("turned away: too many sessions", metadata: naming(peer))
        case .event(.gaveWay(let peer)):
            logger.info("an idle session gave way to another", metadata: naming(peer))
        case .event(.displaced(let peer, for: let resource)):
            logger.info(
                "gave way to somebody who has less", metadata: naming(peer, ["short": "\(resource)"]))
        case .event(.handshakeFailed(let failure)):
            logger.info("a call without a handshake", metadata: ["reason": "\(failure)"])
        case .event(.unknownService(let name, let friend, let instance)):
            logger.info("no such service", metadata: naming(friend, at: instance, ["service": "\(name)"]))
        case .serviceOpened(let name, let friend):
            logger.info("service opened", metadata: naming(friend, ["service": "\(name)"]))
        case .serviceNotListening(let name, let friend, let reason):
            logger.warning(
                "service not listening",
                metadata: naming(friend, ["service": "\(name)", "reason": "\(ErrorWords.text(of: reason))"]))
        case .serviceClosed(let name, let friend, let sent, let received, let failure):
            logger.info(
                "service closed",
                metadata: naming(
                    friend,
                    [
                        "service": "\(name)", "sent": "\(sent)", "received": "\(received)",
                        "end": "\(failure.map(ErrorWords.text) ?? "complete")",
                    ]))
        }
    }

    /// Says who it was: by name, where the owner has one for the key, and by id, which no name can stand for.
    ///
    /// The usual instance is not mentioned; `nil` is what is no number of one.
    private func naming(
        _ key: PublicKey, at instance: Int? = 0, _ others: Logger.Metadata = [:]
    ) -> Logger.Metadata {
        var metadata = others
        if instance != 0 { metadata["instance"] = "\(instance.map(String.init) ?? "none")" }
        metadata["id"] = "\(key.id)"
        if let name = view.petnames[key] { metadata["friend"] = "\(name)" }
        return metadata
    }
}
