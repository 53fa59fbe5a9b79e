import Foundation
import Glibc
import PeerSupport
import Testing

extension Integration {
    @Suite("Codes that are typed")
    struct PromptTests {
        /// The two ends of a terminal.
        struct Terminal {
            let master: FileHandle
            let slave: FileHandle

            /// Source: ioctl_tty(2), TIOCSPTLCK and TIOCGPTN.
            init() throws {
                let master = unsafe open("/dev/ptmx", O_RDWR | O_NOCTTY)
                var (lock, number) = (CInt(0), CInt(0))
                try #require(master >= 0)
                let isUnlocked = unsafe ioctl(master, 0x4004_5431, &lock) == 0
                let isNamed = unsafe ioctl(master, 0x8004_5430, &number) == 0
                let slave = unsafe open("/dev/pts/\(number)", O_RDWR | O_NOCTTY)
                try #require(isUnlocked && isNamed && slave >= 0)
                self.master = FileHandle(fileDescriptor: master, closeOnDealloc: true)
                self.slave = FileHandle(fileDescriptor: slave, closeOnDealloc: true)
            }

            func type(_ text: String) throws { try master.write(contentsOf: Data(text.utf8)) }

            var isEchoing: Bool {
                var settings = termios()
                return unsafe tcgetattr(slave.fileDescriptor, &settings) == 0
                    && settings.c_lflag & tcflag_t(ECHO) != 0
            }

            /// What the terminal shows that has not been read yet.
            var shown: String {
                var poll = pollfd(fd: master.fileDescriptor, events: Int16(POLLIN), revents: 0)
                guard unsafe Glibc.poll(&poll, 1, 0) > 0 else { return "" }
                return String(decoding: master.availableData, as: UTF8.self)
            }
        }

        private static func untilAsked(_ process: CwayProcess, at terminal: Terminal) async throws {
            let deadline = ContinuousClock.now + .seconds(10)
            while !process.log.contains("Invite code") || terminal.isEchoing {
                try #require(ContinuousClock.now < deadline, "\(process.log)")
                try await Task.sleep(for: .milliseconds(5))
            }
        }

        @Test("are not shown, and may come in several lines with words around them")
        func typed() async throws {
            try await Stage.run { stage in
                let portal = "net:127.0.0.1:1~shs:51w4nYL0k7mRzVRxdsc0eFZCIYRa2xgzKDKNcmVXTJ8="
                try await stage.run(home: "owner", ["portals", "add", portal])
                let code = try await FriendNetwork.invite("anna", on: stage)
                let terminal = try Terminal()
                let join = try stage.cway(home: "anna", ["join"], input: terminal.slave)
                try await Self.untilAsked(join, at: terminal)
                try terminal.type("Hello, \"\(code.prefix(50))\n\(code.dropFirst(50))\" Anna\n")
                // The code is read: the portal that it names is not there.
                #expect(try await join.end() == .exit(10), "\(join.log)")
                #expect(terminal.isEchoing && !terminal.shown.contains(code.prefix(20)))
                #expect(!join.log.contains(code.prefix(20)))
            }
        }

        @Test(
            "may come line by line, as over a slow connection, and end with an empty line where they do not")
        func slowly() async throws {
            try await Stage.run { stage in
                let portal = "net:127.0.0.1:1~shs:51w4nYL0k7mRzVRxdsc0eFZCIYRa2xgzKDKNcmVXTJ8="
                try await stage.run(home: "owner", ["portals", "add", portal])
                let code = try await FriendNetwork.invite("anna", on: stage)
                for (rest, status) in [(code.dropFirst(50), Int32(10)), ("", 64)] {
                    let terminal = try Terminal()
                    let join = try stage.cway(home: "anna", ["join"], input: terminal.slave)
                    try await Self.untilAsked(join, at: terminal)
                    try terminal.type("\u{FEFF}\(code.prefix(50))\n")
                    let deadline = ContinuousClock.now + .seconds(10)
                    while !join.log.contains("The rest of it") {
                        try #require(ContinuousClock.now < deadline, "\(join.log)")
                        try await Task.sleep(for: .milliseconds(5))
                    }
                    try terminal.type("\(rest)\n")
                    #expect(try await join.end() == .exit(status), "\(join.log)")
                    #expect(terminal.isEchoing && !terminal.shown.contains(code.prefix(20)))
                }
            }
        }

        @Test("leave the terminal as it was when they are not typed after all")
        func interrupted() async throws {
            try await Stage.run { stage in
                let terminal = try Terminal()
                let join = try stage.cway(home: "anna", ["join", "-"], input: terminal.slave)
                try await Self.untilAsked(join, at: terminal)
                try terminal.type("cway-\u{3}")
                #expect(try await join.end() == .exit(130), "\(join.log)")
                #expect(terminal.isEchoing)
            }
        }
    }
}
