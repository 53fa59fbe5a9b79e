internal import Account
internal import MuxRPC
internal import NIOCore

/// Who pays for what the streams of one session hold, and who gives way for it.
struct StreamPayments {
    /// Who pays.
    let payer: Payer
    let session: SessionID
    private let context: SessionContext

    init(payer: Payer, session: SessionID, in context: SessionContext) {
        self.payer = payer
        self.session = session
        self.context = context
    }

    /// The same for somebody else, who pays from now on.
    func paid(by payer: Payer) -> StreamPayments {
        StreamPayments(payer: payer, session: session, in: context)
    }

    /// Has the peer pay for a stream of its own, or of ours; others that have more give way for it.
    func takePlace(
        for key: StreamKey, _ resources: [ScarceResource], at now: NIODeadline
    ) throws(ScarceResource) -> ServicePlace {
        let (holding, displaced) = try context.holdings.openStream(
            key, on: context.connection, paidBy: payer, takes: resources, at: now)
        for displaced in displaced { context.outputs.append(.giveWay(displaced)) }
        return ServicePlace(holding)
    }

    /// Pays for what something is to hold, a stream of this session or the rest of it; whether there is room, others
    /// that hold more having given way.
    ///
    /// Streams of this session are given way with `giveWay` at once.
    func pay(
        for byteCount: Int, at open: OpenHolding, giveWay: (StreamKey, ScarceResource) -> Void
    ) -> Bool {
        // Between two looks another thread may take what was free; that is not so again and again.
        for _ in 0..<8 {
            if open.holding.pay(for: byteCount) { return true }
            switch open.makeRoom(for: byteCount) {
            case .free: continue
            case .none: return false
            case .after(let displaced):
                for displaced in displaced {
                    if displaced.connection == context.connection, displaced.session == session,
                        case .stream(let key, let resource) = displaced.what
                    {
                        giveWay(key, resource)
                    } else {
                        context.outputs.append(.giveWay(displaced))
                    }
                }
                open.holding.overdraw(to: byteCount)
                return true
            }
        }
        return false
    }
}
