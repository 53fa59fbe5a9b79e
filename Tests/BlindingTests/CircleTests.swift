import Blinding
import TestSupport
import Testing
import TypedSodium

@Suite("Circle")
struct CircleTests {
    @Test("keys and values of every day are as computed independently")
    func vector() throws {
        let vectors = try Vectors.load()
        let people = try People(vectors)
        let first = try #require(vectors.circle.first)
        var chain = try ChainKey(first.chain_key.secret(), epoch: Epoch(first.epoch))
        for day in vectors.circle {
            chain = try chain.advanced(to: Epoch(day.epoch))
            #expect(chain.bytes == day.chain_key.bytes)
            let addressing = try chain.addressing(at: chain.epoch)
            let value = addressing.value(target: people.endpointKey, portal: people.portalKey)
            #expect(value.bytes.array == day.value.bytes)
            #expect(day.address_open.hasPrefix("tunnel:\(Self.text(value)).circle1:@"))
            let sealed = addressing.sealedValue(target: people.endpointKey, portal: people.portalKey)
            #expect(sealed.bytes.array == day.sealed_value.bytes)
            #expect(day.address_sealed == "tunnel:\(Self.text(sealed)).circle1")
        }
    }

    @Test("the two forms of address have no value in common, on one day or on two")
    func formsApart() throws {
        var random = SeededRandom(seed: 368)
        let chain = try ChainKey(random.secret(), epoch: Epoch(20_780))
        let targets = try (0..<4).map { _ in EndpointKey(try random.identity().publicKey) }
        let portals = try (0..<4).map { _ in try random.portal() }
        var (shown, sealed) = (Set<CircleValue>(), Set<CircleValue>())
        for number in UInt64(20_780)..<20_784 {
            let addressing = try chain.addressing(at: Epoch(number))
            for target in targets {
                for portal in portals {
                    shown.insert(addressing.value(target: target, portal: portal))
                    sealed.insert(addressing.sealedValue(target: target, portal: portal))
                }
            }
        }
        #expect(shown.count == 64 && sealed.count == 64)
        #expect(shown.isDisjoint(with: sealed))
    }

    private static func text(_ value: CircleValue) -> String {
        String(decoding: TextEncoding.base64.encode(value.bytes.storage.span), as: UTF8.self)
    }

    /// Address keys never leave ``CircleAddressing``, so each is made here once more, step by step.
    @Test("an address key is as computed independently, and gives the value")
    func addressKeys() throws {
        let vectors = try Vectors.load()
        let people = try People(vectors)
        let context = try KeyDerivation.Context("CMPNWAY1".utf8)
        for day in vectors.circle {
            let key = try KeyDerivation.key(1, context: context, master: day.chain_key.secret())
            let isExpected = key.isEqual(to: try day.address_key.secret())
            #expect(isExpected)
            var hash = GenericHash(label: "companionway/1/circle-address", key: key)
            hash.update(people.endpoint.publicKey.bytes)
            hash.update(people.portal.publicKey.bytes)
            hash.update(Epoch(day.epoch).littleEndianBytes)
            let value = hash.finalize()
            #expect(value.array == day.value.bytes)
        }
    }

    @Test("a key tells the addresses of later days without being consumed")
    func laterDays() throws {
        let vectors = try Vectors.load()
        let people = try People(vectors)
        let first = try #require(vectors.circle.first)
        let chain = try ChainKey(first.chain_key.secret(), epoch: Epoch(first.epoch))
        for day in vectors.circle {
            let value = try chain.addressing(at: Epoch(day.epoch)).value(
                target: people.endpointKey, portal: people.portalKey)
            #expect(value == CircleValue(try day.value.fixed()))
        }
        #expect(chain.bytes == first.chain_key.bytes)
    }

    @Test("a key in the keyring goes on to later days, and writes addresses, as a guarded one does")
    func unguarded() throws {
        let vectors = try Vectors.load()
        let people = try People(vectors)
        let first = try #require(vectors.circle.first)
        for day in vectors.circle {
            let key = try ChainKey.advance(
                first.chain_key.secret(), from: Epoch(first.epoch), to: Epoch(day.epoch))
            let isExpected = key.isEqual(to: try day.chain_key.secret())
            #expect(isExpected)
            let value = try CircleAddressing(chainKey: key, epoch: Epoch(day.epoch)).value(
                target: people.endpointKey, portal: people.portalKey)
            #expect(value == CircleValue(try day.value.fixed()))
        }
        #expect(throws: BlindingError.epochPassed(Epoch(4), chainKey: Epoch(5))) {
            _ = try ChainKey.advance(first.chain_key.secret(), from: Epoch(5), to: Epoch(4))
        }
    }

    @Test("many days at once are as many days one by one")
    func steps() throws {
        var random = SeededRandom(seed: 366)
        let secret = try random.secret()
        let start = Epoch(20_000)
        var walking = try ChainKey(secret, epoch: start)
        for count in 0...366 {
            let day = Epoch(start.number + UInt64(count))
            walking = try walking.advanced(to: day)
            guard count % 61 == 0 else { continue }
            let jumping = try ChainKey(secret, epoch: start).advanced(to: day)
            let isSame = jumping.isEqual(to: walking)
            #expect(isSame)
            let resolves = try ChainKey(secret, epoch: start).addressing(at: day).isEqual(
                to: walking.addressing(at: day))
            #expect(resolves)
        }
    }

    /// The older key is gone with `advanced(to:)`: the compiler refuses to name it again, so that what is left is
    /// to see that the younger one does not reach back.
    @Test("a key says nothing about an epoch before its own")
    func forwardSecrecy() throws {
        let day = Epoch(20_780)
        let chain = try ChainKey(SecretKey.random(), epoch: day)
        let younger = try chain.advanced(to: Epoch(20_781))
        let reachesBack = younger.reaches(day)
        #expect(!reachesBack)
        #expect(throws: BlindingError.epochPassed(day, chainKey: Epoch(20_781))) {
            _ = try younger.addressing(at: day)
        }
        let isRefused = Self.advanceError(younger, to: day)
        #expect(isRefused == .epochPassed(day, chainKey: Epoch(20_781)))
    }

    @Test("a key goes no more than the limit of days")
    func stepLimit() throws {
        let limit = ChainKey.stepLimit
        let chain = try ChainKey(SecretKey.random(), epoch: Epoch(0))
        let isLimit = chain.reaches(Epoch(limit)) && !chain.reaches(Epoch(limit + 1))
        #expect(isLimit)
        _ = try chain.addressing(at: Epoch(limit))
        #expect(throws: BlindingError.tooManySteps(limit + 1, limit: limit)) {
            _ = try chain.addressing(at: Epoch(limit + 1))
        }
        #expect(throws: BlindingError.tooManySteps(.max, limit: limit)) {
            _ = try chain.addressing(at: Epoch(.max))
        }
        let error = Self.advanceError(chain, to: Epoch(limit + 1))
        #expect(error == .tooManySteps(limit + 1, limit: limit))
    }

    @Test("the last days that have a number are days like others")
    func lastDay() throws {
        let chain = try ChainKey(SecretKey.random(), epoch: Epoch(.max - 1))
        let last = try chain.advanced(to: Epoch(.max))
        let isLast = last.reaches(Epoch(.max)) && !last.reaches(Epoch(.max - 1))
        #expect(isLast)
        let same = try last.advanced(to: Epoch(.max))
        #expect(same.epoch == Epoch(.max))
    }

    @Test("another day, key, target or portal, or two of them swapped, gives another value")
    func others() throws {
        let vectors = try Vectors.load()
        let people = try People(vectors)
        let first = try #require(vectors.circle.first)
        let day = Epoch(first.epoch)
        let (target, portal) = (people.endpointKey, people.portalKey)
        let chain = try ChainKey(first.chain_key.secret(), epoch: day)
        let stranger = try ChainKey(vectors.circle[1].chain_key.secret(), epoch: day)
        let other = people.friend.publicKey
        let values = try [
            chain.addressing(at: day).value(target: target, portal: portal),
            chain.addressing(at: Epoch(day.number + 1)).value(target: target, portal: portal),
            stranger.addressing(at: day).value(target: target, portal: portal),
            chain.addressing(at: day).value(target: EndpointKey(other), portal: portal),
            chain.addressing(at: day).value(target: target, portal: PortalKey(other)),
            chain.addressing(at: day).value(
                target: EndpointKey(portal.publicKey), portal: PortalKey(target.publicKey)),
        ]
        #expect(Set(values).count == values.count)
        let isSame = chain.isEqual(to: stranger)
        #expect(!isSame)
    }

    @Test("the same key on another day is not the same chain key")
    func sameKeyAnotherDay() throws {
        var random = SeededRandom(seed: 2)
        let secret = try random.secret()
        let isSame = try ChainKey(secret, epoch: Epoch(1)).isEqual(to: ChainKey(secret, epoch: Epoch(2)))
        #expect(!isSame)
    }

    /// `#expect(throws:)` takes a closure, which cannot consume what it captures.
    private static func advanceError(_ chain: consuming ChainKey, to epoch: Epoch) -> BlindingError? {
        do throws(BlindingError) {
            _ = try chain.advanced(to: epoch)
            return nil
        } catch {
            return error
        }
    }
}

extension ChainKey {
    fileprivate var bytes: [UInt8] {
        var bytes: [UInt8] = []
        append(to: &bytes)
        return bytes
    }
}
