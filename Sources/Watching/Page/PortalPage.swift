/// The operator's page as a document: everything in it works without a script, by links and forms.
struct PortalPage {
    let content: PageContent
    let history: RateHistory
    /// Of the program, for the foot.
    let build: Watched.Build
    /// What each form sends along.
    let formToken: String

    /// The whole page, with what came of the last change in front.
    func document(_ outcome: PageOutcome?) -> String {
        Self.document("Portal") {
            HTML.element(.header) {
                HTML.element(.h1) { "Portal" }
                HTML.all(
                    content.addresses.map { address in .element(.p) { HTML.element(.code) { address } } })
                HTML.element(.p, ["id": "updates", "role": "status"]) {}
                HTML.element(.noscript) {
                    HTML.element(.p) {
                        HTML.element(.a, ["href": "/"]) { "Load this page again" }
                        " to see how it is now."
                    }
                }
            }
            HTML.element(.main, ["id": "main"]) {
                if let outcome { note(outcome) }
                live
                form
            }
            HTML.element(.footer) {
                HTML.element(.p, ["class": "quiet"]) {
                    "cway \(build.version) (\(build.commit)), cipher \(build.cipher)"
                }
            }
        }
    }

    /// What changes by itself.
    var live: HTML {
        .all([
            .element(.div, ["id": "now"]) {
                now
                refusals
            },
            .element(.div, ["id": "lists"]) {
                if let trouble = content.trouble {
                    HTML.element(.section, ["class": "note is-bad"]) { HTML.element(.p) { trouble } }
                }
                endpoints
                members
                invites
                denials
            },
        ])
    }

    // MARK: Now

    private var now: HTML {
        .element(.section, ["aria-labelledby": "h-now"]) {
            HTML.element(.h2, ["id": "h-now"]) { "Now" }
            HTML.element(.p) {
                if content.isListening {
                    HTML.element(.span, ["class": "state good"]) { "Accepts connections." }
                } else {
                    HTML.element(.span, ["class": "state bad"]) { "Does not listen." }
                }
                " \(content.policy)"
            }
            HTML.element(.dl, ["class": "facts"]) {
                fact("Connections", "\(content.connectionCount)", of: "\(content.connectionLimit)")
                fact("Tunnels", "\(content.tunnelCount)")
                fact("Open endpoints", "\(content.endpointCount)")
                fact(
                    "Hidden endpoints",
                    content.hiddenEndpointCount == 0 ? "none" : "at most \(content.hiddenEndpointCount)")
                fact("Relayed so far", PageText.bytes(Double(content.relayedByteCount)))
                fact(
                    "Held for peers", PageText.bytes(Double(content.heldByteCount)),
                    of: PageText.bytes(Double(content.heldByteLimit)))
                fact("Memory", PageText.bytes(Double(content.residentByteCount)))
                fact("Descriptors", "\(content.descriptorCount)")
            }
            HTML.element(.div, ["class": "plots"]) {
                Plot(title: "Relayed", values: history.bytesPerSecond) { "\(PageText.bytes($0))/s" }.html
                Plot(title: "Connections", values: history.connections) { "\(Int($0))" }.html
                Plot(title: "Tunnels begun", values: history.tunnelsPerMinute) {
                    "\(PageText.decimal($0)) a minute"
                }.html
                Plot(title: "Refused", values: history.refusalsPerMinute) {
                    "\(PageText.decimal($0)) a minute"
                }.html
            }
        }
    }

    private func fact(_ name: String, _ value: String, of limit: String? = nil) -> HTML {
        .element(.div) {
            HTML.element(.dt) { name }
            HTML.element(.dd) {
                value
                if let limit { HTML.element(.small) { " of \(limit)" } }
            }
        }
    }

    private var refusals: HTML {
        .element(.section, ["aria-labelledby": "h-limits"]) {
            HTML.element(.h2, ["id": "h-limits"]) { "Limits and refusals" }
            if content.refusals.isEmpty {
                HTML.element(.p, ["class": "quiet"]) { "Nothing was refused since the portal began." }
            } else {
                Self.table(["Why", "How often"], "Since the portal began") {
                    HTML.all(
                        content.refusals.map { refusal in
                            .element(.tr) {
                                Self.cell("Why") { .text(refusal.reason) }
                                Self.cell("How often") { .text("\(refusal.count)") }
                            }
                        })
                }
            }
        }
    }

    // MARK: Lists

    private var endpoints: HTML {
        .element(.section, ["aria-labelledby": "h-endpoints"]) {
            HTML.element(.h2, ["id": "h-endpoints"]) { "Open endpoints" }
            if content.endpoints.isEmpty {
                HTML.element(.p, ["class": "quiet"]) { "Nobody is announced under an id." }
            } else {
                HTML.element(.ul) {
                    HTML.all(
                        content.endpoints.prefix(PageContent.rowLimit).map { id in
                            .element(.li) { HTML.element(.code) { id } }
                        })
                }
                Self.rest(of: content.endpointCount)
            }
        }
    }

    private var members: HTML {
        .element(.section, ["aria-labelledby": "h-members"]) {
            HTML.element(.h2, ["id": "h-members"]) { "Members" }
            if content.members.isEmpty {
                HTML.element(.p, ["class": "quiet"]) { "Nobody yet: make an invite below." }
            } else {
                Self.table(["Label", "Id", "Since", "This month", "Actions"], nil) {
                    HTML.all(content.members.prefix(PageContent.rowLimit).map(row))
                }
                Self.rest(of: content.members.count)
            }
        }
    }

    private func row(_ member: PageContent.Member) -> HTML {
        .element(.tr) {
            Self.cell("Label") {
                .all([
                    .text(member.label.isEmpty ? "–" : member.label),
                    member.isDenied
                        ? .element(.strong, ["class": "bad"]) { " denied" } : .empty,
                ])
            }
            Self.cell("Id") { .element(.code) { member.id } }
            Self.cell("Since") { .text(PageText.time(member.since)) }
            Self.cell("This month") {
                .all([
                    .text(PageText.bytes(Double(member.monthByteCount))),
                    member.isUsedUp ? .element(.strong, ["class": "bad"]) { " used up" } : .empty,
                ])
            }
            HTML.element(.td, ["class": "do"]) {
                if !member.isDenied {
                    confirmed(
                        "deny", "Deny", of: member.label, member.id,
                        "Its connections are closed, and it is served in nothing until you allow it again.")
                }
                confirmed(
                    "remove", "Remove", of: member.label, member.id,
                    "It is a member no longer, and the invites that admitted it are revoked.")
            }
        }
    }

    private var invites: HTML {
        .element(.section, ["aria-labelledby": "h-invites"]) {
            HTML.element(.h2, ["id": "h-invites"]) { "Invites" }
            if content.invites.isEmpty {
                HTML.element(.p, ["class": "quiet"]) { "None is open, or was within the last 30 days." }
            } else {
                Self.table(["For", "Id", "Left", "Ends", "State"], nil, hasActions: true) {
                    HTML.all(content.invites.prefix(PageContent.rowLimit).map(row))
                }
                Self.rest(of: content.invites.count)
            }
        }
    }

    private func row(_ invite: PageContent.Invite) -> HTML {
        .element(.tr) {
            Self.cell("For") { .text(invite.label.isEmpty ? "–" : invite.label) }
            Self.cell("Id") { .element(.code) { String(invite.id.prefix(9)) + "…" } }
            Self.cell("Left") { .text("\(invite.usesLeft) of \(invite.uses)") }
            Self.cell("Ends") { .text(invite.expiry.map(PageText.time) ?? "never") }
            Self.cell("State") { .text(invite.closing ?? "open") }
            HTML.element(.td, ["class": "do"]) {
                if invite.closing == nil {
                    confirmed(
                        "revoke", "Revoke", of: invite.label, invite.id,
                        "Nobody comes by it any more; who came stays a member.")
                }
            }
        }
    }

    private var denials: HTML {
        .element(.section, ["aria-labelledby": "h-denials"]) {
            HTML.element(.h2, ["id": "h-denials"]) { "Denied" }
            if content.denials.isEmpty {
                HTML.element(.p, ["class": "quiet"]) { "Nobody is." }
            } else {
                Self.table(["Id", "Since", "Actions"], nil) {
                    HTML.all(
                        content.denials.prefix(PageContent.rowLimit).map { denial in
                            .element(.tr) {
                                Self.cell("Id") { .element(.code) { denial.id } }
                                Self.cell("Since") { .text(PageText.time(denial.since)) }
                                HTML.element(.td, ["class": "do"]) {
                                    change("allow", denial.id) {
                                        HTML.element(.button) {
                                            "Allow again"
                                            Self.aside(denial.id)
                                        }
                                    }
                                }
                            }
                        })
                }
                Self.rest(of: content.denials.count)
            }
        }
    }

    // MARK: Forms

    private var form: HTML {
        .element(.section, ["aria-labelledby": "h-make"]) {
            HTML.element(.h2, ["id": "h-make"]) { "Make an invite" }
            change("invite", nil) {
                HTML.element(.div, ["class": "row"]) {
                    Self.field("label", "Whom it is for", "text", nil, ("maxlength", "64"))
                    Self.field("uses", "How many may come", "number", "1", ("min", "1"), ("max", "1000"))
                    Self.field("days", "Days until it ends", "number", "7", ("min", "0"), ("max", "3650"))
                    HTML.element(.button, ["class": "act"]) { "Make an invite" }
                }
            }
            HTML.element(.p, ["class": "quiet"]) { "0 days: it does not end by itself." }
        }
    }

    /// A button behind a second one, so that nothing ends by a slip.
    private func confirmed(
        _ action: String, _ word: String, of label: String, _ id: String, _ consequence: String
    ) -> HTML {
        .element(.details) {
            HTML.element(.summary) {
                "\(word)…"
                Self.aside(label.isEmpty ? id : label)
            }
            HTML.element(.p) { consequence }
            change(action, id) {
                HTML.element(.button, ["class": "end"]) {
                    word
                    Self.aside(label.isEmpty ? id : label)
                }
            }
        }
    }

    private func change(_ action: String, _ id: String?, @HTMLBuilder _ content: () -> HTML) -> HTML {
        .element(.form, ["method": "post", "action": "/change"]) {
            HTML.element(.input, ["type": "hidden", "name": "token", "value": formToken])
            HTML.element(.input, ["type": "hidden", "name": "action", "value": action])
            if let id { HTML.element(.input, ["type": "hidden", "name": "id", "value": id]) }
            content()
        }
    }

    private func note(_ outcome: PageOutcome) -> HTML {
        let isBad = if case .refused = outcome { true } else { false }
        return .element(
            .section,
            ["class": isBad ? "note is-bad" : "note is-good", "role": "alert", "id": "outcome"]
        ) {
            switch outcome {
            case .done(let words), .refused(let words): HTML.element(.p) { words }
            case .code(let code, let words):
                HTML.element(.p) { words }
                HTML.element(.code, ["id": "code"]) { code }
                HTML.element(.p) {
                    HTML.element(.strong) { "It is not shown again." }
                    " Its reader runs "
                    HTML.element(.code) { "cway portals add" }
                    " and pastes it when asked."
                }
            }
        }
    }

    // MARK: Parts

    /// The page that asks for the token.
    static func login(isWrong: Bool) -> String {
        document("Portal: token") {
            HTML.element(.header) { HTML.element(.h1) { "Portal" } }
            HTML.element(.main, ["id": "main"]) {
                HTML.element(.section) {
                    if isWrong {
                        HTML.element(.p, ["class": "bad", "role": "alert"]) { "That is not the token." }
                    }
                    HTML.element(.form, ["method": "post", "action": "/login"]) {
                        HTML.element(.div, ["class": "row"]) {
                            field("token", "The token of this page", "password", nil, ("autocomplete", "off"))
                            HTML.element(.button, ["class": "act"]) { "Enter" }
                        }
                    }
                }
            }
        }
    }

    private static func document(_ title: String, @HTMLBuilder _ content: () -> HTML) -> String {
        HTML.document(
            .element(.html, ["lang": "en"]) {
                HTML.element(.head) {
                    HTML.element(.meta, ["charset": "utf-8"])
                    HTML.element(
                        .meta, ["name": "viewport", "content": "width=device-width, initial-scale=1"])
                    HTML.element(.title) { title }
                    HTML.element(.style) { HTML.raw(PageStyle.sheet) }
                }
                HTML.element(.body) {
                    HTML.element(.a, ["class": "skip", "href": "#main"]) { "To the content" }
                    content()
                    HTML.element(.script) { HTML.raw(PageStyle.script) }
                }
            })
    }

    private static func field(
        _ name: String, _ label: String, _ type: String, _ value: String?,
        _ others: (StaticString, String)...
    ) -> HTML {
        .element(.label) {
            HTML.element(.span) { label }
            HTML.input(name: name, type: type, value: value, others)
        }
    }

    private static func table(
        _ names: [String], _ caption: String?, hasActions: Bool = false, @HTMLBuilder _ rows: () -> HTML
    ) -> HTML {
        .element(.table) {
            if let caption { HTML.element(.caption) { caption } }
            HTML.element(.thead) {
                HTML.element(.tr) {
                    HTML.all((hasActions ? names + ["Actions"] : names).map(head))
                }
            }
            HTML.element(.tbody) { rows() }
        }
    }

    private static func head(_ name: String) -> HTML {
        .element(.th, ["scope": "col"]) {
            if name == "Actions" { HTML.element(.span, ["class": "hidden"]) { name } } else { name }
        }
    }

    private static func cell(_ name: String, _ content: () -> HTML) -> HTML {
        .element(.td, ["data-name": name]) { content() }
    }

    /// Says how many rows are not shown.
    private static func rest(of count: Int) -> HTML {
        guard count > PageContent.rowLimit else { return .empty }
        return .element(.p, ["class": "quiet"]) {
            "and \(count - PageContent.rowLimit) more, which the command line lists"
        }
    }

    /// For those who hear the page, whom a button is about.
    private static func aside(_ text: String) -> HTML {
        .element(.span, ["class": "hidden"]) { " \(text)" }
    }
}
