internal import ArgumentParser
internal import Glibc
internal import Keyring
internal import NIOCore
package import Node
internal import Transport
internal import Tunnel
internal import Watching

/// Which code an error ends a command with, and in which words: the only place that decides it.
extension CommandFailure {
    /// Names an error that has a code of its own; `nil` for any other.
    init?(naming error: any Error) {
        switch error {
        case let failure as CommandFailure: self = failure
        case let failure as HopFailure: self.init(failure)
        case let error as KeyringError: self.init(error)
        case let failure as ClusterPolicyFailure: self.init(failure)
        case let error as NATSIdentityError: self.init(.settingsUnusable, error)
        case let error as DestinationError: self.init(error)
        case let failure as JoinFailure: self.init(failure)
        case let error as SpeedTestError: self.init(error)
        default: return nil
        }
    }

    /// Names any error, as unexpected where it has no code of its own.
    init(cause error: any Error) {
        self = CommandFailure(naming: error) ?? CommandFailure(.unexpected, error)
    }

    /// Standard output did not take what was to be delivered.
    init(undelivered error: any Error) { self.init(.standardStreamFailed, error) }

    /// In a new home nothing is wrong, and nothing is there; `purpose` says what there is no keyring for.
    static func noKeyringYet(_ purpose: String) -> CommandFailure {
        CommandFailure(
            .notFound,
            "there is no keyring yet, so there is nothing to \(purpose): the first `cway invite create` or "
                + "`cway join` makes one")
    }

    // MARK: Connections

    /// Names the hop that failed.
    private init(_ failure: HopFailure) {
        let status: ExitStatus =
            switch failure {
            case .unreachable, .localAddress: .portalUnreachable
            case .outerHandshakeRefused, .callersAreMembers, .endedEarly: .outerHandshakeRefused
            case .targetAbsent, .friendAbsent, .busy, .volumeUsedUp, .cutOff: .targetAbsent
            case .innerHandshakeRefused, .innerHandshakeTimedOut, .dismissed: .innerHandshakeRefused
            case .serviceUnknown: .serviceUnknown
            case .serviceNotListening: .serviceNotListening
            case .connectionLost: .connectionLost
            }
        self.init(status, failure)
    }

    /// Names why a name or an address leads nowhere.
    private init(_ error: DestinationError) {
        let status: ExitStatus =
            switch error {
            case .unresolved, .noKeyring: .notForThisKeyring
            case .nobody: .notFound
            default: .usage
            }
        self.init(status, error)
    }

    /// Names why an invite was not redeemed.
    private init(_ failure: JoinFailure) {
        switch failure {
        case .refused, .other: self.init(.inviteRefused, failure)
        case .unreachable(let hop), .notYetReachable(let hop): self.init(CommandFailure(hop).status, failure)
        }
    }

    /// Names what went wrong with a speed test.
    package init(_ error: SpeedTestError) {
        let status: ExitStatus =
            switch error {
            case .ended(.remote), .silent(.echo): .methodFailed
            case .ended, .silent(.target), .silent(.portal): .connectionLost
            case .otherBytes, .tooMuch: .verificationFailed
            }
        self.init(status, error)
    }

    // MARK: The keyring

    /// Names what the keyring does not do.
    init(_ error: KeyringError) {
        let status: ExitStatus =
            switch error {
            case .noSuchFriend, .unknownName: .notFound
            case .notAdmitted, .badName, .nameTaken, .ownKey, .unusableKey, .invite, .seedUsed, .badUseCount,
                .expiryPassed, .labelTooLong, .badServiceName, .tooManyServices, .tooManyPortals,
                .tooManyHosts, .badNodeName, .tooManyEntries:
                .usage
            default: .keyringUnusable
            }
        self.init(status, error.description)
    }

    /// Names why a cluster's log of policy is not followed, or not written.
    private init(_ failure: ClusterPolicyFailure) {
        let status: ExitStatus =
            switch failure {
            case .noEngine, .unavailable, .importUnderWay, .tooManyDenials: .unexpected
            default: .keyringUnusable
            }
        self.init(status, failure)
    }

    // MARK: Services

    /// Names what ended a service.
    init(servingError error: any Error) {
        switch error {
        case let failure as StandardStreamFailure: self.init(.standardStreamFailed, failure)
        case let error as IOError: self.init(.unexpected, Self.words(forListening: error))
        case let error as SocketAddressError.UnknownHost:
            self.init(
                .unexpected,
                "cannot listen: \(ErrorWords.text(of: error)): name an address of this machine, or * for all of them"
            )
        case let failure as WatchServer.Failure:
            self.init(.unexpected, "\(failure): \(ErrorWords.text(of: failure.cause))")
        case is CommandFailure, is HopFailure, is DestinationError: self.init(cause: error)
        default: self.init(.unexpected, error)
        }
    }

    /// Why a port was not had, without the clutter of the call that asked for it.
    private static func words(forListening error: IOError) -> String {
        switch error.errnoCode {
        case EADDRINUSE: "cannot listen: another program has this port: end it, or choose another port"
        case EADDRNOTAVAIL: "cannot listen: this machine does not have this address: choose one of its own"
        case EACCES: "cannot listen: only root may have this port: choose one above 1023"
        default: "cannot listen: \(ErrorWords.text(of: error))"
        }
    }
}

/// Documented numbers, as ArgumentParser takes them.
extension ExitStatus {
    /// The same for ArgumentParser.
    var exitCode: ExitCode { ExitCode(rawValue) }
}
