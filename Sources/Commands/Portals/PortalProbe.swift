internal import Multiserver
internal import NIOCore
internal import NIOPosix
internal import Node
internal import Transport

/// Dials a portal once, to see that somebody with its key answers.
enum PortalProbe {
    /// How long it may take: whoever adds a portal may be offline.
    private static let time = Duration.seconds(3)

    private enum Outcome {
        case dialled(complaint: String?)
        case outOfTime
    }

    /// Why the portal cannot be used just now; `nil` where it answers with its key.
    static func complaint(about portal: PeerAddress, dialledBy caller: Caller) async -> String? {
        guard let group = try? EventLoops.make(1) else { return nil }
        let (outcomes, continuation) = AsyncStream.makeStream(of: Outcome.self)
        let loop = group.next()
        let dialling = Task {
            do {
                let link = try await caller.connect(toPortal: portal, on: loop)
                continuation.yield(.dialled(complaint: nil))
                await link.close()
            } catch {
                continuation.yield(.dialled(complaint: "\(error)"))
            }
        }
        let timer = Task {
            try await Task.sleep(for: time)
            continuation.yield(.outOfTime)
        }
        defer { timer.cancel() }
        for await outcome in outcomes {
            switch outcome {
            case .dialled(let complaint):
                await dialling.value
                try? await group.shutdownGracefully()
                return complaint
            case .outOfTime:
                // Dialling goes on for a while in the group's thread, which ends with the process.
                return "portal not reachable at \(portal.net.hostAndPort): no answer within 3 s"
            }
        }
        return nil
    }
}
