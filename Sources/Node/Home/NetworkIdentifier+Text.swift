internal import Multiserver
package import SecretHandshake
internal import TypedSodium

extension NetworkIdentifier {
    /// Reads 32 bytes in hexadecimal or canonical Base64; `nil` for anything else.
    package init?(text: String) {
        let bytes = text.utf8.count == 64 ? Hexadecimal.bytes(of: text) : try? Base64.bytes(of: text)
        guard let bytes, let fixed = try? FixedBytes<32>(bytes) else { return nil }
        self.init(fixed)
    }

    /// The bytes in Base64, as SSB programs write the identifier in their settings.
    package var text: String { Base64.text(of: bytes.array) }
}
