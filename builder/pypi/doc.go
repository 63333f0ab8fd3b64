// Package pypi builds from indexes of Python packages.
//
// Below it: index asks indexes, wheel reads archives, layer makes of a wheel what pip would have
// installed, view writes what clients look for; source builds wheels from source archives.
//
// # Promises
//
// For each target, the wheel of a project is the one that pip would choose (choose.go). No code of a
// package runs: wheels are unpacked, their sources compiled, nothing is imported. Where sources are to
// be built (make.go), theirs runs in a sandbox, and what comes of it is kept apart. Where the index has
// no pip, the pip that comes with the target's interpreter is stocked for private environments; that
// interpreter is already trusted to compile.
//
// What the pip views have as FILE.metadata is the wheel's own METADATA, where the index announces
// such a file, and under no other hash. Where the index does not announce which Python a wheel needs,
// its METADATA is heeded: a ranked project then falls back to its next best wheel.
//
// # With a budget
//
// Without one, the plan is the newest release of each ranked project, without its
// dependencies, which a ranking by downloads puts above it. With one (budget.go),
// the wheels of several versions of each project compete for the bytes they take on
// disk, by what the hits they expect (popularity.Shares) would spare. What other wheels need expects
// their hits, where its own are fewer. Layers are a choice beside the wheels' (budget_layers.go): what a
// lock names always has them, what this host's containers missed nearly always, the cold rest of a
// ranking is kept as wheels. What a
// chosen wheel needs is chosen with it: by its Requires-Dist, the target's markers
// and the extras asked for, each requirement alone with the newest release that
// meets it; from the metadata beside the wheel on the index, else from the wheel in
// the pool. Where there is neither, chosen wheels are fetched to know, and the
// budget chooses again; a dry run then does not know, and says so. Bytes on disk are
// an estimate from the wheel's size and kind (disk.go): what wheels share is known only when they are
// unpacked, and what a store happens to have unpacked is no input of a build. What wheels need, their sizes and the index's pages are kept in the
// store, so that an unchanged plan costs one conditional request a project.
//
// The same wheels, in any order, give the same choice (budget_order.go); a larger budget never drops
// one of a ranking that is read as far; a chosen wheel's needs, and theirs, are chosen too.
//
// # Limits
//
// A project with nothing but source archives is skipped, unless they are to be built (make.go, package
// source); with a budget, only those of projects without any wheel, whatever they take. No resolver:
// two requirements that exclude each other's choice bring a wheel each. pip's
// --find-links directories are not read: pip does not cache what it takes from them. A wheel with more
// than 800 needs below it is chosen by no budget, nor are layers with more than 400.
package pypi
