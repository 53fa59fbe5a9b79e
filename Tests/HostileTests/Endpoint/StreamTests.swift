import MuxRPC
import NIOCore
import SecureSession
import Testing
import Transport
import Tunnel
import TypedSodium

extension Hostile {
    /// Streams of one friend, or of many, to services that others use too.
    @Suite("Streams of greedy friends")
    struct StreamTests {
        /// Before: the others' streams failed with `credit`.
        @Test(
            "that fill a service which does not read leave others theirs", .timeLimit(.minutes(1)),
            arguments: [1, 40])
        func fill(count: Int) async throws {
            try await BesiegedEndpoint.run(hostileCount: count) { besieged in
                try await besieged.expectUnhurt {
                    let attackers = try await besieged.open(count == 1 ? 100 : 4, to: "stalled")
                    let body = ByteBuffer(repeating: 5, count: 256 << 10)
                    for attacker in attackers {
                        try await attacker.act { caller in
                            for session in caller.sessions.values {
                                for number in 1...(count == 1 ? 100 : 4) {
                                    session.send(body, on: StreamID(sentNumber: Int32(number)))
                                }
                            }
                        }
                    }
                    return attackers
                } during: {
                    try await $0.passMegabyte()
                }
            }
        }

        /// Before: 1,020 streams with 1,024 descriptors; here there are 128 for all.
        @Test("that take all sockets leave others some", .timeLimit(.minutes(1)))
        func sockets() async throws {
            try await BesiegedEndpoint.run {
                $0.descriptors = 128
            } _: { besieged in
                try await besieged.expectUnhurt {
                    try await besieged.open(255, to: "sink")
                } during: {
                    try await $0.passMegabyte()
                }
            }
        }

        /// Before: 160,000 credit packets a second, 1.16 cores, and the others' ping took 1.3 s.
        @Test("that grant little in many packets cost the others nothing", .timeLimit(.minutes(1)))
        func credit() async throws {
            try await BesiegedEndpoint.run { besieged in
                try await besieged.expectUnhurt {
                    let attackers = try await besieged.open(1, to: "sink")
                    for attacker in attackers {
                        try await attacker.act { caller in
                            caller.feed = { caller in
                                for session in caller.sessions.values {
                                    for _ in 0..<100 {
                                        try session.muxrpc.send(["credit": 1], on: StreamID(sentNumber: 1))
                                    }
                                }
                                return !caller.sessions.isEmpty
                            }
                        }
                    }
                    return attackers
                }
            }
        }

        /// Before: 13.5 MB in, 390 MB held.
        @Test(
            "that bring their bytes one by one cost the others nothing", .timeLimit(.minutes(1)),
            arguments: ["sink", "stalled"])
        func tinyPackets(service: String) async throws {
            try await BesiegedEndpoint.run { besieged in
                try await besieged.expectUnhurt {
                    let attackers = try await besieged.open(1, to: service)
                    let byte = ByteBuffer(bytes: [1])
                    for attacker in attackers {
                        try await attacker.act { caller in
                            // As many as an unoptimised endpoint looks at; as many bytes as the first credit allows.
                            var count = 256 << 10
                            if !ListeningPortal.isLong { caller.pause = .milliseconds(20) }
                            caller.feed = { caller in
                                for session in caller.sessions.values {
                                    for _ in 0..<100 { session.send(byte, on: StreamID(sentNumber: 1)) }
                                }
                                count -= 100
                                return count > 100 && !caller.sessions.isEmpty
                            }
                        }
                    }
                    return attackers
                } during: {
                    try await $0.passMegabyte()
                }
            }
        }

        @Test("that come and go all the time leave nothing", .timeLimit(.minutes(1)))
        func churn() async throws {
            try await BesiegedEndpoint.run { besieged in
                try await besieged.expectUnhurt {
                    let attackers = try await besieged.open(0, to: "sink")
                    let body = ByteBuffer(repeating: 9, count: 10_000)
                    for attacker in attackers {
                        try await attacker.act { caller in
                            // More fill the queue in which the service's connections wait to be accepted.
                            caller.pause = .milliseconds(5)
                            caller.feed = { caller in
                                for (tunnel, session) in caller.sessions {
                                    let stream = try caller.open(
                                        "service.open", [["name": "sink"]], in: tunnel)
                                    session.send(body, on: stream)
                                    session.muxrpc.end(stream)
                                }
                                return !caller.sessions.isEmpty
                            }
                        }
                    }
                    return attackers
                } during: {
                    try await $0.passMegabyte()
                }
            }
        }
    }
}
