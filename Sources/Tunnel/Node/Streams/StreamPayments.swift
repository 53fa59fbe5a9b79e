internal import MuxRPC
internal import SecureSession

/// Who pays for what streams hold, and who gives way.
extension PeerStreams {
    /// Has the peer pay for a stream of its own, or of ours; others that have more give way for it.
    func takePlace(
        for stream: StreamID, _ resources: [ScarceResource]
    ) throws(ScarceResource) -> (StreamKey, ServicePlace) {
        let key = makeKey(for: stream)
        let (holding, displaced) = try context.holdings.openStream(
            key, on: context.connection, paidBy: payer, takes: resources, at: arrival)
        for displaced in displaced { context.outputs.append(.giveWay(displaced)) }
        return (key, ServicePlace(holding))
    }

    /// Pays for what something is to hold, a stream of this session or the rest of it; whether there is room, others
    /// that hold more having given way.
    func pay(for byteCount: Int, at open: OpenHolding) -> Bool {
        // Between two looks another thread may take what was free; that is not so again and again.
        for _ in 0..<8 {
            if open.holding.pay(for: byteCount) { return true }
            switch open.makeRoom(for: byteCount) {
            case .free: continue
            case .none: return false
            case .after(let displaced):
                for displaced in displaced { tell(displaced) }
                open.holding.overdraw(to: byteCount)
                return true
            }
        }
        return false
    }

    private func tell(_ displaced: Displaced) {
        // One of this session goes at once.
        if displaced.connection == context.connection, displaced.session == session,
            case .stream(let key, let resource) = displaced.what
        {
            giveWay(key, for: resource)
        } else {
            context.outputs.append(.giveWay(displaced))
        }
    }

    /// A stream has to go for somebody who has less of what is short.
    func giveWay(_ key: StreamKey, for resource: ScarceResource) {
        guard isOpen(key) else { return }
        if let peer = secure.peer { context.outputs.append(.happened(.displaced(peer, for: resource))) }
        abort(key.stream, message: resource.farewell)
    }
}
