import Foundation
import NIOCore
import PortalCore
import Testing
import Tunnel
import Watching

/// The dashboard and the rules for alerts name what there is.
@Suite("Dashboard and alerts") struct DocumentTests {
    @Test("name metrics that exist", arguments: ["grafana-dashboard.json", "alerts.yml"])
    func names(_ file: String) async throws {
        let path = URL(fileURLWithPath: #filePath).appendingPathComponent("../../../docs/\(file)")
            .standardized
        let text = try String(contentsOf: path, encoding: .utf8)
        let watched = Watched(
            build: Watched.Build(version: "1", commit: nil, cipher: "none"), isReady: { true },
            families: {
                PortalFamilies.families(of: PortalMetrics(), $0)
                    + NodeFamilies.families(of: NodeMetrics(), $0)
                    + ClusterFamilies.families(of: ClusterReport())
            })
        let empty = MetricFamily.Buckets(bounds: [1], counts: [0, 0], sum: 0)
        let families =
            await watched.families(.exact, delays: nil)
            + [.histogram("cway_event_loop_delay_seconds", "", empty)]
        let exposition = String(buffer: Exposition.text(of: families, as: .text))
        let known = Set(exposition.matches(of: /(?m)^([a-z_]+)[ {]/).map { String($0.1) })
        let named = Set(text.matches(of: /\b((cway|process)_[a-z_]+)/).map { String($0.1) })
        #expect(named.count > 5)
        #expect(named.subtracting(known).isEmpty)
    }
}
