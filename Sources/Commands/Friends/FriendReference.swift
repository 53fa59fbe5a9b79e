internal import Keyring
internal import Multiserver
internal import Node
internal import TypedSodium

/// How people name a friend: by the name they gave them, or by id.
enum FriendReference {
    /// The friend that is meant; `nil` for nobody in the keyring.
    ///
    /// - Throws: ``CommandFailure``.
    static func find(_ text: String, in opened: OpenedKeyring?) throws(CommandFailure) -> Friend? {
        let text = CodeText.name(in: text)
        return try opened?.perform { (keyring) throws(KeyringError) in
            if let friend = try keyring.friends.find(named: text) { return friend }
            guard let key = try? PublicKey(id: text) else { return nil }
            return try keyring.friends.find(key)
        } ?? nil
    }

    /// The friend that is meant.
    ///
    /// - Throws: ``CommandFailure`` with ``ExitStatus/notFound`` for nobody in the keyring.
    static func friend(_ text: String, in opened: OpenedKeyring?) throws(CommandFailure) -> Friend {
        guard let friend = try find(text, in: opened) else {
            throw CommandFailure(.notFound, "no friend here is '\(text.trimmed)': look at `cway friend list`")
        }
        return friend
    }
}
