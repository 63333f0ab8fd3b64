// Package popularity says which projects people install most: it reads
// rankings that others publish, merges the months of one, and blends several.
// It is pure: readers in, lists out. Its rooms are sources (opens files,
// addresses and databases), misses (what this host's containers lacked),
// versions (which versions of a project) and budget (which wheels fit).
//
// # Words
//
// A ranking is a list of projects, best first. A source is where one comes
// from: a file or an http(s) address. An entry is a project with its rank and,
// when the source has one, its count (downloads in the source's window). The
// starter ranking is the list of about 1,000 names built into the binary.
//
// # What can be read
//
//   - the monthly JSON of top-pypi-packages: an object with "rows", each with
//     "project" and "download_count" (a number, or a number in a string as
//     ClickHouse writes 64-bit ones); all other keys, which changed in 2025,
//     are ignored but "last_update";
//   - its CSV (header download_count,project, in any order, quoted or not);
//   - any CSV or JSON lines with project[,version[,python]],count;
//   - a plain list, one name a line, "#" begins a comment; its order is the rank.
//
// # Promises
//
//   - Names leave this package only in their PEP 503 form and only when they
//     are names by PEP 508, at most 128 bytes; a row with another one, or with
//     a count that is negative, not whole or over 10^12, is left out, counted
//     and reported in one warning. A source of which more than half of the rows
//     are like that is refused.
//   - At most 64 MiB and 1,000,000 rows are read from one source; more is
//     refused, and memory stays bounded whatever comes in.
//   - The same inputs give the same order of projects, in whatever order the
//     sources are given.
//
// # Merging months
//
// One month is noise: scripts lift a project to rank 600 and are gone the month
// after. [Merge] ranks by the median of a project's monthly ranks, absent
// counting as behind everything, and keeps a project that most of the rankings
// hold: 1 of 1, 2 of 2, 2 of 3, 3 of 4. A genuine newcomer therefore comes in
// its second month.
//
// # Blending sources
//
// Counts of different sources cannot be compared, ranks can: [Blend] adds up
// what a project's places are worth, each source with its weight, and lets
// nobody steer it who can only make a source count many things once.
//
// # Limits
//
// A count is downloads, not installs, and knows nothing of what a host's own
// users do.
//
// # Left to others
//
// Whether a project exists on the index at all, and the order of versions (PEP 440).
package popularity
