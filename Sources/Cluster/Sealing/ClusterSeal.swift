package import TypedSodium

/// Seals and opens the messages of a cluster.
///
/// Twenty-four bytes of nonce, then XChaCha20-Poly1305 of the envelope under the directory key, with the full name of
/// the subject as associated data: a message that is brought to another subject, or to another portal's, does not open.
package struct ClusterSeal: ~Copyable, Sendable {
    /// How much longer a message is on the wire than its envelope, in bytes.
    package static let overheadByteCount = nonceByteCount + XChaCha20Poly1305.overheadByteCount
    /// The longest message on the wire, in bytes.
    package static let byteCountLimit = ClusterEnvelope.byteCountLimit + overheadByteCount

    private static let nonceByteCount = 24

    private let keys: ClusterKeys

    /// Seals with the keys of a portal.
    package init(_ keys: consuming ClusterKeys) { self.keys = keys }

    /// What the names of the portal's subjects begin with, behind `cw.`.
    package var subject: String { keys.subject }

    /// The bytes for the wire; `nonce` is random, and used once.
    package func seal(_ envelope: ClusterEnvelope, to subject: ClusterSubject, nonce: Nonce) -> [UInt8] {
        nonce.array
            + XChaCha20Poly1305.seal(
                envelope.encoded().span, with: Array(subject.name(under: keys.subject).utf8).span,
                key: keys.directory, nonce: nonce)
    }

    /// The envelope that came to a subject.
    ///
    /// - Throws: ``ClusterError``; the message is dropped and counted.
    package func open(_ bytes: [UInt8], from subject: ClusterSubject) throws(ClusterError) -> ClusterEnvelope
    {
        guard bytes.count <= Self.byteCountLimit else { throw .tooLong(bytes.count) }
        guard bytes.count >= Self.overheadByteCount else { throw .forged }
        let message: [UInt8]
        do throws(SodiumError) {
            message = try XChaCha20Poly1305.open(
                bytes.span.extracting(droppingFirst: Self.nonceByteCount),
                with: Array(subject.name(under: keys.subject).utf8).span, key: keys.directory,
                nonce: Nonce(bytes.span, at: 0))
        } catch {
            throw .forged
        }
        let envelope = try ClusterEnvelope(decoding: message)
        guard envelope.message.belongs(to: subject) else { throw .malformed }
        return envelope
    }
}

/// Why a message of a cluster is dropped.
package enum ClusterError: Error, Equatable, Sendable {
    /// It is longer than any message may be, in bytes.
    case tooLong(Int)
    /// It is sealed with another key, for another subject, or was changed.
    case forged
    /// It is none of the messages that this program knows, or not in their form.
    case malformed
}
