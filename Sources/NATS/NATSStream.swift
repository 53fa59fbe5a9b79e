internal import CNATS

/// A stream of JetStream: messages with numbers that count up, kept on the disks of the cluster.
///
/// Its calls block until the cluster has answered, 2 s at most each.
///
/// Safety: libnats locks the context; the pointer is freed by `deinit` alone.
@safe
package final class NATSStream: @unchecked Sendable {
    /// Which messages a stream has: none where the last is 0.
    package struct Extent: Equatable, Sendable {
        /// The number of the first.
        package let first: UInt64
        /// The number of the last.
        package let last: UInt64
    }

    private static let waitMilliseconds: Int64 = 2_000
    /// So often a stream is asked for: once more than it takes where another was faster.
    private static let creationCount = 3

    /// What the stream is called.
    package let name: String
    private let subject: String
    private let pointer: OpaquePointer
    /// The context needs its connection.
    private let connection: NATSConnection

    init(_ connection: NATSConnection, name: String, subject: String) throws(NATSError) {
        var options = unsafe jsOptions()
        try check(unsafe jsOptions_Init(&options), "jsOptions_Init")
        unsafe options.Wait = Self.waitMilliseconds
        var made: OpaquePointer?
        try check(
            unsafe natsConnection_JetStream(&made, connection.pointer, &options), "natsConnection_JetStream")
        guard let context = unsafe made else { throw .noStreams }
        unsafe pointer = context
        self.name = name
        self.subject = subject
        self.connection = connection
    }

    deinit { unsafe jsCtx_Destroy(pointer) }

    /// Makes the stream, unless there is one; of several that try at once all succeed.
    ///
    /// A server looks for the name first and for the subject later, and may have made it for another in between: then it
    /// says that the subject is taken, and has the name when it is asked again.
    ///
    /// - Throws: ``NATSError/subjectTaken(_:)`` where another stream has the subject, or another ``NATSError``.
    package func createIfAbsent(replicas: Int) throws(NATSError) {
        for _ in 0..<Self.creationCount {
            var code = jsErrCode(0)
            let status = unsafe shim_add_stream(
                pointer, name, subject, Int32(replicas), Self.waitMilliseconds, &code)
            guard status != NATS_OK, code != JSStreamNameExistErr else { return }
            guard code == JSStreamSubjectOverlapErr else { throw error(status, code, "js_AddStream") }
        }
        throw .subjectTaken(subject)
    }

    /// Which messages it has.
    ///
    /// - Throws: ``NATSError/noSuchStream(_:)`` where there is none, or another ``NATSError``.
    package func extent() throws(NATSError) -> Extent {
        var (first, last): (UInt64, UInt64) = (0, 0)
        var code = jsErrCode(0)
        let status = unsafe shim_stream_state(pointer, name, Self.waitMilliseconds, &first, &last, &code)
        guard status == NATS_OK else { throw error(status, code, "js_GetStreamInfo") }
        return Extent(first: first, last: last)
    }

    /// Appends a message behind the last one, whose number is known; the number that it got.
    ///
    /// A timeout does not tell whether it stands there: then it is to be looked for.
    ///
    /// - Throws: ``NATSError/outdated`` where that is not the last one, or another ``NATSError``.
    package func append(_ payload: [UInt8], behind last: UInt64) throws(NATSError) -> UInt64 {
        guard payload.count <= NATSConnection.payloadLimit else { throw .tooLong(payload.count) }
        var number: UInt64 = 0
        var code = jsErrCode(0)
        let status = unsafe payload.withUnsafeBytes { bytes in
            unsafe shim_append(
                pointer, name, subject, bytes.baseAddress, Int32(bytes.count), String(last),
                Self.waitMilliseconds, &number, &code)
        }
        guard status == NATS_OK else { throw error(status, code, "js_PublishMsg") }
        return number
    }

    /// The message with a number, from the server that leads the stream.
    ///
    /// - Throws: ``NATSError/missing(_:)`` where it is not there, or another ``NATSError``.
    package func message(_ number: UInt64) throws(NATSError) -> [UInt8] {
        var made: OpaquePointer?
        var code = jsErrCode(0)
        let status = unsafe js_GetMsg(&made, pointer, name, number, nil, &code)
        guard status == NATS_OK, let message = unsafe made else {
            if status == NATS_NOT_FOUND, code != JSStreamNotFoundErr { throw .missing(number) }
            throw error(status, code, "js_GetMsg")
        }
        defer { unsafe natsMsg_Destroy(message) }
        let count = unsafe Int(natsMsg_GetDataLength(message))
        return unsafe [UInt8](UnsafeRawBufferPointer(start: natsMsg_GetData(message), count: count))
    }

    /// Reads from a number on to what was the end when this was called, or up to so many messages.
    ///
    /// - Throws: ``NATSError``.
    package func read(from first: UInt64, limit: Int = 1_024) throws(NATSError) -> [[UInt8]] {
        let last = try extent().last
        guard first <= last else { return [] }
        var messages: [[UInt8]] = []
        for number in first...min(last, first + UInt64(limit) - 1) { messages.append(try message(number)) }
        return messages
    }

    private func error(_ status: natsStatus, _ code: jsErrCode, _ call: String) -> NATSError {
        switch code {
        case JSStreamNotFoundErr: return .noSuchStream(name)
        case JSStreamWrongLastSequenceErr: return .outdated
        case JSNotEnabledErr, JSNotEnabledForAccountErr: return .noStreams
        case JSStreamReplicasNotSupportedErr: return .tooFewServers(isAlone: true)
        case JSClusterNoPeersErr, JSInsufficientResourcesErr: return .tooFewServers(isAlone: false)
        default: break
        }
        switch status {
        case NATS_NO_RESPONDERS: return .noStreams
        case NATS_CONNECTION_DISCONNECTED, NATS_CONNECTION_CLOSED, NATS_INSUFFICIENT_BUFFER:
            return .notConnected
        default: return .failed(call: call, NATSStatus(status), code: code.rawValue)
        }
    }
}
