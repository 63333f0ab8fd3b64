// Package misses learns what containers had to download: names and versions, and of a version that has
// several files which, read from what their clients left behind, and nothing else.
//
// # Words
//
// An upper is one instance's writable directory, parked after its container is
// gone. A miss is one project and version found there. A tenant is whoever an
// operator wants counted once however many containers they start; where
// none is known, each instance is its own.
//
// # What is looked at
//
// What an ecosystem's Leftovers name and what is new in the upper (a file of the mount whose mode was
// changed is there, too, and is none), such as entries of a client's download cache or what was
// installed into an environment. Of an instance that is kept (larder run --instance) nothing is read.
//
// # Promises
//
//   - Everything in an upper is hostile. Nothing is opened but directories and
//     plain files, each below the upper, on its file system and through no
//     link; a FIFO or a device is never opened at all. Entries, bytes, depth,
//     names and time are bounded by [Limits]; [Scan] says when it stopped early.
//   - Only names, of files too, and versions that the ecosystem finds valid come out, at most so many per upper. What
//     they can do at worst is ask for a project that the index has: bytes of an
//     upper go nowhere.
//   - One tenant counts once per project, version and file, on the first day of the window, and a day
//     counts at most ten tenants for one of them, so that one tenant, or one bad day,
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
