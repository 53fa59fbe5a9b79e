/// The right to serve from a keyring, of one process at a time; its death gives it back.
package struct ServingLock: ~Copyable {
    private static let name = "keyring.serving"
    /// More digits than any process number has.
    private static let byteCountLimit = 20

    private let file: KeyringFile

    /// Takes the lock of the keyring in a home folder.
    ///
    /// - Throws: ``KeyringError/alreadyServing(pid:)`` when another process, or another value in this one, has it.
    package init(folder: String) throws(KeyringError) {
        let file = try KeyringFile(openingOrCreating: "\(folder)/\(Self.name)")
        guard try file.lock() else {
            throw .alreadyServing(pid: Self.holder(try file.read(Self.byteCountLimit, at: 0)))
        }
        try file.truncate()
        try file.write(Array("\(KeyringFile.processNumber)\n".utf8), at: 0)
        self.file = file
    }

    deinit { file.unlock() }

    private static func holder(_ bytes: [UInt8]) -> Int? {
        String(validating: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self).flatMap { Int($0) }
    }
}
