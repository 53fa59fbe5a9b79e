internal import Account
internal import Connection
internal import MuxRPC
internal import NIOCore
internal import SecureSession
internal import TypedSodium

/// What all parts of a portal's connection share: who is there, how it is answered, who pays, and what others are told.
final class PortalPeer {
    let id: ConnectionID
    let portal: Portal
    let session: SecureSession
    /// What reaches the connection.
    let mailbox: any RelayMailbox
    /// What the peer's address counts as.
    let source: String
    /// Whether the peer is another machine of the portal.
    let isLink: Bool
    /// The time of what is done now.
    var now: NIODeadline
    /// What the peer makes us hold is charged here; another one once it has proved to be a member.
    private(set) var account: Account
    /// How long the peer's silence is put up with.
    var patience: Liveness.Patience
    /// When keystream that was made ahead goes back.
    var keystream = KeystreamRest()
    private var outputs = CircularBuffer<PortalOutput>(initialCapacity: 1)

    /// What is relayed from here is counted there.
    let relayed: RelayTally

    init(
        of portal: Portal, mailbox: any RelayMailbox, source: String, on loop: ObjectIdentifier?,
        at now: NIODeadline
    ) {
        self.portal = portal
        self.mailbox = mailbox
        relayed = portal.counters.tally(of: loop)
        self.source = source
        isLink = false
        self.now = now
        patience = portal.settings.neighbours == nil ? .usual : .machine
        id = portal.register(mailbox, from: source)
        account = portal.accounts.account(of: .source(source), on: id)
        session = SecureSession(
            answeringAs: portal.identity, network: portal.network, manifest: PortalMethods.manifest)
        session.keepsKeystream = true
    }

    /// Another machine of the portal, for tunnels on a session that stands.
    init(
        linkOf portal: Portal, session: SecureSession, mailbox: any RelayMailbox,
        on loop: ObjectIdentifier?, at now: NIODeadline
    ) {
        self.portal = portal
        self.session = session
        self.mailbox = mailbox
        relayed = portal.counters.tally(of: loop)
        source = "another machine"
        isLink = true
        self.now = now
        patience = .machine
        id = portal.registerLink(mailbox)
        account = portal.accounts.account(of: .source(source), on: id)
    }

    /// Who the peer has proved to be.
    var key: PublicKey? { session.peer }

    var settings: PortalSettings { portal.settings }

    /// Has the peer pay, and lets it send, according to its standing.
    func adopt(_ standing: PortalPolicy.Standing, of key: PublicKey) {
        account = portal.accounts.account(of: key, standing: standing, from: source, on: id)
        session.muxrpc.manifest = PortalMethods.manifest(
            tokenLimit: settings.tokenLimits.count(for: standing))
    }

    // MARK: Answers

    func reply(_ value: JSONValue, to request: Request) { reply(value, to: request.number) }

    func reply(_ value: JSONValue, to call: RequestNumber) {
        // The call is open, and the answer short: nothing to be thrown.
        try? session.muxrpc.reply(to: call, with: value)
    }

    func refuse(_ request: Request, _ message: String) {
        if request.kind == .async {
            session.muxrpc.fail(request.number, message: message)
        } else {
            session.muxrpc.fail(request.stream, message: message)
        }
    }

    /// Ends a stream, plainly or with an error's message.
    func end(_ stream: StreamID, message: String? = nil) {
        if let message {
            session.muxrpc.fail(stream, message: message)
        } else {
            session.muxrpc.end(stream)
        }
    }

    func send(_ value: JSONValue, on stream: StreamID) {
        do throws(MuxRPCError) {
            try session.muxrpc.send(value, on: stream)
        } catch {
            // A list of more than 19,000 ids is longer than a packet may be.
            session.muxrpc.fail(stream, message: ErrorText.listIsTooLong)
        }
    }

    // MARK: What others are told

    /// The next thing for the channel to do.
    func nextOutput() -> PortalOutput? { outputs.popFirst() }

    func post(_ message: RelayMessage, to mailbox: any RelayMailbox) {
        outputs.append(.post(message, to: mailbox))
    }

    func post(_ notices: Portal.Notices) {
        if let overtaken = notices.overtaken { post(.overtaken, to: overtaken) }
        if let replaced = notices.replaced { post(.replaced, to: replaced) }
        for mailbox in notices.awakened { post(.attendanceChanged, to: mailbox) }
        if notices.callsForWork { callToWork() }
    }

    /// Has the portal's work done, off the event loops.
    func callToWork() { outputs.append(.work) }

    /// Has the portal's owner asked.
    func ask(_ question: RedeemQuestion) { outputs.append(.redeem(question)) }

    /// Ends a tunnel of any two connections.
    func cut(_ tunnel: PortalTunnel, _ reason: TunnelCut) {
        tunnel.close()
        for end in [tunnel.client, tunnel.endpoint] { post(.cut(tunnel.id, reason), to: end.mailbox) }
        noteCut(tunnel.id, reason)
    }

    /// A tunnel was cut here.
    func noteCut(_ tunnel: TunnelID, _ reason: TunnelCut) {
        count { $0.tunnelCuts[reason, default: 0] += 1 }
        emit(.tunnelCut(tunnel, reason))
    }

    /// The peer may not connect, or not any more.
    func noteDenied(_ key: PublicKey) {
        count { $0.denialCount += 1 }
        emit(.notAdmitted(key))
    }

    /// Counts what happens, once a call at most.
    func count(_ change: (inout PortalMetrics) -> Void) { portal.counters.count(change) }

    func emit(_ event: PortalEvent) { outputs.append(.event(event)) }
}

/// When a connection that was busy gives its keystream ahead back: making it anew for each read would cost a busy one
/// more than it saves, and of thousands that are idle none may hold any.
struct KeystreamRest {
    /// How long nothing has to pass.
    static let patience = TimeAmount.seconds(1)

    private var usedAt = NIODeadline.uptimeNanoseconds(0)
    /// When to look; `nil` where nothing is held.
    private(set) var deadline: NIODeadline?

    /// Frames were sealed or opened, if any came.
    mutating func used(by session: SecureSession, at now: NIODeadline) {
        usedAt = now
        if deadline == nil, session.holdsKeystream { deadline = now + Self.patience }
    }

    /// Gives back where nothing has passed, and looks again later where something has.
    mutating func timeReached(_ now: NIODeadline, for session: SecureSession) {
        guard let due = deadline, due <= now else { return }
        deadline = usedAt + Self.patience
        guard usedAt + Self.patience <= now else { return }
        deadline = nil
        session.rest()
    }
}
