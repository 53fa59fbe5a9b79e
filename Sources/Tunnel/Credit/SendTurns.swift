package import MuxRPC
internal import NIOCore

/// Which streams of one session wait for credit, in turns, and what they may use of the session's.
///
/// A packet of credit costs the same however many wait: the stream that it is for is looked at, and the next few of
/// those that wait for the session's.
package struct SendTurns {
    /// What a stream waits for before it sends, unless it has less: smaller pieces cost a packet each on every hop.
    package static let leastByteCount = 4096
    /// How many that may not send are looked at in one round.
    private static let looksPerRound = 8

    private var credit = SessionCredit()
    private var ring = CircularBuffer<StreamID>()
    private var members: Set<StreamID> = []
    /// Those that have a place in the ring, members or not any more.
    private var placed: Set<StreamID> = []
    /// How many were not looked at since the session's credit has grown.
    private var unseenCount = 0
    private var looksLeft = 0

    package init() {}

    /// What all streams have under way.
    package var unreturned: Int { credit.unreturned }

    /// How many wait.
    package var waitingCount: Int { members.count }

    /// Whether some wait that could send now, for all that is known.
    package var isUnsettled: Bool { unseenCount > 0 && !members.isEmpty }

    /// What a stream may send now of `unsent` bytes; nothing where more is worth waiting for.
    package func allowance(for stream: SendCredit, of unsent: Int, isOverdue: Bool) -> Int {
        let allowed = credit.allowance(for: stream)
        return allowed >= min(Self.leastByteCount, unsent) || isOverdue ? allowed : 0
    }

    /// What a stream has under way has become another; less of it is room for those that wait.
    package mutating func change(from before: Int, to after: Int) {
        credit.change(from: before, to: after)
        if after < before { unseenCount = ring.count }
    }

    /// The stream has more to send than it may.
    package mutating func wait(_ stream: StreamID) {
        members.insert(stream)
        if placed.insert(stream).inserted { ring.append(stream) }
    }

    /// The stream has nothing to send any more; its place in the ring goes when its turn comes.
    package mutating func remove(_ stream: StreamID) { members.remove(stream) }

    /// Begins a round of looks.
    package mutating func beginRound() { looksLeft = Self.looksPerRound }

    /// The next stream to look at, which joins again with ``wait(_:)`` where it has to.
    package mutating func next() -> StreamID? {
        while unseenCount > 0, looksLeft > 0, let stream = ring.popFirst() {
            unseenCount -= 1
            placed.remove(stream)
            if members.remove(stream) != nil { return stream }
        }
        return nil
    }

    /// Takes note that the stream just looked at could not send.
    package mutating func lookedInVain() { looksLeft -= 1 }
}
