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
    /// The name of the stream that is the log of policy.
    package var logName: String { "cw-\(keys.subject)" }
    /// The subject of that stream.
    package var logSubject: String { "cw.\(keys.subject).log" }

    /// The bytes for the wire; `nonce` is random, and used once.
    package func seal(_ envelope: ClusterEnvelope, to subject: ClusterSubject, nonce: Nonce) -> [UInt8] {
        seal(envelope.encoded(), to: subject.name(under: keys.subject), nonce: nonce)
    }

    /// The bytes of a record for the stream; `nonce` is random, and used once.
    package func seal(_ record: PolicyRecord, nonce: Nonce) -> [UInt8] {
        seal(record.encoded(), to: logSubject, nonce: nonce)
    }

    private func seal(_ message: [UInt8], to subject: String, nonce: Nonce) -> [UInt8] {
        nonce.array
            + XChaCha20Poly1305.seal(
                message.span, with: Array(subject.utf8).span, key: keys.directory, nonce: nonce)
    }

    /// The envelope that came to a subject.
    ///
    /// - Throws: ``ClusterError``; the message is dropped and counted.
    package func open(_ bytes: [UInt8], from subject: ClusterSubject) throws(ClusterError) -> ClusterEnvelope
    {
        guard bytes.count <= Self.byteCountLimit else { throw .tooLong(bytes.count) }
        let message = try open(bytes, from: subject.name(under: keys.subject))
        let envelope = try ClusterEnvelope(decoding: message)
        guard envelope.message.belongs(to: subject) else { throw .malformed }
        return envelope
    }

    /// A record that stands in the stream.
    ///
    /// - Throws: ``ClusterError``.
    package func openRecord(_ bytes: [UInt8]) throws(ClusterError) -> PolicyRecord {
        guard bytes.count <= PolicyRecord.byteCountLimit + Self.overheadByteCount else {
            throw .tooLong(bytes.count)
        }
        return try PolicyRecord(decoding: open(bytes, from: logSubject))
    }

    private func open(_ bytes: [UInt8], from subject: String) throws(ClusterError) -> [UInt8] {
        guard bytes.count >= Self.overheadByteCount else { throw .forged }
        do throws(SodiumError) {
            return try XChaCha20Poly1305.open(
                bytes.span.extracting(droppingFirst: Self.nonceByteCount), with: Array(subject.utf8).span,
                key: keys.directory, nonce: Nonce(bytes.span, at: 0))
        } catch {
            throw .forged
        }
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
