// Package misses learns what containers had to download: names and versions,
// read from what their clients left behind, and nothing else.
//
// # Words
//
// An upper is one instance's writable directory, parked after its container is
// gone. A miss is one project and version found there. A tenant is whoever an
// operator wants counted once a day however many containers they start; where
// none is known, each instance is its own.
//
// # What is looked at
//
//   - http-v2/ and http/ of pip: entries whose stored headers name a project
//     and version (x-pypi-file-project, -version) and whose body is an archive,
//     not just its metadata;
//   - wheels/ of pip: wheels it built itself, by file name;
//   - wheels-v*/ of uv: pointers, by directory and file name;
//   - site-packages/: projects by the name of their dist-info, unless
//     direct_url.json says they came from elsewhere than an index.
//
// What cannot be seen: an index that sends no cache headers leaves nothing in
// pip's cache, and one that is not the public one sends no x-pypi-file headers;
// there only site-packages and locally built wheels tell. Not pip and
// setuptools: every new virtual environment has them, without a download.
// Poetry's and other clients' caches are not read. A container that removes its
// cache before it ends (an image build that cleans up) has hidden what it
// fetched. Of an instance that is kept (larder run --instance) nothing is read.
//
// # Promises
//
//   - Everything in an upper is hostile. Nothing is opened but directories and
//     plain files, each below the upper, on its file system and through no
//     link; a FIFO or a device is never opened at all. Entries, bytes, depth,
//     names and time are bounded by [Limits]; [Scan] says when it stopped early.
//   - Only PEP 503 names and versions come out, at most so many per upper. What
//     they can do at worst is ask for a project that the index has: bytes of an
//     upper go nowhere.
//   - One tenant counts once per project, version and day, and a day counts at
//     most ten tenants for one of them, so that one tenant, or one bad day,
//     cannot steer a ranking. One tenant writes at most 2,000 lines a day.
//   - Reporting an instance twice, on whatever days (a job that was killed
//     between writing and removing the upper), counts it once. An instance that
//     was read is marked and not read again.
//
// # Limits
//
// Who is a tenant is the caller's to say: without it, whoever can start many
// containers counts as many. The upper must not change while it is read for the
// result to mean anything; it may, for it to be safe.
//
// # Left to others
//
// When uppers are read (never on a container's path), removing them, and calling
// Prune.
package misses
