package import NIOCore
package import PeerSupport
internal import Testing

extension RawPeer: WirePeer {
    package func receive(_ bytes: ByteBuffer) {
        do {
            try take(bytes)
        } catch {
            Issue.record("the portal sent what cannot be opened: \(error)")
        }
    }
}
