// Package index reads Python package indexes the way pip does, and fetches
// files from them.
//
// # Words
//
// An index is a simple repository (PEP 503 as HTML, PEP 691 as JSON); its root
// is the URL that pip calls index-url. A page is what an index says about one
// project. A file is one link on a page. The origin of a URL is its scheme,
// host and port.
//
// # What it does
//
// FromPip asks the pip of an interpreter which indexes it uses and how it
// reaches them, because a cache is keyed by URL: a snapshot made from another
// index would never be hit. No index is named in this source.
//
// The work is done by packages below this one: pipconfig (what pip is
// configured for), wire (one request), page (reading), pagecache.
//
// Client.Project reads a project's page from every index and joins them.
// Client.Fetch streams a file into a Sink, hashing as it goes, carrying on
// with Range after a cut. Client.FetchMetadata gets FILE.metadata (PEP 658),
// Client.Size asks for a length that the page left out.
//
// # Promises
//
//   - Fetch returns nil only when the bytes in the sink have the SHA-256, and
//     the size if one was told, that the page published.
//   - A user name, a password, a query or a fragment never appears in an error,
//     in File or in what Config prints. Credentials go to the origin they were
//     configured for (netrc: the host) and nowhere else.
//   - No redirect is followed to another scheme than http or https, from https
//     to http, or from a public host to a loopback or link-local address.
//   - Nothing waits for ever: connecting, answering, each stretch of a body and
//     each call as a whole have limits, and so have the sizes of answers. A host
//     that sends just fast enough for those is given up once all its answers
//     together have been slow for Options.HostTime.
//   - At most Options.Jobs requests are under way; Retry-After is obeyed (up to
//     Options.MaxRetryAfter) and holds for all requests to that host.
//   - What is wrong with a single link puts that link in Project.Refused; what
//     is wrong with a page fails the project, never the other way round.
//
// # Limits
//
// find-links and keyring are passed over; indexes of scheme file and client
// certificates with an encrypted key are errors. netrc's default entry is sent
// to every host, as requests, below pip, does. Plain http goes to trusted hosts
// and loopback only; pip would also follow other plain links and redirects. Only
// SHA-256 counts as a hash. A host name that resolves to a loopback address is
// not seen through, only literal addresses and localhost are: through a proxy
// nobody but the proxy knows the address.
//
// # Left to others
//
// Which file to take (versions, tags, yanked, requires-python) is the
// builder's; what is inside a wheel is package wheel's.
package index
