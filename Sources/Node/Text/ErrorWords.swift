internal import Glibc
internal import MuxRPC
internal import NIOCore
internal import NIOPosix
internal import SecureSession
internal import Transport
internal import Tunnel
internal import TypedSodium

/// What is said to people of errors that do not explain themselves: those of the system and of libraries, and those of
/// machines below, which are data.
///
/// Whatever reaches a person passes here. An error of ours that has a sentence says that; one that nobody foresaw is
/// named by its kind alone, because texts of libraries are for their authors.
package enum ErrorWords {
    /// The cause in a few words, without a full stop.
    package static func text(of error: any Error) -> String {
        switch error {
        case let error as IOError: text(ofCode: error.errnoCode)
        case let error as NIOConnectionError: text(of: error)
        case let error as SocketAddressError.UnknownHost: text(ofHost: error.host, code: error.errorCode)
        case let error as SocketAddressError: text(of: error)
        case let error as ChannelError: text(of: error)
        case is EventLoopError: "the program is ending"
        case is CancellationError: "it was interrupted"
        case let error as RemoteError: error.message
        case let error as MuxRPCError: text(of: error)
        case let error as SessionFailure: text(of: error)
        case let error as StreamFailure: text(of: error)
        case let error as DialFailure: text(of: error)
        case let error as SodiumError: text(of: error)
        default: isOurs(error) ? "\(error)" : "something unforeseen happened (\(type(of: error)))"
        }
    }

    /// A reason of the system's, by its number in errno(3).
    package static func text(ofCode code: CInt) -> String {
        switch code {
        case ECONNREFUSED: "nothing listens there"
        case ECONNRESET, EPIPE: "it cut the connection off"
        case EHOSTUNREACH, ENETUNREACH: "no way leads there from this machine's network"
        case ETIMEDOUT: "no answer"
        case EADDRINUSE: "another program has this port"
        case EADDRNOTAVAIL: "this machine does not have this address"
        case EACCES, EPERM: "the system does not permit it"
        case ENOENT: "there is no such file"
        case EMFILE, ENFILE: "no more files and connections may be open: raise the limit (ulimit -n)"
        case ENOMEM, ENOBUFS: "there is no memory left for it"
        case ENOSPC: "the disk is full"
        default: unsafe String(cString: strerror(code))
        }
    }

    // MARK: NIO

    /// Of a name's addresses the one that could be dialled says more than one that may not be.
    private static func text(of error: NIOConnectionError) -> String {
        let failures = error.connectionErrors.map(\.error)
        if let told = failures.first(where: { !($0 is LocalAddressError) }) ?? failures.first {
            return (told as? IOError)?.errnoCode == EINVAL
                ? "a link-local address needs the interface that leads there, as in fe80::1%eth0"
                : text(of: told)
        }
        if let zone = error.host.split(separator: "%", maxSplits: 1).dropFirst().first {
            return "this machine has no interface \(zone)"
        }
        let unknown = [error.dnsAError, error.dnsAAAAError].compactMap {
            $0 as? SocketAddressError.UnknownHost
        }
        return text(ofHost: error.host, code: unknown.first?.errorCode ?? Int(EAI_NONAME))
    }

    private static func text(ofHost host: String, code: Int) -> String {
        CInt(code) == EAI_AGAIN
            ? "no name server says what \(host) is" : "the name \(host) is not known"
    }

    private static func text(of error: SocketAddressError) -> String {
        switch error {
        case .unixDomainSocketPathTooLong: "the path of the socket is too long"
        case .failedToParseIPString(let text): "\(text) is no IP address"
        default: "the address is of a kind that cannot be used"
        }
    }

    private static func text(of error: ChannelError) -> String {
        switch error {
        case .connectTimeout: "no answer within 10 s"
        case .ioOnClosedChannel, .alreadyClosed, .outputClosed, .inputClosed, .eof:
            "the connection was closed"
        case .writeHostUnreachable: text(ofCode: EHOSTUNREACH)
        default: "the system does not let this connection be used so"
        }
    }

    // MARK: Machines of ours

    private static func text(of error: MuxRPCError) -> String {
        switch error {
        case .bodyTooLong(let count, let limit): "it would take \(count) bytes, and \(limit) are allowed"
        case .tooManyOpen(let limit): "\(limit) calls are under way, and no more are allowed at a time"
        case .queueFull: "the other side takes nothing"
        case .notOpen, .outOfNumbers, .closed: "the connection was closed"
        }
    }

    private static func text(of error: SessionFailure) -> String {
        switch error {
        case .targetNotThere(let words): "the target is not at the portal (\(words))"
        case .refused(answered: true): "the other side does not let this key in"
        case .refused(answered: false): "it ended the handshake at once"
        case .wrongPeer: "it has another key, or is on another network"
        case .timedOut: "it fell silent"
        case .lost: "the connection broke"
        case .cut(let words): "the portal has ended the tunnel (\(words))"
        case .forged: "its bytes could not be opened"
        case .dismissed: "it does not let this key in any more"
        case .overdrawn: "it made this node hold more than it may"
        }
    }

    private static func text(of error: StreamFailure) -> String {
        switch error {
        case .remote(let words): "the other side ended the stream (\(words))"
        case .truncated: "the stream ended in the middle"
        case .credit: "the other side broke the rules of flow control"
        case .local(let words): words
        }
    }

    private static func text(of error: DialFailure) -> String {
        switch error {
        case .unreachable(let error): text(of: error)
        case .localAddress(let refusal): "\(refusal)"
        case .session(let failure): text(of: failure)
        }
    }

    private static func text(of error: SodiumError) -> String {
        switch error {
        case .outOfGuardedMemory:
            "no locked memory is left for another secret: raise the limits on locked memory and memory maps"
        case .weakKey, .notOnCurve, .mismatchedKeyPair: "the key is not one that a key pair has"
        case .wrongByteCount, .notCanonicalText: "the text of the key is not as it was printed"
        case .forged: "its bytes could not be opened"
        }
    }

    // MARK: Others

    private static let ownModules: Set<Substring> = [
        "Account", "Blinding", "BoxStream", "Cluster", "Commands", "Connection", "Demo", "Invitation",
        "Keyring",
        "LMDB", "MuxRPC", "Multiserver", "NATS", "Node", "PortalCore", "QRCode", "SecretHandshake",
        "SecureSession", "Transport", "Tunnel", "TypedSodium", "Watching",
    ]

    /// Whether an error's words were chosen here.
    private static func isOurs(_ error: any Error) -> Bool {
        ownModules.contains(String(reflecting: type(of: error)).prefix { $0 != "." })
    }
}
