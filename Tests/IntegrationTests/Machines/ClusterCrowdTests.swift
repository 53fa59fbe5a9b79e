import Glibc
import Multiserver
import NIOPosix
import Node
import PeerSupport
import SecretHandshake
import Testing
import Tunnel
import TypedSodium

extension Integration {
    @Suite("Many nodes behind one address")
    struct ClusterCrowdTests {
        private static let count = 150
        private static let workerCount = 8
        /// What is promised between a machine's death and a fresh call.
        private static let promise = Duration.seconds(10)

        @Test("of a cluster are all reached by fresh calls within 10 s when their machine is killed")
        func storm() async throws {
            var plan = ClusterStage.Plan()
            plan.machineCount = 2
            plan.serverCount = 1
            try await ClusterStage.run(plan) { stage in
                let machines = try stage.places.indices.map { try Self.peer(of: $0, stage) }
                // Strangers have ten look-ups a second: it has to be a member who calls all of them.
                let member = try await stage.members(1)[0]
                // The other one comes when all of them stand behind the first.
                try await stage.killMachine(1)
                let nodes = try await Crowd.announce(Self.count, at: machines)
                try stage.startMachine(1)
                try await stage.isReady(1)
                #expect(await nodes.count(at: machines[0]) == Self.count)
                let start = ContinuousClock.now
                stage.machine(0)?.signal(SIGKILL)
                try await nodes.isAnnounced(times: 2 * Self.count)
                try await Self.call(nodes.keys, as: member, at: machines[1])
                let time = ContinuousClock.now - start
                #expect(time < Self.promise, "\(time)")
                #expect(nodes.announcedCount == 2 * Self.count, "each went once")
                print("\(Self.count) nodes called afresh \(time) after their machine's end")
                await nodes.stop()
            }
        }

        private static func peer(of index: Int, _ stage: ClusterStage) throws -> PeerAddress {
            PeerAddress(
                net: try NetAddress(host: "127.0.0.1", port: stage.places[index].port),
                key: try PublicKey(id: stage.id))
        }

        /// Calls each of them with a connection of its own, a few at a time.
        private static func call(
            _ keys: [PublicKey], as member: Identity, at machine: PeerAddress
        ) async throws {
            let caller = Caller(identity: member, outerKey: .real, network: .scuttlebutt)
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                for worker in 0..<workerCount {
                    tasks.addTask {
                        for key in stride(from: worker, to: keys.count, by: workerCount).map({ keys[$0] }) {
                            let route = Route.tunnel(target: key, ways: [.init(portal: machine)])
                            let call = try await caller.connect(
                                route, on: MultiThreadedEventLoopGroup.singleton.next())
                            await call.close()
                        }
                    }
                }
                try await tasks.waitForAll()
            }
        }
    }
}
