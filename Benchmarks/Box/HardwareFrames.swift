internal import BoxStream
internal import Glibc

/// AES-256-GCM by OpenSSL's libcrypto over bodies alone, one nonce and one tag each: what a processor's own
/// instructions for another cipher give those who use it.
@safe
final class HardwareFrames: Contender {
    /// The library is not there, or lacks a function.
    struct Missing: Error {}

    private typealias New = @convention(c) () -> OpaquePointer?
    private typealias Free = @convention(c) (OpaquePointer?) -> Void
    private typealias Begin =
        @convention(c) (
            OpaquePointer?, OpaquePointer?, OpaquePointer?, UnsafePointer<UInt8>?, UnsafePointer<UInt8>?
        ) -> Int32
    private typealias Update =
        @convention(c) (
            OpaquePointer?, UnsafeMutablePointer<UInt8>?, UnsafeMutablePointer<Int32>?, UnsafePointer<UInt8>?,
            Int32
        ) -> Int32
    private typealias Finish =
        @convention(c) (OpaquePointer?, UnsafeMutablePointer<UInt8>?, UnsafeMutablePointer<Int32>?) -> Int32
    private typealias Control =
        @convention(c) (OpaquePointer?, Int32, Int32, UnsafeMutableRawPointer?) -> Int32

    /// `EVP_CTRL_AEAD_GET_TAG`.
    private static let getTag: Int32 = 0x10

    private let batch: FrameBatch
    private let context: OpaquePointer
    private let scratch: UnsafeMutablePointer<UInt8>
    private let free: Free
    private let begin: Begin
    private let update: Update
    private let finish: Finish
    private let control: Control

    /// Looks for the library as it is named since OpenSSL 3.
    init(bodyByteCount: Int, key: [UInt8]) throws {
        guard let library = unsafe dlopen("libcrypto.so.3", RTLD_NOW) else { throw Missing() }
        func function<Function>(_ name: String, _: Function.Type) throws -> Function {
            guard let address = unsafe dlsym(library, name) else { throw Missing() }
            return unsafe unsafeBitCast(address, to: Function.self)
        }
        let new = unsafe try function("EVP_CIPHER_CTX_new", New.self)
        let cipher = unsafe try function("EVP_aes_256_gcm", New.self)
        unsafe free = try function("EVP_CIPHER_CTX_free", Free.self)
        unsafe begin = try function("EVP_EncryptInit_ex", Begin.self)
        unsafe update = try function("EVP_EncryptUpdate", Update.self)
        unsafe finish = try function("EVP_EncryptFinal_ex", Finish.self)
        unsafe control = try function("EVP_CIPHER_CTX_ctrl", Control.self)
        guard let context = unsafe new() else { throw Missing() }
        unsafe self.context = context
        batch = FrameBatch(bodyByteCount: bodyByteCount)
        unsafe scratch = .allocate(capacity: 32)
        unsafe scratch.initialize(repeating: 0, count: 32)
        guard unsafe begin(context, cipher(), nil, key, scratch) == 1 else { throw Missing() }
    }

    deinit {
        unsafe free(context)
        unsafe scratch.deallocate()
    }

    func performBatch() throws {
        var length: Int32 = 0
        for index in 0..<FrameBatch.frameCount {
            let frame = unsafe batch.frame(index).assumingMemoryBound(to: UInt8.self)
            let body = unsafe frame + BoxFrame.headerByteCount
            unsafe scratch[0] &+= 1
            guard unsafe begin(context, nil, nil, nil, scratch) == 1,
                unsafe update(context, body, &length, body, Int32(batch.bodyByteCount)) == 1,
                unsafe finish(context, scratch + 16, &length) == 1,
                unsafe control(context, Self.getTag, 16, frame) == 1
            else { throw Missing() }
        }
        unsafe blackHole(batch.frame(0))
    }
}
