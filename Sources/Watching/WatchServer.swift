import Hummingbird

/// Where a daemon answers those who watch it.
package struct WatchServer {
    let router = Router()

    package init() {}
}
