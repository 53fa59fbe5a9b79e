import NIOCore
import PortalCore
import TestSupport
import Testing
import TypedSodium

@Suite("Who may connect to a portal")
struct ConnectionAdmissionTests {
    private let now = NIODeadline.uptimeNanoseconds(1_000_000_000)
    private let member = PublicKey(FixedBytes<32>())

    private func admission(proxies: [String] = [], countsApart: Bool = false) throws -> ConnectionAdmission {
        var settings = ConnectionAdmission.Settings(
            connectionCount: 16, ceilings: .init(connectionsPerSource: 1),
            trustedProxies: try proxies.map { try AddressRange($0) })
        settings.countsApart = countsApart
        return ConnectionAdmission(settings, random: SeededRandom(seed: 3), at: now)
    }

    @Test("has a place within its share, beyond it is on trial, and is drawn once it has spoken")
    func trial() throws {
        var admission = try admission()
        let source = admission.source(of: try SocketAddress(ipAddress: "192.0.2.1", port: 1))
        let first = admission.enter(from: source, at: now) { _ in false }
        #expect(first.refusal == nil && first.leaving.isEmpty)
        let second = admission.enter(from: source, at: now) { _ in false }
        #expect(second.refusal == .tooManyConnections && second.leaving.isEmpty)
        #expect(admission.nextDraw == nil)
        admission.spoke(second.number)
        let drawn = (admission.draw(at: now), admission.draw(at: now))
        #expect(drawn.0 == second.number && drawn.1 == nil)
        let isKept = admission.keep(second.number, as: member)
        #expect(isKept)

        admission.leave(first.number, at: now)
        let third = admission.enter(from: source, at: now) { _ in false }
        #expect(third.refusal == nil)
    }

    @Test("makes room on trial, for the oldest that has said nothing")
    func silent() throws {
        var admission = try admission()
        let source = admission.source(of: nil)
        let entries = (0..<4).map { _ in admission.enter(from: source, at: now) { _ in false } }
        #expect(entries.map { $0.refusal == nil } == [true, false, false, false])
        #expect(entries.map(\.leaving) == [[], [], [], [entries[1].number]])
    }

    @Test("knows a proxy by its address, until the settings say otherwise")
    func proxies() throws {
        var admission = try admission(proxies: ["192.0.2.0/24", "unix"])
        let unix = try SocketAddress(unixDomainSocketPath: "/run/portal")
        let others = try ["192.0.3.1", "2001:db8::1", "::ffff:192.0.3.1"].map {
            try SocketAddress(ipAddress: $0, port: 1)
        }
        let proxies = try ["192.0.2.1", "::ffff:192.0.2.7"].map { try SocketAddress(ipAddress: $0, port: 1) }
        #expect((proxies + [unix]).allSatisfy { admission.isProxy($0) })
        #expect(!others.contains { admission.isProxy($0) })
        admission.update(.init(), trustedProxies: [], at: now)
        #expect(!(proxies + [unix]).contains { admission.isProxy($0) })
    }

    @Test("is a source of its own where connections are counted apart")
    func apart() throws {
        var admission = try admission(countsApart: true)
        let address = try SocketAddress(ipAddress: "192.0.2.1", port: 1)
        let sources = [address, address].map { admission.source(of: $0) }
        #expect(sources[0] != sources[1])
    }
}
