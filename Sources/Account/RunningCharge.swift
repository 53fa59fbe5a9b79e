/// What one owner holds of something that grows and shrinks, and who pays for it at the moment.
package struct RunningCharge: Sendable {
    private var account: Account?
    private var charge: Charge?

    /// Nothing is held.
    package init() {}

    /// How much is paid for.
    package var count: Int { charge?.count ?? 0 }

    /// Pays for so much in the place of what was paid for before; whether there is room, and nothing changes where not.
    ///
    /// Another account than before pays for all of it.
    package mutating func pay(for count: Int, at account: Account) -> Bool {
        if account === self.account, let charge {
            guard count != charge.count else { return true }
            guard count > 0 else {
                self.charge = nil
                return true
            }
            return charge.change(to: count)
        }
        guard count > 0 else {
            charge = nil
            return true
        }
        guard let charge = account.charge(count) else { return false }
        self.charge = charge
        self.account = account
        return true
    }
}
