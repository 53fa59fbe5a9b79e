package import NIOCore

/// Notices that nothing came of an echo for a while.
///
/// It is used on the event loop that it was made for, and by it.
package final class EchoWatch {
    /// After how much silence nothing more is awaited.
    package static let time = TimeAmount.seconds(10)

    private let eventLoop: any EventLoop
    private let time: TimeAmount
    private var heardAt = NIODeadline.uptimeNanoseconds(0)
    private var task: Scheduled<Void>?
    private var fellSilent: (() -> Void)?

    package init(on eventLoop: any EventLoop, for time: TimeAmount) {
        self.eventLoop = eventLoop
        self.time = time
    }

    /// Watches from now on; `fellSilent` is called once, unless the watch is stopped.
    package func start(_ fellSilent: @escaping () -> Void) {
        guard self.fellSilent == nil else { return }
        self.fellSilent = fellSilent
        heard()
        arm()
    }

    /// Something has come.
    package func heard() { heardAt = .now() }

    /// Nothing is awaited any more.
    package func stop() {
        task?.cancel()
        (task, fellSilent) = (nil, nil)
    }

    /// One timer for all that comes meanwhile.
    private func arm() {
        task = eventLoop.assumeIsolated().scheduleTask(deadline: heardAt + time) { [weak self] () -> Void in
            self?.timeReached()
        }
    }

    private func timeReached() {
        guard NIODeadline.now() >= heardAt + time else { return arm() }
        let fellSilent = fellSilent
        stop()
        fellSilent?()
    }
}

@available(*, unavailable)
extension EchoWatch: Sendable {}
