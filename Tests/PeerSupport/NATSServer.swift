internal import Foundation

/// A real `nats-server` on a free port of the loopback interface, with a folder of its own; it ends with the value.
package final class NATSServer {
    package struct Failure: Error, CustomStringConvertible {
        package let description: String
    }

    package let port: UInt16
    private let folder: URL
    private let arguments: [String]
    package private(set) var process: ChildProcess?

    /// Starts a server that is ready for clients.
    package init(_ arguments: [String] = [], configuration: String? = nil) async throws {
        port = try LoopbackSocket.freePort()
        folder = FileManager.default.temporaryDirectory.appending(path: "nats-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        var arguments = arguments
        if let configuration {
            let file = folder.appending(path: "nats.conf")
            try configuration.write(to: file, atomically: true, encoding: .utf8)
            arguments += ["-c", file.path]
        }
        self.arguments = arguments
        try await start()
    }

    deinit {
        kill()
        try? FileManager.default.removeItem(at: folder)
    }

    package var address: String { "nats://127.0.0.1:\(port)" }

    /// Starts the process, again where it was killed, and awaits its port.
    package func start() async throws {
        let places = ["/usr/sbin", "/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"]
        guard
            let program = places.map({ "\($0)/nats-server" }).first(
                where: FileManager.default.isExecutableFile)
        else { throw Failure(description: "nats-server is not installed: apt-get install nats-server") }
        let log = folder.appending(path: "log").path
        guard let nowhere = FileHandle(forUpdatingAtPath: "/dev/null") else {
            throw Failure(description: "there is no /dev/null")
        }
        process = try ChildProcess(
            program, ["-a", "127.0.0.1", "-p", String(port), "-sd", folder.path, "-l", log] + arguments,
            environment: [:], streams: [nowhere, nowhere, nowhere])
        let port = port
        let isThere = Task.detached {
            while !Task.isCancelled {
                if (try? LoopbackSocket.dialling(port)) != nil { return }
                try await Task.sleep(for: .milliseconds(20))
            }
        }
        do {
            try await before(.seconds(20)) { try await isThere.value }
        } catch {
            isThere.cancel()
            let text = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
            throw Failure(description: "nats-server did not start: \(text)")
        }
    }

    /// Kills the process; what it stored stays.
    package func kill() {
        process?.signal(SIGKILL)
        process?.waitUntilEnded()
        process = nil
    }

    package func signal(_ number: Int32) { process?.signal(number) }
}
