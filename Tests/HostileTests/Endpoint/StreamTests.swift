import MuxRPC
import NIOCore
import SecureSession
import Sodium
import Testing
import Transport
import Tunnel

extension Hostile {
    /// Streams of one friend, or of many, to services that others use too.
    @Suite("Streams of greedy friends")
    struct StreamTests {
        /// Opens streams to a service in a session of each hostile friend.
        private func open(
            _ count: Int, to service: String, at besieged: BesiegedEndpoint
        ) async throws -> [Attacker] {
            var attackers: [Attacker] = []
            for (number, friend) in besieged.hostile.enumerated() {
                let attacker = try await besieged.attacker(from: 60 + number)
                attackers.append(attacker)
                let tunnel = try await attacker.session(with: besieged.identity.publicKey, as: friend)
                try await attacker.act { caller in
                    for _ in 0..<count {
                        _ = try caller.open("service.open", [["name": .string(service)]], in: tunnel)
                    }
                }
            }
            return attackers
        }

        /// Has an honest friend carry a megabyte to a service that reads, within two seconds.
        private func passMegabyte(of pair: HonestPair) async throws {
            let loop = pair.client.eventLoop
            let ended = loop.makePromise(of: Void.self)
            let clock = ContinuousClock()
            let began = clock.now
            try await pair.client.open(.service("sink"), on: pair.session) { handle in
                let end = Megabyte(handle, ended: ended)
                // Only behind this call will the end be told what comes of its first bytes.
                loop.assumeIsolated().execute { end.resume() }
                return end
            }
            try await ended.futureResult.get()
            #expect(clock.now - began < .seconds(2))
        }

        /// Before: the others' streams failed with `credit`.
        @Test(
            "that fill a service which does not read leave others theirs", .timeLimit(.minutes(1)),
            arguments: [1, 40])
        func fill(count: Int) async throws {
            try await BesiegedEndpoint.run(hostileCount: count) { besieged in
                try await besieged.expectUnhurt {
                    let attackers = try await open(count == 1 ? 100 : 4, to: "stalled", at: besieged)
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
                    try await passMegabyte(of: $0)
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
                    try await open(255, to: "sink", at: besieged)
                } during: {
                    try await passMegabyte(of: $0)
                }
            }
        }

        /// Before: 160,000 credit packets a second, 1.16 cores, and the others' ping took 1.3 s.
        @Test("that grant little in many packets cost the others nothing", .timeLimit(.minutes(1)))
        func credit() async throws {
            try await BesiegedEndpoint.run { besieged in
                try await besieged.expectUnhurt {
                    let attackers = try await open(1, to: "sink", at: besieged)
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
                    let attackers = try await open(1, to: service, at: besieged)
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
                    try await passMegabyte(of: $0)
                }
            }
        }

        @Test("that come and go all the time leave nothing", .timeLimit(.minutes(1)))
        func churn() async throws {
            try await BesiegedEndpoint.run { besieged in
                try await besieged.expectUnhurt {
                    let attackers = try await open(0, to: "sink", at: besieged)
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
                    try await passMegabyte(of: $0)
                }
            }
        }
    }
}

/// Sends a megabyte, and is done when the far side has said that it came.
private final class Megabyte: StreamEnd {
    private let handle: StreamHandle
    private let ended: EventLoopPromise<Void>
    private var rest = ByteBuffer(repeating: 7, count: 1 << 20)
    private var hasEnded = false

    init(_ handle: StreamHandle, ended: EventLoopPromise<Void>) {
        self.handle = handle
        self.ended = ended
    }

    func receive(_ bytes: ByteBuffer) { handle.drained(bytes.readableBytes) }

    func receiveEnd() {}

    func resume() {
        while let piece = rest.readSlice(length: min(16 << 10, rest.readableBytes)), piece.readableBytes > 0 {
            guard handle.send(piece) else { return }
        }
        guard !hasEnded else { return }
        hasEnded = true
        handle.sendEnd()
    }

    func close(_ failure: StreamFailure?) {
        if let failure { ended.fail(failure) } else { ended.succeed() }
    }
}
