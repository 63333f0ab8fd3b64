// Package pep508 reads names, requirements and environment markers of Python
// projects ("Dependency specifiers" in the packaging guide).
//
// # Words
//
// A requirement is a line such as `requests[socks] >=2.8 ; python_version < "3.9"`:
// name, extras, specifiers (or a URL after "@") and a marker. A marker is a
// condition over the values of an environment, a map from names such as
// "python_full_version" to text; snapshot/pypi makes one for a target.
//
// # Promises
//
// The grammar and the meaning of markers are those of `packaging` 26.3, checked
// against it by testdata/markers.txt and testdata/requirements.txt, which the
// program in testdata/generate.txt made. That
// includes its odd corners: only python_version, python_full_version,
// implementation_version and platform_release are compared as versions, and only
// when the right side is a specifier; everything else is equal or not, and < and
// > of plain text are false; every comparison is made, so an undefined one is an
// error even where the result no longer depends on it.
// No input makes it panic or recurse more than 100 levels (fuzzed), text of more
// than 256 KiB is refused: the hook
// reads container-controlled markers with it.
//
// # Limits
//
// \N{NAME} escapes in quoted text are refused. Python's Unicode rules for word
// boundaries are those of Go's unicode tables.
//
// # Left to others
//
// Following URLs and deciding which extras are asked for.
package pep508
