public import Multiserver

/// A service that this node offers to its friends: a name, and where its connections go.
public struct ServiceSetting: Hashable, Sendable {
    /// The longest name in bytes.
    public static let nameByteCountLimit = 64

    /// What friends call it: lower-case letters, digits, hyphens and underscores.
    public let name: String
    /// The TCP address that a stream of this service is connected to.
    public let target: NetAddress

    /// Reads `NAME=HOST:PORT`.
    ///
    /// - Throws: ``ServiceSettingError``.
    public init(_ text: String) throws(ServiceSettingError) {
        guard let equals = text.firstIndex(of: "=") else { throw .noTarget }
        name = String(text[..<equals])
        guard (1...Self.nameByteCountLimit).contains(name.utf8.count), name.utf8.allSatisfy(Self.isNameByte)
        else {
            throw .badName
        }
        do throws(AddressError) {
            target = try NetAddress(hostAndPort: String(text[text.index(after: equals)...]))
        } catch {
            throw .badTarget(error)
        }
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"),
            UInt8(ascii: "_"):
            true
        default: false
        }
    }
}

extension ServiceSetting: CustomStringConvertible {
    /// The form that `init(_:)` reads.
    public var description: String { "\(name)=\(target.hostAndPort)" }
}

/// Why a text names no service.
public enum ServiceSettingError: Error, Equatable, Sendable {
    /// There is no `=` with a target behind it.
    case noTarget
    /// The name is empty, too long, or has other characters than it may.
    case badName
    /// What is behind the `=` is no address.
    case badTarget(AddressError)
}

extension ServiceSettingError: CustomStringConvertible {
    /// The cause, and what to do about it, in a sentence for people.
    public var description: String {
        switch self {
        case .noTarget: "the service has no target: write NAME=HOST:PORT, for example ssh=localhost:22"
        case .badName:
            "the name of the service is not 1 to \(ServiceSetting.nameByteCountLimit) of a-z, 0-9, - and _: "
                + "write one like ssh"
        case .badTarget(let error): "the target of the service is wrong, \(error)"
        }
    }
}
