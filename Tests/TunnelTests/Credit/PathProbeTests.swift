import NIOCore
import Testing

@testable import Tunnel

@Suite("What may be under way on a shared path")
struct PathProbeTests {
    private func probe(_ times: [TimeAmount]) -> PathProbe {
        var probe = PathProbe()
        for time in times { probe.took(time) }
        return probe
    }

    @Test("is little until the path is known")
    func unknown() {
        #expect(probe([]).byteCount(at: 1e9) == PathProbe.leastByteCount)
        let almost = probe(Array(repeating: .milliseconds(100), count: PathProbe.probeCount - 1))
        #expect(almost.byteCount(at: 1e9) == PathProbe.leastByteCount)
    }

    @Test("is what the path holds, half as much again, without what processes wait for their turn")
    func known() {
        let probe = probe([90, 80, 21, 11, 50].map { .milliseconds($0) })
        #expect(probe.byteCount(at: 40e6) == 600_000)
        #expect(probe.byteCount(at: 1e6) == PathProbe.leastByteCount)
    }

    @Test("is not judged by what stood in front of the first bytes, nor by what came behind the look")
    func others() {
        #expect(probe([1, 1, 11, 11, 11, 2, 3].map { .milliseconds($0) }).byteCount(at: 40e6) == 600_000)
        #expect(probe([99, 99, 11, 99, 99].map { .milliseconds($0) }).byteCount(at: 40e6) == 600_000)
    }

    @Test("is looked for again after a hundred round trips")
    func again() {
        var probe = probe(
            Array(repeating: .milliseconds(5), count: PathProbe.probeCount + PathProbe.restCount))
        #expect(probe.byteCount(at: 40e6) == 240_000)
        for _ in 0..<PathProbe.probeCount {
            probe.took(.milliseconds(1))
            #expect(probe.byteCount(at: 40e6) == PathProbe.leastByteCount)
        }
        probe.took(.milliseconds(9))
        #expect(probe.byteCount(at: 40e6) == PathProbe.leastByteCount)
    }
}
