internal import LMDB

/// The folder in which a node keeps its identity, its settings and what it knows.
public struct Home: Hashable, Sendable {
    /// The environment variable that names it.
    public static let variable = "CWAY_HOME"
    /// Its name in the user's own folder, where nothing else is said.
    public static let defaultName = ".companionway"

    /// Where it is.
    public let path: String

    /// Finds it: the path given, else `CWAY_HOME`, else `~/.companionway`.
    ///
    /// Nothing is looked at or created yet; see ``prepare()``.
    ///
    /// - Throws: ``HomeError/unknown`` when none of the three is there.
    public init(path: String? = nil, environment: [String: String]) throws(HomeError) {
        if let path = path ?? environment[Self.variable], !path.isEmpty {
            self.path = path
        } else if let user = environment["HOME"], !user.isEmpty {
            self.path = "\(user)/\(Self.defaultName)"
        } else {
            throw .unknown
        }
    }

    /// Makes the folder, for its owner alone, and the ones above it, where they are missing.
    ///
    /// - Throws: ``HomeError``, also for a folder in which others could exchange files.
    public func prepare() throws(HomeError) {
        let status: PrivateFile.Status?
        do throws(PrivateFile.Failure) {
            if try PrivateFile.status(of: path) == nil { try Self.createWithParents(path) }
            status = try PrivateFile.status(of: path)
        } catch {
            throw .system(path: path, call: error.call, code: error.code)
        }
        guard let status, status.isFolder else { throw .notAFolder(path: path) }
        guard status.permissions & 0o022 == 0 else {
            throw .writableByOthers(path: path, permissions: status.permissions)
        }
    }

    /// The path of a file in it.
    func path(of name: String) -> String { "\(path)/\(name)" }

    private static func createWithParents(_ path: String) throws(PrivateFile.Failure) {
        var end = path.startIndex
        // By bytes: a mark behind a slash would be one character with it.
        while let slash = path.utf8[end...].firstIndex(of: UInt8(ascii: "/")) {
            if slash > path.startIndex { try PrivateFile.createFolder(String(path[..<slash])) }
            end = path.utf8.index(after: slash)
        }
        try PrivateFile.createFolder(path)
    }
}

/// Why there is no home folder to work in.
public enum HomeError: Error, Equatable, Sendable {
    /// Neither a path nor `CWAY_HOME` nor `HOME` says where it is.
    case unknown
    /// Something else stands there.
    case notAFolder(path: String)
    /// Others may write to it and so put another identity or other settings there.
    case writableByOthers(path: String, permissions: Int)
    /// The system refused a call, with this code.
    case system(path: String, call: String, code: Int32)
}

extension HomeError: CustomStringConvertible {
    /// The cause, and what to do about it, in a sentence for people.
    public var description: String {
        switch self {
        case .unknown:
            "nothing says where the home folder is: pass --home FOLDER or set \(Home.variable)"
        case .notAFolder(let path):
            "the home folder \(path) is no folder: move it away, or name another one with --home"
        case .writableByOthers(let path, let permissions):
            "the home folder \(path) has mode \(octal(permissions)), so others could exchange its files: "
                + "run chmod 700 '\(path)'"
        case .system(let path, let call, let code):
            "the home folder \(path) cannot be used (\(call): \(systemReason(code))): "
                + "\(ResultCode(rawValue: code).advice), or name another one with --home"
        }
    }
}
