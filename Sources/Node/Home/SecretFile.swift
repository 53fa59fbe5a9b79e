internal import Glibc
package import TypedSodium

/// The file `secret` in the home folder: who this node is, in the format of ssb-keys.
///
/// It is made once and never written to again. What was read of it is wiped from memory as soon as the
/// identity stands in guarded memory of its own.
package struct SecretFile: Sendable {
    /// Its name in the home folder, the same as in `~/.ssb`.
    package static let name = "secret"
    /// The largest file that is read, in bytes; one of ssb-keys has about 730.
    package static let byteCountLimit = 16_384

    private let folder: String

    /// Where it is.
    package var path: String { "\(folder)/\(Self.name)" }

    /// The file of a home folder.
    package init(in home: Home) { folder = home.path }

    /// Reads the identity.
    ///
    /// - Throws: ``SecretFileError``; ``SecretFileError/missing(path:)`` when there is none yet.
    package func load() throws(SecretFileError) -> Identity {
        var text = try contents()
        defer { wipe(&text) }
        guard !text.isEmpty else { throw .empty(path: path) }
        do throws(SecretFileError.Fault) {
            return try SecretText.identity(in: &text)
        } catch {
            throw .malformed(path: path, error)
        }
    }

    /// Reads the identity, or makes one where there is no file; never replaces anything.
    ///
    /// Of several callers at the same moment, in one process or many, one makes the file and all get the
    /// identity in it.
    ///
    /// - Returns: the identity, and whether this call made it.
    /// - Throws: ``SecretFileError``.
    package func loadOrCreate() throws(SecretFileError) -> (identity: Identity, isFresh: Bool) {
        do throws(SecretFileError) {
            return (try load(), false)
        } catch {
            guard case .missing = error else { throw error }
        }
        guard let identity = try? Identity.random() else { throw .outOfGuardedMemory }
        guard try create(identity) else { return (try load(), false) }
        return (identity, true)
    }

    private func create(_ identity: Identity) throws(SecretFileError) -> Bool {
        var text = SecretText.contents(of: identity)
        defer { wipe(&text) }
        // Drawn at random, so that a draft stands in nobody's way.
        let draft = ".\(Self.name)-" + Random.bytes(8).map { String($0, radix: 16) }.joined()
        return try naming { () throws(PrivateFile.Failure) in
            try PrivateFile.create(Self.name, in: folder, contents: text, draft: draft)
        }
    }

    /// The bytes of a file that is what it should be; the caller wipes them.
    private func contents() throws(SecretFileError) -> [UInt8] {
        let file = try naming { () throws(PrivateFile.Failure) in
            // Not to block: a pipe in the file's place would make a plain open wait for ever.
            try PrivateFile.Descriptor(opening: path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
        }
        let status = try naming { () throws(PrivateFile.Failure) in try file.status() }
        guard status.isRegular else { throw .notAFile(path: path) }
        guard status.permissions & 0o077 == 0 else {
            throw .exposed(path: path, permissions: status.permissions)
        }
        guard status.byteCount <= Self.byteCountLimit else { throw tooLong }

        var text = try naming { () throws(PrivateFile.Failure) in
            try file.read(limit: Self.byteCountLimit + 1)
        }
        guard text.count <= Self.byteCountLimit else {
            wipe(&text)
            throw tooLong
        }
        return text
    }

    private var tooLong: SecretFileError { .tooLong(path: path, limit: Self.byteCountLimit) }

    /// Turns a failed call into an error that names the file.
    private func naming<Result: ~Copyable>(
        _ body: () throws(PrivateFile.Failure) -> Result
    ) throws(SecretFileError) -> Result {
        do throws(PrivateFile.Failure) {
            return try body()
        } catch {
            switch error.code {
            case ENOENT: throw .missing(path: path)
            case ELOOP: throw .notAFile(path: path)
            default: throw .system(path: path, call: error.call, code: error.code)
            }
        }
    }
}
