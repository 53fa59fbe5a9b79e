import Foundation
import Multiserver
import PeerSupport
import PortalCore
import Testing
import TypedSodium

extension Integration {
    @Suite("A hidden endpoint")
    struct HiddenTests {
        @Test("is reached by its friend, under a name and under every form of its address")
        func reached() async throws {
            try await Stage.run { stage in
                let network = try await FriendNetwork.start(on: stage)
                _ = try await network.serve(["echo": stage.service(.echo).port])
                try await network.befriend("friend")

                var forms = ["petname": FriendNetwork.petname, "id": try await stage.id(home: "owner")]
                for form in ["sealed", "circle1", "hmac1"] {
                    forms[form] = try await network.addresses(form)[0]
                }
                #expect(Set(forms.values).count == 5)
                for text in forms.values {
                    await (try network.openEcho(as: "friend", to: text)).close()
                }
                // Nobody else gets as far as dialling with a name or an address that is for friends.
                for form in ["sealed", "circle1", "hmac1"] {
                    let address = try #require(forms[form])
                    try await stage.run(home: "stranger", ["resolve", address], code: 3)
                    try await stage.run(
                        home: "stranger", ["call", address, "whoami", "--portal", network.portal.address],
                        code: 3)
                }
                let plain = try stage.cway(home: "owner", ["address", "--form", "plain"])
                #expect(try await plain.end() == .exit(64) && plain.log.contains("portals open"))
            }
        }

        @Test("and its friend are in no list, no memory and no log of the portal")
        func unseen() async throws {
            try await Stage.run { stage in
                let network = try await FriendNetwork.start(on: stage)
                let server = try await network.serve(["echo": stage.service(.echo).port])
                try await network.befriend("friend")
                let connection = try await network.openEcho(as: "friend")
                let sealed = try await network.addresses()[0]
                try await stage.run(home: "friend", ["call", sealed, "service.list"])

                let ids = [try await stage.id(home: "owner"), try await stage.id(home: "friend")]
                for method in ["tunnel.endpoints", "room.attendants"] {
                    let list = try await stage.run(
                        home: "stranger",
                        ["call", network.portal.address, method, "--source", "--limit", "1"])
                    #expect(list.contains("[") && ids.allSatisfy { !list.contains($0) }, "\(list)")
                    #expect(try await !list.contains(Self.pseudonym(on: stage)), "\(list)")
                }

                let known = try await Self.pseudonym(on: stage)
                var needles = try Traces.of("pseudonym", PublicKey(id: known).bytes.array)
                for (name, id) in zip(["owner", "friend"], ids) {
                    needles.merge(try Traces.of(name, PublicKey(id: id).bytes.array)) { $1 }
                }
                // What the portal does know is found, so that the search is one.
                let found = try ProcessMemory(of: network.portal.process).found(needles)
                #expect(
                    found.isSuperset(of: ["pseudonym, raw"]) && found.allSatisfy { $0.hasPrefix("pseudonym") }
                )
                let serverNeedles = try ProcessMemory(of: server).found(needles)
                #expect(serverNeedles.isSuperset(of: ["owner, raw", "friend, raw"]))
                for id in ids {
                    #expect(!network.portal.process.log.contains(id.dropFirst().prefix(42)))
                }
                #expect(network.portal.process.log.contains("a hidden endpoint announced"))
                await connection.close()
            }
        }

        @Test("is absent for who knows its id and its portal")
        func absent() async throws {
            try await Stage.run { stage in
                let network = try await FriendNetwork.start(on: stage)
                _ = try await network.serve(["echo": stage.service(.echo).port])
                let portal = try PublicKey(id: Self.id(of: network.portal))
                let plain = try await
                    "\(TunnelAddress(portal: portal, target: PublicKey(id: stage.id(home: "owner"))))"
                let dial = ["--portal", network.portal.address]
                let hidden = try stage.cway(home: "stranger", ["connect", plain, "echo", "--stdio"] + dial)
                #expect(try await hidden.end() == .exit(12), "\(hidden.log)")
                // In the words for somebody who is not there at all.
                let nobody = try await
                    "\(TunnelAddress(portal: portal, target: PublicKey(id: stage.id(home: "nobody"))))"
                let missing = try stage.cway(home: "stranger", ["connect", nobody, "echo", "--stdio"] + dial)
                #expect(try await missing.end() == .exit(12), "\(missing.log)")
                #expect(
                    missing.log.replacing(try await stage.id(home: "nobody"), with: "")
                        == hidden.log.replacing(try await stage.id(home: "owner"), with: ""))
            }
        }

        /// The id that the first portal sees of the owner.
        private static func pseudonym(on stage: Stage) async throws -> String {
            let list = try await stage.run(home: "owner", ["portals", "list", "--json"])
            let records = try JSONDecoder().decode([PortalRow].self, from: Data(list.utf8))
            return try #require(records.first).seenAs
        }

        private static func id(of portal: TestNetwork.Portal) -> String { portal.peer.key.id }
    }
}

/// An element of `cway portals list --json`.
private struct PortalRow: Decodable {
    let seenAs: String
}
