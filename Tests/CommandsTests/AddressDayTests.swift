import Blinding
import Commands
import Foundation
import Keyring
import Multiserver
import Node
import Testing
import TypedSodium

@Suite("The day of an address")
struct AddressDayTests {
    private let home = TestedHome()

    /// What `cway address` says: the address, and its times in Unix seconds.
    private func address(_ options: String...) async throws -> (text: String, rotates: UInt64, until: UInt64)
    {
        let run = await CommandRun(["address", "--json", "--home", home.path] + options)
        let object = try #require(try run.list.first, "\(run)")
        let times = try ["rotates", "resolvesUntil"].map { key in
            let time = ISO8601DateFormatter().date(from: (object[key] as? String) ?? "")
            return UInt64(try #require(time).timeIntervalSince1970)
        }
        return (try #require(object["address"] as? String), times[0], times[1])
    }

    @Test("it resolves exactly as long as it says", arguments: ["sealed", "circle1"], ["today", "tomorrow"])
    func borders(_ form: String, _ day: String) async throws {
        #expect(await home.run("portals", "add", TestedHome.portal).ended(.success))
        let (text, rotates, until) = try await address("--form", form, "--day", day)
        guard case .blinded(let address) = try Address(text) else {
            Issue.record("no blinded address")
            return
        }
        let identity = try SecretFile(in: Home(path: home.path, environment: [:])).load()
        let keyring = try Keyring(
            folder: home.path, owner: EndpointKey(identity.publicKey), for: .reading, now: rotates - 1)
        let dayLength: UInt64 = 86_400
        #expect(until == rotates + dayLength)
        // The day before its own is the first on which it resolves.
        for (second, isResolved) in [
            (rotates - 2 * dayLength - 1, false), (rotates - 2 * dayLength, true), (rotates - 1, true),
            (rotates, true), (until - 1, true), (until, false),
        ] where second >= rotates - 2 * dayLength || day == "tomorrow" {
            #expect((try keyring.circle.resolve(address, now: second) != nil) == isResolved, "\(second)")
            let index = try AddressIndex(keyring: keyring, epoch: Epoch(unixSeconds: second))
            #expect((index.resolve(address) != nil) == isResolved, "\(second)")
        }
    }

    @Test("tomorrow's is another, resolves already, and is said to change a day later")
    func tomorrow() async throws {
        #expect(await home.run("portals", "add", TestedHome.portal).ended(.success))
        let (today, tomorrow) = (try await address(), try await address("--day", "tomorrow"))
        #expect(today.text != tomorrow.text && tomorrow.rotates == today.rotates + 86_400)
        let resolved = await home.run("resolve", tomorrow.text)
        #expect(resolved.ended(.success), "\(resolved)")
        let words = await home.run("address", "--day", "tomorrow")
        #expect(words.lines == [tomorrow.text] && words.complaints.contains("resolves until"))
        #expect(try await address("--form", "sealed", "--day", "today").text == today.text)
    }
}
