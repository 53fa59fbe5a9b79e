internal import TypedSodium

/// Whose browser it is: a cookie that this process alone can make, and a token for forms that belongs to it.
///
/// Nothing is kept of them, so that there are never too many: a cookie is a random number and its end, with a code over
/// both under a key that lives as long as the process; the token of its forms is another code over the cookie.
package struct PageSessions: Sendable {
    /// The name of the cookie.
    package static let cookieName = "cway_page"
    /// How long it counts, in seconds.
    package static let lifetimeSeconds: UInt64 = 12 * 3600
    private static let longestByteCount = 256

    private let key: FixedBytes<32>

    /// Sessions under a fresh key; former ones end.
    package init() {
        let bytes = Random.bytes(32)
        key = FixedBytes(bytes.span, at: 0)
    }

    /// A cookie's value that counts from now on.
    package func begin(at now: UInt64) -> String {
        let nonce = TextEncoding.base64URL.encode(Random.bytes(16).span)
        let body = "\(String(decoding: nonce, as: UTF8.self)).\(now + Self.lifetimeSeconds)"
        return "\(body).\(code(of: "session \(body)"))"
    }

    /// Whether this process made it, and its time has not passed.
    package func isValid(_ cookie: String, at now: UInt64) -> Bool {
        guard cookie.utf8.count <= Self.longestByteCount, let dot = cookie.lastIndex(of: ".") else {
            return false
        }
        let body = cookie[..<dot]
        guard matches(String(cookie[cookie.index(after: dot)...]), code(of: "session \(body)")),
            let end = body.split(separator: ".").last.flatMap({ UInt64($0) })
        else { return false }
        return now < end
    }

    /// What every form of a session's pages sends.
    package func formToken(of cookie: String) -> String { code(of: "form \(cookie)") }

    /// Whether a form was on a page of this session.
    package func isValid(formToken: String, of cookie: String) -> Bool {
        matches(formToken, self.formToken(of: cookie))
    }

    /// The cookie of ours among those that a browser sends.
    package static func cookie(in header: String?) -> String? {
        for pair in (header ?? "").split(separator: ";") {
            let parts = pair.split(separator: "=", maxSplits: 1)
            if parts.count == 2, parts[0].trimmingSpaces == cookieName { return parts[1].trimmingSpaces }
        }
        return nil
    }

    private func code(of text: String) -> String {
        let code = Authentication.code(of: Array(text.utf8).span, key: key)
        return String(decoding: TextEncoding.base64URL.encode(code.storage.span), as: UTF8.self)
    }

    /// In the same time however much of it is right: what is compared are codes of both.
    private func matches(_ given: String, _ expected: String) -> Bool {
        guard given.utf8.count == expected.utf8.count else { return false }
        let codes = [given, expected].map { Authentication.code(of: Array($0.utf8).span, key: key) }
        return codes[0].isEqual(to: codes[1])
    }
}
