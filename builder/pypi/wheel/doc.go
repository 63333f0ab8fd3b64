// Package wheel reads wheels as hostile input.
//
// # Words
//
// A wheel is refused when no installer should see it: its zip structure can be
// read in two ways, it unpacks to more than it may, it would write where it must
// not, or it is not the project and version its name says. That is a *Refusal,
// with one line naming the file, the entry and the rule. So is a wheel that pip
// cannot install; what else is odd about one and harmless is taken.
//
// # Promises
//
// Open reads headers and the texts in .dist-info, each bounded, and nothing else; it
// allocates by what is there, never by a size the file declares. A file's content is
// checked while it is read (size, checksum). What Open accepts, Python's zipfile reads
// as the same files with the same bytes, or not at all (bzip2 entries of several
// streams). Nothing in a wheel is ever executed or opened as an archive.
//
// # The zip archive
//
// Readers of zip files disagree: one goes by the central directory, one by the local
// headers from the front, one by the first end record, one by the last. A file that
// shows one content to the index's scanner and another to an installer uses that. So
// every byte must belong to exactly one of the local entries (which follow each other
// from offset 0), the central directory and the end records, and the two descriptions
// of every entry must be the same. archive/zip reads the directory and the contents.
// What it does not check is checked here: the end records, the directory's length and
// count before it is read (directory.go), the local headers and data descriptors
// (layout.go), names and kinds (entryname.go), methods, flags and sizes (zip.go), bytes
// behind compressed data and a checksum of 0 (content.go).
//
// # What is looser than it could be, and why
//
//   - Data descriptors, directory entries, any creating system, odd but
//     harmless flags, ZIP64 where it is not needed: real wheels have them.
//   - Names that differ only by case, .pth files and sitecustomize: legal on
//     Linux, and what pip installs.
//   - Comments of entries, times and the creating system: they change nothing.
//   - Tags in WHEEL that are not those of the file name: repaired and renamed
//     wheels have such, and pip reads the name only.
//   - RECORD: rows with other hashes than the files', without any, doubled, for
//     nothing, with paths that lead elsewhere, old signatures. Neither pip nor uv
//     compares, and half of the old wheels would go. What vouches for a wheel is the
//     digest its index published; its files are named by digests of our own, and
//     nothing here goes where RECORD points. What pip cannot read is refused: blank
//     lines, what is not UTF-8, a NUL (as pip before Python 3.11), a huge field.
//
// Zstandard is refused: only the newest Pythons' zipfile reads it, so most pips cannot install
// such a wheel.
//
// # Left to others
//
// Which wheel to take is builder's choice, where its files go is package layer's.
// The digest of the whole wheel is checked while it is fetched.
package wheel
