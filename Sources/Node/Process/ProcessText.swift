internal import CProcess
internal import LMDB

/// What the process was started with, byte for byte: names of files need not be UTF-8, see `SystemText`.
///
/// Safety: both lists end with a null pointer, are the system's own, and are changed by nobody.
package enum ProcessText {
    /// The arguments behind the program's name.
    package static var arguments: [String] {
        (1..<max(1, Int(CommandLine.argc))).compactMap { index in
            unsafe CommandLine.unsafeArgv[index].map { unsafe text(of: $0) }
        }
    }

    /// The environment; of two variables with one name, the first.
    package static var environment: [String: String] {
        var variables: [String: String] = [:]
        guard var place = unsafe shim_process_environment() else { return [:] }
        while let pointer = unsafe place.pointee {
            let parts = unsafe text(of: pointer).split(
                separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if parts.count == 2, variables[String(parts[0])] == nil {
                variables[String(parts[0])] = String(parts[1])
            }
            unsafe place += 1
        }
        return variables
    }

    private static func text(of pointer: UnsafePointer<CChar>) -> String {
        var bytes: [UInt8] = []
        var place = unsafe pointer
        while unsafe place.pointee != 0 {
            unsafe bytes.append(UInt8(bitPattern: place.pointee))
            unsafe place += 1
        }
        return SystemText.text(bytes)
    }
}
