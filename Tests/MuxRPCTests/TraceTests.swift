import MuxRPC
import Testing

@Suite("Recorded sessions, played again from both seats")
struct TraceTests {
    /// One connection of one recording, from one seat, and what our session must make of it.
    struct Seat: CustomTestStringConvertible, Sendable {
        let trace: String
        let connection: Int
        let isRecorder: Bool
        let expected: Replay.Outcome
        /// The recorded packets that we send otherwise, for a reason.
        var different: [String] = []
        /// Whether the recording stops between packets.
        var isWhole = true

        var testDescription: String {
            "\(trace), connection \(connection), \(isRecorder ? "recorder" : "peer")"
        }
    }

    static let probed = [
        "whoami", "tunnel.isRoom", "room.metadata", "tunnel.ping", "tunnel.announce", "tunnel.announce",
        "tunnel.endpoints", "room.attendants", "tunnel.connect", "tunnel.connect", "tunnel.connect",
        "tunnel.connect", "tunnel.leave", "tunnel.ping",
    ]

    static let portals = [
        Seat(
            trace: "probe-of-go-portal", connection: 1, isRecorder: true,
            expected: .init(replies: 9, failures: 1, packets: 5, ends: 7, sentAsRecorded: 19)),
        Seat(
            // The late failure is JavaScript's junk answer to Go's junk.
            trace: "probe-of-go-portal", connection: 1, isRecorder: false,
            expected: .init(
                requests: probed, failures: 1, lateFailures: 1, sentAsRecorded: 8, sentAlike: 9),
            // Go writes the type of an async call, which we leave out.
            different: [#"{"name":"manifest","args":[],"type":"async"}"#]),
        Seat(
            trace: "probe-of-room-portal", connection: 1, isRecorder: true,
            expected: .init(
                requests: ["tunnel.connect"], replies: 7, failures: 3, packets: 5, ends: 8,
                sentAsRecorded: 19, sentAlike: 1)),
        Seat(
            trace: "probe-of-room-portal", connection: 1, isRecorder: false,
            expected: .init(requests: probed, ends: 1, sentAsRecorded: 13, sentAlike: 6)),
        Seat(
            trace: "probe-of-tunnel-portal", connection: 1, isRecorder: true,
            expected: .init(
                requests: ["tunnel.connect"], replies: 5, failures: 5, ends: 9, sentAsRecorded: 19,
                sentAlike: 1)),
        Seat(
            trace: "probe-of-tunnel-portal", connection: 1, isRecorder: false,
            expected: .init(requests: probed, ends: 1, sentAsRecorded: 6, sentAlike: 9)),
    ]

    static let endpoint = [
        Seat(
            trace: "ssb-tunnel-endpoint-view", connection: 1, isRecorder: true,
            expected: .init(
                requests: ["tunnel.connect"], replies: 1, packets: 15, ends: 1, sentAsRecorded: 13)),
        Seat(
            trace: "ssb-tunnel-endpoint-view", connection: 1, isRecorder: false,
            expected: .init(
                requests: ["gossip.ping", "tunnel.announce"], packets: 11, sentAsRecorded: 17, sentAlike: 1)),
        // Connection 2 is the inner session, in the clear.
        Seat(
            trace: "ssb-tunnel-endpoint-view", connection: 2, isRecorder: true,
            expected: .init(requests: ["whoami", "echo"], packets: 1, sentAsRecorded: 2)),
        Seat(
            trace: "ssb-tunnel-endpoint-view", connection: 2, isRecorder: false,
            expected: .init(replies: 1, packets: 1, goodbyes: 1, sentAsRecorded: 3)),
    ]

    static let portal =
        [
            Seat(
                trace: "ssb-tunnel-portal-view", connection: 1, isRecorder: true,
                expected: .init(
                    requests: ["gossip.ping", "tunnel.announce"], packets: 11, sentAsRecorded: 17,
                    sentAlike: 1)),
            Seat(
                trace: "ssb-tunnel-portal-view", connection: 1, isRecorder: false,
                expected: .init(
                    requests: ["tunnel.connect"], replies: 1, packets: 15, ends: 1, goodbyes: 1,
                    sentAsRecorded: 13)),
            Seat(
                trace: "ssb-tunnel-portal-view", connection: 2, isRecorder: true,
                expected: .init(
                    requests: ["gossip.ping", "tunnel.connect"], packets: 15, sentAsRecorded: 11),
                isWhole: false),
            Seat(
                trace: "ssb-tunnel-portal-view", connection: 2, isRecorder: false,
                expected: .init(packets: 11, sentAsRecorded: 17), isWhole: false),
        ]
        + [3, 4].flatMap { connection in
            [
                Seat(
                    trace: "ssb-tunnel-portal-view", connection: connection, isRecorder: true,
                    expected: .init(
                        requests: ["gossip.ping", "tunnel.connect"], packets: 1, sentAsRecorded: 1,
                        sentAlike: 1)),
                Seat(
                    trace: "ssb-tunnel-portal-view", connection: connection, isRecorder: false,
                    expected: .init(packets: 1, ends: 1, goodbyes: 1, sentAsRecorded: 3)),
            ]
        }

    @Test("come to the same events and the same packets", arguments: portals + endpoint + portal)
    func replays(_ seat: Seat) throws {
        let chunks = try Trace(seat.trace + ".txt").chunks.filter { $0.connection == seat.connection }
        let replay = try Replay(chunks, isRecorder: seat.isRecorder)
        #expect(replay.outcome == seat.expected)
        #expect(replay.differences == seat.different)
        #expect(replay.isAtPacketBoundary == seat.isWhole)
    }

    @Test("are all played")
    func allAreListed() throws {
        let seats = Self.portals + Self.endpoint + Self.portal
        for name in Set(seats.map(\.trace)) {
            let played = seats.filter { $0.trace == name && $0.isRecorder }.map(\.connection)
            #expect(try Trace(name + ".txt").connections == played)
        }
    }
}
