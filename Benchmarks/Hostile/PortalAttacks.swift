internal import Foundation
internal import Multiserver
internal import MuxRPC
internal import NIOCore
internal import PeerSupport
internal import TypedSodium

/// Attacks of strangers on a portal; each uses addresses of its own, so that the honest pair shares none of them.
enum PortalAttacks {
    static let all = [
        Attack(name: "1-byte packets, 4,000 tunnels", victim: .portal, run: tinyPackets),
        Attack(name: "partial 1 MiB calls, 1,000 connections", victim: .portal, run: partialCalls),
        Attack(name: "slow handshakes, 2,000", victim: .portal) { try slowHandshakes(2000, $0) },
        Attack(name: "tokens of 100 sources", victim: .portal, run: manyTokens),
        Attack(name: "announce and leave in turns", victim: .portal, run: announceAndLeave),
        Attack(name: "handshakes as fast as they go", victim: .portal, run: manyHandshakes),
        Attack(name: "pings that are not read", victim: .portal, run: unreadAnswers),
    ]

    static let long = [
        Attack(name: "slow handshakes, 5,000", victim: .portal) { try slowHandshakes(5000, $0) }
    ]

    /// Connects from one of the attacker's addresses, and waits for the handshake a moment.
    static func connect(_ field: Battlefield, from source: UInt16 = 2) throws -> HostileConnection {
        let connection = try HostileConnection(field.portal, from: source)
        try wait(field, 200) { try connection.pump() && connection.isOpen || connection.isOver }
        return connection
    }

    /// Pumps until something is so, for a number of milliseconds at the longest.
    static func wait(_ field: Battlefield, _ milliseconds: Int, until isDone: () throws -> Bool) throws {
        for _ in 0..<milliseconds {
            if try isDone() || field.isOver { return }
            Thread.sleep(forTimeInterval: 0.001)
        }
    }

    /// Keeps connections going until the attack is over; `act` sends what the attack consists of.
    static func keep(
        _ connections: [HostileConnection], _ field: Battlefield,
        _ act: (HostileConnection) throws -> Void = { _ in }
    ) throws {
        while !field.isOver {
            var hasMoved = false
            for connection in connections where !connection.isOver {
                if connection.isOpen, connection.unsentByteCount < 64 << 10 { try act(connection) }
                if try connection.pump() { hasMoved = true }
            }
            if !hasMoved { Thread.sleep(forTimeInterval: 0.001) }
        }
    }

    /// An endpoint of the attacker's own does not read what its own client sends on 4,000 tunnels, byte by byte.
    private static func tinyPackets(_ field: Battlefield) throws -> Spent {
        let endpoint = try connect(field)
        endpoint.call("tunnel.announce", "[]")
        try wait(field, 500) { try !endpoint.pump() && endpoint.sentByteCount > 0 }
        let client = try connect(field, from: 3)
        var tunnels: [Int32] = []
        for _ in 0..<4000 {
            tunnels.append(try client.openTunnel(to: endpoint.key, at: field.portal.key, as: nil))
        }
        try wait(field, 1000) {
            try client.pump()
            try endpoint.pump()
            return endpoint.opened.count >= 4000
        }
        endpoint.reads = false
        var next = 0
        try keep([client], field) { client in
            for _ in 0..<200 {
                client.send(
                    HostileConnection.packet(ByteBuffer(bytes: [1]), number: tunnels[next % tunnels.count]))
                next += 1
            }
        }
        return Spent([client, endpoint], remark: "\(endpoint.opened.count) tunnels stood")
    }

    /// Calls that claim a body of 1 MiB and send all of it but the last byte.
    private static func partialCalls(_ field: Battlefield) throws -> Spent {
        var connections: [HostileConnection] = []
        for index in 0..<1000 where !field.isOver {
            guard let connection = try? connect(field, from: 2 + UInt16(index % 20)) else { continue }
            connections.append(connection)
            let body = ByteBuffer(repeating: UInt8(ascii: " "), count: (1 << 20) - 1)
            connection.send(
                HostileConnection.packet(body, type: .json, claiming: 1 << 20, isStream: false, number: 1))
            try connection.pump()
        }
        try keep(connections, field)
        return Spent(connections)
    }

    /// Connections that say the beginning of a hello and no more, and others for those that are closed.
    private static func slowHandshakes(_ count: Int, _ field: Battlefield) throws -> Spent {
        let beginning = Random.bytes(20)
        var sockets: [LoopbackSocket?] = Array(repeating: nil, count: count)
        var spent = Spent()
        while !field.isOver {
            for index in sockets.indices where !field.isOver {
                // Nothing is ever said; so what can be read, if only an error, is the end.
                if let socket = sockets[index], isSilent(socket) { continue }
                guard
                    let socket = try? LoopbackSocket.dialling(
                        field.portal.net.port, from: 2 + UInt16(index % 250)),
                    (try? socket.writeAll(beginning)) != nil
                else { continue }
                sockets[index] = socket
                spent.byteCount += beginning.count
            }
            Thread.sleep(forTimeInterval: 0.01)
            spent.connectionCount = max(spent.connectionCount, sockets.count { $0 != nil })
        }
        for socket in sockets { socket?.cut() }
        return spent
    }

    private static func isSilent(_ socket: LoopbackSocket) -> Bool {
        var buffer: [UInt8] = [0]
        do {
            return try socket.readNow(into: &buffer) == nil
        } catch {
            return false
        }
    }

    /// As many tokens as a hundred addresses may announce.
    private static func manyTokens(_ field: Battlefield) throws -> Spent {
        var connections: [HostileConnection] = []
        for index in 0..<1400 where !field.isOver {
            guard let connection = try? connect(field, from: 2 + UInt16(index % 100)) else { continue }
            connections.append(connection)
            let tokens = (0..<768).map { _ in "\"\(Base64.text(of: Random.bytes(32)))\"" }.joined(
                separator: ",")
            connection.call("tunnel.announce", #"[{"hidden":true,"tokens":[\#(tokens)]}]"#)
            try connection.pump()
        }
        try keep(connections, field)
        return Spent(connections)
    }

    /// What makes every subscriber's list longer and shorter again, as fast as it goes.
    private static func announceAndLeave(_ field: Battlefield) throws -> Spent {
        let watchers = try (0..<20).map { try connect(field, from: 3 + UInt16($0)) }
        for watcher in watchers { watcher.call("tunnel.endpoints", "[]", isStream: true) }
        let connection = try connect(field)
        try keep([connection] + watchers, field) { peer in
            guard peer === connection else { return }
            for _ in 0..<20 {
                peer.call("tunnel.announce", "[]")
                peer.call("tunnel.leave", "[]")
            }
        }
        return Spent([connection] + watchers)
    }

    /// One connection after the other, each with a whole handshake.
    private static func manyHandshakes(_ field: Battlefield) throws -> Spent {
        var spent = Spent()
        while !field.isOver {
            guard let connection = try? connect(field, from: 2 + UInt16(spent.connectionCount % 200)) else {
                continue
            }
            spent.byteCount += connection.sentByteCount
            spent.connectionCount += 1
            connection.cut()
        }
        return spent
    }

    /// Calls whose answers stay in the socket.
    private static func unreadAnswers(_ field: Battlefield) throws -> Spent {
        let connections = try (0..<20).map { try connect(field, from: 2 + UInt16($0)) }
        for connection in connections { connection.reads = false }
        try keep(connections, field) { connection in
            for _ in 0..<50 { connection.call("manifest", "[]") }
        }
        return Spent(connections)
    }
}
