internal import Blinding
import Connection
internal import Multiserver
internal import MuxRPC
internal import NIOCore
internal import SecretHandshake
internal import Transport
internal import Tunnel
internal import TypedSodium

/// A node's connection: the fuzzer is its portal, and friend and stranger inside its tunnels.
enum EndpointFuzz {
    private static let outerCalls = [
        #"{"name":["tunnel","connect"],"args":[{"portal":"PORTAL","target":"TARGET","instance":0,"origin":"PORTAL"}],"type":"duplex"}"#,
        #"{"name":["tunnel","ping"],"args":[],"type":"async"}"#,
        #"{"name":["whoami"],"args":[],"type":"async"}"#, #"{"name":"manifest","args":[]}"#,
    ].map {
        $0.replacing("TARGET", with: FuzzKeys.endpoint.publicKey.id)
            .replacing("PORTAL", with: FuzzKeys.portal.publicKey.id)
    }
    private static let innerCalls = [
        #"{"name":["service","open"],"args":[{"name":"ssh"}],"type":"duplex"}"#,
        #"{"name":["service","list"],"args":[],"type":"async"}"#,
        #"{"name":["echo"],"args":[],"type":"duplex"}"#,
        #"{"name":["circle","grant"],"args":[],"type":"async"}"#,
        #"{"name":["invite","use"],"args":[{"feed":"@x","signature":""}],"type":"async"}"#,
        #"{"credit":262144}"#, #"{"credit":4194304}"#, #"{"eof":true}"#,
    ]

    static func run(_ input: inout FuzzInput) {
        let now = NIODeadline.uptimeNanoseconds(1_000_000_000)
        guard let world = EndpointFuzzWorld(isHidden: input.choice(3) == 0, at: now) else { return }
        var rounds = 0
        while !input.isEmpty, rounds < 300 {
            rounds += 1
            switch input.choice(12) {
            case 0: world.wait(.milliseconds(Int64(input.number())))
            case 1: world.isReading.toggle()
            case 2: world.portal.sendGoodbye()
            case 3: world.portal.sendRaw(input.take(input.choice(80)))
            case 4: world.openTunnel(as: input.choice(2) == 0 ? FuzzKeys.friend : FuzzKeys.stranger)
            case 5, 6, 7:
                world.sendInside(input.choice(4)) { $0.send(input.packet(innerCalls), cutAt: 4053) }
            case 8: world.actOnStreams(input.choice(5))
            default: world.portal.send(input.packet(outerCalls), cutAt: input.choice(3) == 0 ? 9 : 4096)
            }
            world.settle()
        }
        world.end()
        world.settle()
    }
}

/// The node, its portal, the far ends of its tunnels, and services that take what the fuzzer lets them.
private final class EndpointFuzzWorld {
    let portal = FuzzPeer(answeringAs: FuzzKeys.portal)
    var isReading = true
    private let node: NodeConnection
    private var now: NIODeadline
    private var tunnels: [(number: Int, peer: FuzzPeer)] = []
    private var streams: [StreamKey] = []
    private var lastNumber = 100
    private var hasEnded = false

    init?(isHidden: Bool, at now: NIODeadline) {
        self.now = now
        var policy = EndpointPolicy(
            services: ["ssh", "web"], access: .only([FuzzKeys.friend.publicKey: .all]),
            invites: [FuzzKeys.identity(5).publicKey], grantsCircle: true)
        policy.instances[1] = .init(
            services: ["ssh"], access: .only([FuzzKeys.friend.publicKey: .only(["ssh"])]))
        let configuration = NodeConnection.Configuration(
            identity: FuzzKeys.endpoint, network: FuzzKeys.network,
            reception: isHidden ? .hidden(policy) : .open(policy), wallClock: { 1_795_000_000_000 })
        guard
            let node = try? NodeConnection(
                to: FuzzKeys.portal.publicKey, showing: FuzzKeys.endpoint, configuration: configuration,
                at: now)
        else { return nil }
        self.node = node
        settle()
        if !isHidden { node.announce() }
        settle()
    }

    func wait(_ amount: TimeAmount) {
        now = now + amount
        var rounds = 0
        while let deadline = node.deadline, deadline <= now {
            node.timeReached(now)
            settle()
            rounds += 1
            precondition(rounds < 10_000, "a deadline does not go on")
        }
    }

    func openTunnel(as friend: Identity) {
        guard tunnels.count < 8, portal.isOpen else { return }
        lastNumber += 1
        let call =
            #"{"name":["tunnel","connect"],"args":[{"portal":"\#(FuzzKeys.portal.publicKey.id)","target":"\#(FuzzKeys.endpoint.publicKey.id)","instance":0,"origin":"\#(friend.publicKey.id)"}],"type":"duplex"}"#
        portal.send(packet(flags: 0x0a, Array(call.utf8), number: lastNumber))
        tunnels.append((lastNumber, FuzzPeer(dialling: FuzzKeys.endpoint.publicKey, as: friend)))
    }

    func sendInside(_ index: Int, _ body: (FuzzPeer) -> Void) {
        guard !tunnels.isEmpty else { return }
        body(tunnels[index % tunnels.count].peer)
    }

    func actOnStreams(_ choice: Int) {
        for key in streams {
            switch choice {
            case 0: node.drained(1000, on: key)
            case 1: _ = node.send(ByteBuffer(repeating: 3, count: 5000), on: key)
            case 2: node.sendEnd(on: key)
            case 3: node.refuseService(key, message: "no")
            default: node.drained(100_000, on: key)
            }
        }
    }

    func end() {
        guard !hasEnded else { return }
        hasEnded = true
        node.inputEnded(at: now)
    }

    func settle() {
        var rounds = 0
        while turn() {
            rounds += 1
            precondition(rounds < 10_000, "the node does not come to rest")
        }
    }

    private func turn() -> Bool {
        var hasMoved = perform()
        for tunnel in tunnels {
            guard portal.isOpen, let bytes = tunnel.peer.takeOutput() else { continue }
            portal.send(packet(flags: 0x08, Array(bytes.readableBytesView), number: tunnel.number))
        }
        if let bytes = portal.takeOutput(), !hasEnded {
            node.receive(bytes, at: now)
            hasMoved = true
        }
        while isReading, node.phase != .broken, let bytes = node.nextWrite(at: now) {
            portal.receive(bytes)
            hasMoved = true
        }
        return perform() || hasMoved
    }

    private func packet(flags: UInt8, _ body: [UInt8], number: Int) -> [UInt8] {
        var bytes = ByteBuffer()
        bytes.writeInteger(flags)
        bytes.writeInteger(UInt32(body.count))
        bytes.writeInteger(Int32(number))
        bytes.writeBytes(body)
        return Array(bytes.readableBytesView)
    }

    private func perform() -> Bool {
        var hasMoved = false
        while let output = node.nextOutput() {
            hasMoved = true
            switch output {
            case .connectService(let key, _, _, _):
                streams.append(key)
                node.serviceConnected(key)
            case .prove(let work):
                work.look()
                node.proved(work, at: now)
            case .giveWay(let displaced): node.giveWay(displaced, at: now)
            case .asked(let question): node.answer(question.id, with: .failure("no"))
            case .service(let key, .closed): streams.removeAll { $0 == key }
            default: break
            }
        }
        return hasMoved
    }
}
