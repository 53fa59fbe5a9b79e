/// The name of a service, with the instance of the endpoint that offers it: `ssh`, or `1/ssh` for one of instance 1.
///
/// One endpoint may serve several instances under one identity; 0 is the usual one, and is left out.
public struct ServiceName: Hashable, Sendable {
    /// Which of the endpoint's instances offers it, from 0 to ``TunnelAddress/instanceLimit``.
    public let instance: Int
    /// What that instance calls it.
    public let name: String

    /// What stands in the place of a name for all services of an instance, now and later.
    public static let all = "*"

    /// A service of an instance.
    ///
    /// - Parameters:
    ///   - name: what the instance calls it; nothing is asked of it but that it names no instance itself.
    ///   - instance: 0 or above.
    public init(_ name: String, at instance: Int = 0) {
        self.name = name
        self.instance = instance
    }

    /// Reads `NAME` or `N/NAME`, N in plain decimal; what the name is made of is not looked at.
    ///
    /// - Throws: ``AddressError/badInstance``, for what stands before a slash and is no such number.
    public init(parsing text: String) throws(AddressError) {
        guard let slash = text.utf8.firstIndex(of: UInt8(ascii: "/")) else {
            self.init(text)
            return
        }
        self.init(
            String(text[text.index(after: slash)...]), at: try Self.instance(String(text[..<slash])))
    }

    /// Reads the number of an instance as people write it: 0 or above, in plain decimal.
    ///
    /// - Throws: ``AddressError/badInstance``.
    public static func instance(_ text: String) throws(AddressError) -> Int {
        guard let number = Int(text), String(number) == text,
            (0...TunnelAddress.instanceLimit).contains(number)
        else { throw .badInstance }
        return number
    }
}

extension ServiceName: CustomStringConvertible {
    /// The form that `init(parsing:)` reads.
    public var description: String { instance == 0 ? name : "\(instance)/\(name)" }
}

extension ServiceName: Comparable {
    /// By instance, then by name.
    public static func < (left: ServiceName, right: ServiceName) -> Bool {
        (left.instance, left.name) < (right.instance, right.name)
    }
}
