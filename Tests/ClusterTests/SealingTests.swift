import Cluster
import Foundation
import TestSupport
import Testing
import TypedSodium

@Suite("Cluster: keys and sealing")
struct SealingTests {
    /// `cluster.json`: an independent program's answers.
    struct Vectors: Decodable {
        struct Message: Decodable, Sendable, CustomTestStringConvertible {
            let name, subject: String
            let number: UInt64
            let envelope, nonce, sealed: Hex
            var testDescription: String { name }
        }

        struct Record: Decodable {
            let record, hash: Hex
        }

        let seed, public_key, machine, other_machine, directory_key, link_network, machine_seed: Hex
        let machine_public_key, open_hash: Hex
        let subject, inbox: String
        let messages: [Message]
        let records: [Record]

        static let shared: Vectors? = {
            guard let url = Bundle.module.url(forResource: "Vectors/cluster", withExtension: "json"),
                let bytes = try? Foundation.Data(contentsOf: url)
            else { return nil }
            return try? JSONDecoder().decode(Vectors.self, from: bytes)
        }()

        func keys() throws -> ClusterKeys {
            try ClusterKeys(portal: Identity(seed: SecretKey(copying: seed.bytes.span)))
        }

        func id(_ hex: Hex) throws -> MachineID { MachineID(try FixedBytes(hex.bytes)) }
    }

    let vectors: Vectors

    init() throws { vectors = try #require(Vectors.shared) }

    private func subject(of name: String) throws -> ClusterSubject {
        let other = try vectors.id(vectors.other_machine)
        let all: [ClusterSubject] = [.heartbeat, .claim, .left, .question, .inbox(other), .link(to: other)]
        return try #require(all.first { $0.name(under: vectors.subject) == name })
    }

    @Test("makes the published keys and names of a portal")
    func keys() throws {
        let keys = try vectors.keys()
        #expect(keys.subject == vectors.subject)
        let isDirectory = keys.directory.isEqual(to: try SecretKey(copying: vectors.directory_key.bytes.span))
        #expect(isDirectory)
        let isLink = keys.link.isEqual(to: try SecretKey(copying: vectors.link_network.bytes.span))
        #expect(isLink)
        let machine = try vectors.id(vectors.machine)
        #expect(try keys.identity(of: machine).publicKey.bytes.array == vectors.machine_public_key.bytes)
        #expect(ClusterSubject.inbox(machine).name(under: keys.subject) == vectors.inbox)
        #expect(machine.bytes == vectors.machine.bytes)
    }

    @Test("seals and opens the published messages", arguments: Vectors.shared?.messages ?? [])
    func messages(_ message: Vectors.Message) throws {
        let seal = ClusterSeal(try vectors.keys())
        let subject = try subject(of: message.subject)
        let envelope = try seal.open(message.sealed.bytes, from: subject)
        #expect(envelope.sender == (try vectors.id(vectors.machine)))
        #expect(envelope.number == message.number)
        #expect(envelope.encoded() == message.envelope.bytes)
        #expect(envelope.byteCount == message.envelope.bytes.count)
        #expect(
            try seal.seal(envelope, to: subject, nonce: Nonce(message.nonce.bytes)) == message.sealed.bytes)
    }

    @Test("knows the set of open claims by the published hash")
    func openHash() throws {
        let message = try #require(vectors.messages.first { $0.name == "heartbeat" })
        let envelope = try ClusterEnvelope(decoding: message.envelope.bytes)
        guard case .heartbeat(let heartbeat) = envelope.message else {
            Issue.record("no heartbeat")
            return
        }
        let part = try #require(vectors.messages.first { $0.name == "list part" })
        guard case .listPart(let list) = try ClusterEnvelope(decoding: part.envelope.bytes).message else {
            Issue.record("no list")
            return
        }
        #expect(heartbeat.openHash == ClaimSetHash(list.claims.filter { !$0.manner.contains(.hidden) }))
        #expect(heartbeat.condition == [.hasEngine, .serving])
        #expect(heartbeat.address == "m1.example.org:9000")
    }

    @Test("opens nothing that was changed, at any byte")
    func flips() throws {
        let seal = ClusterSeal(try vectors.keys())
        let message = try #require(vectors.messages.first { $0.name == "left" })
        for index in message.sealed.bytes.indices {
            var sealed = message.sealed.bytes
            sealed[index] ^= 1
            #expect(throws: ClusterError.forged) { try seal.open(sealed, from: .left) }
        }
        for count in [0, 1, 39, message.sealed.bytes.count - 1] {
            #expect(throws: ClusterError.forged) {
                try seal.open(Array(message.sealed.bytes.prefix(count)), from: .left)
            }
        }
    }

    @Test("opens nothing at another subject, for another machine, or of another portal")
    func elsewhere() throws {
        let seal = ClusterSeal(try vectors.keys())
        let (own, other) = (try vectors.id(vectors.machine), try vectors.id(vectors.other_machine))
        let message = try #require(vectors.messages.first { $0.name == "list part" })
        #expect(throws: ClusterError.forged) { try seal.open(message.sealed.bytes, from: .inbox(own)) }
        #expect(throws: ClusterError.forged) { try seal.open(message.sealed.bytes, from: .link(to: other)) }
        #expect(throws: ClusterError.forged) { try seal.open(message.sealed.bytes, from: .heartbeat) }
        let foreign = ClusterSeal(try ClusterKeys(portal: Identity.random()))
        #expect(foreign.subject != seal.subject)
        #expect(throws: ClusterError.forged) { try foreign.open(message.sealed.bytes, from: .inbox(other)) }
    }

    @Test("takes a message from the subject alone that it belongs to, even when it was sealed for another")
    func wrongSubject() throws {
        let seal = ClusterSeal(try vectors.keys())
        let message = try #require(vectors.messages.first { $0.name == "claims" })
        let envelope = try ClusterEnvelope(decoding: message.envelope.bytes)
        let nonce = try Nonce(message.nonce.bytes)
        #expect(throws: ClusterError.malformed) {
            try seal.open(seal.seal(envelope, to: .heartbeat, nonce: nonce), from: .heartbeat)
        }
    }

    @Test("looks at no message that is longer than any may be")
    func length() throws {
        let seal = ClusterSeal(try vectors.keys())
        let bytes = [UInt8](repeating: 0, count: ClusterSeal.byteCountLimit + 1)
        #expect(throws: ClusterError.tooLong(bytes.count)) { try seal.open(bytes, from: .heartbeat) }
    }
}
