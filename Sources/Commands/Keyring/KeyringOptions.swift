internal import ArgumentParser
internal import Blinding
internal import Keyring
internal import Node
internal import TypedSodium

/// The options of every command that opens the keyring.
struct KeyringOptions: ParsableArguments, Sendable {
    @OptionGroup var common: CommonOptions

    @OptionGroup(title: RareOptions.title) private var clock: ClockOptions

    /// Opens the keyring of the home folder; where there is none, one is made.
    ///
    /// - Throws: ``CommandFailure``.
    func open(for purpose: Keyring.Purpose = .changing) throws(CommandFailure) -> OpenedKeyring {
        let (home, identity) = try owner()
        do throws(KeyringError) {
            let keyring = try opened(of: identity, in: home, for: purpose, ifMissing: .create)
            return OpenedKeyring(home: home, identity: identity, keyring: keyring)
        } catch {
            throw CommandFailure(error)
        }
    }

    /// Opens the keyring of the home folder, or returns `nil` where there is none.
    ///
    /// - Throws: ``CommandFailure``.
    func openIfPresent(for purpose: Keyring.Purpose) throws(CommandFailure) -> OpenedKeyring? {
        let (home, identity) = try owner()
        guard let keyring = try keyringIfPresent(of: identity, in: home, for: purpose) else { return nil }
        return OpenedKeyring(home: home, identity: identity, keyring: keyring)
    }

    /// Opens the keyring of an identity in a home folder, or returns `nil` where there is none.
    ///
    /// - Throws: ``CommandFailure``.
    func keyringIfPresent(
        of identity: Identity, in home: Home, for purpose: Keyring.Purpose
    ) throws(CommandFailure) -> Keyring? {
        do throws(KeyringError) {
            return try opened(of: identity, in: home, for: purpose, ifMissing: .fail)
        } catch {
            guard case .missing = error else { throw CommandFailure(error) }
            return nil
        }
    }

    /// The home folder, and whose it is.
    ///
    /// - Throws: ``CommandFailure``.
    func owner() throws(CommandFailure) -> (home: Home, identity: Identity) {
        let home = try common.preparedHome()
        return (home, try common.identity(in: home).identity)
    }

    private func opened(
        of identity: Identity, in home: Home, for purpose: Keyring.Purpose,
        ifMissing absence: Keyring.Absence
    ) throws(KeyringError) -> Keyring {
        try Keyring(
            folder: home.path, owner: EndpointKey(identity.publicKey), for: purpose,
            now: WallClock.seconds(), trustsClock: clock.trustClock, ifMissing: absence)
    }
}

/// Whose clock to believe.
struct ClockOptions: ParsableArguments, Sendable {
    @Flag(
        name: .long,
        help: ArgumentHelp(
            "Believe this machine's clock, though it has jumped since the keyring was last open.",
            discussion:
                "After a jump of more than two days, keys are only moved on when a portal's clock agrees."))
    var trustClock = false
}

extension Home {
    /// Whether no keyring has come to be in it yet.
    ///
    /// What is there and cannot be looked at is for the keyring to complain of.
    var hasNoKeyringYet: Bool { (try? Keyring.isAbsent(in: path)) ?? false }
}

/// A keyring, and whose and where it is.
struct OpenedKeyring: Sendable {
    let home: Home
    let identity: Identity
    let keyring: Keyring

    /// Does something with the keyring, whose errors become the command's.
    ///
    /// - Throws: ``CommandFailure``.
    func perform<Result: ~Copyable>(
        _ body: (Keyring) throws(KeyringError) -> Result
    ) throws(CommandFailure) -> Result {
        do throws(KeyringError) {
            return try body(keyring)
        } catch {
            throw CommandFailure(error)
        }
    }
}

extension OpenedKeyring {
    /// The right to serve from the keyring, to be kept while a node or a portal runs.
    ///
    /// - Throws: ``CommandFailure`` with ``ExitStatus/keyringUnusable`` when another process has it, or for a copy.
    func servingLock() throws(CommandFailure) -> ServingLock {
        do throws(KeyringError) {
            if keyring.isCopy { throw KeyringError.isCopy }
            return try ServingLock(folder: home.path)
        } catch {
            throw CommandFailure(error)
        }
    }
}
