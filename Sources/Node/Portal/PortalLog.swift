internal import Connection
internal import Logging
internal import Multiserver
internal import PortalCore
internal import Transport

/// What a portal's owner reads of what happens there.
struct PortalLog: Sendable {
    let portal: Portal
    let logger: Logger

    /// Writes an event down.
    func note(_ event: PortalServerEvent) {
        switch event {
        case .portal(let event): note(event)
        case .listener(let event): ListenerLog(logger: logger).note(event)
        case .waitsForPlace(let source, let refusal):
            logger.notice(
                "a limit: a connection waits for a place",
                metadata: [
                    "source": "\(source)", "reason": "\(refusal)",
                    "remedy":
                        "name a proxy that sends PROXY headers with --trusted-proxy; raise LimitNOFILE for more in all",
                ])
        case .noProxyHeader(let source, let error):
            logger.notice(
                "a proxy's connection was closed",
                metadata: [
                    "source": "\(source)", "reason": "\(error)",
                    "remedy": "nginx: proxy_protocol on; haproxy: send-proxy-v2; or trust it no more",
                ])
        case .turnedAway(let source, let refusal):
            logger.notice(
                "a limit: a connection was closed when it came",
                metadata: [
                    "source": "\(source)", "reason": "\(refusal)",
                    "remedy": "it passes; who dials tries again",
                ])
        }
    }

    private func note(_ event: PortalEvent) {
        switch event {
        case .notAdmitted(let peer):
            let isDenied = portal.policy.standing(of: peer) == .denied
            logger.notice(
                isDenied ? "refused: this key is denied" : "refused: this key is no member's",
                metadata: [
                    "peer": "\(peer.id)",
                    "remedy": isDenied
                        ? "cway portal allow \(peer.id)" : "cway portal members add \(peer.id)",
                ])
        case .announcementRefused(let peer, let reason):
            var metadata: Logger.Metadata = ["reason": "\(reason)"]
            if let peer {
                metadata["peer"] = "\(peer.id)"
                metadata["remedy"] = "cway portal members add \(peer.id)"
            }
            logger.notice("announcement refused", metadata: metadata)
        case .connected(let peer):
            logger.debug("connected", metadata: ["peer": "\(peer.id)"])
        case .announced(let peer, _):
            logger.info("announced", metadata: ["endpoint": "\(peer.id)"])
        case .announcedHidden:
            logger.debug("a hidden endpoint announced")
        case .left(let peer):
            logger.info("left", metadata: ["endpoint": "\(peer.id)"])
        case .leftHidden:
            logger.debug("a hidden endpoint left")
        case .tunnelOpened(let tunnel, let client, let endpoint):
            logger.info(
                "tunnel opened",
                metadata: ["tunnel": "\(tunnel)", "from": "\(client.id)", "to": "\(endpoint.id)"])
        case .tunnelOpenedByToken(let tunnel):
            logger.info("tunnel opened by token", metadata: ["tunnel": "\(tunnel)"])
        case .tunnelCut(let tunnel, let cut):
            logger.warning("tunnel cut", metadata: ["tunnel": "\(tunnel)", "reason": "\(cut.message)"])
        case .refused(let peer, let reason):
            var metadata: Logger.Metadata = ["reason": "\(reason)"]
            if let peer {
                metadata["from"] = "\(peer.id)"
                if reason == ErrorText.membersCall {
                    metadata["remedy"] = "cway portal members add \(peer.id)"
                }
            }
            logger.info("tunnel refused", metadata: metadata)
        case .disconnected(let peer, .tooManyConnections):
            logger.notice(
                "a limit: turned away, because its address has as many connections as it may",
                metadata: ["peer": "\(peer?.id ?? "unknown")", "remedy": "make it a member, who has a place"])
        case .disconnected(let peer, let departure):
            logger.debug(
                "disconnected", metadata: ["peer": "\(peer?.id ?? "unknown")", "reason": "\(departure)"])
        }
    }
}

/// What an owner reads of where connections are accepted.
struct ListenerLog: Sendable {
    let logger: Logger

    func note(_ event: ListenerEvent) {
        switch event {
        case .paused(let shortage):
            let what =
                switch shortage {
                case .descriptors: "file descriptors"
                case .socketMemory: "memory for sockets"
                }
            logger.warning("out of \(what): accepting is paused for a second (see `ulimit -n`)")
        case .notAccepted(let error):
            logger.debug("a connection could not be accepted", metadata: ["error": "\(error)"])
        }
    }
}
