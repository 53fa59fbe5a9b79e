internal import CNATS
internal import Glibc
internal import Synchronization

/// A connection to a NATS cluster, which is made again for ever.
///
/// Every call may block, up to the deadlines below: they belong on a thread of their own, never on an event loop. What
/// comes is told on threads of libnats, in order for each subscription; what is not taken at once is lost beyond
/// ``pendingLimit``, and counted.
///
/// libnats' defaults deliver messages seconds late. Here nothing is kept while there is no connection, and a server that
/// stands still is noticed after a second.
///
/// Safety: libnats locks its objects itself; the pointers are freed by `deinit` alone, and what callbacks use lives until
/// libnats has called the last of them.
@safe
package final class NATSConnection: @unchecked Sendable {
    /// How many messages of a subscription may wait for the one that takes them.
    package static let pendingLimit: Int32 = 16_384
    /// How many bytes of them.
    package static let pendingByteLimit: Int32 = 64 << 20
    /// The longest message that servers take unless they are told otherwise, in bytes.
    package static let payloadLimit = 1 << 20

    private static let dialMilliseconds: Int64 = 2_000
    private static let faultMilliseconds: Int64 = 500
    private static let pingMilliseconds: Int64 = 500
    private static let pingLimit: Int32 = 2
    private static let writeMilliseconds: Int64 = 1_000
    private static let redialMilliseconds: Int64 = 100
    private static let redialJitterMilliseconds: Int64 = 200

    let pointer: OpaquePointer
    private let watcher: ConnectionWatcher

    /// Begins to connect; servers that are not there yet are no error.
    ///
    /// - Throws: ``NATSError`` for settings that cannot be right.
    package init(_ settings: NATSSettings, _ tell: @escaping @Sendable (NATSEvent) -> Void) throws(NATSError)
    {
        var made: OpaquePointer?
        try check(unsafe natsOptions_Create(&made), "natsOptions_Create")
        guard let options = unsafe made else { throw .notConnected }
        defer { unsafe natsOptions_Destroy(options) }
        try unsafe Self.fill(options, settings)
        let watcher = ConnectionWatcher(tell)
        let closure = unsafe Unmanaged.passRetained(watcher).toOpaque()
        var connection: OpaquePointer?
        do throws(NATSError) {
            try check(
                unsafe natsOptions_SetDisconnectedCB(options, connectionLost, closure),
                "natsOptions_SetDisconnectedCB")
            try check(
                unsafe natsOptions_SetReconnectedCB(options, connectionMade, closure),
                "natsOptions_SetReconnectedCB")
            try check(
                unsafe natsOptions_SetClosedCB(options, connectionClosed, closure), "natsOptions_SetClosedCB")
            try check(
                unsafe natsOptions_SetErrorHandler(options, connectionFailed, closure),
                "natsOptions_SetErrorHandler")
            try check(
                unsafe natsOptions_SetRetryOnFailedConnect(options, true, connectionMade, closure),
                "natsOptions_SetRetryOnFailedConnect")
            let status = unsafe natsConnection_Connect(&connection, options)
            if status != NATS_NOT_YET_CONNECTED { try check(status, "natsConnection_Connect") }
            if status == NATS_OK { watcher.tell(.connected) }
        } catch {
            unsafe Unmanaged<ConnectionWatcher>.fromOpaque(closure).release()
            throw error
        }
        guard let opened = unsafe connection else { throw .notConnected }
        unsafe pointer = opened
        self.watcher = watcher
        guard !isConnected else { return }
        // libnats tells later, at most, that there is no server.
        watcher.note(refusal: failure)
        if watcher.refusal == nil { try unsafe watcher.note(refusal: Self.fault(of: options)) }
        // The other try may have been let in meanwhile.
        if isConnected { watcher.forgetRefusal() }
    }

    deinit {
        unsafe natsConnection_Close(pointer)
        unsafe natsConnection_Destroy(pointer)
    }

    /// Why nobody is let in, or a certificate is not believed: libnats tells it of nothing but a try that is not made again.
    private static func fault(of options: OpaquePointer) throws(NATSError) -> String? {
        try check(
            unsafe natsOptions_SetRetryOnFailedConnect(options, false, nil, nil),
            "natsOptions_SetRetryOnFailedConnect")
        try check(unsafe natsOptions_SetTimeout(options, faultMilliseconds), "natsOptions_SetTimeout")
        // Nothing is told of this one.
        try check(unsafe natsOptions_SetClosedCB(options, nil, nil), "natsOptions_SetClosedCB")
        try check(unsafe natsOptions_SetDisconnectedCB(options, nil, nil), "natsOptions_SetDisconnectedCB")
        try check(unsafe natsOptions_SetReconnectedCB(options, nil, nil), "natsOptions_SetReconnectedCB")
        try check(unsafe natsOptions_SetErrorHandler(options, nil, nil), "natsOptions_SetErrorHandler")
        var connection: OpaquePointer?
        let status = unsafe natsConnection_Connect(&connection, options)
        unsafe natsConnection_Destroy(connection)
        guard status == NATS_SSL_ERROR || status == NATS_CONNECTION_AUTH_FAILED,
            let text = unsafe nats_GetLastError(nil)
        else { return nil }
        return unsafe String(cString: text)
    }

    private static func fill(_ options: OpaquePointer, _ settings: NATSSettings) throws(NATSError) {
        let count = settings.servers.count
        var servers: [UnsafePointer<CChar>?] = unsafe settings.servers.map {
            unsafe UnsafePointer(strdup($0))
        }
        defer {
            for index in 0..<count { unsafe free(UnsafeMutablePointer(mutating: servers[index])) }
        }
        try check(
            unsafe natsOptions_SetServers(options, &servers, Int32(count)), "natsOptions_SetServers")
        try check(unsafe natsOptions_SetName(options, settings.name), "natsOptions_SetName")
        switch settings.credentials {
        case .none: break
        case .user(let name, let password):
            try check(unsafe natsOptions_SetUserInfo(options, name, password), "natsOptions_SetUserInfo")
        case .token(let token): try check(unsafe natsOptions_SetToken(options, token), "natsOptions_SetToken")
        case .nkey(let key, let file):
            try check(unsafe natsOptions_SetNKeyFromSeed(options, key, file), "natsOptions_SetNKeyFromSeed")
        case .file(let file):
            try check(
                unsafe natsOptions_SetUserCredentialsFromFiles(options, file, nil),
                "natsOptions_SetUserCredentialsFromFiles")
        }
        // libnats does not look at the scheme, and would show who it is to whoever answers without TLS.
        if settings.isSecure {
            try check(unsafe natsOptions_SetSecure(options, true), "natsOptions_SetSecure")
        }
        if let file = settings.authorityFile {
            try check(
                unsafe natsOptions_LoadCATrustedCertificates(options, file),
                "natsOptions_LoadCATrustedCertificates")
        }
        try check(unsafe natsOptions_SetTimeout(options, dialMilliseconds), "natsOptions_SetTimeout")
        try check(
            unsafe natsOptions_SetPingInterval(options, pingMilliseconds), "natsOptions_SetPingInterval")
        try check(unsafe natsOptions_SetMaxPingsOut(options, pingLimit), "natsOptions_SetMaxPingsOut")
        try check(
            unsafe natsOptions_SetWriteDeadline(options, writeMilliseconds), "natsOptions_SetWriteDeadline")
        // For ever; and what is published meanwhile is refused, not kept: zero would mean eight megabytes.
        try check(unsafe natsOptions_SetMaxReconnect(options, -1), "natsOptions_SetMaxReconnect")
        try check(unsafe natsOptions_SetReconnectBufSize(options, 1), "natsOptions_SetReconnectBufSize")
        try check(
            unsafe natsOptions_SetReconnectWait(options, redialMilliseconds), "natsOptions_SetReconnectWait")
        try check(
            unsafe natsOptions_SetReconnectJitter(
                options, redialJitterMilliseconds, redialJitterMilliseconds),
            "natsOptions_SetReconnectJitter")
        // The thread that publishes has a queue of its own: what it hands over goes out at once.
        try check(unsafe natsOptions_SetSendAsap(options, true), "natsOptions_SetSendAsap")
        try check(unsafe natsOptions_SetNoEcho(options, true), "natsOptions_SetNoEcho")
        try check(
            unsafe natsOptions_SetMaxPendingMsgs(options, pendingLimit), "natsOptions_SetMaxPendingMsgs")
    }

    /// Whether it stands, as far as is known.
    package var isConnected: Bool { unsafe natsConnection_Status(pointer) == NATS_CONN_STATUS_CONNECTED }

    /// The server that it stands with.
    package var server: String? {
        var text = [CChar](repeating: 0, count: 256)
        guard unsafe natsConnection_GetConnectedUrl(pointer, &text, text.count) == NATS_OK else { return nil }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// What went wrong last: why the servers have refused this program or are not believed, or the words of libnats.
    package var lastError: String? { watcher.refusal ?? failure }

    private var failure: String? {
        var text: UnsafePointer<CChar>?
        guard unsafe natsConnection_GetLastError(pointer, &text) != NATS_OK, let words = unsafe text else {
            return nil
        }
        return unsafe String(cString: words)
    }

    /// Asks the server and awaits its answer: all that was published before has reached it.
    ///
    /// - Throws: ``NATSError``.
    package func flush(milliseconds: Int64 = 2_000) throws(NATSError) {
        try check(unsafe natsConnection_FlushTimeout(pointer, milliseconds), "natsConnection_FlushTimeout")
    }

    /// Publishes a message, where there is a connection.
    ///
    /// - Throws: ``NATSError``.
    package func publish(_ payload: [UInt8], to subject: String) throws(NATSError) {
        guard payload.count <= Self.payloadLimit else { throw .tooLong(payload.count) }
        guard isConnected else { throw .notConnected }
        let status = unsafe payload.withUnsafeBytes { bytes in
            unsafe natsConnection_Publish(pointer, subject, bytes.baseAddress, Int32(bytes.count))
        }
        try check(status, "natsConnection_Publish")
    }

    /// Has everything told that is published to a subject, until the subscription is let go.
    ///
    /// - Throws: ``NATSError``.
    package func subscribe(
        to subject: String, _ take: @escaping @Sendable (NATSMessage) -> Void
    ) throws(NATSError) -> NATSSubscription {
        try NATSSubscription(self, to: subject, take)
    }

    /// A stream of this cluster, which may not be there yet.
    ///
    /// - Throws: ``NATSError``.
    package func stream(_ name: String, subject: String) throws(NATSError) -> NATSStream {
        try NATSStream(self, name: name, subject: subject)
    }
}

/// What callbacks of a connection tell, until the last of them has come.
private final class ConnectionWatcher: Sendable {
    /// What a server says, or libnats of its certificate, and what to do about it.
    private static let remedies = [
        ("Authorization", "look at the user, the token or the file of credentials that it is given"),
        ("Authentication", "look at the user, the token or the file of credentials that it is given"),
        ("certificate", "name the file of the authority that has signed it"),
    ]

    private let listener: @Sendable (NATSEvent) -> Void
    private let words = Mutex<String?>(nil)

    init(_ listener: @escaping @Sendable (NATSEvent) -> Void) { self.listener = listener }

    /// Why there is no connection, where it cannot become one by itself.
    var refusal: String? { words.withLock(\.self) }

    func tell(_ event: NATSEvent) {
        if event == .connected { forgetRefusal() }
        listener(event)
    }

    func forgetRefusal() { words.withLock { $0 = nil } }

    /// Keeps what went wrong, where somebody has to do something about it.
    func note(refusal text: String?) {
        guard let text, let remedy = Self.remedies.first(where: { text.contains($0.0) })?.1 else { return }
        words.withLock { $0 = "\(text): \(remedy)" }
    }
}

private func watcher(_ closure: UnsafeMutableRawPointer?) -> ConnectionWatcher? {
    guard let closure = unsafe closure else { return nil }
    return unsafe Unmanaged<ConnectionWatcher>.fromOpaque(closure).takeUnretainedValue()
}

// libnats calls these on threads of its own: they stand outside everything that is isolated.

private func connectionMade(_ connection: OpaquePointer?, _ closure: UnsafeMutableRawPointer?) {
    unsafe watcher(closure)?.tell(.connected)
}

private func connectionLost(_ connection: OpaquePointer?, _ closure: UnsafeMutableRawPointer?) {
    unsafe watcher(closure)?.tell(.disconnected)
}

private func connectionClosed(_ connection: OpaquePointer?, _ closure: UnsafeMutableRawPointer?) {
    guard let closure = unsafe closure else { return }
    // It is the last callback of the connection.
    unsafe Unmanaged<ConnectionWatcher>.fromOpaque(closure).takeRetainedValue().tell(.closed)
}

private func connectionFailed(
    _ connection: OpaquePointer?, _ subscription: OpaquePointer?, _ status: natsStatus,
    _ closure: UnsafeMutableRawPointer?
) {
    if status == NATS_CONNECTION_AUTH_FAILED, let connection = unsafe connection {
        var text: UnsafePointer<CChar>?
        _ = unsafe natsConnection_GetLastError(connection, &text)
        if let text = unsafe text { unsafe watcher(closure)?.note(refusal: String(cString: text)) }
    }
    guard status == NATS_SLOW_CONSUMER, let subscription = unsafe subscription else { return }
    var count: Int64 = 0
    guard unsafe natsSubscription_GetDropped(subscription, &count) == NATS_OK else { return }
    unsafe watcher(closure)?.tell(.lost(count))
}

/// Passes a status on as an error.
func check(_ status: natsStatus, _ call: String) throws(NATSError) {
    guard status != NATS_OK else { return }
    switch status {
    case NATS_CONNECTION_DISCONNECTED, NATS_CONNECTION_CLOSED, NATS_INSUFFICIENT_BUFFER: throw .notConnected
    default: throw .failed(call: call, NATSStatus(status))
    }
}
