internal import FoundationEssentials
internal import Glibc

/// The place where the system shows a process's arguments to every user of the machine.
package enum ArgumentMemory {
    /// Where the arguments stand, counted from the first field behind the name.
    ///
    /// Source: proc_pid_stat(5), fields 48 and 49.
    private static let (startField, endField) = (45, 46)
    /// More than the system allows for arguments: a wrong number is not followed.
    private static let byteCountLimit: UInt = 1 << 30

    /// Overwrites an argument with asterisks, wherever it stands among them.
    ///
    /// `/proc/PID/cmdline` and with it `ps` show the memory itself. Until here, some milliseconds after the start,
    /// anybody on the machine could read it: so a secret belongs on standard input.
    package static func overwrite(_ argument: String) {
        let secret = Array(argument.utf8)
        guard !secret.isEmpty, let memory = unsafe find() else { return }
        var offset = 0
        while memory.count - offset >= secret.count {
            let isThere = unsafe memory[offset..<offset + secret.count].elementsEqual(secret)
            guard isThere else {
                offset += 1
                continue
            }
            for index in offset..<offset + secret.count { unsafe memory[index] = UInt8(ascii: "*") }
            offset += secret.count
        }
    }

    private static func find() -> UnsafeMutableBufferPointer<UInt8>? {
        guard let bytes = FileManager.default.contents(atPath: "/proc/self/stat") else { return nil }
        // The name, in parentheses, may have anything in it.
        let text = String(decoding: bytes, as: UTF8.self)
        guard let nameEnd = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: nameEnd)...].split(separator: " ")
        guard fields.count > endField, let start = UInt(fields[startField]), let end = UInt(fields[endField]),
            start < end, end - start < byteCountLimit
        else { return nil }
        // Safety: the kernel names the pages of this process's own stack that execve(2) has put the arguments on; they
        // stay there, writable, until its end.
        return unsafe UnsafeMutableBufferPointer(
            start: UnsafeMutablePointer(bitPattern: start), count: Int(end - start))
    }
}
