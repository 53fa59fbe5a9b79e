internal import LMDB

/// Why there is no identity in a key file.
public enum SecretFileError: Error, Equatable, Sendable {
    /// What a key file's text has wrong.
    public enum Fault: Error, Equatable, Sendable {
        /// It is no JSON object of strings; the first byte that breaks it is at this offset.
        case notJSON(offset: Int)
        /// A field occurs twice.
        case repeatedField(String)
        /// A field is missing.
        case missingField(String)
        /// A field has a value that it cannot have.
        case badField(String)
        /// The secret key and this field do not belong together.
        case mismatchedField(String)
    }

    /// There is no file.
    case missing(path: String)
    /// A folder, a symbolic link or a device stands in its place.
    case notAFile(path: String)
    /// Others may read or write it.
    case exposed(path: String, permissions: Int)
    /// It has no bytes.
    case empty(path: String)
    /// It has more bytes than any key file.
    case tooLong(path: String, limit: Int)
    /// Its text is not that of a key file.
    case malformed(path: String, Fault)
    /// The system refused a call, with this code.
    case system(path: String, call: String, code: Int32)
    /// Guarded memory for the secret key could not be had.
    case outOfGuardedMemory
}

extension SecretFileError: CustomStringConvertible {
    /// The cause, and what to do about it, in a sentence for people.
    public var description: String {
        switch self {
        case .missing(let path):
            "there is no key file \(path): run 'cway id' to create an identity"
        case .notAFile(let path):
            "the key file \(path) is no ordinary file (links are not followed): put the file itself there"
        case .exposed(let path, let permissions):
            "the key file \(path) has mode \(octal(permissions)), so others have access to it: "
                + "run chmod 600 '\(path)', and make another identity if somebody may have read it"
        case .empty(let path):
            "the key file \(path) is empty: restore it from a backup, or remove it to get another identity"
        case .tooLong(let path, let limit):
            "the key file \(path) has more than \(limit) bytes, so it is none: put the right file there"
        case .malformed(let path, let fault):
            "the key file \(path) is damaged (\(fault)): "
                + "restore it from a backup, or move it away to get another identity"
        case .system(let path, let call, let code):
            "the key file \(path) cannot be used (\(call): \(systemReason(code))): "
                + ResultCode(rawValue: code).advice
        case .outOfGuardedMemory:
            "the system gives out no more locked memory: raise the limit (ulimit -l)"
        }
    }
}

extension SecretFileError.Fault: CustomStringConvertible {
    /// The fault in a few words, without anything from the file but names of fields.
    public var description: String {
        switch self {
        case .notJSON(let offset): "no JSON object of strings from byte \(offset) on"
        case .repeatedField(let name): "'\(name)' occurs twice"
        case .missingField(let name): "'\(name)' is missing"
        case .badField(let name): "'\(name)' is not what it should be"
        case .mismatchedField(let name): "'private' and '\(name)' do not belong together"
        }
    }
}
