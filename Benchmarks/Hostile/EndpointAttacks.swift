internal import Foundation
internal import Multiserver
internal import MuxRPC
internal import NIOCore
internal import PeerSupport
internal import SecretHandshake
internal import TypedSodium

/// Attacks of friends, and of strangers with tunnels, on the endpoint that the honest pair uses too.
enum EndpointAttacks {
    static let all = [
        Attack(name: "echo, never read", victim: .endpoint) { try echo($0, bytesPerSecond: 0) },
        Attack(name: "echo, read at 75 KB/s", victim: .endpoint) { try echo($0, bytesPerSecond: 75_000) },
        Attack(name: "4,096 tunnels of one key", victim: .endpoint, run: manyTunnels),
        Attack(name: "partial calls in 1,000 sessions", victim: .endpoint, run: partialCalls),
        Attack(name: "128 silent tunnels", victim: .endpoint, run: silentTunnels),
        Attack(name: "wrong proofs", victim: .endpoint, run: wrongProofs),
        Attack(name: "1,020 streams of a service", victim: .endpoint, run: manyStreams),
        Attack(name: "credit packets", victim: .endpoint, run: creditPackets),
        Attack(name: "tiny packets", victim: .endpoint, run: tinyPackets),
    ]

    /// A connection with sessions in tunnels to the endpoint, all of one key.
    private static func befriend(
        _ field: Battlefield, sessions count: Int, over connections: Int = 1, from source: UInt16 = 2
    ) throws -> [(connection: HostileConnection, tunnel: Int32)] {
        let identity = try Identity.random()
        var sessions: [(connection: HostileConnection, tunnel: Int32)] = []
        for index in 0..<connections where !field.isOver {
            let connection = try PortalAttacks.connect(field, from: source + UInt16(index))
            for _ in 0..<(count / connections) where !field.isOver {
                let tunnel = try connection.openTunnel(
                    to: field.endpoint, at: field.portal.key, as: identity)
                sessions.append((connection, tunnel))
                try PortalAttacks.wait(field, 100) {
                    try connection.pump()
                    return connection.session(tunnel)?.isOpen != false || connection.isOver
                }
            }
        }
        return sessions
    }

    private static func connections(of sessions: [(connection: HostileConnection, tunnel: Int32)])
        -> [HostileConnection]
    {
        var connections: [HostileConnection] = []
        for session in sessions where connections.last !== session.connection {
            connections.append(session.connection)
        }
        return connections
    }

    private static func spent(_ sessions: [(connection: HostileConnection, tunnel: Int32)]) -> Spent {
        let open = sessions.count { $0.connection.session($0.tunnel)?.isOpen == true }
        return Spent(connections(of: sessions), remark: "\(open) sessions stood")
    }

    /// Fills an echo without credit, and reads nothing of it, or little.
    private static func echo(_ field: Battlefield, bytesPerSecond: Int) throws -> Spent {
        let sessions = try befriend(field, sessions: 8, over: 8)
        for (connection, tunnel) in sessions {
            connection.session(tunnel)?.call(
                HostileConnection.request("echo", "[]", isStream: true), isStream: true, number: 1)
            connection.readAllowance = 0
        }
        let body = ByteBuffer(repeating: 5, count: 4000)
        let start = Date()
        var allowed = 0
        try PortalAttacks.keep(connections(of: sessions), field) { connection in
            let due = Int(-start.timeIntervalSinceNow * Double(bytesPerSecond))
            for session in sessions {
                session.connection.readAllowance += max(0, due - allowed) / sessions.count
            }
            allowed = max(allowed, due)
            for session in sessions where session.connection === connection {
                connection.session(session.tunnel)?.send(
                    boxes: (0..<8).map { _ in HostileConnection.packet(body, number: 1) })
            }
        }
        return spent(sessions)
    }

    /// As many tunnels as go, with a session of the same key in each.
    private static func manyTunnels(_ field: Battlefield) throws -> Spent {
        let sessions = try befriend(field, sessions: 4096, over: 4)
        try PortalAttacks.keep(connections(of: sessions), field)
        return spent(sessions)
    }

    /// Calls inside sessions that claim 1 MiB and never come whole.
    private static func partialCalls(_ field: Battlefield) throws -> Spent {
        let sessions = try befriend(field, sessions: 1000, over: 10)
        let body = ByteBuffer(repeating: UInt8(ascii: " "), count: (1 << 20) - 1)
        let packet = HostileConnection.packet(
            body, type: .json, claiming: 1 << 20, isStream: false, number: 1)
        for (connection, tunnel) in sessions where !field.isOver {
            connection.session(tunnel)?.send(boxes: HostileConnection.boxes(of: packet))
            try PortalAttacks.wait(field, 50) {
                try connection.pump()
                return connection.unsentByteCount < 1 << 20
            }
        }
        try PortalAttacks.keep(connections(of: sessions), field)
        return spent(sessions)
    }

    /// Tunnels in which nobody says a word.
    private static func silentTunnels(_ field: Battlefield) throws -> Spent {
        let connections = try (0..<2).map { try PortalAttacks.connect(field, from: 2 + UInt16($0)) }
        while !field.isOver {
            for connection in connections {
                for _ in 0..<64 {
                    try connection.openTunnel(to: field.endpoint, at: field.portal.key, as: nil)
                }
            }
            let until = Date() + 1
            while Date() < until, !field.isOver {
                for connection in connections { try connection.pump() }
                Thread.sleep(forTimeInterval: 0.002)
            }
        }
        return Spent(connections)
    }

    /// Handshakes with garbage in the place of the proof, as fast as they go.
    private static func wrongProofs(_ field: Battlefield) throws -> Spent {
        let connection = try PortalAttacks.connect(field)
        var count = 0
        while !field.isOver, !connection.isOver {
            // A hello for the endpoint, and behind it a proof that opens for nobody.
            let number = try connection.openTunnel(to: field.endpoint, at: field.portal.key, as: nil)
            let peer = try RawPeer(.random(), to: field.endpoint, network: .scuttlebutt)
            if let hello = peer.nextOutbound() { connection.sendBytes(hello, on: number) }
            connection.sendBytes(ByteBuffer(bytes: Random.bytes(112)), on: number)
            count += 1
            try PortalAttacks.wait(field, 2) { try connection.pump() && connection.unsentByteCount == 0 }
        }
        return Spent([connection], remark: "\(count) proofs")
    }

    /// As many streams of a service as there are descriptors.
    private static func manyStreams(_ field: Battlefield) throws -> Spent {
        let sessions = try befriend(field, sessions: 4, over: 4)
        for number in 1...Int32(255) {
            for (connection, tunnel) in sessions {
                connection.session(tunnel)?.call(
                    HostileConnection.request("service.open", #"[{"name":"bytes"}]"#, isStream: true),
                    isStream: true, number: number)
            }
        }
        try PortalAttacks.keep(connections(of: sessions), field)
        return spent(sessions)
    }

    /// Grants of one byte each on a stream.
    private static func creditPackets(_ field: Battlefield) throws -> Spent {
        let sessions = try befriend(field, sessions: 1)
        let credit = HostileConnection.packet(ByteBuffer(string: #"{"credit":1}"#), type: .json, number: 1)
        for (connection, tunnel) in sessions {
            connection.session(tunnel)?.call(
                HostileConnection.request("service.open", #"[{"name":"bytes"}]"#, isStream: true),
                isStream: true, number: 1)
        }
        try PortalAttacks.keep(connections(of: sessions), field) { connection in
            for session in sessions {
                connection.session(session.tunnel)?.send(boxes: Array(repeating: credit, count: 100))
            }
        }
        return spent(sessions)
    }

    /// Bytes one by one, in packets and boxes of their own, into a service that takes them.
    private static func tinyPackets(_ field: Battlefield) throws -> Spent {
        let sessions = try befriend(field, sessions: 1)
        for (connection, tunnel) in sessions {
            connection.session(tunnel)?.call(
                HostileConnection.request("service.open", #"[{"name":"bytes"}]"#, isStream: true),
                isStream: true, number: 1)
        }
        let byte = HostileConnection.packet(ByteBuffer(bytes: [1]), number: 1)
        try PortalAttacks.keep(connections(of: sessions), field) { connection in
            for session in sessions {
                connection.session(session.tunnel)?.send(boxes: Array(repeating: byte, count: 100))
            }
        }
        return spent(sessions)
    }
}
