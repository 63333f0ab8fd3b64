// Package archive reads zip files the way a wheel may be one, and no other way.
//
// A zip file can be read in several ways that disagree: by its central
// directory, by its local headers from the front, by the last or by the first
// end record in it. A file that shows one content to the index's scanner and
// another to an installer lives in that gap. So this reader takes a file only
// when there is no gap: every byte belongs to exactly one of the local entries
// (which follow each other from offset 0), the central directory and the end
// records, and the two descriptions of every entry are the same.
//
// Promises:
//
//   - Open reads headers only and allocates by what is there, never by a size
//     the file declares.
//   - What Open returns has names that are relative, canonical, printable and
//     distinct, and nothing that is a link, a device or another's parent.
//   - A File reads exactly its declared size with its declared checksum, or its
//     reader ends with an *Error.
//   - Everything refused is an *Error with one rule in words.
//
// Limits: names that differ only by case are two files (they are on Linux, and
// pip installs both); Archive.CaseCollisions says so. Comments of single
// entries, times, versions and the creating system are not looked at. Entries are
// stored, deflated or bzip2; Python's zipfile also reads LZMA, and Zstandard since 3.14,
// for which this reader has no decoder.
// A "./" before a name is taken, as pip does, and left out where the file goes.
//
// What the entries mean is package wheel's business.
package archive
