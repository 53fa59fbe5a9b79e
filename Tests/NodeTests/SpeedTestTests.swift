import Multiserver
import NIOCore
import NIOPosix
import Node
import SecretHandshake
import Synchronization
import Testing
import TypedSodium

@Suite("A speed test", .timeLimit(.minutes(2)))
struct SpeedTestTests {
    private func measure(
        _ fault: ScriptedEcho.Fault, _ change: (inout SpeedTest) -> Void = { _ in },
        progress: @escaping @Sendable (Double) -> Void = { _ in }
    ) async throws -> Result<SpeedTest.Report, SpeedTestError> {
        var result: Result<SpeedTest.Report, SpeedTestError>?
        var test = SpeedTest(byteCount: 1 << 20, roundTripCount: 20)
        test.silenceTime = .seconds(50)  // where silence is not what is tried, a busy machine is no reason
        change(&test)
        try await ScriptedEcho.run(fault) { address in
            let caller = Caller(identity: try .random(), network: .scuttlebutt)
            let connection = try await caller.connect(
                .direct(address), on: MultiThreadedEventLoopGroup.singleton.next())
            do {
                result = .success(try await test.run(on: connection, progress: progress))
            } catch let error as SpeedTestError {
                result = .failure(error)
            }
            await connection.close()
        }
        return try #require(result)
    }

    @Test("reports, and tells how far it has come")
    func reports() async throws {
        let shares = Mutex<[Double]>([])
        let report = try await measure(
            .none, progress: { share in shares.withLock { $0.append(share) } }
        ).get()
        #expect(report.byteCount == 1 << 20 && report.roundTrips.count == 20)
        let told = shares.withLock(\.self)
        #expect(told == told.sorted() && told.first ?? 1 < 0.01 && told.last ?? 0 > 0.98)
    }

    /// How much of an echo the round trips use up, of which there are 30 with those that warm up.
    private static let roundTripByteCount = 30 * 36

    @Test("ends when nothing comes back, and says who is silent", arguments: [10, 200_000])
    func silence(behind byteCount: Int) async throws {
        let echo = try await measure(.silentBehind(byteCount)) {
            $0.silenceTime = .seconds(2)
            $0.questionTime = .seconds(20)
        }
        #expect(echo == .failure(.silent(.echo)), "its node still answers")
        let target = try await measure(.deafBehind(byteCount)) {
            $0.silenceTime = .seconds(2)
            $0.questionTime = .milliseconds(500)
        }
        #expect(target == .failure(.silent(.target)))
    }

    @Test(
        "ends when something else comes back",
        arguments: [0, 50, roundTripByteCount, roundTripByteCount + 777_777])
    func otherBytes(behind byteCount: Int) async throws {
        #expect(try await measure(.otherByteBehind(byteCount)) == .failure(.otherBytes))
    }

    @Test(
        "ends when more comes back than was sent",
        arguments: [0, 50, roundTripByteCount - 1, roundTripByteCount + (1 << 20) - 1])
    func tooMuch(behind byteCount: Int) async throws {
        let result = try await measure(.tooMuchBehind(byteCount))
        #expect(result == .failure(.tooMuch), "\(result)")
    }

    @Test("measures fewer round trips where each takes long, and at least one")
    func slowLine() async throws {
        let slow = try await measure(.late(.milliseconds(20))) { $0.roundTripTime = .milliseconds(200) }.get()
        #expect((1...10).contains(slow.roundTrips.count))
        #expect(slow.roundTripMicroseconds(at: 0.5) >= 20_000)
        let one = try await measure(.late(.milliseconds(20))) { $0.roundTripTime = .milliseconds(1) }.get()
        #expect(one.roundTrips.count == 1)
    }
}
