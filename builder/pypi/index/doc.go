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
// Package fetch, below the builder, asks the servers.
//
// Client.Project reads a project's page from every index and joins them: JSON and
// HTML as pip reads them, file by file. URLs come out as pip spells them, because
// pip's cache is keyed by them.
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
//   - What is wrong with a single link leaves that link out; what is wrong with a page
//     fails the project, never the other way round.
//   - All that package fetch promises of odd, slow and hostile servers.
//
// # Limits
//
// find-links and keyring are passed over; indexes of scheme file and client
// certificates with an encrypted key are errors. netrc's default entry is sent
// to every host, as requests, below pip, does. Plain http goes to trusted hosts
// and loopback only; pip would also follow other plain links and redirects. Only
// SHA-256 counts as a hash.
//
// # Left to others
//
// Which file to take (versions, tags, yanked, requires-python) is the
// builder's; what is inside a wheel is package wheel's.
package index
