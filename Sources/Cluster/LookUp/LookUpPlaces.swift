internal import Account
internal import NIOCore
package import TypedSodium

/// Who looks something up.
package enum LookUpCaller: Hashable, Sendable {
    /// A member of the portal.
    case member(PublicKey)
    /// Anybody else, by what its address counts as.
    case stranger(source: String)
}

/// How many look-ups are under way, and for whom.
///
/// Strangers never have more than half of the places, and ten look-ups a second each; what others hold costs a member
/// nothing.
struct LookUpPlaces: Sendable {
    /// How many look-ups may be under way.
    static let limit = 4_096
    /// How many look-ups a second a stranger's source has, and as many at once.
    static let perSecond = 10.0

    private static let sourceLimit = 4_096

    private var members = 0
    private var strangers = 0
    private var rates: [String: Rate] = [:]

    init() {}

    /// How many are under way.
    var count: Int { members + strangers }

    /// Whether there is a place for one more; then it is taken.
    mutating func take(for caller: LookUpCaller, at now: NIODeadline) -> Bool {
        guard count < Self.limit else { return false }
        switch caller {
        case .member:
            members += 1
        case .stranger(let source):
            guard strangers < Self.limit / 2, mayAsk(source, at: now) else { return false }
            strangers += 1
        }
        return true
    }

    mutating func release(_ caller: LookUpCaller) {
        switch caller {
        case .member: members -= 1
        case .stranger: strangers -= 1
        }
    }

    private mutating func mayAsk(_ source: String, at now: NIODeadline) -> Bool {
        if rates[source] == nil {
            if rates.count >= Self.sourceLimit { rates = rates.filter { !$0.value.isFull(at: now) } }
            guard rates.count < Self.sourceLimit else { return false }
            rates[source] = Rate(perSecond: Self.perSecond, burst: Self.perSecond, at: now)
        }
        return rates[source]?.take(at: now) ?? false
    }
}
