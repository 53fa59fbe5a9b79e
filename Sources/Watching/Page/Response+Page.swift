internal import Hummingbird
internal import NIOCore
internal import TypedSodium

extension Response {
    /// A page, which takes nothing from elsewhere, sends nothing elsewhere, and stands in no frame.
    static func page(_ html: String, status: HTTPResponse.Status = .ok, cookie: String? = nil) -> Response {
        .bytes(
            status, ByteBuffer(string: html), type: "text/html; charset=utf-8",
            headers: guarded(cookie: cookie))
    }

    /// To another page of ours.
    static func redirect(_ path: String, cookie: String? = nil) -> Response {
        var headers = guarded(cookie: cookie)
        headers[.location] = path
        headers[.cacheControl] = "no-store"
        return Response(status: .seeOther, headers: headers)
    }

    private static func guarded(cookie: String?) -> HTTPFields {
        var headers: HTTPFields = [.contentSecurityPolicy: PagePolicy.text]
        // With "no-referrer" browsers would send the origin of our own forms as "null".
        if let name = HTTPFields.Element.Name("Referrer-Policy") { headers[name] = "same-origin" }
        headers[.crossOriginResourcePolicy] = "same-origin"
        if let cookie {
            headers[.setCookie] =
                "\(PageSessions.cookieName)=\(cookie); Path=/; Max-Age=\(PageSessions.lifetimeSeconds); "
                + "HttpOnly; SameSite=Strict"
        }
        return headers
    }
}

/// What browsers may do with the page: its own style and script, which their hashes name, and nothing else.
package enum PagePolicy {
    package static let text = [
        "default-src 'none'", "style-src '\(hash(of: PageStyle.sheet))'",
        "script-src '\(hash(of: PageStyle.script))'", "connect-src 'self'", "form-action 'self'",
        "base-uri 'none'", "frame-ancestors 'none'",
    ].joined(separator: "; ")

    private static func hash(of literal: StaticString) -> String {
        var hash = SHA256()
        hash.update(Array("\(literal)".utf8).span)
        let digest = hash.finalize()
        return "sha256-\(String(decoding: TextEncoding.base64.encode(digest.storage.span), as: UTF8.self))"
    }
}
