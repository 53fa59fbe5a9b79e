import MuxRPC
import Testing

@Suite("Manifest")
struct ManifestTests {
    static let manifest: Manifest = [
        "manifest": .sync, "whoami": .async, "tunnel.connect": .duplex, "room.members": .source,
        "tunnel.ping": .sync, "a.b.c": .sink,
    ]

    @Test("is the tree that Go's room answers with")
    func tree() {
        #expect(
            Self.manifest.tree.description
                == #"{"manifest":"sync","whoami":"async","tunnel":{"connect":"duplex","ping":"sync"},"#
                + #""room":{"members":"source"},"a":{"b":{"c":"sink"}}}"#)
    }

    @Test("finds methods by their whole name only")
    func lookUp() {
        #expect(Self.manifest.kind(of: ["tunnel", "connect"]) == .duplex)
        #expect(Self.manifest.kind(of: ["tunnel", "connect"])?.callKind == .duplex)
        #expect(Self.manifest.kind(of: ["tunnel", "ping"])?.callKind == .async)
        #expect(Self.manifest.kind(of: ["a", "b", "c"]) == .sink)
        for name in [
            [], [""], ["tunnel"], ["tunnel.connect"], ["tunnel", "connect", ""], ["a", "b"], ["a.b", "c"],
            ["constructor"], ["Tunnel", "connect"],
        ] {
            #expect(Self.manifest.kind(of: name) == nil, "\(name)")
        }
    }

    @Test("offers itself even when it is not listed")
    func offersItself() {
        let empty: Manifest = [:]
        #expect(empty.kind(of: ["manifest"]) == .sync)
        #expect(empty.tree.description == "{}")
    }
}
