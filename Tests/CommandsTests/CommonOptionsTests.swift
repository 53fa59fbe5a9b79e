import ArgumentParser
import Commands
import Foundation
import Logging
import Node
import SecretHandshake
import Testing

@Suite("CommonOptions")
struct CommonOptionsTests {
    private let folder = TemporaryPath()

    private func commandEnvironment(_ environment: [String: String]) -> CommandEnvironment {
        CommandEnvironment(environment: environment, output: { _ in }, complaints: { _ in })
    }

    @Test("become flags, and flags become settings")
    func flags() async throws {
        let network = String(repeating: "01", count: 32)
        let options = try CommonOptions.parse([
            "--home", folder.path, "--log-level", "critical", "--network", network,
        ])
        #expect(options.flags.logLevel == .critical)
        #expect(options.flags.network == NetworkIdentifier(text: network))
        let environment = ["CWAY_LOG_LEVEL": "trace", "CWAY_ALLOW_ANYONE": "true"]
        try await CommandEnvironment.$current.withValue(commandEnvironment(environment)) {
            let home = try options.preparedHome()
            #expect(home.path == folder.path)
            let (settings, logger) = try await options.settings(in: home, flags: options.flags)
            #expect(settings.logLevel == .critical && logger.logLevel == .critical)
            #expect(settings.network == options.network && settings.allowAnyone)
        }
    }

    @Test("fail with the settings' code when config.json is broken")
    func brokenSettings() async throws {
        let options = try CommonOptions.parse(["--home", folder.path])
        let home = try options.preparedHome()
        try Data("{".utf8).write(to: URL(fileURLWithPath: home.path + "/config.json"))
        do {
            _ = try await options.settings(in: home, flags: options.flags)
            Issue.record("accepted")
        } catch {
            #expect(error.status == .settingsUnusable)
            #expect(error.message.contains(home.path + "/config.json"))
        }
    }

    @Test("loggers can be had more than once, each with its level")
    func loggers() {
        #expect(LogOutput.logger(level: .trace).logLevel == .trace)
        #expect(LogOutput.logger(level: .error).logLevel == .error)
        #expect(LogOutput.logger("other", level: .info).label == "other")
    }
}
