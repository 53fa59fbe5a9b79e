import Glibc
import TestSupport
import Testing
import TypedSodium

@testable import BoxStream

extension CipherKernel: CustomTestStringConvertible {
    /// Its name.
    public var testDescription: String { name }
}

/// Every kernel that this machine has, held to `crypto_secretbox`.
@Suite("Kernels")
struct KernelTests {
    /// `CWAY_LONG=1`: every length of a body 25 times for each kernel, 10⁵ frames; else each length once in five.
    static let isLong = unsafe getenv("CWAY_LONG") != nil

    static func cipher(_ reference: Reference, _ kernel: CipherKernel) throws -> BoxCipher {
        BoxCipher(
            key: try SecretKey(copying: reference.key.span), nonce: try Nonce(reference.nonce), kernel: kernel
        )
    }

    @Test("A kernel passes its test at start", arguments: CipherKernel.available)
    func selfTest(_ kernel: CipherKernel) {
        #expect(CipherSelfTest.passes(kernel))
    }

    @Test("Bodies of every length, in bursts and alone", arguments: CipherKernel.available)
    func everyLength(_ kernel: CipherKernel) throws {
        var random = SeededRandom(seed: 31)
        var reference = Reference(seed: 32)
        var sealing = try Self.cipher(reference, kernel)
        var opening = try Self.cipher(reference, kernel)
        for _ in 0..<(Self.isLong ? 25 : 1) {
            for byteCount in (1...BoxFrame.maximumBodyByteCount).shuffled(using: &random) {
                guard Self.isLong || Int.random(in: 0..<5, using: &random) == 0 || byteCount < 200 else {
                    continue
                }
                let body = EqualityTests.body(byteCount, using: &random)
                let expected = try reference.frame(body)
                let sealed = Self.seal(body, with: &sealing, at: 0)
                try #require(sealed == expected, "\(byteCount) bytes")
                if Int.random(in: 0..<3, using: &random) == 0 { sealing.rest() }
                let opened = try #require(
                    Self.open(expected, with: &opening, restsWithin: byteCount % 7 == 0))
                try #require(opened == body, "\(byteCount) bytes")
                if Int.random(in: 0..<11, using: &random) == 0 { opening.rest() }
            }
        }
    }

    @Test("Nonces that carry, whatever was made ahead", arguments: CipherKernel.available)
    func carries(_ kernel: CipherKernel) throws {
        for last in UInt8(0xD8)...0xFF {
            let nonce = [UInt8](repeating: 9, count: 16) + [UInt8](repeating: 0xFF, count: 7) + [last]
            var reference = Reference(key: [UInt8](repeating: last, count: 32), nonce: nonce)
            var sealing = try Self.cipher(reference, kernel)
            var opening = try Self.cipher(reference, kernel)
            for index in 0..<40 {
                let body = [UInt8](repeating: last, count: index % 3 == 0 ? 200 : 40)
                let expected = try reference.frame(body)
                try #require(Self.seal(body, with: &sealing, at: 0) == expected, "\(last), frame \(index)")
                try #require(Self.open(expected, with: &opening, restsWithin: index % 5 == 0) == body)
            }
        }
    }

    @Test("Bodies of a few blocks in a burst, up to the carry", arguments: CipherKernel.available)
    func shortBursts(_ kernel: CipherKernel) throws {
        var random = SeededRandom(seed: 33)
        let nonce = [UInt8](repeating: 9, count: 16) + [UInt8](repeating: 0xFF, count: 6) + [0xFC, 0x00]
        var reference = Reference(key: [UInt8](repeating: 3, count: 32), nonce: nonce)
        var sealing = try Self.cipher(reference, kernel)
        var opening = try Self.cipher(reference, kernel)
        for _ in 0..<600 {
            let byteCount = Int.random(in: 1...640, using: &random)
            let body = EqualityTests.body(byteCount, using: &random)
            let expected = try reference.frame(body)
            let sealed = Self.seal(body, with: &sealing, at: 0)
            try #require(sealed == expected, "\(byteCount) bytes")
            let opened = try #require(Self.open(expected, with: &opening, restsWithin: false))
            try #require(opened == body, "\(byteCount) bytes")
            if Int.random(in: 0..<40, using: &random) == 0 { sealing.rest() }
        }
    }

    @Test("Every alignment, between pages that cannot be read", arguments: CipherKernel.available)
    func guardPages(_ kernel: CipherKernel) throws {
        let pages = try GuardedPages()
        var random = SeededRandom(seed: 33)
        var reference = Reference(seed: 34)
        var sealing = try Self.cipher(reference, kernel)
        var opening = try Self.cipher(reference, kernel)
        for alignment in 0..<64 {
            for byteCount in [1, 31, 33, 63, 96, 97, 200, 1000, 4053, 4096 - alignment] {
                let body = EqualityTests.body(byteCount, using: &random)
                let expected = try reference.frame(body)
                let frame = unsafe pages.place(
                    byteCount + 34, alignment: alignment, atEnd: alignment % 2 == 0)
                unsafe frame.copyBytes(from: [UInt8](repeating: 0, count: 34) + body)
                unsafe sealing.seal(frame: frame.start, bodyByteCount: byteCount)
                #expect(unsafe [UInt8](frame) == expected, "\(byteCount) at \(alignment)")
                let box = unsafe pages.place(byteCount + 34, alignment: alignment, atEnd: alignment % 2 == 1)
                unsafe box.copyBytes(from: expected)
                _ = try #require(unsafe opening.openHeader(box.start))
                let sealedBody = unsafe box.start + 34
                #expect(unsafe opening.verify(sealedBody, byteCount: byteCount))
                unsafe opening.open(sealedBody, byteCount: byteCount, to: sealedBody)
                #expect(unsafe [UInt8](box.dropFirst(34)) == body, "\(byteCount) at \(alignment)")
            }
        }
    }

    /// Poly1305 where its carries are: limbs that are full, sums at 2¹³⁰ − 5 and around, the multiplier's limits.
    @Test("Tags at the borders of the field", arguments: CipherKernel.available)
    func tags(_ kernel: CipherKernel) {
        var random = SeededRandom(seed: 35)
        let halves: [[UInt8]] = [
            [UInt8](repeating: 0, count: 16), [UInt8](repeating: 0xFF, count: 16),
            [1] + [UInt8](repeating: 0, count: 15), [2] + [UInt8](repeating: 0, count: 15),
            [UInt8](repeating: 0, count: 12) + [0xFC, 0xFF, 0xFF, 0x0F],
            [0xFF, 0xFF, 0xFF, 0x0F] + [UInt8](repeating: 0, count: 12), random.bytes(16),
        ]
        let blocks: [[UInt8]] = [
            [UInt8](repeating: 0, count: 16), [UInt8](repeating: 0xFF, count: 16),
            // With the bit above them these are 2¹³⁰ − 5 and its neighbours, once two are added.
            [0xFB] + [UInt8](repeating: 0xFF, count: 15), [0xFA] + [UInt8](repeating: 0xFF, count: 15),
            [0xFC] + [UInt8](repeating: 0xFF, count: 15), [UInt8](repeating: 0, count: 15) + [0x80],
            random.bytes(16),
        ]
        for multiplier in halves {
            for addend in halves {
                let key = multiplier + addend
                for first in blocks {
                    for rest in blocks {
                        for count in [1, 2, 3, 5, 16, 17, 31, 32, 33, 48, 64, 65] {
                            var message = first
                            for _ in 1..<count { message += rest }
                            message.removeLast(count % 4 == 3 ? 7 : 0)
                            let tag = Self.tag(of: message, key: key, kernel)
                            if tag != Self.tag(of: message, key: key, .libsodium) {
                                Issue.record("\(multiplier) \(addend) \(first) \(rest) \(count)")
                                return
                            }
                        }
                    }
                }
            }
        }
    }

    @Test("A name that the machine lacks is refused, with what it has")
    func refusal() {
        #expect(throws: CipherChoice.Refusal.self) { try CipherChoice.use("rot13") }
        #expect(CipherChoice.availableNames.last == "libsodium")
        #expect(CipherChoice.availableNames.contains(CipherChoice.name))
        #expect(CipherChoice.mistakenNames.isEmpty)
    }

    // MARK: -

    private static func seal(_ body: [UInt8], with cipher: inout BoxCipher, at offset: Int) -> [UInt8] {
        var frame = [UInt8](repeating: 0x3C, count: 34) + body
        unsafe frame.withUnsafeMutableBytes { bytes in
            unsafe cipher.seal(frame: bytes.start, bodyByteCount: body.count)
        }
        return frame
    }

    private static func open(
        _ frame: [UInt8], with cipher: inout BoxCipher, restsWithin: Bool
    ) -> [UInt8]? {
        var body = [UInt8](repeating: 0, count: frame.count - 34)
        let isGenuine = unsafe frame.withUnsafeBytes { input in
            let start = unsafe input.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: UInt8.self)
            guard unsafe cipher.openHeader(start)?.bodyByteCount == body.count else { return false }
            if restsWithin { cipher.rest() }
            guard unsafe cipher.verify(start + 34, byteCount: body.count) else { return false }
            unsafe body.withUnsafeMutableBytes { output in
                unsafe cipher.open(start + 34, byteCount: input.count - 34, to: output.start)
            }
            return true
        }
        return isGenuine ? body : nil
    }

    private static func tag(of message: [UInt8], key: [UInt8], _ kernel: CipherKernel) -> [UInt8] {
        var tag = [UInt8](repeating: 0, count: 16)
        unsafe tag.withUnsafeMutableBytes { output in
            unsafe kernel.writeTag(output.start, message, message.count, key)
        }
        return tag
    }
}

extension UnsafeMutableRawBufferPointer {
    fileprivate var start: UnsafeMutablePointer<UInt8> {
        unsafe baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: UInt8.self)
    }
}

/// Two pages that can be written, between two that cannot be touched.
@safe
private final class GuardedPages {
    private let start: UnsafeMutableRawPointer
    private let pageByteCount = 4096

    struct NoMemory: Error {}

    init() throws {
        let mapped = unsafe mmap(nil, 4 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let mapped = unsafe mapped, unsafe mapped != MAP_FAILED else { throw NoMemory() }
        unsafe start = mapped
        guard unsafe mprotect(start + pageByteCount, 2 * pageByteCount, PROT_READ | PROT_WRITE) == 0 else {
            throw NoMemory()
        }
    }

    deinit { unsafe munmap(start, 4 * pageByteCount) }

    /// Memory right behind the first guard and the alignment, or as far in front of the second.
    func place(_ byteCount: Int, alignment: Int, atEnd: Bool) -> UnsafeMutableRawBufferPointer {
        let room = 2 * pageByteCount
        let offset = atEnd ? room - byteCount - alignment : alignment
        return unsafe UnsafeMutableRawBufferPointer(start: start + pageByteCount + offset, count: byteCount)
    }
}
