// Package builder turns a ranking and locks into a published snapshot.
//
// # The steps
//
//	plan      ask indexes for every project wanted, and choose an artifact for each target
//	make      build what is chosen and only a source, where that is asked for
//	fetch     download what the pool lacks, hashing while it streams
//	check     read the artifact with rules stricter than any installer's
//	unpack    make a layer of each artifact for each target
//	seal      lay out views, layers and manifest as one image
//	publish   make it durable and current, by one rename
//
// Each is a function over data (builder.go): locks and ranking become picks (plan.go), picks become
// items in the pool (make.go, stock.go, reuse.go), items become an image (tree.go). fetch, check and unpack
// run as one pipeline.
//
// What only one ecosystem knows is behind [Ecosystem] and [World] (ecosystem.go): its index,
// which artifact fits a target, how an artifact becomes a layer, what its views have of it. Package
// builder/pypi is one; builder/toytest is the least there can be.
//
// # Promises
//
// A file enters the pool only under the digest of its own bytes, from an artifact whose digest the
// index published, or from a source whose digest it published, by a recipe that two builds agreed on.
// What was built is never taken for what is published, nor is it linked where that is. (One exception
// in provenance: where the index has no installer, the one that a target brings with it is stocked.)
// The same inputs give the same snapshot, whatever the number of jobs, the time, the
// locale or the umask. What was stocked before is not among them: a build of a lock alone replaces what
// was ranked, instead of adding to it, so that two hosts with one command have one snapshot; Changes
// says what that loses. A build that fails leaves the published snapshot as it was;
// artifacts it fetched whole stay in the pool for the next one; a build that is killed loses the last of them.
//
// Damage is not passed on. The current snapshot's image is compared with its id before
// anything is taken from it; a layer or an entry of a view is reused when its objects are in
// the pool with their sizes and modes; an artifact that something new is made of
// is read and compared with its digest first. What fails is warned of, and fetched or
// made again; it is never a refusal. A changed byte in a file that is only reused is left
// to verify: to find it, every build would read the whole pool.
//
// The manifest of a snapshot is a plan, too (again.go): the same steps over the picks that it lists
// give the same bytes. Repair makes of it what a snapshot lacks, first of what is in the store, then
// with artifacts fetched under their digests; Revoke makes another snapshot of it, without what is
// denied and without an index. Repair and Revoke can be killed at any point, and run again.
//
// A lock is a promise: an artifact it names that cannot be had fails the build
// (ErrRefused; ErrUnreachable when the index cannot be reached), and so does one of
// which no layer can be made. A ranked project that cannot be had is skipped, with its
// reason in the Report. No address's query is in the image.
package builder
