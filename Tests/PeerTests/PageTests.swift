import Foundation
import PeerSupport
import Testing

extension Heavy {
    /// The operator's page in a real browser.
    @Suite("The operator's page", .needs(.chromium, .chromedriver))
    struct PageTests {
        private static let (tab, enter) = ("\u{E004}", "\u{E007}")

        /// A portal for members, with a page.
        private static func portal(on stage: PeerStage) async throws -> (
            CwayProcess, address: String, page: String
        ) {
            let policy = try stage.cway(home: "portal", ["portal", "policy", "--announce", "members"])
            try await policy.end()
            let portal = try stage.cway(
                home: "portal",
                ["portal", "--listen", "127.0.0.1:0", "--page", "localhost:0", "--log-level", "debug"])
            let address = try await portal.line()
            let line = try await portal.logLine(with: "serving the operator's page")
            let port = line.split(separator: ":").last?.prefix(while: \.isNumber) ?? ""
            return (portal, address, "http://localhost:\(port)/")
        }

        /// Keeps a picture where those are asked for, to be looked at.
        private static func keep(_ browser: WebDriver, _ name: String) async throws {
            guard let folder = ProcessInfo.processInfo.environment["CWAY_PICTURES"] else { return }
            try await browser.screenshot().write(to: URL(fileURLWithPath: "\(folder)/\(name).png"))
        }

        private static func resize(_ browser: WebDriver, to width: Int, _ height: Int) async throws {
            try await browser.command(
                "Emulation.setDeviceMetricsOverride",
                ["width": width, "height": height, "deviceScaleFactor": 1, "mobile": false])
        }

        @Test("makes an invite, shows who came by it, and denies it, by keyboard alone at last")
        func invite() async throws {
            try await PeerStage.run { stage in
                let (portal, address, page) = try await Self.portal(on: stage)
                let browser = try await WebDriver.start(on: stage)
                try await browser.open(page)
                #expect(try await browser.evaluate("getComputedStyle(document.body).maxWidth") != "none")
                try await browser.wait(
                    until: "document.getElementById('updates').textContent.includes('follows')")
                try await browser.type("Anna's server <b>", into: "input[name=label]")
                try await browser.click("form button.act")
                try await browser.wait(until: "document.getElementById('code') !== null")
                let code = try await browser.evaluate("document.getElementById('code').textContent")
                #expect(!(try await browser.evaluate("location.href")).contains(code))

                let joining = try stage.cway(home: "anna", ["portals", "add", code, "--open"])
                #expect(try await joining.end() == .exit(0), "\(joining.log)")
                // Nobody loads the page again.
                try await browser.wait(
                    until: "document.querySelector('[aria-labelledby=h-members] td.do') !== null")
                #expect(
                    try await browser.evaluate(
                        "document.querySelector('[aria-labelledby=h-members] td').textContent")
                        == "Anna's server <b>", "a label stays text")
                let anna = try stage.cway(
                    home: "anna", ["serve", "--allow-anyone", "--log-level", "debug"])
                _ = try await anna.line()
                try await browser.wait(
                    until: "document.querySelector('[aria-labelledby=h-endpoints] li code') !== null")
                try await Self.keep(browser, "light")
                try await browser.command(
                    "Emulation.setEmulatedMedia",
                    ["features": [["name": "prefers-color-scheme", "value": "dark"]]])
                try await Self.keep(browser, "dark")
                try await Self.resize(browser, to: 360, 2400)
                #expect(
                    try await browser.evaluate("document.documentElement.scrollWidth <= innerWidth") == "true"
                )
                try await Self.keep(browser, "narrow")
                try await Self.resize(browser, to: 1200, 1400)

                // A loaded page begins at its top, and loses what it has said once.
                try await browser.open(page)
                #expect(try await browser.evaluate("document.getElementById('code') === null") == "true")
                try await Self.tabTo(browser, "document.activeElement.matches('.skip')")
                try await Self.tabTo(
                    browser, "document.activeElement.textContent.startsWith('Deny…')")
                try await browser.press(Self.enter)
                try await Self.tabTo(browser, "document.activeElement.matches('details[open] button.end')")
                try await Self.keep(browser, "confirm")
                try await browser.press(Self.enter)
                try await browser.wait(
                    until: "(document.getElementById('outcome') || {}).textContent?.includes('is denied')")
                try await anna.logLine(with: "dialling again")
                try await portal.logLine(with: "the operator's page denied a key")
                try await browser.wait(
                    until: "document.querySelector('[aria-labelledby=h-denials] td.do') !== null")
                try await browser.wait(
                    until: "document.querySelector('[aria-labelledby=h-endpoints] li code') === null")
                #expect(address.contains("127.0.0.1"))
                try await Self.keep(browser, "denied")
                try await browser.end()
            }
        }

        /// Presses Tab until what has the focus is as wanted.
        private static func tabTo(_ browser: WebDriver, _ expression: String) async throws {
            for _ in 0..<40 {
                try await browser.press(tab)
                if try await browser.evaluate(expression) == "true" { return }
            }
            throw WebDriver.Failure(description: "no way by keyboard to: \(expression)")
        }

        @Test("works without scripts, and takes no form that is not its own")
        func withoutScripts() async throws {
            try await PeerStage.run { stage in
                let (portal, _, page) = try await Self.portal(on: stage)
                let browser = try await WebDriver.start(on: stage)
                try await browser.command("Emulation.setScriptExecutionDisabled", ["value": true])
                try await browser.open(page)
                try await browser.type("Bert", into: "input[name=label]")
                try await browser.click("form button.act")
                try await portal.logLine(with: "the operator's page made an invite")
                try await browser.command("Emulation.setScriptExecutionDisabled", ["value": false])
                try await browser.open(page)
                try await browser.click("[aria-labelledby=h-invites] summary")
                // What another page would send: the same form, without the token.
                try await browser.wait(
                    until: """
                        (() => { document.querySelector('details[open] input[name=token]').value = 'x';
                        document.querySelector('details[open] form').requestSubmit(); return true; })()
                        """)
                try await browser.wait(until: "document.body.innerText.includes('not of a page')")
                try await browser.open(page)
                #expect(
                    try await browser.evaluate(
                        "document.querySelector('[aria-labelledby=h-invites] tbody').innerText"
                    )
                    .contains("open"))
                try await browser.end()
            }
        }
    }
}
