import Foundation
import PeerSupport
import Testing

extension Integration {
    @Suite("A machine of a cluster")
    struct ClusterWordsTests {
        @Test("says what is missing, in words")
        func words() async throws {
            try await Stage.run { stage in
                func ending(_ flags: String...) async throws -> (CwayProcess.Ending, String) {
                    let process = try stage.cway(
                        home: "portal", ["portal", "run", "--listen", "127.0.0.1:0"] + flags)
                    return (try await process.end(), process.log)
                }
                let noListen = try await ending("--cluster", "nats://localhost:4222")
                #expect(noListen.0 == .exit(64) && noListen.1.contains("--cluster-listen"))
                let noHost = try await ending(
                    "--cluster", "nats://localhost:4222", "--cluster-listen", "*:8009")
                #expect(noHost.0 == .exit(64) && noHost.1.contains("--cluster-advertise"))
                let noScheme = try await ending("--cluster", "localhost:4222")
                #expect(noScheme.0 == .exit(64) && noScheme.1.contains("nats://HOST:PORT"))
                let noFile = try await ending(
                    "--cluster", "nats://localhost:4222", "--cluster-listen", "127.0.0.1:8009",
                    "--cluster-credentials", stage.path("nothing"))
                #expect(noFile.0 == .exit(21) && noFile.1.contains("cannot be read"), "\(noFile)")
                let status = try stage.cway(home: "portal", ["portal", "cluster", "status"])
                #expect(try await status.end() == .exit(19), "\(status.log)")
            }
        }
    }
}
