// Package builder turns a ranking and locks into a published snapshot.
//
// # The steps
//
//	plan      ask the index for every project wanted and choose, for each target,
//	          the wheel that pip would choose
//	fetch     download what the pool lacks, hashing while it streams
//	check     read the archive with rules stricter than any installer's
//	unpack    make a layer of each wheel for each target, bytecode included
//	seal      lay out views, layers and manifest as one image
//	publish   make it durable and current, by one rename
//
// fetch, check and unpack run as one pipeline. Planning is pure once the index has
// answered (choose.go); so is the layout of the image (tree.go).
//
// # Promises
//
// No code of a package runs: wheels are unpacked, their sources compiled, nothing
// is imported. A file enters the pool only under the digest of its own bytes, from
// a wheel whose digest the index published. (One exception in provenance: where the
// index has no pip, the pip that comes with the target's interpreter is stocked for
// private environments; that interpreter is already trusted to compile.)
// The same inputs give the same snapshot, whatever the number of jobs, the time, the
// locale or the umask. A build that fails leaves the published snapshot as it was;
// wheels it fetched whole stay in the pool for the next one.
//
// Damage is not passed on. The current snapshot's image is compared with its id before
// anything is taken from it; a layer or a view's wheel is reused when its objects are in
// the pool with their sizes and modes; a wheel or METADATA that something new is made of
// is read and compared with its digest first. What fails is warned of, and fetched or
// made again; it is never a refusal. A changed byte in a file that is only reused is left
// to verify: to find it, every build would read the whole pool.
//
// What the pip views have as FILE.metadata is the wheel's own METADATA, where the index
// announces such a file, and under no other hash. No address's query is in the image.
//
// A lock is a promise: a wheel it names that cannot be had fails the build
// (ErrRefused; ErrUnreachable when the index cannot be reached), and so does one of
// which no layer can be made. A ranked project that cannot be had is skipped, with its
// reason in the Report. Where the index does not announce which Python a wheel needs,
// its METADATA is heeded: a ranked project then falls back to its next best wheel.
//
// # With a budget
//
// Without one, the plan is the newest release of each ranked project, without its
// dependencies, which a ranking by downloads puts above it. With one (budget.go),
// the wheels of several versions of each project compete for the bytes they take on
// disk, by the hits they expect (popularity.Shares, package popularity/budget). What a
// chosen wheel needs is chosen with it: by its Requires-Dist, the target's markers
// and the extras asked for, each requirement alone with the newest release that
// meets it; from the metadata beside the wheel on the index, else from the wheel in
// the pool. Where there is neither, chosen wheels are fetched to know, and the
// budget chooses again; a dry run then does not know, and says so. Bytes on disk are
// an estimate from the wheel's size: what wheels share is known only when they are
// unpacked. What wheels need, their sizes and the index's pages are kept in the
// store, so that an unchanged plan costs one conditional request a project.
//
// # Limits
//
// Wheels only: a project with nothing but source archives is skipped. No resolver:
// two requirements that exclude each other's choice bring a wheel each. pip's --find-links directories are not read: pip does not cache
// what it takes from them. The uv and Poetry views are not written yet.
package builder
