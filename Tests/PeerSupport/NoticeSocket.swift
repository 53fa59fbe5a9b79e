internal import Foundation
internal import Glibc

/// Stands for a service manager: a datagram socket that gathers what services tell it.
///
/// Safety: the system reads an address within the count of its array, and fills a buffer up to its count.
package final class NoticeSocket: Sendable {
    /// What `NOTIFY_SOCKET` says of it.
    package let name: String
    private let descriptor: CInt
    private let messages = Watched<[String]>([])

    /// One with a path or, behind a `@`, an abstract name.
    package init(_ name: String) throws {
        self.name = name
        var bytes = Array(name.utf8)
        if name.hasPrefix("@") { bytes[0] = 0 } else { bytes.append(0) }
        let family = sa_family_t(AF_UNIX)
        let address = unsafe withUnsafeBytes(of: family) { unsafe [UInt8]($0) } + bytes
        descriptor = socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        let status = unsafe address.withUnsafeBytes { address in
            unsafe address.bindMemory(to: sockaddr.self).baseAddress.map { start in
                unsafe bind(descriptor, start, socklen_t(address.count))
            }
        }
        guard status == 0 else { throw ChildProcess.Failure(call: "bind", code: errno) }
        Thread.detachNewThread { [descriptor, messages] in
            var buffer = [UInt8](repeating: 0, count: 4096)
            while true {
                let count = unsafe recv(descriptor, &buffer, buffer.count, 0)
                // Nothing, and no error, once the socket is shut down.
                guard count > 0 else { break }
                messages.update { $0.append(String(decoding: buffer[..<count], as: UTF8.self)) }
            }
            close(descriptor)
        }
    }

    deinit { shutdown(descriptor, CInt(SHUT_RD)) }

    /// What has come so far.
    package var received: [String] { messages.value }

    /// As many messages with a line as wanted.
    package func messages(
        _ count: Int = 1, with line: String, within limit: Duration = .eventDeadline
    ) async throws -> [String] {
        try await messages.first(within: limit) { messages in
            let found = messages.filter { $0.split(separator: "\n").contains { $0.hasPrefix(line) } }
            return found.count >= count ? found : nil
        }
    }
}
