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
// Open reads headers and the texts in .dist-info, each bounded, and nothing else;
// a file's content is checked while it is read (size, checksum). What Open
// accepts, Python's zipfile reads as the same files with the same bytes, or not at
// all (bzip2 entries of several streams). Nothing in a wheel is ever executed or opened as an
// archive.
//
// # What is looser than it could be, and why
//
//   - Data descriptors, directory entries, any creating system, odd but
//     harmless flags, ZIP64 where it is not needed: real wheels have them.
//   - Names that differ only by case, .pth files and sitecustomize: legal on
//     Linux, and what pip installs. Notes lists them for the build's report.
//   - Tags in WHEEL that are not those of the file name: repaired and renamed
//     wheels have such, and pip reads the name only. In Notes too.
//   - RECORD: rows with other hashes than the files', without any, doubled, for
//     nothing, with paths that lead elsewhere, old signatures. Neither pip nor uv
//     compares, and half of the old wheels would go. What vouches for a wheel is the
//     digest its index published; its files are named by digests of our own, and
//     nothing here goes where RECORD points. What pip cannot read is refused: blank
//     lines, what is not UTF-8, a NUL (as pip before Python 3.11), a huge field.
//
// # Left to others
//
// Which wheel to take is builder's choice, where its files go is package layer's.
// The digest of the whole wheel is checked while it is fetched.
package wheel
