package import Foundation
internal import Synchronization

/// A real `nats-server` on a port of the loopback interface; it ends with the value.
package final class NATSServer: Sendable {
    package struct Failure: Error, CustomStringConvertible {
        package let description: String
    }

    private static let places = ["/usr/sbin", "/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"]

    package let port: UInt16
    /// What it stores, and its log.
    private let folder: URL
    private let program: String
    private let arguments: [String]
    private let process = Mutex<ChildProcess?>(nil)

    /// Starts a server with a folder of its own that is ready for clients.
    package convenience init(_ arguments: [String] = [], configuration: String? = nil) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "nats-\(UUID().uuidString)")
        var arguments = arguments
        if let configuration {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            let file = folder.appending(path: "nats.conf")
            try configuration.write(to: file, atomically: true, encoding: .utf8)
            arguments += ["-c", file.path]
        }
        try self.init(in: folder, at: LoopbackSocket.freePort(), arguments)
        try await start()
    }

    /// A server that is not started yet.
    package init(in folder: URL, at port: UInt16, _ arguments: [String]) throws {
        let found = Self.places.map { "\($0)/nats-server" }.first(where: FileManager.default.isExecutableFile)
        guard let found else {
            throw Failure(description: "nats-server is not installed: apt-get install nats-server")
        }
        (program, self.folder, self.port, self.arguments) = (found, folder, port, arguments)
    }

    deinit {
        kill()
        try? FileManager.default.removeItem(at: folder)
    }

    package var address: String { "nats://127.0.0.1:\(port)" }

    /// Its number, while it runs.
    package var id: Int32? { process.withLock { $0?.id } }

    private var log: String { folder.appending(path: "log").path }

    /// Starts the process, again where it was killed.
    package func launch() throws {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        guard let nowhere = FileHandle(forUpdatingAtPath: "/dev/null") else {
            throw Failure(description: "there is no /dev/null")
        }
        let child = try ChildProcess(
            program, ["-a", "127.0.0.1", "-p", "\(port)", "-sd", folder.path, "-l", log] + arguments,
            environment: [:], streams: [nowhere, nowhere, nowhere])
        process.withLock { $0 = child }
    }

    /// Starts the process, and awaits its port.
    package func start() async throws {
        try launch()
        do {
            try await before(.seconds(20)) { [port] in
                while (try? LoopbackSocket.dialling(port)) == nil {
                    try await Task.sleep(for: .milliseconds(20))
                }
            }
        } catch {
            let text = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
            throw Failure(description: "nats-server did not start: \(text)")
        }
    }

    /// Kills the process; what it stored stays.
    package func kill() {
        let child = process.withLock { process in
            defer { process = nil }
            return process
        }
        child?.signal(SIGKILL)
        child?.waitUntilEnded()
    }

    package func signal(_ number: Int32) { process.withLock { $0 }?.signal(number) }

    /// Removes what it has stored, which does not run.
    package func wipe() throws { try FileManager.default.removeItem(at: folder) }
}
