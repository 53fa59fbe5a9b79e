package import NIOCore

/// In which order the addresses of one portal are tried: shuffled, and those behind the others that were tried within the
/// last minute and did not answer.
///
/// An address counts as one that does not answer from when it is tried until a connection stands there: the next dial
/// need not wait until this one is given up.
///
/// Invariant: it remembers ``limit`` addresses at most; beyond that whichever was tried longest ago is forgotten.
package struct AddressOrder<Address: Hashable & Sendable>: Sendable {
    /// How long an address is behind the others that did not answer.
    package static var setAsideTime: TimeAmount { .seconds(60) }
    /// How many addresses are remembered.
    package static var limit: Int { 64 }

    private var triedAt: [Address: NIODeadline] = [:]

    /// Nothing was tried yet.
    package init() {}

    /// An address is tried, or is known to be of no use for now.
    package mutating func tried(_ address: Address, at now: NIODeadline) {
        if triedAt[address] == nil, triedAt.count >= Self.limit,
            let oldest = triedAt.min(by: { $0.value < $1.value })
        {
            triedAt[oldest.key] = nil
        }
        triedAt[address] = now
    }

    /// A connection stands there.
    package mutating func stood(_ address: Address) { triedAt[address] = nil }

    /// The order of a dial; `generator` is the chance in it.
    ///
    /// Of those that did not answer the one comes first that was tried longest ago.
    package mutating func order(
        _ addresses: [Address], at now: NIODeadline, using generator: inout some RandomNumberGenerator
    ) -> [Address] {
        triedAt = triedAt.filter { now - $0.value < Self.setAsideTime }
        let shuffled = addresses.shuffled(using: &generator)
        let aside = shuffled.filter { triedAt[$0] != nil }
            .sorted { (triedAt[$0] ?? now) < (triedAt[$1] ?? now) }
        return shuffled.filter { triedAt[$0] == nil } + aside
    }
}
