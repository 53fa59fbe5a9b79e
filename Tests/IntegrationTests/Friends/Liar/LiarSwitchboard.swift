import Blinding
import Multiserver
import MuxRPC
import NIOCore
import Node
import PeerSupport
import TypedSodium

/// The connections of the portal that lies, and what it answers on them; on its event loop.
final class LiarSwitchboard: LiarWire.Owner {
    private let portal: PublicKey
    private let manner: Watched<LyingPortal.Manner>
    private let seen: Watched<LyingPortal.Seen>
    private var wires: [Int: LiarWire] = [:]
    private var endpoint: LiarWire?
    private var lastNumber = 0

    init(portal: PublicKey, manner: Watched<LyingPortal.Manner>, seen: Watched<LyingPortal.Seen>) {
        self.portal = portal
        self.manner = manner
        self.seen = seen
    }

    func makeNumber() -> Int {
        lastNumber += 1
        return lastNumber
    }

    /// The connection of that number.
    func wire(_ number: Int) throws -> LiarWire {
        guard let wire = wires[number] else { throw LyingPortal.NoConnection() }
        return wire
    }

    func cutAll() { for wire in wires.values { wire.cut() } }

    /// The argument by which an endpoint is called.
    func argument(_ target: String, origin: JSONValue) -> JSONValue {
        ["portal": .string(portal.id), "target": .string(target), "instance": 0, "origin": origin]
    }

    // MARK: Events

    func established(_ wire: LiarWire, with peer: PublicKey) {
        wires[wire.number] = wire
        seen.update { $0.peers[wire.number] = peer }
    }

    func ended(_ wire: LiarWire) {
        wires[wire.number] = nil
        if endpoint === wire { endpoint = nil }
        seen.update { $0.ended.insert(wire.number) }
    }

    func answer(_ request: Request, on wire: LiarWire) {
        let name = request.name.joined(separator: ".")
        seen.update { $0.requests[wire.number, default: []].append(name) }
        do {
            switch name {
            case "room.metadata" where !manner.value.answersMetadata:
                break
            case "room.metadata":
                guard let metadata = manner.value.metadata else {
                    return wire.refuse(request, "method:room,metadata is not in list of allowed methods")
                }
                try wire.reply(to: request, with: metadata)
            case "tunnel.ping":
                try wire.reply(to: request, with: .integer(WallClock.milliseconds()))
            case "tunnel.announce":
                try announce(request, on: wire)
            case "tunnel.connect":
                connect(request, on: wire)
            default:
                wire.refuse(request, "no such method")
            }
        } catch {
            wire.cut()
        }
    }

    private func announce(_ request: Request, on wire: LiarWire) throws {
        endpoint = wire
        let texts = request.arguments.first?["tokens"]?.array ?? []
        let tokens = try texts.map { try PairToken(base64: $0.string ?? "") }
        let isHidden = request.arguments.first?["hidden"] == true
        seen.update { seen in
            seen.announcements.append(.init(connection: wire.number, isHidden: isHidden, tokens: tokens))
        }
        try wire.reply(to: request, with: true)
    }

    // MARK: Passing calls on

    private func connect(_ request: Request, on caller: LiarWire) {
        let target = request.arguments.first?["target"]?.string ?? ""
        guard let endpoint, let stated = seen.value.peers[caller.number] else {
            return caller.end(request.stream, "could not connect to:\(target)")
        }
        seen.update { seen in
            seen.targets.append(target)
            seen.said.append([])
        }
        let number = seen.value.said.count - 1
        let told = manner.value.passOn(.init(target: target, origin: .string(stated.id)))
        let near = request.stream
        var far: StreamID?
        do {
            far = try endpoint.open(["tunnel", "connect"], argument(told.target, origin: told.origin)) {
                event in
                switch event {
                case .bytes(let bytes): caller.send(bytes, on: near)
                case .ended(let words): caller.end(near, words)
                }
            }
        } catch {
            return caller.end(near, "could not connect to:\(target)")
        }
        caller.follow(near) { [seen] event in
            guard let far else { return }
            switch event {
            case .bytes(let bytes):
                seen.update { $0.said[number].append(bytes) }
                endpoint.send(bytes, on: far)
            case .ended(let words): endpoint.end(far, words)
            }
        }
    }
}

@available(*, unavailable)
extension LiarSwitchboard: Sendable {}
