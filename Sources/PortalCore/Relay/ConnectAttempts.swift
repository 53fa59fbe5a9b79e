internal import Account
internal import MuxRPC
internal import NIOCore
internal import SecureSession

/// A call by token, while another announcer of the token may still be asked.
struct ConnectAttempt {
    /// What the client asked for.
    let request: ConnectRequest
    /// Who announced the token too, the next to be asked in front.
    var others: [ConnectionID]
    /// When no other announcer is asked any more.
    let end: NIODeadline
    /// When the next is asked because this one is silent; `nil` where the client named the key that it has proved.
    var silentUntil: NIODeadline?
    /// What the client has sent so far.
    var early: [RelayedBatch] = []
    /// What ``early`` may take, charged to the client.
    let charge: Charge
}

/// The calls by token that may still go to another announcer, until the one that was asked has sent something.
///
/// The holders of an invite can announce its tokens, and refuse, or be silent. So the next announcer is asked in its
/// place, with what the client has sent; nobody waits longer for an honest one, who is usually alone.
struct ConnectAttempts {
    /// How many announcers are asked for one call.
    static let tryLimit = 4
    /// How long after a call another announcer is asked.
    static let time = TimeAmount.seconds(3)
    /// How long an announcer may be silent before the next is asked.
    private static let silence = TimeAmount.milliseconds(750)
    /// How much of what a client sends is kept to be sent again, in bytes; a handshake's first message takes 107.
    static let earlyByteCount = 4 << 10

    private var attempts: [TunnelID: ConnectAttempt] = [:]

    /// Whether none is under way: what every packet's path asks.
    var isEmpty: Bool { attempts.isEmpty }

    /// When an announcer has been silent for too long.
    var deadline: NIODeadline? { attempts.values.compactMap(\.silentUntil).min() }

    /// A call was made that can go to another announcer too.
    mutating func begin(
        _ request: ConnectRequest, over tunnel: TunnelID, others: [ConnectionID], account: Account,
        at now: NIODeadline
    ) {
        guard !others.isEmpty, let charge = account.charge(Self.earlyByteCount) else { return }
        let attempt = ConnectAttempt(
            request: request, others: Array(others.prefix(Self.tryLimit - 1)), end: now + Self.time,
            charge: charge)
        keep(attempt, over: tunnel, at: now)
    }

    /// The next announcer was asked.
    mutating func keep(_ attempt: ConnectAttempt, over tunnel: TunnelID, at now: NIODeadline) {
        guard !attempt.others.isEmpty else { return }
        var attempt = attempt
        attempt.silentUntil =
            attempt.request.announcer == nil ? min(now + Self.silence, attempt.end) : nil
        attempts[tunnel] = attempt
    }

    /// The client has sent something; what is too much to be sent again decides for whom was asked.
    mutating func note(_ batch: borrowing RelayedBatch, on tunnel: TunnelID) {
        guard var attempt = attempts.removeValue(forKey: tunnel) else { return }
        let count = attempt.early.reduce(batch.packets.byteCount) { $0 + $1.packets.byteCount }
        guard count <= Self.earlyByteCount else { return }
        attempt.early.append(batch.copied())
        attempts[tunnel] = attempt
    }

    /// The announcer has sent something, or the tunnel is forgotten: no other is asked.
    @discardableResult
    mutating func remove(_ tunnel: TunnelID) -> ConnectAttempt? {
        attempts.removeValue(forKey: tunnel)
    }

    mutating func removeAll() { attempts.removeAll() }

    /// The tunnels whose announcers have been silent for too long.
    func silent(at now: NIODeadline) -> [TunnelID] {
        guard !attempts.isEmpty else { return [] }
        return attempts.filter { $0.value.silentUntil.map { $0 <= now } ?? false }.map(\.key).sorted()
    }
}
