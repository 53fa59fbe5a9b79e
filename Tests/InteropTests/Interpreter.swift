import Foundation

/// The Python that has the peer's package installed.
///
/// Named by `CWAY_INTEROP_PYTHON`, or else the one below `.build/interop`. Where there is none the tests fail:
/// a suite that is skipped in silence proves nothing.
enum Interpreter {
    struct Missing: Error, CustomStringConvertible {
        let path: String

        var description: String {
            """
            there is no Python at \(path). Install it and its packages with:
            python3 -m venv .build/interop
            .build/interop/bin/pip install pynacl async_generator
            .build/interop/bin/pip install --no-deps secret-handshake==0.1.0.dev3
            or name another one in CWAY_INTEROP_PYTHON
            """
        }
    }

    static func locate() throws -> URL {
        let environment = ProcessInfo.processInfo.environment
        let path = environment["CWAY_INTEROP_PYTHON"] ?? below(packageRoot)
        guard FileManager.default.isExecutableFile(atPath: path) else { throw Missing(path: path) }
        return URL(fileURLWithPath: path)
    }

    private static func below(_ root: URL) -> String {
        root.appendingPathComponent(".build/interop/bin/python").path
    }

    private static var packageRoot: URL {
        URL(fileURLWithPath: #filePath)  // <root>/Tests/InteropTests/<this file>
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    }
}
