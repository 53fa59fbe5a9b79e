import Node
import Synchronization
import Testing
import Tunnel

@Suite("What an endpoint puts up")
struct EndpointStateTests {
    private func view(edition: Int, sequence: UInt64) -> EndpointView {
        EndpointView(
            edition: edition, sequence: sequence,
            policy: EndpointPolicy(instances: [:], invites: [], grantsCircle: true), places: [], targets: [:])
    }

    @Test("never goes back, in friends or in settings")
    func order() async {
        let state = EndpointState(view(edition: 1, sequence: 5))
        #expect(await !state.publish(view(edition: 0, sequence: 6)))
        #expect(await !state.publish(view(edition: 2, sequence: 4)))
        #expect(await state.publish(view(edition: 1, sequence: 6)))
    }

    @Test("has a removal that was read under settings that are replaced meanwhile")
    func overtaken() async throws {
        let state = EndpointState(view(edition: 0, sequence: 5))
        let edition = Mutex(0)
        try await state.update { present in
            guard present.sequence < 6 else { return nil }
            let read = view(edition: edition.withLock(\.self), sequence: 6)
            // Read before the removal, and put up before it.
            edition.withLock { $0 = 1 }
            await state.publish(view(edition: 1, sequence: 5))
            return read
        }
        let present = await state.view
        #expect(present.sequence == 6 && present.edition == 1)
    }
}
