import Foundation
import Glibc
import Testing
import TypedSodium

@Suite("The stack below a computation with secrets")
struct StackTests {
    /// As deep as any function of libsodium goes that is called here.
    private static let depth = 16 << 10

    /// What lies on the stack below this frame, where the last calls have been.
    @inline(never)
    private static func below() -> [UInt8] {
        let copy = UnsafeMutableRawPointer.allocate(byteCount: depth, alignment: 16)
        defer { unsafe copy.deallocate() }
        var here: UInt8 = 0
        _ = unsafe withUnsafePointer(to: &here) { top in
            unsafe memcpy(copy, UnsafeRawPointer(top) - depth, depth)
        }
        return unsafe [UInt8](UnsafeRawBufferPointer(start: copy, count: depth))
    }

    /// Whether half of a key, or of what it was computed from, is still there.
    private static func expectNothing(
        of keys: [[UInt8]], below stack: [UInt8], _ what: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let memory = Data(stack)
        for key in keys {
            for half in [key.prefix(16), key.suffix(16)] {
                let found = memory.range(of: Data(half))
                #expect(found == nil, "\(what)", sourceLocation: sourceLocation)
            }
        }
    }

    private static func bytes(_ key: borrowing SecretKey) -> [UInt8] {
        var bytes: [UInt8] = []
        key.append(to: &bytes)
        return bytes
    }

    @Test("has nothing of a derived key or its master")
    func derivation() throws {
        let master = try SecretKey.random()
        let context = try KeyDerivation.Context(Array("CONTEXT1".utf8))
        let derived = try KeyDerivation.key(1, context: context, master: master)
        let stack = Self.below()
        Self.expectNothing(of: [Self.bytes(derived), Self.bytes(master)], below: stack, "derivation")
    }

    @Test("has nothing of a hash's key, of a secret in it, or of a secret digest")
    func hash() throws {
        let key = try SecretKey.random()
        let part = try SecretKey.random()
        var hash = GenericHash(label: "test", key: key)
        hash.update(part)
        let digest = try hash.finalizeSecret()
        let stack = Self.below()
        Self.expectNothing(of: [Self.bytes(key), Self.bytes(part), Self.bytes(digest)], below: stack, "hash")
    }

    @Test("has nothing of what two agree on")
    func agreement() throws {
        let (own, other) = (try Identity.random(), try Identity.random().publicKey.agreementKey())
        let secret = own.agreementSecret()
        let before = Self.below()
        let shared = try secret.agree(with: other)
        let stack = Self.below()
        let keys = [Self.bytes(own.seed()), Self.bytes(secret)]
        Self.expectNothing(of: keys, below: before, "conversion")
        Self.expectNothing(of: keys + [Self.bytes(shared)], below: stack, "agreement")
    }

    @Test("has nothing of a seed, an expanded seed or a key that was sealed or opened")
    func others() throws {
        let seed = try SecretKey.random()
        let identity = try Identity(seed: seed)
        let made = Self.below()
        _ = identity.sign(Array("message".utf8).span)
        let signed = Self.below()
        let key = try SecretKey.random()
        let nonce = Nonce()
        let box = SecretBox.seal(seed, key: key, nonce: nonce)
        let sealed = Self.below()
        let opened = try SecretBox.openKey(box.span, key: key, nonce: nonce)
        let stack = Self.below()
        var sha = SHA256()
        sha.update(seed)
        let digest = sha.finalizeSecret()
        let hashed = Self.below()
        let keys = [Self.bytes(seed), Self.bytes(key), Self.bytes(opened), Self.bytes(digest)]
        // The scalar is what the agreement uses too.
        let expanded = Self.bytes(identity.agreementSecret())
        Self.expectNothing(of: keys + [expanded], below: made, "key pair")
        Self.expectNothing(of: keys + [expanded], below: signed, "signature")
        Self.expectNothing(of: keys, below: sealed, "sealed")
        Self.expectNothing(of: keys, below: stack, "opened")
        Self.expectNothing(of: keys, below: hashed, "SHA-256")
    }
}
