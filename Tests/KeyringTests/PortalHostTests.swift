import Blinding
import Foundation
import Invitation
import Keyring
import LMDB
import TestSupport
import Testing
import TypedSodium

/// A portal that listens at several hosts, or has moved.
@Suite("Hosts of a portal")
struct PortalHostTests {
    private let tested: TestedKeyring
    private let now = TestedKeyring.now

    init() throws { tested = try TestedKeyring() }

    private func host(_ number: Int, of key: Int = 1, isOpen: Bool = false) throws -> PortalAddress {
        try PortalAddress(
            key: portal(key).key, host: "host\(number).example.org", port: UInt16(number), isOpen: isOpen)
    }

    @Test("stand side by side, and are removed one by one")
    func sideBySide() throws {
        let keyring = try tested.open()
        #expect(try keyring.portals.add(host(1), now: now) == .added)
        #expect(try keyring.portals.add(host(2), now: now + 9) == .hostAdded(to: host(1).hosts))
        let sequence = try keyring.sequence()
        #expect(try keyring.portals.add(host(2), now: now + 9) == .known)
        #expect(try keyring.sequence() == sequence)
        let both = try host(1).adding(host(2).first)
        #expect(try keyring.portals.announced() == [PortalRecord(portal: both, addedAt: now)])
        #expect(try keyring.portals.removeHost(host(3)) == nil)
        #expect(try keyring.portals.removeHost(host(1)) == host(2).hosts)
        #expect(try keyring.portals.announced().map(\.portal.places) == [[host(2)]])
        #expect(try keyring.portals.removeHost(host(2)) == [])
        #expect(try keyring.portals.announced().isEmpty && keyring.portals.removeHost(host(2)) == nil)
    }

    @Test("are open together, or hidden together")
    func manner() throws {
        let keyring = try tested.open()
        try keyring.portals.add(host(1), now: now)
        try keyring.portals.add(host(2, isOpen: true), now: now)
        #expect(
            try keyring.portals.announced()[0].portal.places == [
                host(1, isOpen: true), host(2, isOpen: true),
            ])
        #expect(try keyring.portals.set(portal(1).key, isOpen: false))
        #expect(try keyring.portals.announced()[0].portal.places == [host(1), host(2)])
    }

    @Test("are at most as many as a grant has room for")
    func limit() throws {
        let keyring = try tested.open()
        for number in 1...8 { try keyring.portals.add(host(number), now: now) }
        #expect(throws: KeyringError.tooManyHosts) { try keyring.portals.add(host(9), now: now) }
        #expect(try keyring.portals.announced()[0].portal.hosts.count == 8)
    }

    @Test("are told to friends behind the first of each portal, as far as there is room")
    func grant() throws {
        let keyring = try tested.open()
        for number in 1...5 { try keyring.portals.add(host(number), now: now) }
        for key in 2...6 { try keyring.portals.add(host(1, of: key), now: now + UInt64(key)) }
        let portals = try keyring.circle.grant(name: "home", now: now).portals
        let firsts = try (1...6).map { try host(1, of: $0) }
        #expect(try portals == firsts + [host(2), host(3)])
    }

    @Test("of friends' portals are not told, nor announced at, until that is wanted")
    func dialledOnly() throws {
        let keyring = try tested.open()
        try keyring.portals.add(host(1), isAnnounced: false, now: now)
        #expect(
            try keyring.portals.announced().isEmpty
                && keyring.circle.grant(name: "home", now: now).portals.isEmpty)
        #expect(try !keyring.portals.set(portal(1).key, isOpen: true))
        #expect(try keyring.portals.all().map(\.isAnnounced) == [false])
        try keyring.portals.add(host(1), now: now + 1)
        #expect(try keyring.portals.announced().map(\.portal.places) == [[host(1)]])
        try keyring.portals.add(host(2), isAnnounced: false, now: now + 2)
        #expect(
            try keyring.portals.announced().map(\.portal.places) == [[host(1), host(2)]], "it stays announced"
        )
    }

    @Test("remembers where a friend was last reached, and writes nothing where that is the same")
    func lastPlace() throws {
        let keyring = try tested.open()
        let key = try person(2).publicKey
        try keyring.friends.addReach(to: EndpointKey(key), name: "anna", portals: [host(1), host(2)])
        let places = try [host(1), host(2)].map {
            PortalPlace(key: $0.key.publicKey, host: $0.host, port: $0.port)
        }
        for place in [places[0], places[1]] {
            #expect(try keyring.friends.markSeen(key, at: place, now: now))
            #expect(try keyring.friends.find(key)?.lastPlace == place)
            #expect(try !keyring.friends.markSeen(key, at: place, now: now + 1))
        }
        #expect(try !keyring.friends.markSeen(key, now: now + 1))
        #expect(try keyring.friends.markSeen(key, now: now + 7_200))
        #expect(try keyring.friends.find(key)?.lastPlace == places[1], "the friend's own visit keeps it")
    }
}

/// A home that the second version of the keyring wrote.
@Suite("Keyrings of the second version")
struct SecondVersionTests {
    private let tested: TestedKeyring
    /// When the home was written, and some time.
    private let now: UInt64 = 1_795_786_070 + 60

    init() throws { tested = try TestedKeyring(ofSchema: 2) }

    private func contents(_ keyring: Keyring) throws -> [String] {
        try keyring.portals.announced().map {
            "\($0.portal.host):\($0.portal.port) \($0.portal.isOpen) \($0.portal.others.count)"
        }
            + keyring.friends.all().map { "\($0.name) \($0.lastSeen ?? 0) \($0.lastPlace == nil)" }.sorted()
    }

    private let expected = [
        "first.example.org:8008 false 0", "second.example.org:8009 true 0", "bob 0 true",
        "home 1795786070 true",
    ]

    @Test("are read as they are, and brought up to date")
    func contents() throws {
        let before = try tested.read(tested.storePath)
        do { #expect(try contents(tested.open(now: now, for: .reading)) == expected) }
        #expect(try tested.read(tested.storePath) == before)
        do {
            let keyring = try tested.open(now: now)
            #expect(try contents(keyring) == expected)
            let portal = try keyring.portals.announced()[0].portal
            let other = try PortalAddress(key: portal.key, host: "third.example.org", port: 1, isOpen: false)
            try keyring.portals.add(other, now: now)
            // It was recorded by which invites friends came, and still is said to be.
            #expect(try keyring.friends.all().allSatisfy { $0.admission?.uses.isComplete ?? true })
        }
        #expect(try tested.check().vault == .matching)
        let hosts = try tested.open(now: now).portals.announced()[0].portal.hosts.map(\.name)
        #expect(hosts == ["first.example.org", "third.example.org"])
    }
}
