// Package uvcache has uv itself write the cache that containers' uvs read.
//
// Part of that cache is in a form that only uv writes: archives of Rust's memory, some with a checksum.
// So the wheels are installed with the real program, once for each uv that the operator names, since
// every one or two years' uv reads buckets of its own, and its files are imported as they are.
//
// # How
//
// uv files an entry under the address of the index, and the address of the file is in it. Both have to
// be those that containers ask for. So uv is given the index's own address, and a proxy on loopback
// (server.go) that answers for every host from the pool, with certificates of an authority that exists
// for one build. Pages list what is stocked, and nothing else exists. All other versions of a project
// wait for the next round, since an installation has one of each.
//
// uv also keeps the metadata of what it resolves, without which a later uv reads part of the wheel
// again. It only does so when it looks at dependencies, so those that are not in the round are
// overridden by a marker that never holds.
//
// An unpacked wheel lies in archive-v0 under a random name. It gets one that follows from the wheel's
// digest, of the same length, in the pointers and links that name it, too: the wheels of all snapshots
// and generations then lie in the same places. uv tries whether it still finds a wheel, without a network,
// before anything is taken over.
//
// # What was built from sources
//
// uv keeps a wheel that it built below sdists-vN, under name and version of the source, beside a pointer
// with the source's digest. To have it write that for a wheel that was built elsewhere, the server hands
// out a stand-in at the source's address (standin.go): an archive of the same form with a back end of a few
// lines, which gives uv that wheel. Afterwards the stand-in's digest and size in the pointer are replaced by
// the source's own, which newer uvs compare with those of a lock, and what was built gets a name that
// follows from the source's digest (revision.go). The unpacked stand-in is taken out: for a wheel that is
// there uv never looks at it, and where it has to build after all, with other settings, it fetches the
// source and checks its digest. So nothing of a source is read here, and its bytes need not be at hand.
//
// Such entries are in views of their own, which are mounted above the view uv or not at all. A page hides
// the page below it: that of such a view also lists the wheels of the project that the views below have.
//
// # Promises
//
// No package code runs: uv takes wheels and stand-ins only, compiles nothing, and installs into a directory
// that nobody imports from. Every wheel is pinned to its digest, so every pointer has it, and a lock's hash
// is found. No query of an address is in an entry. Pages are stale at once: with a network, uv asks the
// index what there is.
//
// # Limits
//
// Pointers and pages hold the time at which uv wrote them, so they differ from host to host and from run
// to run. A build takes them from the snapshot before, for every project of which nothing has changed.
// An address that the index spells otherwise than pip does, with a bare + in a local version, is another
// one to uv where it looks for metadata: it then reads some kilobytes of the wheel again. Where a lock
// names the wheel it does not look. A free-threaded target needs its interpreter on this host, and so does
// a source that asks for a newer Python than this host's own. Sources that are no .tar.gz, .tgz or .zip are
// left out. With --no-build or --only-binary uv refuses what was built as it
// would refuse to build, and with build settings or extra build requirements it builds anew.
package uvcache
