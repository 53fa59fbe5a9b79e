import Foundation
import Glibc
import PeerSupport
import PortalCore
import Testing

extension Integration {
    @Suite("A hidden endpoint at two portals")
    struct MultiPortalTests {
        /// How long a call may take where one of two portals is of no use.
        private static let limit = Duration.seconds(3)
        /// How long an endpoint waits for its portals before it tells a redeemer that it is a friend.
        ///
        /// Source: protocol.md, section 5.
        private static let announcingTime = Duration.seconds(3)
        /// How long an endpoint may stay away from a portal that is back, or a friend's session from the other one.
        private static let returnLimit = Duration.seconds(12)

        /// Both portals, the endpoint and its friend, who has learnt of both.
        private static func start(on stage: Stage) async throws -> FriendNetwork {
            let network = try await FriendNetwork.start(on: stage, portalCount: 2)
            _ = try await network.serve(["echo": stage.service(.echo).port])
            try await network.befriend("friend")
            let list = try await stage.run(home: "friend", ["friend", "list", "--json"])
            for portal in network.portals { #expect(list.contains(portal.address)) }
            return network
        }

        /// Calls by the friend's name, and opens a service.
        private static func reach(_ network: FriendNetwork) async throws {
            try await network.stage.run(
                home: "friend", ["call", FriendNetwork.petname, "service.list"], within: limit)
            let connection = try await before(limit) { try await network.openEcho(as: "friend") }
            await connection.close()
        }

        @Test("is reached within 3 s while either is dead, and announces again where a portal comes back")
        func dead() async throws {
            try await Stage.run { stage in
                let network = try await Self.start(on: stage)
                try await Self.reach(network)
                let forward = try await network.forward("echo", as: "friend")
                for (index, portal) in network.portals.enumerated() {
                    portal.process.signal(SIGKILL)
                    try await portal.process.end()
                    try await Self.reach(network)
                    // One that is dialled already moves to the other portal by itself.
                    try await before(Self.returnLimit) {
                        try await LocalConnection.dial(forward.port, untilEchoed: true)
                    }
                    let back = try await TestNetwork.Portal.start(
                        on: stage, home: "portal-\(index + 1)", port: portal.port)
                    #expect(back.address == portal.address)
                    try await back.process.logLine(
                        with: "a hidden endpoint announced", within: Self.returnLimit)
                }
            }
        }

        @Test("is reached within 3 s while either accepts connections and never answers")
        func silent() async throws {
            try await Stage.run { stage in
                let network = try await Self.start(on: stage)
                for portal in network.portals {
                    // The system goes on accepting for a process that stands still.
                    portal.process.signal(SIGSTOP)
                    try await Self.reach(network)
                    portal.process.signal(SIGCONT)
                }
                try await Self.reach(network)
            }
        }

        @Test("lets friends in by invite while either accepts connections and never answers")
        func joined() async throws {
            try await Stage.run { stage in
                let friends = ["anna", "bert"]
                let network = try await FriendNetwork.start(on: stage, portalCount: 2, friends: friends)
                _ = try await network.serve()
                for (home, portal) in zip(friends, network.portals) {
                    portal.process.signal(SIGSTOP)
                    // The endpoint waits for what it has told its portals, before it says yes.
                    try await before(Self.announcingTime + Self.limit) { try await network.befriend(home) }
                    portal.process.signal(SIGCONT)
                }
            }
        }

        @Test("announces at the one that lives when it starts, and at the other once that does")
        func late() async throws {
            try await Stage.run { stage in
                let network = try await FriendNetwork.start(on: stage, portalCount: 2)
                network.portals[1].process.signal(SIGKILL)
                try await network.portals[1].process.end()
                _ = try await network.serve(["echo": stage.service(.echo).port], announcedAt: 1)
                try await network.befriend("friend")
                try await Self.reach(network)
                let back = try await TestNetwork.Portal.start(
                    on: stage, home: "portal-2", port: network.portals[1].port)
                try await back.process.logLine(
                    with: "a hidden endpoint announced", within: Self.returnLimit)
                network.portal.process.signal(SIGKILL)
                try await network.portal.process.end()
                try await Self.reach(network)
            }
        }
    }
}
