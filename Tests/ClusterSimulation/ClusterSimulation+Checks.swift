import Cluster
import NIOCore
import TypedSodium

extension ClusterSimulation {
    /// What is to hold now: after five seconds of quiet who holds what and what is listed, and bounds always.
    ///
    /// The findings of the whole run so far, those that were made on the way included.
    package func check() -> [History.Violation] {
        if now - history.quietSince >= .seconds(5) {
            checkHolders()
            checkLists()
        }
        checkBounds()
        return history.violations
    }

    private var servingPortals: [SimulatedPortal] {
        portals.filter { $0.isRunning(at: now) && $0.machine.isServing }
    }

    /// (b): one holder of every key, the one that was announced last.
    private func checkHolders() {
        var holders: [PublicKey: [Int]] = [:]
        for portal in servingPortals {
            for key in portal.machine.ownClaims.keys { holders[key, default: []].append(portal.index) }
        }
        var latest: [PublicKey: SimulatedEndpoint.Attachment] = [:]
        for endpoint in endpoints {
            guard let attachment = endpoint.attachment else { continue }
            if latest[endpoint.key].map({ $0.since < attachment.since }) ?? true {
                latest[endpoint.key] = attachment
            }
        }
        for (key, attachment) in latest where holders[key] != [attachment.portal] {
            history.violate(
                "b",
                "endpoint \(numbers[key] ?? -1) is at \(attachment.portal), held by \(holders[key] ?? [])")
        }
        for (key, portals) in holders where latest[key] == nil {
            history.violate("b", "endpoint \(numbers[key] ?? -1) is nowhere, held by \(portals)")
        }
    }

    /// (h): lists show what is true.
    private func checkLists() {
        let truth = Set(endpoints.lazy.filter { !$0.isHidden && $0.attachment != nil }.map(\.key))
        for portal in servingPortals {
            guard let listed = portal.machine.listedKeys.map(Set.init) else {
                if truth.count <= 16_000 { history.violate("h", "machine \(portal.index) lists nothing") }
                continue
            }
            guard listed != truth, truth.count <= 16_000 else { continue }
            history.violate(
                "h",
                "machine \(portal.index) lists \(listed.subtracting(truth).count) too many, lacks \(truth.subtracting(listed).count)"
            )
        }
    }

    /// (i): what is bounded stays within its bounds.
    private func checkBounds() {
        if history.greatestLookUpCount > 4_096 {
            history.violate("i", "\(history.greatestLookUpCount) look-ups")
        }
        for portal in portals where portal.machine.machines.count > 255 {
            history.violate("i", "machine \(portal.index) keeps \(portal.machine.machines.count) others")
        }
    }
}
