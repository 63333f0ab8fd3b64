// Package pep440 reads, orders and matches the versions of Python projects.
//
// A version is what PEP 440 (now the "Version specifiers" page of the packaging
// guide) calls one: epoch, release, pre-, post- and development release, local
// label. A specifier is one clause such as ">=3.8"; Specifiers is a comma
// separated list, all of which must hold.
//
// # Promises
//
// Parse accepts and normalises exactly what the `packaging` library accepts, and
// Compare and Contains agree with it: testdata/versions.txt and
// testdata/specifiers.txt were made with packaging 26.3, which pip 26.3 carries, by
// the program in testdata/generate.txt.
// Numbers have no upper limit: they stay decimal text, so a date-like release of
// twenty digits neither overflows nor is refused. Nothing is computed at program
// start: the hook links this package.
//
// # Limits
//
// A version longer than 512 bytes is refused (packaging stops at 4,300 digits), and
// a list of more than 1,000 clauses.
// Versions from before PEP 440 ("1.0-final", dates with letters) are refused, as
// every pip since 24.1 does.
//
// # Left to others
//
// Whether a pre-release may be taken at all. pip takes one when it was asked to,
// when the specifiers name one, or when no final release matches.
package pep440
