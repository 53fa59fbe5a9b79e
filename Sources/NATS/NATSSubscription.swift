internal import CNATS

/// A subscription, which ends with the value.
///
/// Safety: libnats locks it; the pointer is freed by `deinit` alone, and the closure lives until libnats says that the
/// last message was told.
@safe
package final class NATSSubscription: @unchecked Sendable {
    private let pointer: OpaquePointer
    /// A subscription needs its connection.
    private let connection: NATSConnection

    init(
        _ connection: NATSConnection, to subject: String, _ take: @escaping @Sendable (NATSMessage) -> Void
    ) throws(NATSError) {
        let closure = unsafe Unmanaged.passRetained(MessageTaker(take)).toOpaque()
        var made: OpaquePointer?
        let status = unsafe natsConnection_Subscribe(
            &made, connection.pointer, subject, messageCame, closure)
        guard status == NATS_OK, let subscription = unsafe made else {
            unsafe Unmanaged<MessageTaker>.fromOpaque(closure).release()
            throw .failed(call: "natsConnection_Subscribe", NATSStatus(status))
        }
        _ = unsafe natsSubscription_SetOnCompleteCB(subscription, subscriptionOver, closure)
        _ = unsafe natsSubscription_SetPendingLimits(
            subscription, NATSConnection.pendingLimit, NATSConnection.pendingByteLimit)
        unsafe pointer = subscription
        self.connection = connection
    }

    deinit {
        _ = unsafe natsSubscription_Unsubscribe(pointer)
        unsafe natsSubscription_Destroy(pointer)
    }

    /// How many messages were lost because they were not taken fast enough.
    package var lostCount: Int64 {
        var count: Int64 = 0
        _ = unsafe natsSubscription_GetDropped(pointer, &count)
        return count
    }
}

/// What a subscription's callbacks call, until the last of them has come.
private final class MessageTaker: Sendable {
    let take: @Sendable (NATSMessage) -> Void

    init(_ take: @escaping @Sendable (NATSMessage) -> Void) { self.take = take }
}

// libnats calls these on threads of its own: they stand outside everything that is isolated.

private func messageCame(
    _ connection: OpaquePointer?, _ subscription: OpaquePointer?, _ message: OpaquePointer?,
    _ closure: UnsafeMutableRawPointer?
) {
    guard let message = unsafe message else { return }
    defer { unsafe natsMsg_Destroy(message) }
    guard let closure = unsafe closure, let subject = unsafe natsMsg_GetSubject(message) else { return }
    let count = unsafe Int(natsMsg_GetDataLength(message))
    let payload = unsafe [UInt8](UnsafeRawBufferPointer(start: natsMsg_GetData(message), count: count))
    let taker = unsafe Unmanaged<MessageTaker>.fromOpaque(closure).takeUnretainedValue()
    taker.take(NATSMessage(subject: unsafe String(cString: subject), payload: payload))
}

private func subscriptionOver(_ closure: UnsafeMutableRawPointer?) {
    guard let closure = unsafe closure else { return }
    unsafe Unmanaged<MessageTaker>.fromOpaque(closure).release()
}
