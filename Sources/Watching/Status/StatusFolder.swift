internal import FoundationEssentials
internal import Glibc
internal import LMDB

/// The folder in a home where the sockets stand at which its processes say how they are.
///
/// It is held open, and sockets are named through `/proc/self/fd`: an address has room for 107 bytes, and a home may
/// stand deeper than that, or have a name that is no UTF-8.
///
/// Safety: paths are lent to C for the length of a call.
package final class StatusFolder: Sendable {
    /// Its name in the home.
    private static let name = "run"

    private let descriptor: Int32

    /// Opens the folder of a home, which may have to be made.
    ///
    /// - Throws: ``StatusFailure/system(call:reason:)``, or ``StatusFailure/notPrivate(permissions:)``; and
    ///   ``StatusFailure/nothing`` where it is not there, and is not to be made.
    package init(ofHome home: String, isMade: Bool) throws(StatusFailure) {
        let path = "\(home)/\(Self.name)"
        if isMade, unsafe mkdir(path.systemName, 0o700) != 0, errno != EEXIST {
            throw StatusFailure(call: "mkdir")
        }
        descriptor = unsafe open(path.systemName, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw errno == ENOENT ? .nothing : StatusFailure(call: "open") }
        guard let permissions = OpenFile.permissions(of: descriptor) else {
            throw StatusFailure(call: "fstat")
        }
        guard permissions & 0o022 == 0 else { throw .notPrivate(permissions: permissions) }
    }

    deinit { close(descriptor) }

    /// What a socket's address calls a file of this folder.
    package func path(of name: String) -> String { "/proc/self/fd/\(descriptor)/\(name)" }

    /// The sockets that stand here, those of processes that are gone among them.
    package func sockets() -> [StatusSocket] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: path(of: "."))) ?? []
        return names.compactMap(StatusSocket.init(fileName:))
            .sorted { ($0.role, $0.process) < ($1.role, $1.process) }
    }

    /// Gives a socket, at which somebody listens already, the name by which it is found.
    func publish(_ draft: String, as name: String) throws(StatusFailure) {
        guard unsafe chmod(path(of: draft), 0o600) == 0 else { throw StatusFailure(call: "chmod") }
        guard unsafe rename(path(of: draft), path(of: name)) == 0 else { throw StatusFailure(call: "rename") }
    }

    /// Removes what is there under a name.
    func remove(_ name: String) { _ = unsafe unlink(path(of: name)) }
}

/// A process's socket, by what its name says.
package struct StatusSocket: Hashable, Sendable {
    /// How many letters a role has at most.
    private static let roleLimit = 16
    private static let suffix = ".sock"

    /// What the process does: `portal`, `serve` or `connect`.
    package let role: String
    /// Its number.
    package let process: Int32

    /// The one of that process in that role.
    package init(role: String, process: Int32) {
        self.role = role
        self.process = process
    }

    /// Reads a name as ``fileName`` writes it.
    package init?(fileName: String) {
        guard fileName.hasSuffix(Self.suffix) else { return nil }
        let parts = fileName.dropLast(Self.suffix.count).split(
            separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, (1...Self.roleLimit).contains(parts[0].utf8.count),
            parts[0].utf8.allSatisfy((UInt8(ascii: "a")...UInt8(ascii: "z")).contains),
            let process = Int32(parts[1]), process > 0, "\(process)" == parts[1]
        else { return nil }
        self.init(role: String(parts[0]), process: process)
    }

    /// What it is called in its folder.
    package var fileName: String { "\(role)-\(process)\(Self.suffix)" }

    /// What it is called until somebody listens: nobody looks for that.
    var draftName: String { ".\(fileName)" }
}

/// Why a process does not say how it is.
package enum StatusFailure: Error, Equatable, Sendable {
    /// No process has ever run from the home.
    case nothing
    /// Others could put their own sockets there.
    case notPrivate(permissions: Int)
    /// The system refused a call.
    case system(call: String, reason: String)
    /// Nobody listens: the process is gone.
    case gone
    /// The process belongs to somebody else, or its answer took too long.
    case silent
    /// What came is no report, or is too long.
    case malformed

    /// That of a call which has just failed.
    init(call: String) {
        let code = errno
        self = .system(call: call, reason: unsafe String(cString: strerror(code)))
    }
}

extension StatusFailure: CustomStringConvertible {
    /// The cause, and what to do about it.
    package var description: String {
        switch self {
        case .nothing: "nothing has run from this home yet"
        case .notPrivate(let permissions):
            "the folder run in the home has mode \(String(permissions, radix: 8)), so that others could answer: run "
                + "chmod 700 on it"
        case .system(let call, let reason): "the folder run in the home cannot be used (\(call): \(reason))"
        case .gone: "the process is gone"
        case .silent: "the process did not answer in time: it may be stopped, or very busy"
        case .malformed: "the process answered with what is no report: it may be another version of cway"
        }
    }
}
