internal import Glibc

/// Reads a file with a token in it, which nobody else may read.
package enum TokenFile {
    /// The largest that is read, in bytes.
    package static let byteCountLimit = 1024

    /// Its contents, which the caller wipes.
    ///
    /// - Throws: ``TokenFileError``.
    package static func contents(
        of path: String, limit: Int = byteCountLimit
    ) throws(TokenFileError) -> [UInt8] {
        let status: PrivateFile.Status
        let contents: [UInt8]
        do throws(PrivateFile.Failure) {
            // Not to block: a pipe in the file's place would make a plain open wait for ever.
            let file = try PrivateFile.Descriptor(opening: path, O_RDONLY | O_NONBLOCK)
            status = try file.status()
            contents = status.isRegular ? try file.read(limit: limit) : []
        } catch {
            throw .system(path: path, code: error.code)
        }
        guard status.permissions & 0o077 == 0 else {
            throw .exposed(path: path, permissions: status.permissions)
        }
        guard !contents.isEmpty else { throw .unusable(path: path) }
        return contents
    }
}

/// Why there is no token in a file.
package enum TokenFileError: Error, Equatable, Sendable {
    /// It is no ordinary file, too long, or what is in it is no token.
    case unusable(path: String)
    /// Others may read or write it.
    case exposed(path: String, permissions: Int)
    /// The system refused a call, with this code.
    case system(path: String, code: Int32)
}

extension TokenFileError: CustomStringConvertible {
    /// The cause, and what to do about it, in a sentence for people.
    package var description: String {
        switch self {
        case .unusable(let path):
            "the file \(path) has no token of 32 to 512 letters and digits in it: "
                + "make one with (umask 077; openssl rand -hex 32 > '\(path)')"
        case .exposed(let path, let permissions):
            "the file \(path) has mode \(octal(permissions)), so others have access to the token in it: "
                + "run chmod 600 '\(path)', and make another token if somebody may have read it"
        case .system(let path, let code):
            "the file \(path) with the token cannot be read: \(ErrorWords.text(ofCode: code))"
        }
    }
}
