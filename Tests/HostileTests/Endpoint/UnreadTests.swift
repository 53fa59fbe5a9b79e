import MuxRPC
import NIOCore
import SecureSession
import Sodium
import Testing
import Transport
import Tunnel

extension Hostile {
    /// What an endpoint answers is not read, or slowly.
    @Suite("Answers that are not read")
    struct UnreadTests {
        /// Before: the others waited five seconds, or for ever.
        @Test(
            "of a bare echo keep nobody else waiting", .timeLimit(.minutes(1)), arguments: [0, 7500])
        func echo(byteCountPerTenth: Int) async throws {
            try await BesiegedEndpoint.run { besieged in
                try await besieged.expectUnhurt {
                    let attacker = try await besieged.attacker()
                    for _ in 0..<8 {
                        let tunnel = try await attacker.session(
                            with: besieged.identity.publicKey, as: besieged.hostile[0])
                        try await attacker.act { _ = try $0.open("echo", in: tunnel) }
                    }
                    let body = ByteBuffer(repeating: 5, count: 4000)
                    try await attacker.act { caller in
                        if byteCountPerTenth > 0 {
                            caller.read(byteCountPerTenth)
                        } else {
                            caller.stopReading()
                        }
                        // As much as an unoptimised endpoint echoes.
                        if !ListeningPortal.isLong { caller.pause = .milliseconds(20) }
                        caller.feed = { caller in
                            for session in caller.sessions.values {
                                session.send(body, on: StreamID(sentNumber: 1))
                            }
                            return true
                        }
                    }
                    return [attacker]
                }
            }
        }

        @Test("of calls by a used invite keep nobody else waiting", .timeLimit(.minutes(1)))
        func inviteCalls() async throws {
            try await BesiegedEndpoint.run { besieged in
                try await besieged.expectUnhurt {
                    let attacker = try await besieged.attacker()
                    for _ in 0..<8 {
                        _ = try await attacker.session(with: besieged.identity.publicKey, as: besieged.invite)
                    }
                    try await attacker.act { caller in
                        caller.stopReading()
                        caller.feed = { caller in
                            for session in caller.sessions.values {
                                for _ in 0..<8 { _ = try session.muxrpc.call(["whoami"], []) }
                            }
                            return !caller.sessions.isEmpty
                        }
                    }
                    return [attacker]
                }
            }
        }
    }
}
