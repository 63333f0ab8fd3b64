// Package simulate says how well a choice of wheels serves real projects.
//
// # Words
//
// A set is what one project asks for, as requirements. A resolution is what uv
// makes of it: a lock. A set is counted apart when it cannot be resolved from
// wheels alone: some project of it has only a source archive. A fold is a part of the
// sets, told by their names alone ([Fold]); a round is a week in which half of the sets
// report what they had to download.
//
// # What may be believed
//
// Constants of the choice (packages popularity and builder/pypi) may be chosen by what the
// first fold shows. So a figure says something of projects that nobody tuned to only where it is
// the second fold's. Rounds are of one world: a fold's hosts gain by the reports of all.
//
// # Promises
//
//   - No package's code runs: uv resolves with --only-binary, whole sets or,
//     where a direct requirement has no wheel, without that requirement, which
//     is named.
//   - A set is resolved once: the lock is kept in a directory of the caller's,
//     by the digest of all that decides it but the index's state.
//   - A hit is a wheel's file name, so name, version, build and tags; never the
//     name of a project alone.
//
// # Limits
//
// Who needs what is known from uv's notes on a resolution, at the versions picked there. A kept
// resolution ages: what was newest then is what is looked for. Each set
// weighs by its wheels, so one large project counts more than ten small ones.
//
// # Left to others
//
// What is stocked under a budget, reading the locks, and which wheel of a
// version a target takes.
package simulate
