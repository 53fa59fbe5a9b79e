internal import Blinding
internal import Connection
internal import Keyring
internal import Logging
internal import MuxRPC
internal import NIOCore
internal import Transport
internal import TypedSodium

/// What this node does after each connect to a friend: it notes that they were there, lets the portal confirm a clock
/// that is in doubt, and asks for the friend's grant.
struct FriendVisit: Sendable {
    let keyring: Keyring
    let friend: PublicKey
    /// Where it was reached, to be tried first the next time.
    var place: PortalPlace?
    let logger: Logger

    /// Does all of it; what fails is logged and tried again at the next connect.
    func run(over connection: PeerConnection) async {
        let (keyring, friend, place) = (keyring, friend, place)
        do {
            _ = try await Blocking.run {
                try keyring.friends.markSeen(friend, at: place, now: WallClock.seconds())
            }
            await ClockCheck(keyring: keyring, troubles: TroubleLog(logger)).run(over: connection.link)
            try await fetchGrant(over: connection)
        } catch {
            logger.warning("the friend's grant was not stored", metadata: ["reason": "\(error)"])
        }
    }

    /// Asks for the grant and gives it to the keyring.
    ///
    /// - Returns: what the keyring did with it; `nil` where the friend's node has none to give.
    /// - Throws: ``HopFailure``, ``GrantError`` or `KeyringError`.
    @discardableResult
    func fetchGrant(over connection: PeerConnection) async throws -> GrantOutcome? {
        let reply: Reply
        do {
            reply = try await connection.link.call(Method.grantCircle.name, on: connection.session)
        } catch {
            return nil  // the session ended first
        }
        guard case .value(let json) = reply else {
            if case .failure(let error) = reply {
                logger.debug("no grant", metadata: ["reason": "\(error.message)"])
            }
            return nil
        }
        let (keyring, friend) = (keyring, friend)
        let outcome = try await Blocking.run {
            try keyring.circle.take(
                try GrantMessage.grant(in: json), from: EndpointKey(friend), now: WallClock.seconds())
        }
        if case .clocksDiffer(let theirs, let ours) = outcome {
            logger.warning(
                "the friend's clock and this one are more than a day apart: no address key was taken; set the clock",
                metadata: ["theirs": "\(theirs.number)", "ours": "\(ours.number)"])
        }
        return outcome
    }
}

/// Asks a portal for the time where the keyring doubts this machine's, or waits for a word on it to move its keys on.
struct ClockCheck: Sendable {
    let keyring: Keyring
    let troubles: TroubleLog

    /// Asks where that is so; a portal that does not answer leaves it as it is.
    func run(over link: NodeLink) async {
        let keyring = keyring
        do {
            let isWanted = try await Blocking.run {
                try keyring.clock.wantsPortalsWord(now: WallClock.seconds())
            }
            guard isWanted, let seconds = await Self.unixSeconds(of: link) else { return }
            let verdict = try await Blocking.run {
                try keyring.clock.confirm(portalUnixSeconds: seconds, now: WallClock.seconds())
            }
            if case .unconfirmed = verdict {
                troubles.say(
                    .warning,
                    "this machine's clock has jumped, and the portal's differs: set it, or start with --trust-clock"
                )
            }
        } catch {
            troubles.say(
                .warning, "the keyring was not brought up to date", reason: ErrorWords.text(of: error))
        }
    }

    /// The portal's time, in Unix seconds.
    static func unixSeconds(of link: NodeLink) async -> UInt64? {
        guard let reply = try? await link.call(Method.ping.name), case .value(let json) = reply,
            let time = json.integer ?? json.double.flatMap({ Int64(exactly: $0.rounded()) }), time > 0
        else { return nil }
        return ClockVerdict.unixSeconds(inPing: UInt64(time))
    }
}
