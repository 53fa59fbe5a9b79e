import Foundation
import Node
import Testing

@Suite("Home")
struct HomeTests {
    @Test("is the path given, else CWAY_HOME, else a folder in the user's")
    func precedence() throws {
        let environment = ["CWAY_HOME": "/b", "HOME": "/c"]
        #expect(try Home(path: "/a", environment: environment).path == "/a")
        #expect(try Home(environment: environment).path == "/b")
        #expect(try Home(environment: ["HOME": "/c"]).path == "/c/.companionway")
        #expect(try Home(environment: ["CWAY_HOME": "", "HOME": "/c"]).path == "/c/.companionway")
        #expect(throws: HomeError.unknown) { try Home(environment: [:]) }
    }

    @Test("makes its folder and the ones above it for their owner alone, and only once")
    func creation() throws {
        let folder = try TemporaryFolder()
        let home = try Home(path: folder.path + "/a/b", environment: [:])
        for _ in 0..<2 {
            try home.prepare()
            #expect(try folder.permissions(of: "a") == 0o700)
            #expect(try folder.permissions(of: "a/b") == 0o700)
        }
    }

    @Test("refuses a folder in which others could exchange files", arguments: [0o770, 0o777, 0o702])
    func writableByOthers(permissions: Int) throws {
        let folder = try TemporaryFolder()
        try FileManager.default.setAttributes([.posixPermissions: permissions], ofItemAtPath: folder.path)
        let home = try folder.home
        let error = HomeError.writableByOthers(path: folder.path, permissions: permissions)
        #expect(throws: error) { try home.prepare() }
        #expect(error.description.contains("chmod 700"))
    }

    @Test("takes a folder that others may look at")
    func readableByOthers() throws {
        let folder = try TemporaryFolder()
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder.path)
        try folder.home.prepare()
    }

    @Test("refuses what is no folder")
    func file() throws {
        let folder = try TemporaryFolder()
        try folder.write("", to: "file")
        let path = folder.path + "/file"
        #expect(throws: HomeError.notAFolder(path: path)) { try Home(path: path, environment: [:]).prepare() }
        #expect(throws: HomeError.self) { try Home(path: path + "/below", environment: [:]).prepare() }
    }
}
