import MuxRPC
import NIOCore
import SecureSession
import Testing
import Transport
import Tunnel
import TypedSodium

extension Hostile {
    /// Packets that begin, in as many sessions as there may be, and never end.
    @Suite("Packets that do not come whole")
    struct PartialPacketTests {
        /// Before: calls of 1 MiB in 1,000 sessions, and an endpoint held 1,090 MB.
        @Test(
            "in sessions of friends are paid for by those who send them", .timeLimit(.minutes(2)),
            arguments: [true, false])
        func sessions(areCalls: Bool) async throws {
            let (count, each) = ListeningPortal.isLong ? (33, 30) : (3, areCalls ? 4 : 20)
            let large = JSONValue.string(String(repeating: " ", count: 1_000_000))
            try await BesiegedEndpoint.run(hostileCount: count) { besieged in
                try await besieged.expectUnhurt {
                    var attackers: [Attacker] = []
                    for (number, friend) in besieged.hostile.enumerated() {
                        let attacker = try await besieged.attacker(from: 60 + number)
                        attackers.append(attacker)
                        for _ in 0..<each {
                            let tunnel = try await attacker.session(
                                with: besieged.identity.publicKey, as: friend)
                            try await attacker.act { caller in
                                if areCalls {
                                    _ = try caller.sessions[tunnel]?.muxrpc.call(["whoami"], [large])
                                } else {
                                    let stream = try caller.open("echo", in: tunnel)
                                    let body = ByteBuffer(repeating: 1, count: 64 << 10)
                                    try caller.sessions[tunnel]?.muxrpc.send(body, on: stream)
                                }
                                caller.sendCut(tunnel)
                            }
                        }
                    }
                    return attackers
                }
            }
        }

        /// Before: on 1,000 connections, and a portal held 1,101 MB.
        @Test("on connections are paid for by those who send them", .timeLimit(.minutes(2)))
        func connections() async throws {
            let count = ListeningPortal.isLong ? 1000 : 12
            let tokens = JSONValue.string(String(repeating: " ", count: 1_000_000))
            try await BesiegedEndpoint.run { besieged in
                try await besieged.expectUnhurt(isAtPortal: true) {
                    var attackers: [Attacker] = []
                    for number in 0..<count {
                        let attacker = try await besieged.attacker(from: 60 + number % 20)
                        attackers.append(attacker)
                        try await attacker.act { caller in
                            _ = try caller.outer.muxrpc.call(["tunnel", "announce"], [tokens])
                            caller.sendCutOutside()
                        }
                    }
                    return attackers
                }
            }
        }
    }
}
