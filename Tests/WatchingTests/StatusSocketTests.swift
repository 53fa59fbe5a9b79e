import Foundation
import NIOCore
import NIOPosix
import Testing
import Watching

/// A process that says how it is, and who asks.
@Suite("The status socket", .timeLimit(.minutes(5)))
struct StatusSocketTests {
    private static let report = StatusReport(
        process: ProcessReport(
            role: "serve", id: 7, version: "1", since: 3, memoryByteCount: 4, descriptorCount: 5,
            descriptorLimit: 6, loops: [LoopReport(load: 0.5, longestDelayMilliseconds: 1.25)]),
        errors: [ErrorReport(at: 1, level: "warning", text: "ä \u{1B}", remedy: nil, count: 2)])

    private var group: any EventLoopGroup { MultiThreadedEventLoopGroup.singleton }

    /// A home for one test, as deep below the temporary folder as wanted.
    private func withHome(depth: Int = 0, _ body: (String) async throws -> Void) async throws {
        let top = FileManager.default.temporaryDirectory.appendingPathComponent("status-\(UUID().uuidString)")
        let home = (0..<depth).reduce(top) { folder, _ in
            folder.appendingPathComponent(String(repeating: "d", count: 60))
        }
        try FileManager.default.createDirectory(
            at: home, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        let result: Result<Void, any Error>
        do { result = .success(try await body(home.path)) } catch { result = .failure(error) }
        try FileManager.default.removeItem(at: top)
        try result.get()
    }

    /// What is answered; asked again where other tests keep the machine so busy that an answer comes too late.
    private func reports(_ home: String) async throws -> [StatusReport] {
        while true {
            let answers = try await StatusClient(home: home).ask()
            let reports = answers.compactMap { answer in
                if case .report(let report) = answer { report } else { nil }
            }
            if reports.count == answers.count { return reports }
        }
    }

    @Test("answers with what the process says, and is gone with it", arguments: [0, 4])
    func answers(depth: Int) async throws {
        try await withHome(depth: depth) { home in
            #expect(try await reports(home).isEmpty)
            let server = try await StatusServer.start(as: "serve", inHome: home, group: group) { Self.report }
            #expect(try await reports(home) == [Self.report])
            let path = "\(home)/run/serve-\(ProcessInfo.processInfo.processIdentifier).sock"
            let attributes = try FileManager.default.attributesOfItem(atPath: path)
            #expect(attributes[.posixPermissions] as? Int == 0o600)
            let folder = try FileManager.default.attributesOfItem(atPath: "\(home)/run")
            #expect(folder[.posixPermissions] as? Int == 0o700)
            await server.close()
            #expect(try await reports(home).isEmpty)
            #expect(try FileManager.default.contentsOfDirectory(atPath: "\(home)/run").isEmpty)
        }
    }

    @Test("has a name for each role of a process")
    func roles() async throws {
        try await withHome { home in
            var second = Self.report
            second.process.role = "portal"
            let servers = [
                try await StatusServer.start(as: "serve", inHome: home, group: group) { Self.report },
                try await StatusServer.start(as: "portal", inHome: home, group: group) { [second] in second },
            ]
            #expect(try await reports(home).map(\.process.role) == ["portal", "serve"])
            for server in servers { await server.close() }
        }
    }

    @Test("of a process that is gone is removed")
    func stale() async throws {
        try await withHome { home in
            let folder = try StatusFolder(ofHome: home, isMade: true)
            let gone = StatusSocket(role: "serve", process: 1 << 22)
            // Nobody listens at what a process that was killed leaves; nor does anybody at a plain file.
            #expect(FileManager.default.createFile(atPath: folder.path(of: gone.fileName), contents: nil))
            #expect(folder.sockets() == [gone])
            #expect(try await StatusClient(home: home).ask().isEmpty)
            #expect(folder.sockets().isEmpty)
        }
    }

    @Test(
        "closes at once for who asks something else, or too much",
        arguments: [
            [0, 0, 0, 2] + Array("{}".utf8), [0, 0, 0, 3] + Array("abc".utf8), [0, 0, 1, 1],
            [255, 255, 255, 255],
            [0, 0, 0, 13] + Array(#"{"ask":"all"}"#.utf8),
        ])
    func refusesOthers(_ question: [UInt8]) async throws {
        try await withHome { home in
            let server = try await StatusServer.start(as: "serve", inHome: home, group: group) {
                Issue.record("it was asked")
                return Self.report
            }
            let folder = try StatusFolder(ofHome: home, isMade: false)
            let socket = try #require(folder.sockets().first)
            let channel = try await ClientBootstrap(group: group)
                .connect(unixDomainSocketPath: folder.path(of: socket.fileName)).get()
            try await channel.writeAndFlush(ByteBuffer(bytes: question))
            try await channel.closeFuture.get()
            await server.close()
        }
    }

    @Test("answers sixteen at a time, and others when those are gone")
    func bounded() async throws {
        try await withHome { home in
            // On one loop, so that places are given in the order of the connections.
            let server = try await StatusServer.start(
                as: "serve", inHome: home, group: group.next(), patience: .minutes(5)
            ) { Self.report }
            let folder = try StatusFolder(ofHome: home, isMade: false)
            let path = try folder.path(of: #require(folder.sockets().first).fileName)
            var idle: [any Channel] = []
            for _ in 0..<16 {
                idle.append(try await ClientBootstrap(group: group).connect(unixDomainSocketPath: path).get())
            }
            let answers = try await StatusClient(home: home).ask()
            #expect(answers.count == 1)
            guard case .failure(_, .silent)? = answers.first else {
                Issue.record("it was answered: \(answers)")
                return
            }
            for channel in idle { try await channel.close() }
            // The server learns of their ends in its own time.
            while try await reports(home).isEmpty { await Task.yield() }
            await server.close()
        }
    }

    @Test("is not looked for in a folder that others may write to")
    func notPrivate() async throws {
        try await withHome { home in
            try FileManager.default.createDirectory(
                atPath: "\(home)/run", withIntermediateDirectories: false)
            try FileManager.default.setAttributes(
                [.posixPermissions: 0o777], ofItemAtPath: "\(home)/run")
            await #expect(throws: StatusFailure.notPrivate(permissions: 0o777)) {
                _ = try await StatusClient(home: home).ask()
            }
        }
    }

    @Test(
        "has no other names",
        arguments: [
            "serve-1.sock", "serve-01.sock", "serve-0.sock", "-1.sock",
            "serve-1", "serve--1.sock", ".serve-1.sock", "se rve-1.sock", "serve-99999999999.sock",
        ])
    func names(_ name: String) {
        #expect((StatusSocket(fileName: name) != nil) == (name == "serve-1.sock"))
    }
}
