import Foundation
import Glibc
import Node
import PeerSupport
import Transport
import Testing

@Suite("The service manager")
struct ServiceManagerTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// A socket at a path, and one with an abstract name.
    private func sockets() throws -> [NoticeSocket] {
        [
            try NoticeSocket(folder.path + "/notify"),
            try NoticeSocket("@cway-tests-\(UUID().uuidString)"),
        ]
    }

    /// What the clock of `MONOTONIC_USEC` says, in microseconds.
    private static func monotonicTime() throws -> Int {
        var time = timespec()
        try #require(unsafe clock_gettime(CLOCK_MONOTONIC, &time) == 0)
        return time.tv_sec * 1_000_000 + time.tv_nsec / 1000
    }

    @Test("hears each state in a message of its own, with what the service does")
    func states() async throws {
        for socket in try sockets() {
            let manager = ServiceManager(["NOTIFY_SOCKET": socket.name], processID: getpid())
            #expect(manager.complaint == nil)
            manager.ready("accepts\nWATCHDOG=trigger")
            manager.isAlive()
            let earliest = try Self.monotonicTime()
            manager.reloading()
            let latest = try Self.monotonicTime()
            manager.ready()
            manager.now("rests")
            manager.stopping()
            _ = try await socket.messages(with: "STOPPING=1")
            let received = socket.received
            #expect(received.count == 6)
            // What looks like another line is none.
            #expect(received[0].split(separator: "\n").count == 2, "\(received[0])")
            #expect(received[0].hasPrefix("READY=1\nSTATUS=accepts"))
            #expect(received[1] == "WATCHDOG=1")
            #expect(received[2].hasPrefix("RELOADING=1\nMONOTONIC_USEC="))
            let time = received[2].split(separator: "\n")[1].split(separator: "=")[1]
            #expect((earliest...latest).contains(try #require(Int(time))))
            #expect(received[3].hasPrefix("READY=1\nSTATUS=accepts"), "as before")
            #expect(received[4] == "STATUS=rests")
            #expect(received[5] == "STOPPING=1\nSTATUS=closing in order")
        }
    }

    @Test("is nobody where no variable names one")
    func nobody() {
        for environment in [[:], ["NOTIFY_SOCKET": ""]] {
            let manager = ServiceManager(environment, processID: getpid())
            manager.ready("ready")
            #expect(manager.complaint == nil)
            #expect(manager.watchdogTime == nil)
            #expect(manager.sockets == .success([]))
        }
    }

    @Test(
        "is named by a path or an abstract name, and nothing else",
        arguments: ["relative", "vsock:2:1234", "@", "/" + String(repeating: "x", count: 107)])
    func badNames(_ name: String) {
        #expect(ServiceManager(["NOTIFY_SOCKET": name], processID: getpid()).complaint != nil)
    }

    @Test("that is gone is told nothing, which is no error")
    func gone() {
        let manager = ServiceManager(["NOTIFY_SOCKET": folder.path + "/nobody"], processID: getpid())
        manager.ready("ready")
        #expect(manager.complaint == nil)
    }

    @Test("waits for signs of life as long as it says, of the process that it says")
    func watchdog() {
        func time(_ environment: [String: String]) -> Duration? {
            ServiceManager(environment, processID: 7).watchdogTime
        }
        #expect(time(["WATCHDOG_USEC": "30000000"]) == .seconds(30))
        #expect(time(["WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7"]) == .seconds(30))
        #expect(time(["WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "8"]) == nil)
        #expect(time(["WATCHDOG_USEC": "0"]) == nil)
        #expect(time(["WATCHDOG_USEC": "soon"]) == nil)
    }

    @Test("that hands over what is no socket is refused in words")
    func badSockets() {
        let environment = ["LISTEN_PID": "7", "LISTEN_FDS": "many"]
        guard case .failure(let error) = ServiceManager(environment, processID: 7).sockets else {
            Issue.record("it was taken")
            return
        }
        #expect(error.description.contains("LISTEN_FDS"))
        #expect(ServiceManager(environment, processID: 8).sockets == .success([]))
    }
}
