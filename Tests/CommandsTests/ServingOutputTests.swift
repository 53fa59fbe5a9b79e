import Commands
import Dispatch
import Node
import Testing

@Suite("Results of a command that serves")
struct ServingOutputTests {
    @Test("wait for their reader up to a bound, and what is left out is said at the end")
    func bound() async throws {
        let (reads, limit) = (DispatchSemaphore(value: 0), ServingOutput.limit)
        let (lines, continuation) = AsyncStream.makeStream(of: String.self)
        let output = ServingOutput()
        let environment = output.taking(
            from: CommandEnvironment(
                environment: [:],
                output: {
                    reads.wait()
                    continuation.yield($0)
                }, complaints: { _ in }))
        for number in 0..<limit + 2 { try environment.print("\(number)") }
        for _ in 0..<limit + 3 { reads.signal() }
        var count = 0
        for await line in lines {
            #expect(line == "\(count)\n")
            count += 1
            if count == limit { break }
        }
        // There is room again, and what was lost stays so.
        try environment.print("later")
        for await line in lines {
            #expect(line == "later\n")
            break
        }
        let failure = await #expect(throws: CommandFailure.self) { try await output.finish() }
        #expect(failure?.status == .standardStreamFailed)
    }
}
