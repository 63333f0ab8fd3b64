// Package fetch gets things over HTTP, for every kind of index: it knows no
// ecosystem, and no tool's configuration but as plain [Options].
//
// # What it does
//
// [Client.Get] gets a small answer whole: an index page, a ranking. With a
// [Cache] the request is conditional and the last good answer is kept on disk.
// [Client.Download] streams a file into a [Sink], hashing as it goes, and carries on
// with Range after a cut. [Client.Size] asks for a file's length.
//
// # Promises
//
//   - One loop repeats what may be better next time: 408, 429, 5xx, connections that
//     are refused or cut, and bodies that come too slowly. Pauses grow. Retry-After is
//     obeyed, up to Limits.MaxRetryAfter, by all requests to that host.
//   - Download returns nil only when the sink holds bytes with the published digest and,
//     if one was told, the published size.
//   - A user name, a password, a query or a fragment never appears in an [Error].
//     Credentials go to the origin they were given for (netrc: the host) and to no other.
//   - No redirect is followed to another scheme than http or https, from https to http,
//     or from a public host to a loopback or link-local address.
//   - Nothing waits for ever: connecting, answering, each stretch of a body and each call
//     as a whole have limits, and so have the sizes of answers. A host whose answers
//     together have been slow for Limits.HostTime is given up.
//   - At most Limits.Jobs calls are under way; waiting for one's turn is not counted.
//   - Damage to a cache reads as a miss. Nothing in it is needed.
//
// # Limits
//
// A host name that resolves to a loopback address is not seen through, only literal
// addresses and localhost are: through a proxy nobody but the proxy knows the address.
package fetch
