import Multiserver
import MuxRPC
import NIOCore
import SecureSession
import Testing
import Transport
import Tunnel
import TypedSodium

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

        @Test("of calls by an invite that is used up keep nobody else waiting", .timeLimit(.minutes(1)))
        func inviteCalls() async throws {
            try await BesiegedEndpoint.run { besieged in
                let attacker = try await besieged.attacker()
                let reader = try Identity.drawn()
                try await Self.expectUsedUp(attacker, reader, at: besieged)
                try await besieged.expectUnhurt {
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

        /// Whoever has read the code hears once that it is too late, and is out.
        private static func expectUsedUp(
            _ attacker: Attacker, _ reader: Identity, at besieged: BesiegedEndpoint
        ) async throws {
            let tunnel = try await attacker.session(with: besieged.identity.publicKey, as: besieged.invite)
            let use = try use(of: besieged, by: reader)
            try await attacker.act {
                _ = try $0.sessions[tunnel]?.muxrpc.call(["invite", "use"], [use])
            }
            try await attacker.end(of: tunnel)
            let reply = try await attacker.act { $0.lastReply }
            #expect(reply == .failure(RemoteError("invite used up")))
        }

        /// What somebody says who wants to become a friend by the invite.
        private static func use(of besieged: BesiegedEndpoint, by reader: Identity) throws -> JSONValue {
            var bytes = Array("companionway/1/redeem".utf8) + [0]
            for key in [besieged.identity.publicKey, besieged.invite.publicKey, reader.publicKey] {
                bytes += key.bytes.array
            }
            return [
                "feed": .string(reader.publicKey.id),
                "signature": .string(Base64.text(of: reader.sign(bytes.span).bytes.array)),
            ]
        }
    }
}
