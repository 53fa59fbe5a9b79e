internal import Transport

/// What the process says about how a command went, one code per cause.
///
/// Scripts may rely on the numbers. Codes 10 to 17 name the hop of a connection that failed, in the order in which
/// they are passed.
package enum ExitStatus: Int32, CaseIterable, Sendable {
    /// All went well.
    case success = 0
    /// Something that no other code stands for.
    case unexpected = 1
    /// What was to be resolved is no address.
    case malformedAddress = 2
    /// What was to be resolved is an address, but not one for this keyring.
    case notForThisKeyring = 3
    /// The portal could not be reached: no route, no name, nobody listening, no answer in time.
    case portalUnreachable = 10
    /// The portal closed the outer handshake: another key or another network.
    case outerHandshakeRefused = 11
    /// The portal does not know the target, or it is not connected.
    case targetAbsent = 12
    /// The target closed the inner handshake: another key, or this node is not allowed.
    case innerHandshakeRefused = 13
    /// The target offers no service of this name to this node.
    case serviceUnknown = 14
    /// The target could not connect to what is behind its service.
    case serviceNotListening = 15
    /// A method that was called answered with an error.
    case methodFailed = 16
    /// The connection broke after it had been set up.
    case connectionLost = 17
    /// An invite was refused by whoever made it.
    case inviteRefused = 18
    /// There is no such friend, invite or portal in the keyring, or no keyring yet.
    case notFound = 19
    /// The identity could not be read or made.
    case identityUnusable = 20
    /// The settings could not be read.
    case settingsUnusable = 21
    /// What came back is not what was sent.
    case verificationFailed = 22
    /// The keyring could not be opened, read or changed, or is in use.
    case keyringUnusable = 23
    /// The doctor found something that does not work.
    case unhealthy = 24
    /// Standard input could not be read to its end, or standard output did not take everything.
    case standardStreamFailed = 25
    /// A unit does not run, or systemd is away or refused something.
    case serviceFailed = 26
    /// A program of others is needed that is not installed.
    case programMissing = 27
    /// The command line was wrong; the number is `EX_USAGE`.
    case usage = 64

    /// The cause in a few words, for the help text.
    package var summary: String {
        switch self {
        case .success: "all went well"
        case .unexpected: "unexpected failure"
        case .malformedAddress: "malformed address ('cway resolve')"
        case .notForThisKeyring: "address not for this keyring"
        case .portalUnreachable: "portal not reachable"
        case .outerHandshakeRefused:
            "outer handshake refused by the portal (wrong key or network, or a limit)"
        case .targetAbsent: "target not at the portal, or busy"
        case .innerHandshakeRefused: "inner handshake refused by the target (wrong key, or not allowed)"
        case .serviceUnknown: "service unknown at the target"
        case .serviceNotListening: "service not listening behind the target"
        case .methodFailed: "remote method failed"
        case .connectionLost: "connection lost"
        case .inviteRefused: "invite refused (used up, revoked, expired, or removed)"
        case .notFound: "no such friend, invite or portal, or no keyring yet"
        case .identityUnusable: "identity or key file unusable"
        case .settingsUnusable: "settings unusable"
        case .verificationFailed: "verification failed: other bytes came back than were sent"
        case .keyringUnusable: "keyring unusable, or in use"
        case .unhealthy: "the doctor found something that does not work"
        case .standardStreamFailed: "standard input failed, or standard output did not take everything"
        case .serviceFailed: "unit not running, or systemd away or refusing ('cway service')"
        case .programMissing: "a program that is needed is not installed ('cway demo --cluster': nats-server)"
        case .usage: "wrong usage"
        }
    }

    /// All codes as a table for the help text.
    package static var table: String {
        allCases.map { status in
            let code = String(status.rawValue)
            return "  " + String(repeating: " ", count: 2 - code.count) + "\(code)  \(status.summary)"
        }.joined(separator: "\n")
    }
}

/// A failure that ends a command: its code for scripts, its sentence for people.
package struct CommandFailure: Error, Equatable, CustomStringConvertible {
    /// The code.
    package let status: ExitStatus
    /// The cause, and what to do about it.
    package let message: String

    /// Puts the two together.
    ///
    /// Words of a peer may stand in the message, so it is kept in plain characters and to a bound.
    package init(_ status: ExitStatus, _ message: String) {
        self.status = status
        self.message = message.printableText
    }

    /// Names the cause in the words of an error that explains itself, or those that there are for it.
    package init(_ status: ExitStatus, _ error: any Error) {
        self.init(status, ErrorWords.text(of: error))
    }

    /// The message.
    package var description: String { message }
}
