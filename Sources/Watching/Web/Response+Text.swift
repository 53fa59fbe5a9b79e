internal import Hummingbird
internal import NIOCore

extension Response {
    /// A line for programs, and for those who look by hand.
    static func text(
        _ status: HTTPResponse.Status, _ line: String, headers: HTTPFields = [:]
    ) -> Response {
        bytes(status, ByteBuffer(string: line + "\n"), type: "text/plain; charset=utf-8", headers: headers)
    }

    /// Bytes of a kind, which nobody keeps and no browser takes for another kind.
    ///
    /// Of an answer to HEAD the server sends the head alone.
    static func bytes(
        _ status: HTTPResponse.Status, _ bytes: ByteBuffer, type: String, headers: HTTPFields = [:]
    ) -> Response {
        var headers = headers
        headers[.contentType] = type
        headers[.cacheControl] = "no-store"
        headers[.xContentTypeOptions] = "nosniff"
        return Response(status: status, headers: headers, body: ResponseBody(byteBuffer: bytes))
    }
}
