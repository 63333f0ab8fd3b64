// Package sources opens rankings, from files, addresses and ClickHouse, and
// makes do with what addresses last said. It asks them by what the caller gives
// it ([Web]).
//
// # Words
//
// A source is a path, or an http(s) address. An answer is what an address said;
// the kept answer is the last good one.
//
// # Promises
//
//   - An address that did not change costs one conditional request (ETag,
//     Last-Modified).
//   - One that cannot be had, answers something that is no ranking, or lost
//     nine tenths of its projects, is replaced by its kept answer, with a
//     warning that names it and the answer's age. A source with none is left
//     out with a warning; the others go on, and with no other left it is the error.
//   - At most [popularity.MaxBytes] are read of a source, within two minutes.
//   - User, password, query and fragment of an address are in no message.
//
// # Limits
//
// The query is part of an address, so one with a date in it is never kept from
// run to run. A path is read to its end: a FIFO that nobody writes waits.
package sources
