// Package popularity says which projects people install most: it reads
// rankings that others publish, merges the months of one, and blends several.
// It is pure: readers in, lists out. Its rooms are sources (opens files,
// addresses and databases), misses (what this host's containers lacked), pypi, npm and maven
// (what their clients leave behind) and simulate (what a budget would hold).
//
// # Words
//
// A ranking is a list of projects, best first. A source is where one comes
// from: a file or an http(s) address. An entry is a project with its rank and,
// when the source has one, its count (downloads in the source's window). A ranking is of one
// ecosystem, whose rules its names follow. The starter ranking is the list of about 1,000 names of PyPI
// built into the binary.
//
// # What can be read
//
//   - the monthly JSON of top-pypi-packages: an object with "rows", each with
//     "project" and "download_count" (a number, or a number in a string as
//     ClickHouse writes 64-bit ones); all other keys, which changed in 2025,
//     are ignored but "last_update";
//   - its CSV (header download_count,project, in any order, quoted or not);
//   - any CSV or JSON lines with project[,version[,python]],count; "package" and "name", "downloads" and
//     "download_count" will do, too, and downloads may be an object of counts by version, as npm has them;
//   - a JSON array of such rows, or of names; a JSON object of names, with a count or a row each;
//   - a plain list, one name a line, "#" begins a comment; its order is the rank.
//
// A name may be a package url, or have a version in its ecosystem's own spelling (npm's left@1.0.0, Maven's g:a:1.0).
//
// # Promises
//
//   - Names leave this package only as a snapshot of their ecosystem spells them, and only when they
//     are names by its rules (of PyPI by PEP 508, at most 128 bytes); a row with another one, or with
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
// # Versions of a project
//
// [Shares] says which versions are worth stocking, and what part of the project's
// hits each can expect. Half of the hits are for the newest version: that is what a
// requirement without a pin, or with a lower bound, gets. Of 1,157 requirement lines
// of 71 real projects 406 (35 %) have no exact pin, and 18 % of the pins looked at
// are of the newest minor series too.
//
// Where a source counts versions, three quarters of the other half are shared out by
// its counts, and the rule below keeps a quarter of its own: a host's misses are
// counts, too, and a few of them must not drive out what the rule knows. Counts look
// back a month, so by themselves they would hold a release of yesterday to be worth
// nothing.
//
// Where none does, and the index tells when versions were uploaded, that half is shared by dates: a pin names what
// was the newest on the day that it was written. Of 271 exact pins of the first fold of those sets (package simulate)
// whose project's page was at hand, the twelve versions that expect most hold 76 %, and of the 389 of the other
// fold 84 %, where the rule of series below holds 67 and 71 %.
//
// Where the index does not tell, the newest version of the k-th minor series before the newest one
// expects a tenth divided by k. Measured on the exact pins of the first fold of those sets
// (package simulate) whose project's page was at hand, 221 pins: the series pinned is the newest
// in 25 %, the one before in 17 %, then 9, 12, 5, 2, 3 %; 14 % are older than the tenth. Lines
// with a pin are 65 %, and 70 % of the pins are of the newest patch of their series, so the k-th
// earlier series gets 0.65 * 0.7 * (0.17, 0.09, 0.12, 0.05, 0.02 …), which is close to 0.1/k.
//
// The first older patch of a series is pinned 23 % as often as its newest, the second 6 %,
// each of the next six about 1.5 %: the j-th older patch expects 23 % of what the newest of its series
// does, divided by the square of j, for eight patches of each of the eight newest series.
//
// Pre-releases, development releases and withdrawn (yanked) versions never come out.
// No version comes twice; the hits given out never exceed those put in.
//
// # Limits
//
// Which older release is pinned, counts and misses know better than either rule. A patch of an older series,
// uploaded after a newer series, was never the newest and expects nothing by dates. A count is downloads, not installs, and knows nothing of what a host's own
// users do.
//
// # Left to others
//
// Whether a project exists on the index at all, and the order of versions (PEP 440). What is said of versions
// and of [Shares] is PyPI's.
package popularity
