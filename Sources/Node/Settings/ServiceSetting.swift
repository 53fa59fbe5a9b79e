package import Multiserver
internal import Transport

/// Where a service is to be had on this machine, or near it.
package enum ServiceTarget: Hashable, Sendable {
    /// A TCP port.
    case tcp(host: String, port: UInt16)
    /// A Unix domain socket.
    case unix(path: String)

    /// What dials it.
    var connector: any Connector {
        switch self {
        case .tcp(let host, let port): TCPConnector.service(host: host, port: port)
        case .unix(let path): UnixConnector(path: path)
        }
    }
}

/// A service that this node offers to its friends: a name, and where its connections go.
package struct ServiceSetting: Hashable, Sendable {
    /// The longest name in bytes.
    package static let nameByteCountLimit = 64

    /// What friends call it: lower-case letters, digits, hyphens and underscores.
    package let name: String
    /// What a stream of this service is connected to.
    package let target: ServiceTarget

    /// Reads `NAME=PORT`, `NAME=HOST:PORT` or `NAME=unix:PATH`.
    ///
    /// - Throws: ``ServiceSettingError``.
    package init(_ text: String) throws(ServiceSettingError) {
        guard let equals = text.firstIndex(of: "=") else { throw .noTarget }
        name = try Self.name(String(text[..<equals]))
        let target = text[text.index(after: equals)...]
        if target.hasPrefix(Self.unixPrefix) {
            let path = String(target.dropFirst(Self.unixPrefix.count))
            guard (1...Self.pathByteCountLimit).contains(path.utf8.count) else { throw .badPath }
            self.target = .unix(path: path)
            return
        }
        guard !target.hasPrefix("/"), !target.hasPrefix("./") else { throw .bareSocketPath }
        guard !target.contains("://") else { throw .webAddress }
        do throws(AddressError) {
            let address = try NetAddress(portOrHostAndPort: String(target))
            self.target = .tcp(host: address.host, port: address.port)
        } catch {
            throw .badTarget(error)
        }
    }

    /// Reads a name alone, as it stands where somebody is allowed a service.
    ///
    /// - Throws: ``ServiceSettingError/badName``.
    package static func name(_ text: String) throws(ServiceSettingError) -> String {
        guard (1...nameByteCountLimit).contains(text.utf8.count), text.utf8.allSatisfy(isNameByte) else {
            throw .badName
        }
        return text
    }

    /// Reads the name of a service where somebody is allowed it: `NAME`, or `N/NAME` for one of instance N; `*` in the
    /// place of the name for all of that instance.
    ///
    /// - Throws: ``ServiceSettingError/badName`` or ``ServiceSettingError/badInstance``.
    package static func grantedName(_ text: String) throws(ServiceSettingError) -> ServiceName {
        let service: ServiceName
        do throws(AddressError) {
            service = try ServiceName(parsing: text)
        } catch {
            throw .badInstance
        }
        if service.name != ServiceName.all { _ = try name(service.name) }
        return service
    }

    private static let unixPrefix = "unix:"
    /// What a `sockaddr_un` has room for, the closing zero aside.
    private static let pathByteCountLimit = 107

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
    package var description: String {
        switch target {
        case .tcp(let host, let port): "\(name)=\(host.contains(":") ? "[\(host)]" : host):\(port)"
        case .unix(let path): "\(name)=unix:\(path)"
        }
    }
}

/// Why a text names no service.
package enum ServiceSettingError: Error, Equatable, Sendable {
    /// There is no `=` with a target behind it.
    case noTarget
    /// The name is empty, too long, or has other characters than it may.
    case badName
    /// What stands before the `/` is no number of an instance.
    case badInstance
    /// What is behind the `=` is no address.
    case badTarget(AddressError)
    /// What is behind `unix:` is empty, or too long for a socket.
    case badPath
    /// What is behind the `=` is a path, without `unix:` in front.
    case bareSocketPath
    /// What is behind the `=` has a scheme like `http://` in front.
    case webAddress
}

extension ServiceSettingError: CustomStringConvertible {
    /// The cause, and what to do about it, in a sentence for people.
    package var description: String {
        switch self {
        case .noTarget:
            "the service has no target: write NAME=PORT, NAME=HOST:PORT or NAME=unix:PATH, for example ssh=22"
        case .badName:
            "the name of the service is not 1 to \(ServiceSetting.nameByteCountLimit) of a-z, 0-9, - and _: "
                + "write one like ssh"
        case .badInstance:
            "what stands before the / is no number of an instance: write one like 1/ssh, or ssh for instance 0"
        case .badTarget(.badPort):
            "behind the = there is no port from 1 to 65535: write NAME=PORT for this machine, or NAME=HOST:PORT, "
                + "for example ssh=22"
        case .badTarget(let error): "the target of the service is wrong, \(error)"
        case .bareSocketPath: "a socket's path has unix: in front: write NAME=unix:/run/web.sock"
        case .webAddress:
            "a service is a host and a port, without http:// and what is behind: write web=localhost:80"
        case .badPath: "the path of the service's socket is empty or too long: write NAME=unix:/run/web.sock"
        }
    }
}
