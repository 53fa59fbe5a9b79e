import Multiserver
import Node
import Testing

@Suite("Cluster: where other machines dial this one")
struct ClusterPlanTests {
    private func address(_ listen: String, _ advertise: String? = nil) throws -> String {
        var settings = ClusterSettings()
        settings.listen = try ListenAddress(listen)
        settings.advertise = try advertise.map { try NetAddress(hostAndPort: $0) }
        return try ClusterPlan(settings).address.hostAndPort
    }

    @Test("is an address that leads to this one", arguments: ["0.0.0.0:9000", "[::]:9000", "*:9000"])
    func unspecified(listen: String) throws {
        #expect(try address(listen, "10.0.0.2:9000") == "10.0.0.2:9000")
        #expect(throws: ClusterPlanError.noAddress(try ListenAddress(listen))) { try address(listen) }
        #expect(try address("10.0.0.3:9000") == "10.0.0.3:9000")
        for nobodys in ["0.0.0.0:9000", "[::]:9000"] {
            #expect(throws: ClusterPlanError.nobodysAddress(try NetAddress(hostAndPort: nobodys))) {
                try address(listen, nobodys)
            }
        }
    }
}
