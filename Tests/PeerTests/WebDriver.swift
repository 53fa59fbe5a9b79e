import Foundation
import Glibc
import PeerSupport

/// A browser without a window, driven by the W3C's WebDriver protocol over a socket of its own for each command.
///
/// Source: W3C, "WebDriver".
final class WebDriver: Sendable {
    /// The browser, or what drives it, did not do what it was asked.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// How long one command may take: a browser that starts on a busy machine takes some seconds.
    private static let patience = Duration.seconds(60)
    /// How long a page may take to become as wanted.
    private static let limit = Duration.seconds(20)
    /// The name of an element's reference in JSON.
    private static let element = "element-6066-11e4-a52e-4f735466cecf"

    private let port: UInt16
    private let session: String

    /// Starts a driver; what it says once it listens.
    ///
    /// It takes a free port of IPv4, and ends where somebody has the same of IPv6.
    private static func drive(on stage: PeerStage) async throws -> String {
        var attempts = 5
        while true {
            attempts -= 1
            let driver = try stage.start(try HeavyPeer.chromedriver.required(), ["--port=0"])
            do {
                return try await driver.line { $0.contains("successfully on port ") }
            } catch {
                guard attempts > 0, driver.log.contains("Address already in use") else { throw error }
            }
        }
    }

    private init(port: UInt16, session: String) { (self.port, self.session) = (port, session) }

    /// Starts a browser on a stage.
    static func start(on stage: PeerStage) async throws -> WebDriver {
        let chromium = try HeavyPeer.chromium.required()
        let line = try await Self.drive(on: stage)
        guard let digits = line.split(separator: " ").last?.prefix(while: \.isNumber),
            let port = UInt16(digits)
        else { throw Failure(description: line) }
        let options: [String: any Sendable] = [
            "binary": chromium.path,
            "args": [
                "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                "--no-first-run",
                "--window-size=1200,1400", "--user-data-dir=\(stage.path("browser"))",
            ],
        ]
        let wanted: [String: any Sendable] = ["browserName": "chrome", "goog:chromeOptions": options]
        let capabilities: [String: any Sendable] = ["alwaysMatch": wanted]
        let answer = try await request(port, "POST", "/session", ["capabilities": capabilities])
        guard let session = (answer as? [String: Any])?["sessionId"] as? String else {
            throw Failure(description: "no session: \(answer)")
        }
        return WebDriver(port: port, session: session)
    }

    // MARK: Orders

    /// Goes to an address, and waits until the page is there.
    func open(_ address: String) async throws { try await order("POST", "/url", ["url": address]) }

    /// Clicks on the first element that a selector finds; on its successor, where the page has just taken another one.
    func click(_ selector: String) async throws {
        for _ in 0..<5 {
            do {
                try await order("POST", "/element/\(try await find(selector))/click", [:])
                return
            } catch let failure as Failure where failure.description.contains("stale element") {
                continue
            }
        }
        throw Failure(description: "\(selector) does not stay")
    }

    /// Types into the first element that a selector finds.
    func type(_ text: String, into selector: String) async throws {
        try await order("POST", "/element/\(try await find(selector))/value", ["text": text])
    }

    /// Presses keys, one after the other, wherever the focus is.
    func press(_ keys: String) async throws {
        let actions = keys.flatMap { key in
            ["keyDown", "keyUp"].map { ["type": $0, "value": String(key)] }
        }
        try await order(
            "POST", "/actions",
            ["actions": [["type": "key", "id": "keys", "actions": actions] as [String: any Sendable]]])
    }

    /// What a script on the page returns, as text.
    func evaluate(_ script: String) async throws -> String {
        let value = try await order(
            "POST", "/execute/sync", ["script": "return String(\(script))", "args": [String]()])
        return value as? String ?? ""
    }

    /// Waits until an expression on the page is true.
    func wait(until expression: String) async throws {
        let end = ContinuousClock.now + Self.limit
        while try await evaluate(expression) != "true" {
            guard ContinuousClock.now < end else {
                let text = try await evaluate("document.body.innerText")
                throw Failure(description: "never: \(expression); the page says: \(text)")
            }
            try await Task.sleep(for: .milliseconds(100))
        }
    }

    /// A command of the browser's own protocol.
    func command(_ name: String, _ parameters: [String: any Sendable]) async throws {
        try await order("POST", "/goog/cdp/execute", ["cmd": name, "params": parameters])
    }

    /// The page as a picture, PNG.
    func screenshot() async throws -> Data {
        let text = try await order("GET", "/screenshot", nil) as? String ?? ""
        guard let data = Data(base64Encoded: text) else { throw Failure(description: "no picture") }
        return data
    }

    /// Ends the browser.
    func end() async throws { try await order("DELETE", "", nil) }

    // MARK: The protocol

    private func find(_ selector: String) async throws -> String {
        let found = try await order("POST", "/element", ["using": "css selector", "value": selector])
        guard let id = (found as? [String: Any])?[Self.element] as? String else {
            throw Failure(description: "no \(selector)")
        }
        return id
    }

    @discardableResult
    private func order(_ method: String, _ path: String, _ body: [String: any Sendable]?) async throws -> Any
    {
        try await Self.request(port, method, "/session/\(session)\(path)", body)
    }

    private static func request(
        _ port: UInt16, _ method: String, _ path: String, _ body: [String: any Sendable]?
    ) async throws -> Any {
        let content = try body.map { try JSONSerialization.data(withJSONObject: $0) } ?? Data()
        let head = [
            "\(method) \(path) HTTP/1.1", "Host: localhost:\(port)", "Content-Type: application/json",
            "Content-Length: \(content.count)", "Connection: close", "", "",
        ]
        let socket = try LoopbackSocket.dialling(port, until: ContinuousClock.now + patience)
        try socket.writeAll(Array(head.joined(separator: "\r\n").utf8) + Array(content))
        let answer = try await Task.detached { try read(from: socket) }.value
        let value = (try JSONSerialization.jsonObject(with: Data(answer)) as? [String: Any])?["value"]
        if let failure = value as? [String: Any], let error = failure["error"] as? String {
            throw Failure(description: "\(path): \(error): \(failure["message"] ?? "")")
        }
        return value ?? ""
    }

    /// The body of an answer, by its length.
    private static func read(from socket: LoopbackSocket) throws -> [UInt8] {
        var bytes: [UInt8] = []
        let gap = Array("\r\n\r\n".utf8)
        while true {
            guard try socket.wait(toWrite: false).canRead else { continue }
            let arrived = try socket.read(atMost: 256 << 10)
            bytes += arrived
            if let end = bytes.firstRange(of: gap)?.upperBound {
                let head = String(decoding: bytes[..<end], as: UTF8.self).lowercased()
                let length = head.split(separator: "\r\n").first { $0.hasPrefix("content-length:") }
                    .flatMap { Int($0.dropFirst("content-length:".count).filter { $0 != " " }) }
                if let length, bytes.count >= end + length { return Array(bytes[end..<(end + length)]) }
                if length == nil, arrived.isEmpty { return Array(bytes[end...]) }
            }
            guard !arrived.isEmpty else { throw Failure(description: "the driver has hung up") }
        }
    }
}

extension HeavyPeer {
    static let chromium = HeavyPeer(program: "chromium", package: "chromium")
    static let chromedriver = HeavyPeer(program: "chromedriver", package: "chromium-driver")
    static let promtool = HeavyPeer(program: "promtool", package: "prometheus")
}
