package import NIOCore

/// How much one stream carries in one direction.
package struct StreamPace {
    /// Over how long a rate is taken, and what is little.
    package static let period = TimeAmount.milliseconds(100)
    /// Up to how much in a period is little, in bytes: keystrokes and short answers, 5 Mbit/s.
    package static let sparseByteCount = 64 << 10
    /// How long a stream is watched before it is said to carry little: what begins may become much.
    package static let leastTime = TimeAmount.milliseconds(20)

    private var began: NIODeadline?
    private var byteCount = 0
    /// What it has carried in a second, by the best of the last periods; an older one counts an eighth less with each.
    package private(set) var bytesPerSecond = 0.0
    /// Whether it carries little; `nil` while that is not known.
    package private(set) var isSparse: Bool?

    package init() {}

    /// Bytes have passed.
    package mutating func carried(_ count: Int, at now: NIODeadline) {
        byteCount += count
        guard let began else { return self.began = now }
        let time = now - began
        if byteCount > Self.sparseByteCount {
            isSparse = false
        } else if isSparse == nil, time >= Self.leastTime {
            isSparse = true
        }
        guard time >= Self.period else { return }
        // What comes behind a rest is judged by what follows it.
        isSparse = byteCount <= Self.sparseByteCount
        bytesPerSecond = max(Double(byteCount) / Double(time.nanoseconds) * 1e9, bytesPerSecond * 7 / 8)
        self.began = now
        byteCount = 0
    }
}

/// Whether streams that carry little share one direction of a connection with streams that carry much, which then had better
/// not queue.
///
/// Alone a stream may fill every buffer of the way: nobody waits behind it.
final class SharedWay {
    /// How long both kinds are remembered: somebody who types pauses for a second.
    static let memory = TimeAmount.seconds(2)

    private var sparse: (key: StreamKey, until: NIODeadline)?
    private var bulk: (key: StreamKey, until: NIODeadline)?

    /// A stream has carried something, and is of that kind as far as is known.
    func note(_ key: StreamKey, isSparse: Bool?, at now: NIODeadline) {
        switch isSparse {
        case true?: sparse = (key, now + Self.memory)
        case false?: bulk = (key, now + Self.memory)
        case nil: break
        }
    }

    /// Whether one of each kind was there lately; one that has changed its kind does not share with itself.
    func isShared(at now: NIODeadline) -> Bool {
        guard let sparse, let bulk else { return false }
        return now < sparse.until && now < bulk.until && sparse.key != bulk.key
    }
}
