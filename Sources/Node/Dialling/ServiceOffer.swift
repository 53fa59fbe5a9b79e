internal import Connection
internal import Logging
internal import Multiserver
internal import MuxRPC
internal import NIOCore
internal import Transport
internal import Tunnel

/// Whether a target offers the service that somebody wants, asked before anybody waits for it.
struct ServiceOffer: Sendable {
    /// How long a target may take to say what it offers; other programs may not even say that they know no such method.
    private static let answerTime = Duration.seconds(5)
    /// How long to wait before a target is asked again that does not offer it yet.
    private static let pause = Duration.seconds(2)

    /// The service's name.
    let service: String
    /// Whether to wait until it is offered.
    let isAwaited: Bool

    /// Returns when the service is offered, or the target does not say what it offers.
    ///
    /// - Throws: ``HopFailure/serviceUnknown(_:)`` where it is not offered and not awaited, or what ended the session.
    func awaitOffer(in connection: PeerConnection, _ logger: Logger) async throws {
        var hasSaid = false
        while let names = try await names(from: connection), !names.contains(service) {
            guard isAwaited else { throw HopFailure.serviceUnknown(service) }
            if !hasSaid {
                logger.warning(
                    "the target does not offer the service yet: waiting for it",
                    metadata: ["service": "\(service)"])
            }
            hasSaid = true
            try await Task.sleep(for: Self.pause)
        }
    }

    /// What the target says it offers; `nil` where it does not.
    private func names(from connection: PeerConnection) async throws -> [String]? {
        let (answers, continuation) = AsyncStream.makeStream(of: Result<Reply, any Error>.self)
        let call = Task {
            do {
                continuation.yield(
                    .success(try await connection.link.call(Method.listServices.name, on: connection.session))
                )
            } catch {
                continuation.yield(.failure(error))
            }
        }
        let timer = Task {
            try await Task.sleep(for: Self.answerTime)
            continuation.finish()
        }
        defer {
            call.cancel()
            timer.cancel()
        }
        for await answer in answers {
            do {
                guard case .value(let json) = try answer.get() else { return nil }
                return json.array?.compactMap(\.string)
            } catch let failure as SessionFailure {
                throw HopFailure(failure)
            } catch {
                throw HopFailure.endedEarly(connection.dialled.net)
            }
        }
        return nil
    }
}
