internal import CNATS

/// What libnats or the server answered.
package enum NATSError: Error, Equatable, Sendable {
    /// A call failed; the code is JetStream's, or 0.
    case failed(call: String, NATSStatus, code: UInt32 = 0)
    /// There is no connection at the moment.
    case notConnected
    /// The server has no JetStream, or not for this account.
    case noStreams
    /// There are not as many servers as the stream was to have copies: none but this one, or not enough at the moment.
    case tooFewServers(isAlone: Bool)
    /// Another stream has a subject.
    case subjectTaken(String)
    /// There is no such stream.
    case noSuchStream(String)
    /// Another was faster: the stream's last message is not the one that was expected.
    case outdated
    /// A message of a stream is not there any more, though nothing may delete it.
    case missing(UInt64)
    /// More than fits into one message, in bytes.
    case tooLong(Int)
}

extension NATSError: CustomStringConvertible {
    /// A sentence with the cause and, where there is one, the remedy.
    package var description: String {
        switch self {
        case .failed(let call, let status, code: 0): "NATS: \(call) failed: \(status)"
        case .failed(let call, let status, let code):
            "NATS: \(call) failed: \(status), JetStream's error \(code)"
        case .notConnected: "there is no connection to NATS; it is being tried again"
        case .noStreams: "this NATS has no JetStream for this account: start its servers with JetStream (-js)"
        case .tooFewServers: "NATS has fewer servers than the stream is to have copies: start the others"
        case .subjectTaken(let subject):
            "another stream of this NATS keeps what is said under \(subject): remove it, or give the portal another account"
        case .noSuchStream(let name): "NATS has no stream \(name)"
        case .outdated: "another machine has written to the stream meanwhile"
        case .missing(let number):
            "message \(number) of the stream is gone: it was deleted, or its store is damaged"
        case .tooLong(let count): "\(count) bytes are more than fits into one message"
        }
    }
}

/// A status of libnats; the names are its own, so that its manual can be searched for them.
package struct NATSStatus: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    package let rawValue: UInt32

    package init(rawValue: UInt32) { self.rawValue = rawValue }

    init(_ status: natsStatus) { rawValue = status.rawValue }

    /// The words of libnats.
    package var description: String {
        guard let text = unsafe natsStatus_GetText(natsStatus(rawValue)) else { return "status \(rawValue)" }
        return unsafe String(cString: text)
    }
}
