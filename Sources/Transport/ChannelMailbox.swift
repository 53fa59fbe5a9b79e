internal import Connection
internal import NIOCore
internal import PortalCore
internal import Synchronization

/// Carries messages to the event loop of one connection, a peer's or a link's.
///
/// Whatever is posted until the loop gets to it makes one hop, and what comes of it is written with one flush.
final class ChannelMailbox<Machine: RelayReceiver>: RelayMailbox {
    let eventLoop: any EventLoop
    let handler: NIOLoopBoundBox<MachineHandler<Machine>?>
    private let waiting = Mutex<[RelayMessage]>([])

    init(eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
        handler = .makeEmptyBox(eventLoop: eventLoop)
    }

    func open(_ handler: MachineHandler<Machine>) { self.handler.value = handler }

    func close() { handler.value = nil }

    func post(_ message: RelayMessage) {
        let isFirst = waiting.withLock { waiting in
            waiting.append(message)
            return waiting.count == 1
        }
        guard isFirst else { return }
        eventLoop.execute { [self] in deliver() }
    }

    private func deliver() {
        var messages: [RelayMessage] = []
        waiting.withLock { swap(&$0, &messages) }
        // Backwards, so that each batch leaves with its only owner: it is sealed in place.
        messages.reverse()
        handler.value?.act { machine in
            while let message = messages.popLast() { machine.deliver(message, at: .now()) }
        }
    }

    /// Uses the connection, on its loop; nothing comes of it where that is over.
    func act(_ body: @escaping @Sendable (Machine) -> Void) {
        eventLoop.execute { [handler] in handler.value?.act(body) }
    }
}
