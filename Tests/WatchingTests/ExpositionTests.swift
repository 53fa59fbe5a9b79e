import NIOCore
import PortalCore
import Testing
import Tunnel
import Watching

@Suite("Exposition") struct ExpositionTests {
    private static let families: [MetricFamily] = [
        .facts("x_build", "Which \"one\".", [("version", "1 \"beta\"\\\n2")]),
        .counter("x_relayed_bytes", "Bytes.", 3e15),
        .counter("x_ends", "Ends.", by: "reason", [("slow", 1), ("stuck", 0)]),
        .gauge("x_load", "Load.", 0.25),
        .histogram(
            "x_delay_seconds", "Delay.",
            MetricFamily.Buckets(bounds: [0.001, 1], counts: [3, 0, 2], sum: 4.5)),
    ]

    @Test("is Prometheus' text format 0.0.4") func text() {
        let text = String(buffer: Exposition.text(of: Self.families, as: .text))
        #expect(
            text == #"""
                # HELP x_build_info Which "one".
                # TYPE x_build_info gauge
                x_build_info{version="1 \"beta\"\\\n2"} 1
                # HELP x_relayed_bytes_total Bytes.
                # TYPE x_relayed_bytes_total counter
                x_relayed_bytes_total 3000000000000000
                # HELP x_ends_total Ends.
                # TYPE x_ends_total counter
                x_ends_total{reason="slow"} 1
                x_ends_total{reason="stuck"} 0
                # HELP x_load Load.
                # TYPE x_load gauge
                x_load 0.25
                # HELP x_delay_seconds Delay.
                # TYPE x_delay_seconds histogram
                x_delay_seconds_bucket{le="0.001"} 3
                x_delay_seconds_bucket{le="1.0"} 3
                x_delay_seconds_bucket{le="+Inf"} 5
                x_delay_seconds_count 5
                x_delay_seconds_sum 4.5

                """#)
    }

    @Test("is OpenMetrics 1.0 where that is asked for") func openMetrics() {
        let text = String(buffer: Exposition.text(of: Self.families, as: .openMetrics))
        #expect(
            text == #"""
                # HELP x_build Which \"one\".
                # TYPE x_build info
                x_build_info{version="1 \"beta\"\\\n2"} 1
                # HELP x_relayed_bytes Bytes.
                # TYPE x_relayed_bytes counter
                # UNIT x_relayed_bytes bytes
                x_relayed_bytes_total 3000000000000000
                # HELP x_ends Ends.
                # TYPE x_ends counter
                x_ends_total{reason="slow"} 1
                x_ends_total{reason="stuck"} 0
                # HELP x_load Load.
                # TYPE x_load gauge
                x_load 0.25
                # HELP x_delay_seconds Delay.
                # TYPE x_delay_seconds histogram
                # UNIT x_delay_seconds seconds
                x_delay_seconds_bucket{le="0.001"} 3
                x_delay_seconds_bucket{le="1.0"} 3
                x_delay_seconds_bucket{le="+Inf"} 5
                x_delay_seconds_count 5
                x_delay_seconds_sum 4.5
                # EOF

                """#)
    }

    @Test(
        "is what Accept prefers",
        arguments: [
            (nil, .text), ("", .text), ("*/*", .text), ("text/html", .text),
            ("application/openmetrics-text", .openMetrics),
            // Prometheus 2.42, and 3.0.
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                .openMetrics
            ),
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.4,*/*;q=0.3",
                .openMetrics
            ),
            ("text/plain;version=0.0.4, application/openmetrics-text;version=1.0.0", .text),
            ("text/plain;q=0.4, application/openmetrics-text; version=\"1.0.0\"; q=0.5", .openMetrics),
            ("application/openmetrics-text;version=0.0.1", .text),
            ("application/openmetrics-text;q=0, */*;q=0.1", .text),
            ("application/*;q=0.9, text/*;q=0.8", .openMetrics),
            ("application/openmetrics-text;q=2, text/plain;q=0.1", .text),
            ("Application/OpenMetrics-Text ; Version=1.0.0", .openMetrics),
        ] as [(String?, MetricsFormat)])
    func negotiation(_ header: String?, _ format: MetricsFormat) {
        #expect(MetricsFormat(accepting: header) == format)
    }

    @Test("rounds counts of people up to 16 and bytes to a MiB, unless they are to be exact") func blur() {
        let counts = [0, 1, 16, 17, -1, .max].map { Blur.blurred.people($0) }
        #expect(counts == [0, 16, 16, 32, 0, .max / 16 * 16])
        #expect(Blur.blurred.bytes(1) == 1 << 20 && Blur.exact.bytes(1) == 1)
        #expect(Blur.exact.people(17) == 17)
    }

    /// Every number that tells of people is one of those that the blur rounds; one that forgets it is seen here.
    @Test("of a portal and a node shows nothing of people exactly") func nothingExact() {
        var portal = PortalMetrics()
        portal.connectionCount = 3
        portal.tunnelCount = 5
        portal.queuedByteCount = 7
        portal.heldByteCount = 7
        portal.tokenCount = 9
        portal.announcedCount = 11
        portal.acceptedCount = 13
        portal.denialCount = 3
        portal.relayedByteCount = 12_345
        for kind in PortalMetrics.Limit.allCases { portal.limitedConnections[kind] = 3 }
        for kind in PortalMetrics.Handshake.allCases { portal.handshakes[kind] = 3 }
        for kind in PortalMetrics.Manner.allCases {
            (portal.announcements[kind], portal.tunnels[kind]) = (3, 3)
        }
        for kind in AnnounceRefusal.allCases { portal.announcementRefusals[kind] = 3 }
        for kind in ConnectRefusal.Kind.allCases { portal.tunnelRefusals[kind] = 3 }
        for kind in TunnelCut.allCases { portal.tunnelCuts[kind] = 3 }
        var node = NodeMetrics()
        (node.sessionCount, node.handshakeCount, node.heldByteCount) = (3, 3, 3)
        (node.requestCount, node.unknownServiceCount) = (3, 3)
        (node.receivedByteCount, node.sentByteCount) = (3, 3)
        for kind in NodeMetrics.Session.allCases { node.sessions[kind] = 3 }
        for kind in NodeMetrics.StreamEnding.allCases { node.streams[kind] = 3 }
        for kind in ScarceResource.allCases { node.displaced[kind] = 3 }

        let families =
            PortalFamilies.families(of: portal, .blurred)
            + NodeFamilies.families(of: node, .blurred)
        for family in families {
            for sample in family.samples {
                #expect(sample.value.truncatingRemainder(dividingBy: 16) == 0, "\(family.name)")
            }
        }
        let exact = PortalFamilies.families(of: portal, .exact).first { $0.name == "cway_portal_connections" }
        #expect(exact?.samples.map(\.value) == [3])
    }

    @Test("of the process says what the system says") func process() {
        let numbers = ProcessNumbers.current()
        #expect(numbers.residentByteCount > 1 << 20 && numbers.descriptorCount >= 3)
        #expect(numbers.descriptorLimit >= numbers.descriptorCount && numbers.processorSeconds > 0)
        #expect(ProcessNumbers.startSeconds > 1_600_000_000)
    }
}
