// Package layer makes of a wheel the files that pip would have left of it in a
// virtual environment, bytecode included, as a directory that can be mounted on any
// environment of the target.
//
// # Promises
//
// The same wheel, target and interpreter give the same bytes, whatever the machine's
// load, the number of workers and the order. Nothing of a wheel is executed: its
// sources are compiled, by the target's own interpreter, and that is all. Every file
// is read once and hashed once (by whoever stores it). Scripts run from whatever prefix
// the layer is mounted at, with nothing on PATH.
//
// A file's time comes from its content (MTime), and its bytecode names that time:
// so an edited or replaced source is never shadowed by bytecode of another, which
// bytecode that is not checked, or one time for all files, would do.
//
// # Where a layer differs from what pip leaves, and why
//
//   - Scripts name the interpreter beside them, not an absolute path (see
//     scripts.go), and so have other hashes in RECORD, and scripts named .py other
//     bytecode. The text of entry points is pip's since 25.1; older pips wrote a
//     slightly longer one.
//   - No REQUESTED: one layer serves every environment with that wheel, and whether
//     somebody asked for it by name or another project needs it is not the wheel's
//     to know. It is what pip leaves of a dependency.
//   - No direct_url.json, as for anything installed from an index.
//   - Times of files, and the time in bytecode. co_filename in bytecode is the path
//     in the layer; Python replaces it when it imports.
//   - Headers go below the project's name as METADATA spells it; pip takes the
//     spelling of whoever asked (`pip install GreenLet`).
//   - Modes are 0644 and 0755, what pip leaves under the usual umask of 022.
//   - A source that crashes the interpreter itself, or of more than 64 MiB, has no
//     bytecode; pip would crash, or try.
//   - What pip refuses too is refused when the wheel is opened: a command without a
//     function, a .data directory that does not exist. And what pip does not refuse
//     but should: see package wheel.
//
// # Limits
//
// Only the wheel's own files are looked at. Two wheels that own one path are the
// environment's business: the upper of the two lowers wins.
package layer
